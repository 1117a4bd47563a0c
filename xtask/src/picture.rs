//! `cargo xtask picture`: flamegraphs as a browser shows them, with a search.
//!
//! A recording of a real kernel is drawn, the drawing opened in Chromium, and a seqcount searched for in
//! it: it has to be highlighted, and the share that the drawing's own script tells has to be its share of
//! the time in the report.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{progress, tally::Tally, tool};

/// What is drawn.
const RECORDING: &str = "seqtrace/tests/data/recordings/6.12-rt.seqtrace";
/// What is searched for.
const SEQCOUNT: &str = "rename_lock";
/// Where the pictures are left.
const FOLDER: &str = "target/pictures";
/// The browser, and Debian's package of it.
const CHROMIUM: &str = "chromium-headless-shell";
/// What the drawing's script gives to a frame that matches (`flamegraph.js` of inferno).
const HIGHLIGHT: &str = "fill=\"rgb(230,0,230)\"";
/// Where it tells their share. The script itself, which stands in the document too, has other words.
const MATCHED: &str = ">Matched: ";

/// Draws flamegraphs of a recorded kernel and looks at them in a browser: a search for a seqcount
/// highlights it and tells its share of the time
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The recording that is drawn
    #[arg(long, value_name = "FILE", default_value = RECORDING)]
    recording: PathBuf,
}

/// Runs the task by itself.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn picture(args: &Args) -> Result<ExitCode> {
    let recording = std::path::absolute(&args.recording).context("failed to find the recording")?;
    let tally = look(&recording)?;
    progress::line(format_args!("pictures: {tally}"));
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// Runs it as a part of the tests.
///
/// # Errors
///
/// When there is no browser, or nothing can be drawn.
pub(crate) fn run() -> Result<Tally> {
    look(&tool::workspace().join(RECORDING))
}

fn look(recording: &Path) -> Result<Tally> {
    let browser = tool::ensure_program(CHROMIUM, CHROMIUM)?;
    let file = recording
        .to_str()
        .context("the recording's name is no text")?;
    progress::step("Drawing", file);
    let folder = tool::workspace().join(FOLDER);
    fs::create_dir_all(&folder).context("failed to create the folder of the pictures")?;
    let share = share(&tool::seqtrace(&["report", "--json", file])?)?;
    let mut tally = Tally::default();
    for side in ["reader", "writer", "blame"] {
        let drawing = folder.join(format!("{side}.svg"));
        let output = drawing.to_str().context("the folder's name is no text")?;
        tool::seqtrace(&["flame", file, &format!("--{side}"), "-o", output])?;
        let shown = show(&browser, &drawing);
        let checked = shown
            .and_then(|document| check(&document, share))
            .with_context(|| format!("failed to look at {side}.svg"));
        if let Err(error) = &checked {
            progress::failure(error);
        }
        tally.add(Tally::of(checked.is_ok()));
    }
    progress::step("Drawn", folder.display());
    Ok(tally)
}

/// Opens a drawing with a search, leaves a picture beside it, and returns the document as its script left it.
fn show(browser: &Path, drawing: &Path) -> Result<String> {
    let address = format!("file://{}?s={SEQCOUNT}", drawing.display());
    // It complains of buses and devices that a bare machine does not have.
    let log = drawing.with_extension("log");
    let open = |option: &str| {
        let output = Command::new(browser)
            // The sandbox needs a user that is not root; what is opened is our own.
            .args(["--no-sandbox", "--disable-gpu", "--window-size=1280,640"])
            .args(["--virtual-time-budget=5000", option, &address])
            .stdin(Stdio::null())
            .stderr(File::create(&log).context("failed to write beside the drawing")?)
            .output()
            .context("failed to start the browser")?;
        let status = output.status;
        ensure!(
            status.success(),
            "the browser failed: {status}, see {}",
            log.display()
        );
        Ok(output.stdout)
    };
    let picture = drawing.with_extension("png");
    open(&format!("--screenshot={}", picture.display()))?;
    ensure!(picture.exists(), "no picture was taken");
    String::from_utf8(open("--dump-dom")?).context("the document is no text")
}

/// The seqcount's share of all time in a report, in percent.
fn share(report: &[u8]) -> Result<f64> {
    let report: Value = serde_json::from_slice(report).context("the report is no JSON")?;
    let rows = report["rows"].as_array().context("no rows")?;
    let time = |row: &&Value| row["total_ns"].as_u64().unwrap_or(0) as f64;
    let all: f64 = rows.iter().map(|row| time(&row)).sum();
    let own = rows.iter().filter(|row| row["seqcount"] == SEQCOUNT);
    ensure!(all > 0.0, "no time was lost");
    Ok(100.0 * own.map(|row| time(&row)).sum::<f64>() / all)
}

/// The frames of the seqcount are highlighted, and their share is that of the report.
fn check(document: &str, share: f64) -> Result<()> {
    ensure!(
        document.contains(HIGHLIGHT),
        "a search for {SEQCOUNT} highlights nothing"
    );
    let told = document.split(MATCHED).nth(1);
    let told = told
        .and_then(|rest| rest.split('%').next())
        .and_then(|number| number.parse::<f64>().ok())
        .context("the drawing does not tell what share matches")?;
    // It is told to a tenth of a percent.
    ensure!(
        (told - share).abs() < 0.051,
        "{SEQCOUNT} has {told} % of the drawing and {share:.2} % of the report"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = r#"<rect fill="rgb(230,0,230)"/><text>Matched: 25.0%</text>"#;

    #[test]
    fn the_share_is_that_of_the_report() {
        let report = br#"{"rows": [{"seqcount": "rename_lock", "total_ns": 1}, {"seqcount": "a", "total_ns": 3}]}"#;
        let share = share(report).expect("a report");
        assert!((share - 25.0).abs() < 1e-9, "{share}");
        assert!(check(SHOWN, share).is_ok());
        assert!(check(SHOWN, 25.1).is_err());
        assert!(check("<text>Matched: 25.0%</text>", share).is_err());
        let script = r#"searchcolor = "rgb(230,0,230)"; textContent = "Matched: " + pct + "%""#;
        assert!(check(&format!("{script}{HIGHLIGHT}"), share).is_err());
        assert!(check(&format!("{script}<text>Matched: 25.0%"), share).is_err());
    }
}
