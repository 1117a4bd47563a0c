//! How fast a recording of a million events is written and read, and how large it is.

mod million;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use seqtrace::{
    aggregate::snapshot::Snapshot,
    export::{
        flamegraph,
        folded::{Stacks, Weight},
        table,
    },
    recording::Reader,
};

use million::{EVENTS, USUAL, recording};

fn last(bytes: &[u8]) -> Snapshot {
    let mut reader = Reader::open(bytes).expect("a recording");
    reader.last_snapshot().expect("a snapshot").snapshot
}

fn stages(criterion: &mut Criterion) {
    let bytes = recording(USUAL);
    let events = Throughput::Elements(EVENTS);
    let mut group = criterion.benchmark_group(format!("a million events in {} bytes", bytes.len()));
    group
        .throughput(events)
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1));
    group.bench_function("write", |bencher| {
        bencher.iter(|| black_box(recording(USUAL)));
    });
    group.bench_function("report", |bencher| {
        bencher.iter(|| black_box(table::closing(&last(&bytes), None)));
    });
    group.bench_function("flame", |bencher| {
        bencher
            .iter(|| flamegraph::svg(&last(&bytes), Weight::Time, Stacks::Readers).expect("drawn"));
    });
    group.bench_function("every event", |bencher| {
        bencher.iter(|| {
            let mut reader = Reader::open(bytes.as_slice()).expect("a recording");
            std::iter::from_fn(|| reader.next(true)).count()
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
