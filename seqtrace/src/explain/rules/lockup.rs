//! Processors that do not get on.

use super::super::{
    kind::Kind,
    report::{Cpu, Frame, Quote, Report},
    spin::{SiteCheck, Spin},
    verdict::{Confidence, Judgement, Rule, Verdict},
};

/// Functions in which a processor waits for a lock that spins.
const LOCK_WAITS: [&str; 9] = [
    "native_queued_spin_lock_slowpath",
    "queued_spin_lock_slowpath",
    "pv_queued_spin_lock_slowpath",
    "__pv_queued_spin_lock_slowpath",
    "queued_read_lock_slowpath",
    "queued_write_lock_slowpath",
    "arch_spin_lock_wait",
    "arch_spin_relax",
    "do_raw_spin_lock",
];

/// The verdict on a lockup or a stall.
pub(super) fn judge(report: &Report, spins: &[Spin]) -> Verdict {
    match spins.first() {
        Some(first) => odd_sequence(report, first, spins),
        None => locks(report),
    }
}

fn odd_sequence(report: &Report, first: &Spin, spins: &[Spin]) -> Verdict {
    let name = first.seqcounts.join(" or ");
    let is_sure = first.site == SiteCheck::Confirmed || first.sequence.is_some();
    let confidence = match (&first.writer, is_sure) {
        (Some(writer), _) if writer.inside => Confidence::Strong,
        (Some(_), _) | (None, true) => Confidence::Moderate,
        (None, false) => Confidence::Weak,
    };
    let mut statement = statement(first, &name);
    // Who asks what processors do sees a moment, not a lockup.
    let judgement = if report.kind == Kind::NmiBacktrace {
        statement +=
            " The report is a look at one moment, and to wait for a moment is what readers do.";
        Judgement::Unknown
    } else {
        Judgement::Real
    };
    let mut verdict = Verdict::new(judgement, Rule::OddSequence, confidence, statement);
    for spin in spins {
        verdict = verdict.because(spin.line, sentence(spin));
    }
    if let Some(writer) = &first.writer {
        let state = if writer.interrupted {
            "; an interrupt came in"
        } else {
            ""
        };
        let who = cpu_word(writer.cpu);
        let what = format!(
            "{who} is in {}, which writes {name}{state}",
            writer.function
        );
        verdict = verdict.because(writer.line, what);
    }
    next_steps(first, &name, verdict)
}

fn statement(first: &Spin, name: &str) -> String {
    match &first.writer {
        Some(writer) => {
            let where_ = if writer.interrupted {
                ", interrupted there"
            } else {
                ""
            };
            let inside = if writer.inside {
                "is inside"
            } else {
                "may be inside"
            };
            format!(
                "Readers of {name} spin because its sequence is odd: {} {inside} the write section in {}{where_}. They go \
                 on when that task does; what keeps it is the cause, not the readers.",
                cpu_word(writer.cpu),
                writer.function
            )
        }
        None => format!(
            "Readers of {name} spin because its sequence is odd, and no processor of this report is inside its write \
             section: the writer is on one that was not shown, sleeps or was preempted inside, or left without its \
             second increment."
        ),
    }
}

fn next_steps(first: &Spin, name: &str, mut verdict: Verdict) -> Verdict {
    if first.site == SiteCheck::NotChecked {
        verdict = verdict.next(
            "check the site: `seqtrace explain --image vmlinux LOG`, with the image of that kernel",
        );
    }
    if first.seqcounts.len() == 1 {
        verdict = verdict.next(format!(
            "on a machine that does it again: `{}`",
            super::stat_command(name)
        ));
    }
    if first.writer.is_none() {
        verdict = verdict.next(
            "while it hangs: `sudo seqtrace audit` tells whether a global sequence is stuck odd, `echo l > \
             /proc/sysrq-trigger` where all processors are",
        );
    }
    verdict.test(
        "refuted if the sequence moves between two looks at it: then the readers retry and do not spin",
    )
}

/// `CPU 3 (udevd/913) spins in path_init+0x2b2 on rename_lock (odd, 0x39d in RAX); site not checked`.
fn sentence(spin: &Spin) -> String {
    let task = spin
        .task
        .as_ref()
        .map_or(String::new(), |task| format!(" ({task})"));
    let value = match &spin.sequence {
        Some((register, value)) => format!(" (odd, {value:#x} in {register})"),
        None => String::new(),
    };
    let site = match spin.site {
        SiteCheck::Confirmed => "a spin site of the image",
        SiteCheck::Refuted => "no spin site of the image",
        SiteCheck::NotChecked => "site not checked",
    };
    format!(
        "{}{task} spins in {} on {}{value}; {site}",
        cpu_word(spin.cpu),
        spin.place,
        spin.seqcounts.join(" or ")
    )
}

fn cpu_word(number: Option<u32>) -> String {
    number.map_or("a CPU".to_owned(), |number| format!("CPU {number}"))
}

/// No reader spins: whether processors wait for a lock.
fn locks(report: &Report) -> Verdict {
    let waits: Vec<(&Cpu, &Frame)> = report
        .cpus
        .iter()
        .filter_map(|cpu| Some((cpu, lock_wait(cpu)?)))
        .collect();
    if waits.is_empty() {
        return nothing(report);
    }
    let who = match (waits.len(), report.cpus.len()) {
        (1, 1) => "The processor shown waits".to_owned(),
        (1, all) => format!("One of the {all} processors shown waits"),
        (some, all) => format!("{some} of the {all} processors shown wait"),
    };
    let statement = format!(
        "{who} for a spinning lock. The report does not say which one, nor who holds it. No reader of a seqcount spins."
    );
    let mut verdict = Verdict::new(
        Judgement::Unknown,
        Rule::LockWait,
        Confidence::Weak,
        statement,
    );
    for (cpu, frame) in waits.iter().take(8) {
        verdict = verdict.because(
            frame.line,
            format!(
                "{} waits, called by {}",
                cpu_word(cpu.number),
                frame.place()
            ),
        );
    }
    verdict
        .next("look for a processor that holds the lock of that caller: with `nmi_watchdog=1` and `softlockup_all_cpu_backtrace=1` all are shown")
        .test("a kernel with CONFIG_PROVE_LOCKING tells the order that leads to it, if it is a deadlock")
}

/// Who called the lock function that a processor waits in.
fn lock_wait(cpu: &Cpu) -> Option<&Frame> {
    let is_wait =
        |frame: &Frame| LOCK_WAITS.contains(&super::super::report::plain(&frame.function));
    let waits = cpu.place.as_ref().is_some_and(is_wait) || cpu.frames.iter().take(4).any(is_wait);
    let is_lock = |frame: &&Frame| {
        let function = super::super::report::plain(&frame.function);
        LOCK_WAITS.contains(&function)
            || super::super::identify::is_primitive(function)
            || frame.unreliable
    };
    waits.then(|| cpu.frames.iter().find(|frame| !is_lock(frame)))?
}

fn nothing(report: &Report) -> Verdict {
    let statement = "No processor of the report spins in a reader of a seqcount that is known here, and none waits for a spinning lock. \
                     What keeps them is not told by the rules."
        .to_owned();
    let mut verdict = Verdict::new(
        Judgement::Unknown,
        Rule::NoRule,
        Confidence::Weak,
        statement,
    );
    if let Some(Quote { line, text }) = &report.complaint {
        verdict = verdict.because(*line, text.clone());
    }
    for cpu in report.cpus.iter().take(8) {
        if let Some(frame) = cpu.place.as_ref().or(cpu.frames.first()) {
            verdict = verdict.because(
                frame.line,
                format!("{} is in {}", cpu_word(cpu.number), frame.place()),
            );
        }
    }
    verdict
        .next("if a function above reads a seqcount: `seqtrace explain --image vmlinux LOG` knows the sites of that kernel")
        .test("see whether it is the same place each time: a loop without `cond_resched()`, or a machine that was not run by its hypervisor")
}
