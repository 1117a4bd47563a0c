//! The lines of one report → [`Report`].
//!
//! A line that is not understood is passed over; a part that must be there and is not is noted in
//! [`Report::missing`], so that nobody concludes anything from what was cut off.

use super::{clean::Line, kind::Kind, report::Report, segment::Section};

pub(super) mod frame;
mod lock;
mod lockdep;
mod machine;
mod registers;
mod stack;
mod stall;
mod task;

/// What begins a line that is no rest of the line before.
const BEGINNINGS: [&str; 22] = [
    "===",
    "---",
    "***",
    "-> #",
    "#",
    "...",
    "CPU:",
    "Call Trace",
    "Call trace",
    "Code:",
    "Chain exists of",
    "RIP:",
    "EIP:",
    "NIP",
    "Modules linked in",
    "Hardware name",
    "Possible ",
    "lock(",
    "stack backtrace",
    "Backtrace:",
    "irq event stamp",
    "no locks held",
];

/// Reads a report.
pub(super) fn report(section: &Section) -> Report {
    let mut report = blank(section);
    report.architecture = machine::of(&section.lines);
    match section.kind {
        Kind::SoftLockup | Kind::HardLockup | Kind::RcuStall | Kind::NmiBacktrace => {
            stall::read(&section.lines, &mut report);
        }
        Kind::HungTask => task::hung(&section.lines, &mut report),
        Kind::WriterAssert => task::warned(&section.lines, &mut report),
        Kind::Circular
        | Kind::InconsistentState
        | Kind::IrqInversion
        | Kind::UnsafeOrder
        | Kind::Recursive
        | Kind::WaitContext
        | Kind::UnlockBalance
        | Kind::HeldFreed
        | Kind::ReturnToUser
        | Kind::RcuUsage
        | Kind::Headless => lockdep::read(&section.lines, &mut report),
    }
    report
}

/// Whether a line without prefix is a line of its own, not the end of one that a mailer wrapped.
pub(super) fn stands_alone(text: &str) -> bool {
    Kind::of_header(text).is_some()
        || Kind::is_middle(text)
        || frame::entry(text, 0).is_some()
        || BEGINNINGS
            .iter()
            .any(|beginning| text.starts_with(beginning))
}

/// Whether a line is of the kind that reports consist of.
pub(super) fn is_part(text: &str) -> bool {
    stands_alone(text)
        || lock::lock(text, 0).is_some()
        || !registers::registers(text).is_empty()
        || [
            "held by ",
            "registered at:",
            "irq-safe",
            "irq-unsafe",
            "Trace",
            "rcu:",
            "NMI from",
        ]
        .iter()
        .any(|word| text.contains(word))
}

fn blank(section: &Section) -> Report {
    let line = |line: Option<&Line>| line.map_or(0, |line| line.number);
    Report {
        kind: section.kind,
        first_line: line(section.lines.first()),
        last_line: line(section.lines.last()),
        time_us: section.lines.iter().find_map(|line| line.time_us),
        release: None,
        release_line: 0,
        architecture: None,
        task: None,
        context: None,
        acquiring: None,
        holding: None,
        other: None,
        chain: Vec::new(),
        usage: None,
        held: Vec::new(),
        stacks: Vec::new(),
        keys: Vec::new(),
        cpus: Vec::new(),
        complaint: None,
        missing: Vec::new(),
    }
}
