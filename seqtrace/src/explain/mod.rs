//! The log of a kernel → the reports in it, each with what it shows and a verdict. Pure.
//!
//! Stands beside the flow: no kernel is looked at. Every report of lockdep, every lockup, stall and hung
//! task is read; what takes part in it is named where a stack or a class tells, and the rules of
//! `docs/explain.md` say whether to believe it. What the report does not show is not concluded.

use std::io::{self, Read};

use serde::Serialize;

mod clean;
pub mod cycle;
pub mod identify;
pub mod kind;
pub mod known;
mod parse;
mod prefix;
pub mod release;
pub mod report;
mod rules;
mod segment;
pub mod spin;
mod stream;
pub mod verdict;

use cycle::Edge;
pub use kind::Kind;
use report::Report;
use spin::{Sites, Spin};
use verdict::Verdict;

/// Reports of one log that are kept; of more, only the number is.
const REPORTS: usize = 1000;

/// Bytes of their lines.
const REPORT_BYTES: usize = 16 << 20;

/// A log that was read to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// Version of this document's layout: [`Explained::FORMAT`].
    pub format: u32,
    /// Lines of the log.
    pub lines: u64,
    /// Bytes of the log.
    pub bytes: u64,
    /// Each report with its verdict, in the order of the log.
    pub reports: Vec<Explanation>,
    /// Reports that are not in `reports`, because there are too many.
    pub left_out: u64,
}

/// One report, and what is concluded from it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What it says.
    pub report: Report,
    /// The circle of its dependency chain.
    pub edges: Vec<Edge>,
    /// The readers that spin.
    pub spins: Vec<Spin>,
    /// What it is worth.
    pub verdict: Verdict,
}

impl Explained {
    /// Version of the layout that this build writes.
    pub const FORMAT: u32 = 1;
}

/// Reads a log to its end. `sites` knows the spin sites of the kernel that it is of, if its image is at
/// hand.
///
/// # Errors
///
/// When reading fails. Whatever the bytes are, they are a log; one without reports has none.
pub fn explain(log: &mut impl Read, sites: Option<&dyn Sites>) -> io::Result<Explained> {
    let mut reports = Vec::new();
    let (mut left_out, mut bytes) = (0, 0);
    let size = stream::read(log, &mut |section| {
        bytes += section.bytes;
        if reports.len() >= REPORTS || bytes > REPORT_BYTES {
            left_out += 1;
            return;
        }
        reports.extend(explanation(parse::report(&section), sites));
    })?;
    Ok(Explained {
        format: Explained::FORMAT,
        lines: size.lines,
        bytes: size.bytes,
        reports,
        left_out,
    })
}

/// `None` for what was shown on request and shows nothing.
fn explanation(report: Report, sites: Option<&dyn Sites>) -> Option<Explanation> {
    let edges = cycle::edges(&report);
    let spins = spin::spins(&report, sites);
    if report.kind == Kind::NmiBacktrace && spins.is_empty() {
        return None;
    }
    let verdict = rules::judge(&report, &edges, &spins);
    Some(Explanation {
        report,
        edges,
        spins,
        verdict,
    })
}
