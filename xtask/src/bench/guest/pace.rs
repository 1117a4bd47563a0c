//! What seqtrace takes of a guest's processor while records come at a pace: the same as on the host, where each
//! number shifts with what else is done.

use std::fs;

use anyhow::{Context as _, Result};

use super::{
    super::{Wanted, row::Row, taken::Taken},
    boot::{Boot, folder, out},
    place,
};

/// The boot in which they are measured.
const BOOT: &str = "pace";

/// Names of rows, and records a second.
const ROWS: [(&str, u32); 3] = [
    ("ring/guest-1k", 1000),
    ("ring/guest-10k", 10_000),
    ("ring/guest-100k", 100_000),
];
/// The memory after the last of them.
const MEMORY: &str = "ring/guest-memory";

/// Runs of each.
const RUNS: u32 = 3;
/// Seconds of the guest for which records come in each.
const SECONDS: u32 = 10;

/// Measures the wanted rows.
pub(super) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let is_wanted = |(name, rate): &(&str, u32)| {
        wanted.takes(name) || (wanted.takes(MEMORY) && *rate == ROWS[ROWS.len() - 1].1)
    };
    let chosen: Vec<(&str, u32)> = ROWS.into_iter().filter(is_wanted).collect();
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<String> = chosen.iter().map(|(_, rate)| lines(*rate)).collect();
    Boot::new(BOOT, 1, lines.join("\n")).run(wanted)?;
    let mut rows = Vec::new();
    for (name, rate) in chosen {
        let taken = (1..=RUNS)
            .map(|run| taken(wanted, rate, run))
            .collect::<Result<Vec<Taken>>>()?;
        let of = |name, unit, what: &str, share: fn(&Taken) -> f64| {
            let place = place(
                wanted,
                "a processor of a thousand million instructions a second",
            );
            Row::of(name, unit, what, &place, taken.iter().map(share).collect())
        };
        if wanted.takes(name) {
            let what = format!(
                "`seqtrace stat` with probes at 20 sites while {rate} records a second come through the ring; none \
                 is lost"
            );
            rows.push(of(name, "% of a core", &what, Taken::percent));
        }
        if wanted.takes(MEMORY) && rate == ROWS[ROWS.len() - 1].1 {
            let what = format!("memory of `seqtrace stat` after {rate} records a second");
            rows.push(of(MEMORY, "MiB", &what, Taken::mebibytes));
        }
    }
    Ok(rows)
}

/// Runs at this pace; the parent of the command is the seqtrace that is looked at.
fn lines(rate: u32) -> String {
    let out = out(BOOT);
    let pace = format!("/share/pace $PPID {rate} {SECONDS}");
    let lines = (1..=RUNS).map(|run| {
            let file = format!("{out}/{rate}-{run}");
            format!(
                "seqtrace stat -q --backend probe --threshold 1us {{--site:probe#20}} -- sh -c '{pace} > {file}.taken' > {file}.txt 2> {file}.log"
            )
        });
    lines.collect::<Vec<_>>().join("\n")
}

fn taken(wanted: &Wanted, rate: u32, run: u32) -> Result<Taken> {
    let path = folder(wanted, BOOT).join(format!("{rate}-{run}.taken"));
    let text = fs::read_to_string(&path)
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    Taken::read(&text, u64::from(rate * SECONDS))
}
