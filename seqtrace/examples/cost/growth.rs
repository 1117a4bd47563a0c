//! How discovery grows: with the text of one kernel, and with the number of modules. What counts is the time of all
//! threads on a processor: who else uses the machine makes the other time longer.

use std::{fs, hint::black_box, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::time::{ClockId, clock_gettime};
use seqtrace::{
    discover::{self, image::Segment},
    kernel::offline::{self, Base, Opened},
};

/// Runs at each size, after one that is not counted.
const RUNS: usize = 5;

/// Parts of the text, in sixteenths; each consists of blocks from all over it, because no two regions are alike.
const SIXTEENTHS: [usize; 5] = [1, 2, 4, 8, 16];
const BLOCK_BYTES: usize = 64 << 10;

/// Numbers of modules: a machine with a desktop has some 200.
const MODULES: [usize; 6] = [25, 50, 100, 200, 300, 400];
/// Of modules by their size every so many-th is taken in turn, round and round: those at the beginning are like all. It
/// shares no factor with the largest of the numbers.
const STRIDE: usize = 167;
/// Files of about the median size among which they are chosen.
const CANDIDATES: usize = 800;

/// Times at one size.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) size: f64,
    pub(crate) ns: Vec<u128>,
}

/// The scan of parts of the kernel's text; the sizes are in MiB.
///
/// # Errors
///
/// When the file is no kernel.
pub(crate) fn text(image: &Path) -> Result<Vec<Times>> {
    let mut kernel = offline::open(image, None)?;
    let whole = std::mem::take(&mut kernel.image.text);
    let mut times = Vec::new();
    for sixteenths in SIXTEENTHS {
        let text = part(&whole, sixteenths);
        let bytes = bytes(&text);
        kernel.image.text = text;
        times.push(Times {
            size: bytes as f64 / f64::from(1 << 20),
            ns: measure(&kernel)?,
        });
    }
    Ok(times)
}

/// So many of each sixteen blocks of the text.
fn part(text: &[Segment], sixteenths: usize) -> Vec<Segment> {
    let mut part = Vec::new();
    for segment in text {
        // Those of a group lie side by side: few functions are cut in two.
        for (group, bytes) in segment.bytes.chunks(16 * BLOCK_BYTES).enumerate() {
            let taken = &bytes[..bytes.len() * sixteenths / 16];
            part.push(Segment {
                address: segment.address + (group * 16 * BLOCK_BYTES) as u64,
                bytes: taken.to_vec(),
            });
        }
    }
    part.retain(|segment| !segment.bytes.is_empty());
    part
}

/// The scan of modules, one after the other as they are scanned in a running kernel, each once in a run: of a few that
/// are scanned again and again the processor would have all at hand. They are read before. All have about as much text as most:
/// where one of the few giants is loaded, its text is what takes the time.
///
/// # Errors
///
/// When there are too few, or one cannot be read.
pub(crate) fn modules(image: &Path, folder: &Path) -> Result<Vec<Times>> {
    let base = offline::open(image, None)?.base();
    let modules = alike(folder, base.as_ref())?;
    let modules = middle(&modules, MODULES[MODULES.len() - 1])?;
    let mut times = MODULES.map(|count| Times {
        size: count as f64,
        ns: Vec::new(),
    });
    for run in 0..=RUNS {
        let since = on_cpu()?;
        for (done, index) in (1..=modules.len()).zip((0..).step_by(STRIDE)) {
            let Opened { image, types, .. } = &modules[index % modules.len()];
            black_box(discover::scan(image, types.as_deref(), &|_, _| {}));
            // The first run is not counted.
            let reached = MODULES.iter().position(|&count| count == done);
            if let Some(reached) = reached.filter(|_| run > 0) {
                times[reached]
                    .ns
                    .push(on_cpu()?.saturating_sub(since).as_nanos());
            }
        }
    }
    Ok(times.into())
}

/// Modules about the median size of their text, the smallest first.
fn alike(folder: &Path, base: Option<&Base>) -> Result<Vec<Opened>> {
    let mut files = offline::list(folder)?
        .into_iter()
        .map(|path| {
            let file = fs::metadata(&path)
                .with_context(|| format!("failed to look at `{}`", path.display()))?;
            Ok((file.len(), path))
        })
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    let mut modules = middle(&files, CANDIDATES)?
        .iter()
        .map(|(_, path)| offline::open(path, base))
        .collect::<Result<Vec<_>>>()?;
    modules.sort_by_key(|module| bytes(&module.image.text));
    Ok(modules)
}

/// So many from the middle.
fn middle<T>(all: &[T], count: usize) -> Result<&[T]> {
    ensure!(all.len() >= count, "there are only {} modules", all.len());
    let first = (all.len() - count) / 2;
    Ok(&all[first..first + count])
}

fn bytes(text: &[Segment]) -> usize {
    text.iter().map(|segment| segment.bytes.len()).sum()
}

fn measure(Opened { image, types, .. }: &Opened) -> Result<Vec<u128>> {
    let scan = || {
        let since = on_cpu()?;
        black_box(discover::scan(image, types.as_deref(), &|_, _| {}));
        Ok(on_cpu()?.saturating_sub(since).as_nanos())
    };
    scan()?;
    (0..RUNS).map(|_| scan()).collect()
}

/// How long all threads of this process were on a processor so far.
fn on_cpu() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    Ok(time.context("failed to read the clock")?.into())
}
