//! libFuzzer on `fuzz::elf`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::elf(bytes));
