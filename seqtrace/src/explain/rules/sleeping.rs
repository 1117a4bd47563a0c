//! Tasks that sleep for too long.

use super::{
    super::{
        identify,
        report::{Call, Report},
        verdict::{Confidence, Judgement, Rule, Verdict},
    },
    task,
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
    let caller = calls[wait..].iter().find(|call| {
        !WAITS.iter().any(|wait| call.function.starts_with(wait))
            && !identify::is_primitive(call.function)
    });
    let caller = caller.copied().unwrap_or(calls[wait]);
    let statement = format!(
        "{} sleeps in {} until it gets a lock that {} takes. Who holds it the report does not tell{}. No seqcount reader \
         is a part of it: readers of seqcounts sleep only on PREEMPT_RT, for the lock of their writers.",
        task(report),
        calls[wait].function,
        caller.function,
        if report.held.is_empty() {
            ""
        } else {
            "; the locks listed are those that it or others hold or wait for"
        }
    );
    Verdict::new(Judgement::Unknown, Rule::SleepingWait, Confidence::Weak, statement)
        .because(calls[wait].line, format!("{} waits", calls[wait].function))
        .because(caller.line, format!("{} takes the lock", caller.function))
        .next("`echo w > /proc/sysrq-trigger` shows all tasks that sleep so; with CONFIG_PROVE_LOCKING `echo d > /proc/sysrq-trigger` shows who holds what")
        .next("on PREEMPT_RT, if a seqcount reader waits for the lock: `sudo seqtrace stat -d 30s` names seqcount and owner")
        .test("real if the holder waits, directly or through others, for this task")
}
