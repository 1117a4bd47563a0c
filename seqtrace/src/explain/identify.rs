//! Stacks and classes → which seqcount is meant, and on which side of it a task is.
//!
//! The frame that counts is the one below `lock_acquire`: readers are inlined, so the `at:` of a report
//! is the caller of the function that reads (`seqcount_lockdep_reader_access` passes `_RET_IP_`).

use serde::Serialize;

use super::{
    known::{self, Side},
    report::{Call, Frame, Lock, Report},
};

/// Functions of lockdep, of locks and of the stack's own printing: who takes a lock is above them.
const PRIMITIVES: [&str; 72] = [
    "panic",
    "__warn",
    "warn_slowpath_fmt",
    "report_bug",
    "handle_bug",
    "mark_held_locks",
    "lockdep_trace_alloc",
    "__lockdep_trace_alloc",
    "dump_stack",
    "dump_stack_lvl",
    "__dump_stack",
    "show_stack",
    "dump_backtrace",
    "unwind_backtrace",
    "walk_stackframe",
    "lock_acquire",
    "__lock_acquire",
    "check_prev_add",
    "check_prevs_add",
    "validate_chain",
    "check_noncircular",
    "check_deadlock",
    "mark_lock",
    "mark_usage",
    "mark_lock_irq",
    "valid_state",
    "print_circular_bug",
    "print_usage_bug",
    "print_deadlock_bug",
    "print_irq_inversion_bug",
    "check_usage",
    "check_usage_forwards",
    "check_usage_backwards",
    "check_irq_usage",
    "check_lock_unaligned",
    "print_lock_invalid_wait_context",
    "check_wait_context",
    "lock_release",
    "__lock_release",
    "print_unlock_imbalance_bug",
    "debug_check_no_locks_freed",
    "lockdep_rcu_suspicious",
    "verify_lock_unused",
    "print_bad_irq_dependency",
    "lock_acquire_exclusive",
    "seqcount_lockdep_reader_access",
    "read_seqbegin",
    "read_seqcount_begin",
    "__read_seqcount_begin",
    "do_write_seqcount_begin",
    "do_write_seqcount_begin_nested",
    "write_seqcount_begin",
    "write_seqcount_begin_nested",
    "write_seqlock",
    "write_seqlock_irq",
    "write_seqlock_irqsave",
    "write_seqlock_bh",
    "__write_seqlock_irqsave",
    "do_raw_write_seqcount_begin",
    "seqprop_assert",
    "__u64_stats_update_begin",
    "u64_stats_update_begin",
    "u64_stats_update_begin_irqsave",
    "u64_stats_fetch_begin",
    "__u64_stats_fetch_begin",
    "u64_stats_fetch_begin_irq",
    "__seqprop_assert",
    "rt_spin_lock",
    "__rt_spin_lock",
    "rtlock_lock",
    "rt_mutex_lock",
    "fs_reclaim_acquire",
];

/// How the functions of locks begin that come in many variants.
const PREFIXES: [&str; 19] = [
    "_raw_spin_lock",
    "__raw_spin_lock",
    "_raw_read_lock",
    "__raw_read_lock",
    "_raw_write_lock",
    "__raw_write_lock",
    "_raw_spin_trylock",
    "spin_lock",
    "read_lock",
    "write_lock",
    "mutex_lock",
    "__mutex_lock",
    "down_read",
    "down_write",
    "__down_",
    "percpu_down_",
    "_spin_lock",
    "rt_read_lock",
    "rt_write_lock",
];

/// A seqcount that a stack shows somebody to use.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Object {
    /// What it may be: one name, or several that the stack does not tell apart; as seqtrace calls them.
    pub names: Vec<String>,
    /// Which side of it.
    pub side: Side,
    /// The function that gave it away.
    pub function: String,
    /// The line of the log.
    pub line: u64,
}

impl Object {
    /// Its name, where there is no doubt.
    pub fn name(&self) -> Option<&str> {
        match self.names.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }
}

/// Whether a class is that of a seqcount, not of a lock.
pub fn is_seqcount(lock: &Lock) -> bool {
    if lock.wait.is_some_and(|wait| wait != (0, 0)) {
        return false;
    }
    let base = lock.base();
    base.contains("seqcount") || base.ends_with("seq") || base.contains("qdisc_running")
}

/// Whether a function belongs to lockdep or to a lock.
pub fn is_primitive(function: &str) -> bool {
    PRIMITIVES.contains(&function) || PREFIXES.iter().any(|prefix| function.starts_with(prefix))
}

/// The functions of a stack from the one that takes the lock outwards.
pub fn callers(frames: &[Frame]) -> impl Iterator<Item = Call<'_>> {
    let calls = frames
        .iter()
        .filter(|frame| !frame.unreliable)
        .flat_map(Frame::calls);
    calls.skip_while(|call| is_primitive(call.function))
}

/// The function that takes the lock.
pub fn taker(frames: &[Frame]) -> Option<Call<'_>> {
    callers(frames).next()
}

/// The frame of the machine code that takes the lock, whatever was inlined there.
pub fn taker_frame(frames: &[Frame]) -> Option<&Frame> {
    let reliable = frames.iter().filter(|frame| !frame.unreliable);
    let mut own =
        reliable.skip_while(|frame| frame.calls().all(|call| is_primitive(call.function)));
    own.next()
}

/// The seqcount that is taken at the top of a stack: that of the frame below the lock functions, in which
/// readers are inlined, and of no other.
pub fn taken(frames: &[Frame]) -> Option<Object> {
    let side = side(frames);
    taker_frame(frames)?.calls().find_map(|call| match side {
        Some(side) => object(call, side),
        None => object(call, Side::Reader).or_else(|| object(call, Side::Writer)),
    })
}

/// The seqcount whose writer this stack is inside of, while it takes something else.
pub fn written(frames: &[Frame]) -> Option<Object> {
    callers(frames).find_map(|call| object(call, Side::Writer))
}

fn object(call: Call<'_>, side: Side) -> Option<Object> {
    let names = known::by_function(call.function, side);
    (!names.is_empty()).then(|| Object {
        names: names.into_iter().map(str::to_owned).collect(),
        side,
        function: call.function.to_owned(),
        line: call.line,
    })
}

/// Which side the primitives at the top of a stack are of, where they were not inlined away.
pub fn side(frames: &[Frame]) -> Option<Side> {
    let calls = frames.iter().flat_map(Frame::calls);
    let mut primitives = calls.take_while(|call| is_primitive(call.function));
    primitives.find_map(|call| {
        let function = call.function;
        if function.contains("seqcount_lockdep_reader")
            || function.contains("read_seq")
            || function.contains("u64_stats_fetch")
        {
            Some(Side::Reader)
        } else if function.contains("write_seq") || function.contains("u64_stats_update") {
            Some(Side::Writer)
        } else {
            None
        }
    })
}

/// The seqcount of a class that names none, by the lock of its writers: held, and taken in the same
/// function.
pub fn by_pair(report: &Report, lock: &Lock) -> Option<&'static str> {
    let function = &lock.at.as_ref()?.function;
    let pair = report.held.iter().rev().find(|held| {
        let at = held.at.as_ref();
        at.is_some_and(|at| at.function == *function) && known::by_class(held.base()).is_some()
    });
    known::by_class(pair?.base())
}

/// Whether the lock at the top of a stack is one that may sleep on every kernel.
pub fn sleeps(frames: &[Frame]) -> bool {
    let words = ["mutex", "down_read", "down_write", "__down_", "percpu_down"];
    let calls = frames.iter().flat_map(Frame::calls);
    let mut primitives = calls.take_while(|call| is_primitive(call.function));
    primitives.any(|call| {
        let function = call.function;
        words.iter().any(|word| function.contains(word)) && !function.contains("rt_mutex")
    })
}

/// A seqcount whose class names it: `guess` if that says the same, else the call of the stack that uses
/// it.
pub fn of_name(name: &str, guess: Option<Object>, frames: &[Frame]) -> Option<Object> {
    if let Some(guess) = guess
        && guess.name() == Some(name)
    {
        return Some(guess);
    }
    let uses = |call: &Call<'_>, side| known::by_function(call.function, side).contains(&name);
    let (call, side) = callers(frames).find_map(|call| {
        let mut sides = [Side::Writer, Side::Reader].into_iter();
        sides
            .find(|side| uses(&call, *side))
            .map(|side| (call, side))
    })?;
    Some(Object {
        names: vec![name.to_owned()],
        side,
        function: call.function.to_owned(),
        line: call.line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::report::Inlined;

    fn frame(function: &str, inlined: &[&str]) -> Frame {
        Frame {
            function: function.to_owned(),
            offset: Some(0x10),
            inlined: inlined
                .iter()
                .map(|function| Inlined {
                    function: (*function).to_owned(),
                    ..Inlined::default()
                })
                .collect(),
            ..Frame::default()
        }
    }

    #[test]
    fn the_frame_below_lock_acquire_names_the_reader() {
        let frames = [
            frame("__lock_acquire", &["validate_chain"]),
            frame("lock_acquire", &[]),
            frame(
                "___slab_alloc",
                &[
                    "seqcount_lockdep_reader_access",
                    "read_mems_allowed_begin",
                    "get_any_partial",
                ],
            ),
            frame("__slab_alloc", &[]),
        ];
        let object = taken(&frames).expect("it is known");
        assert_eq!(object.name(), Some("task_struct.mems_allowed_seq"));
        assert_eq!(object.side, Side::Reader);
        assert_eq!(
            taker(&frames).expect("a function").function,
            "read_mems_allowed_begin"
        );
        assert_eq!(
            taker_frame(&frames).expect("a frame").function,
            "___slab_alloc"
        );
    }

    #[test]
    fn a_reader_of_several_seqcounts_is_not_guessed() {
        let frames = [frame("lock_acquire", &[]), frame("path_init", &[])];
        let object = taken(&frames).expect("it is known");
        assert_eq!(object.names, ["mount_lock", "rename_lock"]);
        assert_eq!(object.name(), None);
    }

    #[test]
    fn locks_of_seqlocks_are_no_seqcounts() {
        for (class, wait, expected) in [
            ("&s->seqcount#2", Some((0, 0)), true),
            ("tk_core.seq.seqcount", Some((0, 0)), true),
            ("&dentry->d_seq", None, true),
            ("rename_lock", Some((2, 2)), false),
            ("&(&sig->stats_lock)->lock", Some((2, 2)), false),
        ] {
            let lock = Lock {
                class: class.to_owned(),
                wait,
                ..Lock::default()
            };
            assert_eq!(is_seqcount(&lock), expected, "{class}");
        }
    }
}
