//! How long a seqtrace takes until it counts, on the host.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    super::{Wanted, row::Row},
    Programs, bounded,
};

pub(super) const CACHED: &str = "start/native";

/// Runs, after one that fills the cache.
const RUNS: usize = 5;

pub(super) fn cached(programs: &Programs, _: &Wanted) -> Result<Row> {
    let folder = tempfile::tempdir().context("failed to create a folder")?;
    let mark = folder.path().join("mark");
    once(programs, &mark)?;
    let times: Result<Vec<f64>> = (0..RUNS).map(|_| once(programs, &mark)).collect();
    let what = "the time from the start of `seqtrace stat` until counting begins, that for putting what counts in place \
                left out; the catalog is in the cache";
    let own = times?.into_iter().collect();
    Ok(bounded(CACHED, "ms", what, own, 1000.0))
}

/// Milliseconds until the command began, without those that seqtrace says it took to attach. It samples, which
/// the host need have no kprobes for.
fn once(programs: &Programs, mark: &Path) -> Result<f64> {
    let mut seqtrace: Command = programs.seqtrace();
    seqtrace
        .args(["stat", "--quiet", "--json", "--backend", "sample"])
        .args(["--", "sh", "-c", "date +%s%N > \"$0\""])
        .arg(mark)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let since = SystemTime::now();
    let output = seqtrace.output().context("failed to run seqtrace")?;
    ensure!(
        output.status.success(),
        "seqtrace failed: {}",
        output.status
    );
    let document: Value =
        serde_json::from_slice(&output.stdout).context("failed to parse what seqtrace prints")?;
    let attach_ns = document["costs"]["attach_ns"].as_u64();
    let attach = Duration::from_nanos(attach_ns.context("no time of attaching")?);
    let begun = fs::read_to_string(mark).context("the command did not begin")?;
    let begun = Duration::from_nanos(begun.trim().parse().context("failed to parse a time")?);
    let since = since
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock is wrong")?;
    let until = begun.checked_sub(since + attach);
    Ok(1000.0 * until.context("the clock went back")?.as_secs_f64())
}
