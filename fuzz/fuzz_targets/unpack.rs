//! libFuzzer on `fuzz::unpack`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::unpack(bytes));
