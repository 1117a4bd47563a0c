//! Tasks that sleep for too long.

use super::{
    super::{
        identify,
        known::{self, Side},
        report::{Call, Report},
        verdict::{Confidence, Judgement, Rule, Verdict},
    },
    stat_command, task,
};

/// Functions in which a task sleeps until it gets a lock.
const WAITS: [&str; 14] = [
    "__mutex_lock",
    "mutex_lock",
    "rwsem_down_write_slowpath",
    "rwsem_down_read_slowpath",
    "down_read",
    "down_write",
    "rt_mutex_slowlock",
    "rt_spin_lock",
    "rtlock_slowlock_locked",
    "rt_mutex_slowlock_block",
    "__down",
    "down",
    "percpu_rwsem_wait",
    "__mutex_lock_slowpath",
];

/// The verdict on a hung task.
pub(super) fn judge(report: &Report) -> Verdict {
    let calls: Vec<Call<'_>> = report
        .current()
        .iter()
        .flat_map(super::super::report::Frame::calls)
        .collect();
    let wait = calls
        .iter()
        .position(|call| WAITS.iter().any(|wait| call.function.starts_with(wait)));
    let Some(wait) = wait else {
        let statement = format!(
            "{} sleeps, and its stack shows no lock that it waits for: it may wait for a device, for memory or for another task.",
            task(report)
        );
        return Verdict::new(
            Judgement::Unknown,
            Rule::NoRule,
            Confidence::Weak,
            statement,
        )
        .because(report.first_line, "it sleeps for too long")
        .next("`echo w > /proc/sysrq-trigger` shows the other tasks that sleep uninterruptibly")
        .test("see whether what it waits for is reported elsewhere in the log");
    };
    let is_wait = |call: &&Call<'_>| {
        let by_name = WAITS.iter().any(|wait| call.function.starts_with(wait));
        by_name || identify::is_primitive(call.function)
    };
    let caller = calls[wait..].iter().find(|call| !is_wait(call));
    let caller = caller.copied().unwrap_or(calls[wait]);
    let verdict = match reader(report, &calls[wait..=wait], caller) {
        Some(verdict) => verdict,
        None => of_lock(report, calls[wait], caller),
    };
    verdict
        .because(calls[wait].line, format!("{} waits", calls[wait].function))
        .because(caller.line, format!("{} takes the lock", caller.function))
        .next("`echo w > /proc/sysrq-trigger` shows all tasks that sleep so; with CONFIG_PROVE_LOCKING `echo d > /proc/sysrq-trigger` shows who holds what")
        .test("real if the holder waits, directly or through others, for this task")
}

fn of_lock(report: &Report, wait: Call<'_>, caller: Call<'_>) -> Verdict {
    let held = if report.held.is_empty() {
        ""
    } else {
        "; the locks listed are those that it or others hold or wait for"
    };
    let statement = format!(
        "{} sleeps in {} until it gets a lock that {} takes. Who holds it the report does not tell{held}. It is not known to be a \
         seqcount reader.",
        task(report),
        wait.function,
        caller.function
    );
    Verdict::new(
        Judgement::Unknown,
        Rule::SleepingWait,
        Confidence::Weak,
        statement,
    )
}

/// A reader on PREEMPT_RT, which takes the lock of the writers and drops it.
fn reader(report: &Report, wait: &[Call<'_>], caller: Call<'_>) -> Option<Verdict> {
    let sleeps_as_spinlock = wait.iter().any(|call| call.function.starts_with("rt"));
    let names = known::by_function(caller.function, Side::Reader);
    let [name] = names.as_slice() else {
        return None;
    };
    if !sleeps_as_spinlock || !known::blocks(name) {
        return None;
    }
    let statement = format!(
        "{} reads {name} in {}, met a writer, and sleeps until it gets the writers' lock, to drop it at once (lock-unlock of \
         PREEMPT_RT). Who holds the lock the report does not tell.",
        task(report),
        caller.function
    );
    let verdict = Verdict::new(
        Judgement::Unknown,
        Rule::BlockedReader,
        Confidence::Moderate,
        statement,
    );
    Some(verdict.next(format!(
        "see which writer is to blame: `{}`",
        stat_command(name)
    )))
}
