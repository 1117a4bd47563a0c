//! What a stage costs: `cost scan FILE` or `cost dwarf FILE` of a vmlinux; as the least that these
//! could cost `cost decode FILE` and `cost bytes FILE`; and `cost inferno FILE` for folded stacks. At several sizes:
//! `cost growing-text IMAGE` and `cost growing-modules IMAGE FOLDER`. Prints one JSON document; `cargo xtask score`
//! and `cargo xtask bench` read it.
//!
//! Time is from the bytes of the file to the result. Memory is what was allocated at most at the
//! same time, without the bytes of the file, which a user's kernel maps or unpacks in other ways; it comes
//! from a run of its own, because keeping count takes time.

#![expect(clippy::print_stdout, reason = "it is the result")]

mod growth;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    env, fs,
    hint::black_box,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use iced_x86::{Decoder, DecoderOptions};
use inferno::flamegraph::Options;
use object::{File, Object as _, ObjectSection as _};
use rayon::{iter::ParallelIterator as _, prelude::IntoParallelRefIterator as _};
use seqtrace::discover::{self, btf::Btf, dwarf::Debuginfo, elf};

/// The system's allocator with a gauge.
struct Gauge;

/// Whether it is looked at.
static IS_ON: AtomicBool = AtomicBool::new(false);
static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    if !IS_ON.load(Relaxed) {
        return;
    }
    let now = ALLOCATED_BYTES.fetch_add(bytes, Relaxed) + bytes;
    PEAK_BYTES.fetch_max(now, Relaxed);
}

fn shrunk(bytes: usize) {
    if IS_ON.load(Relaxed) {
        // What was allocated before is given back too; it counts for nothing.
        let _ =
            ALLOCATED_BYTES.fetch_update(Relaxed, Relaxed, |now| Some(now.saturating_sub(bytes)));
    }
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
        shrunk(layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        grown(bytes);
        shrunk(layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, bytes) }
    }
}

#[global_allocator]
static GAUGE: Gauge = Gauge;

/// Bytes of text that a processor decodes at a time.
const CHUNK_BYTES: usize = 64 << 10;

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (stage, path) = match words[..] {
        ["growing-text", image] => {
            tell(&growth::text(Path::new(image))?);
            return Ok(());
        }
        ["growing-modules", image, folder] => {
            tell(&growth::modules(Path::new(image), Path::new(folder))?);
            return Ok(());
        }
        [stage, path] => (stage, path),
        _ => bail!("usage: cost STAGE FILE"),
    };
    let file = fs::read(path).with_context(|| format!("failed to read `{path}`"))?;
    let since = Instant::now();
    run(stage, &file)?;
    let time_ns = since.elapsed().as_nanos();
    IS_ON.store(true, Relaxed);
    run(stage, &file)?;
    let peak_bytes = PEAK_BYTES.load(Relaxed);
    println!(r#"{{"time_ns": {time_ns}, "peak_bytes": {peak_bytes}}}"#);
    Ok(())
}

/// Prints times by size.
fn tell(times: &[growth::Times]) {
    let times: Vec<String> = times
        .iter()
        .map(|growth::Times { size, ns }| format!(r#"{{"size": {size}, "times_ns": {ns:?}}}"#))
        .collect();
    println!("[{}]", times.join(", "));
}

fn run(stage: &str, file: &[u8]) -> Result<()> {
    match stage {
        "scan" => scan(file),
        "dwarf" => {
            black_box(Debuginfo::parse(file, None)?);
            Ok(())
        }
        "decode" => decode(file),
        "bytes" => bytes(file),
        "inferno" => inferno(file),
        other => bail!("no stage `{other}`: there are scan, dwarf, decode, bytes and inferno"),
    }
}

/// Every instruction of the text, one after the other, by all processors as the scan does.
fn decode(file: &[u8]) -> Result<()> {
    let kernel = elf::vmlinux(file)?;
    let text = &kernel.image.text;
    let chunks: Vec<(u64, &[u8])> = text
        .iter()
        .flat_map(|segment| {
            let chunks = segment.bytes.chunks(CHUNK_BYTES).enumerate();
            chunks.map(|(index, bytes)| (segment.address + (index * CHUNK_BYTES) as u64, bytes))
        })
        .collect();
    let instructions: usize = chunks
        .par_iter()
        .map(|&(address, bytes)| {
            Decoder::with_ip(64, bytes, address, DecoderOptions::NONE)
                .into_iter()
                .count()
        })
        .sum();
    black_box(instructions);
    Ok(())
}

/// Every byte of the debuginfo that tells what was inlined.
fn bytes(file: &[u8]) -> Result<()> {
    let elf = File::parse(file)?;
    let sections = elf
        .sections()
        .filter(|section| section.name().is_ok_and(|name| name == ".debug_info"));
    let mut sum = 0_u64;
    for section in sections {
        let data = section.uncompressed_data()?;
        sum += data.iter().copied().map(u64::from).sum::<u64>();
    }
    black_box(sum);
    Ok(())
}

/// A flamegraph of folded stacks, by inferno alone.
fn inferno(file: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(file).context("folded stacks are UTF-8")?;
    let mut svg = Vec::new();
    inferno::flamegraph::from_lines(&mut Options::default(), text.lines(), &mut svg)?;
    black_box(svg);
    Ok(())
}

fn scan(file: &[u8]) -> Result<()> {
    let kernel = elf::vmlinux(file)?;
    let types = kernel.btf.context("it has no types")?;
    let types = Btf::parse(types, None)?;
    black_box(discover::scan(&kernel.image, Some(&types), &|_, _| {}));
    Ok(())
}
