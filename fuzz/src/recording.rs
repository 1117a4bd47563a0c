//! A recording as it lies on disk, and its lines as they are once they are unpacked.

use seqtrace::{
    export::{
        flamegraph,
        folded::{Stacks, Weight},
        listing::{By, Listing},
        table,
    },
    recording::Reader,
};

/// Reads the bytes as a recording and, packed, as the lines of one; shows what is in them.
pub fn recording(bytes: &[u8]) {
    read(bytes);
    let packed = zstd::encode_all(bytes, 1).expect("memory takes everything");
    read(&packed);
}

fn read(bytes: &[u8]) {
    let Ok(mut reader) = Reader::open(bytes) else {
        return;
    };
    while let Some(entry) = reader.next(true) {
        drop(entry);
    }
    assert!(
        reader.ending().is_some(),
        "the reading ended without an end"
    );
    let mut reader = Reader::open(bytes).expect("it was opened before");
    let Ok(taken) = reader.last_snapshot() else {
        return;
    };
    table::closing(&taken.snapshot, Some(80));
    for by in [By::Seqcount, By::Site, By::Task, By::Stack] {
        Listing::new(&taken.snapshot, by).csv();
    }
    for stacks in [Stacks::Readers, Stacks::Writers, Stacks::Blamed] {
        let _empty = flamegraph::svg(&taken.snapshot, Weight::Time, stacks);
    }
}
