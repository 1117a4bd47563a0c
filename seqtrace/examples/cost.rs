//! What a stage of discovery costs on a vmlinux: `cost scan FILE`, or `cost dwarf FILE`. Prints one
//! JSON document; `cargo xtask score` reads it.
//!
//! Time is from the bytes of the file to the result. Memory is what was allocated at most at the
//! same time, without the bytes of the file, which a user's kernel maps or unpacks in other ways.

#![expect(clippy::print_stdout, reason = "it is the result")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    env, fs,
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use seqtrace::discover::{self, btf::Btf, dwarf::Debuginfo, elf};

/// The system's allocator with a gauge.
struct Gauge;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = ALLOCATED_BYTES.fetch_add(bytes, Relaxed) + bytes;
    PEAK_BYTES.fetch_max(now, Relaxed);
}

// SAFETY: every call goes on to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Gauge {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        ALLOCATED_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        grown(bytes);
        ALLOCATED_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, bytes) }
    }
}

#[global_allocator]
static GAUGE: Gauge = Gauge;

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [stage, path] = &words[..] else {
        bail!("usage: cost scan|dwarf FILE");
    };
    let file = fs::read(path).with_context(|| format!("failed to read `{path}`"))?;
    let before = ALLOCATED_BYTES.load(Relaxed);
    PEAK_BYTES.store(before, Relaxed);
    let since = Instant::now();
    match stage.as_str() {
        "scan" => scan(&file)?,
        "dwarf" => drop(black_box(Debuginfo::parse(&file, None)?)),
        other => bail!("no stage `{other}`: there are scan and dwarf"),
    }
    let time_ns = since.elapsed().as_nanos();
    let peak_bytes = PEAK_BYTES.load(Relaxed) - before;
    println!(r#"{{"time_ns": {time_ns}, "peak_bytes": {peak_bytes}}}"#);
    Ok(())
}

fn scan(file: &[u8]) -> Result<()> {
    let kernel = elf::vmlinux(file)?;
    let types = kernel.btf.context("it has no types")?;
    let types = Btf::parse(types, None)?;
    black_box(discover::scan(&kernel.image, Some(&types), &|_, _| {}));
    Ok(())
}
