//! The functions of the kernel by which locks are taken and dropped, and what each does.
//!
//! `include/linux/spinlock_api_smp.h`, `rwlock_api_smp.h`, `spinlock_rt.h`, `rwlock_rt.h`, `mutex.h`,
//! `rwsem.h`: what the words of sources (`spin_lock_irqsave`) become.

/// What a function does with a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Takes it.
    Takes,
    /// May take it: it did when what it returns is zero, or is not.
    Tries {
        /// Whether a number other than zero means that it did.
        nonzero: bool,
    },
    /// Drops it.
    Drops,
}

/// What kind of lock a function is for, by which it can be told whether a task has the lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A `spinlock_t` of PREEMPT_RT: an `rt_mutex`.
    RealtimeSpinlock,
    /// An `rwlock_t` of PREEMPT_RT, for writing.
    RealtimeRwlock,
    /// A `struct mutex`.
    Mutex,
    /// A queued spinlock, or a queued rwlock for writing: its first byte is zero when nobody has it.
    Queued,
    /// Whoever has it, it does not tell: for reading, and semaphores.
    Shared,
}

/// A function that takes a lock, or drops one.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockFunction {
    pub(super) name: &'static str,
    pub(super) action: Action,
    pub(super) form: Form,
}

const fn takes(name: &'static str, form: Form) -> LockFunction {
    let action = Action::Takes;
    LockFunction { name, action, form }
}

const fn drops(name: &'static str, form: Form) -> LockFunction {
    let action = Action::Drops;
    LockFunction { name, action, form }
}

/// Returns 1 when it has the lock.
const fn tries(name: &'static str, form: Form) -> LockFunction {
    let action = Action::Tries { nonzero: true };
    LockFunction { name, action, form }
}

/// Returns 0 when it has the lock, else an error.
const fn may_fail(name: &'static str, form: Form) -> LockFunction {
    let action = Action::Tries { nonzero: false };
    LockFunction { name, action, form }
}

use Form::{Mutex, Queued, RealtimeRwlock, RealtimeSpinlock, Shared};

/// All of them.
pub(super) const LOCK_FUNCTIONS: [LockFunction; 67] = [
    takes("rt_spin_lock", RealtimeSpinlock),
    takes("rt_spin_lock_nested", RealtimeSpinlock),
    takes("rt_spin_lock_nest_lock", RealtimeSpinlock),
    tries("rt_spin_trylock", RealtimeSpinlock),
    tries("rt_spin_trylock_bh", RealtimeSpinlock),
    drops("rt_spin_unlock", RealtimeSpinlock),
    takes("rt_write_lock", RealtimeRwlock),
    takes("rt_write_lock_nested", RealtimeRwlock),
    tries("rt_write_trylock", RealtimeRwlock),
    drops("rt_write_unlock", RealtimeRwlock),
    takes("rt_read_lock", Shared),
    tries("rt_read_trylock", Shared),
    drops("rt_read_unlock", Shared),
    takes("_raw_spin_lock", Queued),
    takes("_raw_spin_lock_bh", Queued),
    takes("_raw_spin_lock_irq", Queued),
    takes("_raw_spin_lock_irq_disable", Queued),
    takes("_raw_spin_lock_irqsave", Queued),
    takes("_raw_spin_lock_nested", Queued),
    takes("_raw_spin_lock_irqsave_nested", Queued),
    takes("_raw_spin_lock_nest_lock", Queued),
    tries("_raw_spin_trylock", Queued),
    tries("_raw_spin_trylock_bh", Queued),
    drops("_raw_spin_unlock", Queued),
    drops("_raw_spin_unlock_bh", Queued),
    drops("_raw_spin_unlock_irq", Queued),
    drops("_raw_spin_unlock_irq_enable", Queued),
    drops("_raw_spin_unlock_irqrestore", Queued),
    takes("_raw_write_lock", Queued),
    takes("_raw_write_lock_bh", Queued),
    takes("_raw_write_lock_irq", Queued),
    takes("_raw_write_lock_irqsave", Queued),
    takes("_raw_write_lock_nested", Queued),
    tries("_raw_write_trylock", Queued),
    drops("_raw_write_unlock", Queued),
    drops("_raw_write_unlock_bh", Queued),
    drops("_raw_write_unlock_irq", Queued),
    drops("_raw_write_unlock_irqrestore", Queued),
    takes("_raw_read_lock", Shared),
    takes("_raw_read_lock_bh", Shared),
    takes("_raw_read_lock_irq", Shared),
    takes("_raw_read_lock_irqsave", Shared),
    tries("_raw_read_trylock", Shared),
    drops("_raw_read_unlock", Shared),
    drops("_raw_read_unlock_bh", Shared),
    drops("_raw_read_unlock_irq", Shared),
    drops("_raw_read_unlock_irqrestore", Shared),
    takes("mutex_lock", Mutex),
    takes("mutex_lock_io", Mutex),
    may_fail("mutex_lock_interruptible", Mutex),
    may_fail("mutex_lock_killable", Mutex),
    tries("mutex_trylock", Mutex),
    drops("mutex_unlock", Mutex),
    may_fail("ww_mutex_lock", Mutex),
    may_fail("ww_mutex_lock_interruptible", Mutex),
    tries("ww_mutex_trylock", Mutex),
    drops("ww_mutex_unlock", Mutex),
    takes("down_read", Shared),
    may_fail("down_read_interruptible", Shared),
    may_fail("down_read_killable", Shared),
    tries("down_read_trylock", Shared),
    drops("up_read", Shared),
    takes("down_write", Shared),
    may_fail("down_write_killable", Shared),
    tries("down_write_trylock", Shared),
    drops("up_write", Shared),
    // It is held on, for reading.
    takes("down_write_nested", Shared),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_function_is_named_once() {
        let names: BTreeSet<_> = LOCK_FUNCTIONS.iter().map(|lock| lock.name).collect();
        assert_eq!(names.len(), LOCK_FUNCTIONS.len());
    }

    #[test]
    fn what_is_taken_is_dropped_by_some_function() {
        let drops = |form| {
            let mut all = LOCK_FUNCTIONS.iter();
            all.any(|lock| lock.form == form && lock.action == Action::Drops)
        };
        assert!(LOCK_FUNCTIONS.iter().all(|lock| drops(lock.form)));
    }
}
