//! A report → a verdict. Rules are asked in order, the one that needs most evidence first; one that
//! lacks evidence is silent. Nothing is called a false positive on a class's name alone.

use std::collections::BTreeSet;

use super::{
    cycle::Edge,
    kind::Kind,
    report::Report,
    spin::Spin,
    verdict::{Confidence, Judgement, Rule, Verdict},
};

mod circular;
mod lockup;
mod merged;
mod misuse;
mod order;
mod recursive;
mod sleeping;
mod state;

/// What a report is worth.
pub(super) fn judge(report: &Report, edges: &[Edge], spins: &[Spin]) -> Verdict {
    if !report.missing.is_empty() {
        return cut_off(report);
    }
    match report.kind {
        Kind::Circular => circular::judge(report, edges),
        Kind::InconsistentState => state::judge(report),
        Kind::IrqInversion | Kind::UnsafeOrder => order::judge(report),
        Kind::Recursive => recursive::judge(report),
        Kind::WaitContext => misuse::wait_context(report),
        Kind::UnlockBalance => misuse::unlock_balance(report),
        Kind::HeldFreed => misuse::held_freed(report),
        Kind::ReturnToUser => misuse::return_to_user(report),
        Kind::RcuUsage => misuse::rcu_usage(report),
        Kind::WriterAssert => misuse::writer_assert(report),
        Kind::SoftLockup | Kind::HardLockup | Kind::RcuStall | Kind::NmiBacktrace => {
            lockup::judge(report, spins)
        }
        Kind::HungTask => sleeping::judge(report),
        Kind::Headless => cut_off(report),
    }
}

fn cut_off(report: &Report) -> Verdict {
    let missing = report.missing.join(", ");
    Verdict::new(
        Judgement::Incomplete,
        Rule::CutOff,
        Confidence::Strong,
        format!("Nothing is concluded, because the log lacks {missing}."),
    )
    .because(
        report.last_line,
        "here it ends, or goes on with something else",
    )
    .next("take the whole report from the console, `dmesg` or `journalctl -k`")
}

/// `-30s` of all that happens at a seqcount, with its writers.
fn stat_command(name: &str) -> String {
    format!("sudo seqtrace stat -d 30s --writers '{name}'")
}

/// The same locks and seqcounts in their order on a running kernel, which needs no lockdep; `None` where no
/// seqcount of the circle is known. Of the locks those that are variables: the others are members of a type
/// that the report does not print.
fn order_command(edges: &[Edge]) -> Option<String> {
    let ends = || edges.iter().flat_map(|edge| [&edge.held, &edge.taken]);
    let seqcounts: BTreeSet<&str> = ends()
        .filter_map(|end| end.object.as_ref()?.name())
        .collect();
    let is_variable = |class: &str| {
        class
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '_')
    };
    let locks = ends().filter(|end| !end.seqcount && is_variable(&end.class));
    let locks: BTreeSet<&str> = locks.map(|end| &*end.class).collect();
    if seqcounts.is_empty() {
        return None;
    }
    let mut command = "sudo seqtrace order -d 30s --stacks".to_owned();
    for seqcount in seqcounts {
        command = command + " " + seqcount;
    }
    let locks: Vec<&str> = locks.into_iter().collect();
    let locks = if locks.is_empty() {
        "STRUCTURE.MEMBER".to_owned()
    } else {
        locks.join(",")
    };
    command = command + " --locks " + &locks;
    Some(command)
}

/// `comm/pid`, or `a task`.
fn task(report: &Report) -> &str {
    report.task.as_deref().unwrap_or("a task")
}
