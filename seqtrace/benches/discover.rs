//! How long each stage of discovery takes: on our own readers, compiled as a kernel is, and on
//! the vmlinux that `SEQTRACE_BENCH_VMLINUX` names. `cargo xtask bench` sets that.

use std::{env, fs, hint::black_box, time::Duration};

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use seqtrace::discover::{self, btf::Btf, elf};

/// A vmlinux to measure besides the fixture.
const VMLINUX: &str = "SEQTRACE_BENCH_VMLINUX";

/// Runs of each bench on a real kernel, where one takes half a second.
const KERNEL_SAMPLES: usize = 10;

/// A file to measure.
struct Input {
    name: &'static str,
    bytes: Vec<u8>,
    /// Whether it is as large as kernels are.
    is_large: bool,
}

fn inputs() -> Vec<Input> {
    let flags = [fixture::REALTIME, fixture::BTF];
    let bytes = fixture::vmlinux(fixture::READERS, &flags).expect("there is a C compiler");
    let mut inputs = vec![Input {
        name: "fixture",
        bytes,
        is_large: false,
    }];
    if let Some(path) = env::var_os(VMLINUX) {
        let bytes = fs::read(path).expect("the file that the variable names can be read");
        inputs.push(Input {
            name: "vmlinux",
            bytes,
            is_large: true,
        });
    }
    inputs
}

fn types(bytes: &[u8]) -> Btf {
    Btf::parse(bytes.to_vec(), None).expect("the types are sound")
}

fn stages(criterion: &mut Criterion) {
    for input in &inputs() {
        stage(criterion, input);
    }
}

fn stage(criterion: &mut Criterion, input: &Input) {
    let Input {
        name,
        bytes,
        is_large,
    } = input;
    let kernel = elf::vmlinux(bytes).expect("it is a vmlinux with symbols");
    let btf = kernel.btf.as_deref().expect("it has types");
    let parsed = types(btf);
    let mut group = criterion.benchmark_group(*name);
    if *is_large {
        group.sample_size(KERNEL_SAMPLES);
        group.sampling_mode(SamplingMode::Flat);
        group.measurement_time(Duration::from_secs(10));
    }
    group.bench_function("elf", |bencher| {
        bencher.iter(|| elf::vmlinux(black_box(bytes)));
    });
    group.throughput(Throughput::Bytes(kernel.image.text_bytes()));
    group.bench_function(BenchmarkId::new("scan", "unnamed"), |bencher| {
        bencher.iter(|| discover::scan(black_box(&kernel.image), None, &|_, _| {}));
    });
    group.bench_function(BenchmarkId::new("scan", "named"), |bencher| {
        bencher.iter(|| discover::scan(black_box(&kernel.image), Some(&parsed), &|_, _| {}));
    });
    group.throughput(Throughput::Bytes(btf.len() as u64));
    group.bench_function(BenchmarkId::new("btf", "parse"), |bencher| {
        bencher.iter(|| types(black_box(btf)));
    });
    group.bench_function(BenchmarkId::new("btf", "name"), |bencher| {
        // What is looked up for names is collected at the first question, once for each kernel.
        bencher.iter_with_setup(
            || types(btf),
            |types| types.seqcounts_from(None, black_box(8)),
        );
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
