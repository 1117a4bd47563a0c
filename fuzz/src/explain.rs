//! A kernel log, of which any byte may be wrong.

use seqtrace::{explain, export};

/// Reads the bytes as a log and writes what is said about it in every format.
pub fn explain(bytes: &[u8]) {
    let mut log = bytes;
    let explained = explain::explain(&mut log, None).expect("memory can be read");
    assert_eq!(
        explained.bytes,
        bytes.len() as u64,
        "it was not read to its end"
    );
    for width in [None, Some(60)] {
        export::explain::text(&explained, width);
    }
    export::explain::document(&explained);
    let _none = export::explain::dot(&explained);
    let _none = export::explain::svg(&explained);
}
