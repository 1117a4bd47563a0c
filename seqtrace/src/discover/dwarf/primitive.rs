//! The names of the functions in `include/linux/seqlock.h` and around it, over all versions → what
//! each does.
//!
//! The union of the names of all kernels: they have been renamed and backported so often that a
//! version says nothing. Macros (`read_seqcount_begin`) leave no trace in debuginfo, only the
//! inline functions they call.

use super::super::catalog::{Frame, Lockname};

/// One function of the list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Primitive(u8);

/// What a primitive does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// Loads the start value of a read section.
    Begin,
    /// Loads the sequence again and compares it with the start value.
    Check,
    /// Increments the sequence at the start of a write section.
    WriteBegin,
    /// Increments it at the end.
    WriteEnd,
    /// Increments it otherwise: of a latch, of a barrier, by two to invalidate.
    WriteOther,
    /// Calls others of the list, or takes the lock instead; holds no access of its own.
    Wrapper,
    /// Does the same as a primitive with a word that is no `seqcount_t`, or may do so.
    Relative,
    /// Waits a moment in any loop.
    Pause,
}

use Part::{Begin, Check, Pause, Relative, Wrapper, WriteBegin, WriteEnd, WriteOther};

/// Names of functions, with what each does itself; sorted by what it does. Names up to 5.8 stand
/// beside those of 5.9 and of 5.17 (`do_`).
const NAMES: &[(&str, Part)] = &[
    ("__seqprop_sequence", Begin),
    ("__seqprop_raw_spinlock_sequence", Begin),
    ("__seqprop_spinlock_sequence", Begin),
    ("__seqprop_rwlock_sequence", Begin),
    ("__seqprop_mutex_sequence", Begin),
    ("__seqprop_ww_mutex_sequence", Begin),
    ("__seqcount_sequence", Begin),
    ("__seqcount_raw_spinlock_sequence", Begin),
    ("__seqcount_spinlock_sequence", Begin),
    ("__seqcount_rwlock_sequence", Begin),
    ("__seqcount_mutex_sequence", Begin),
    ("__seqcount_ww_mutex_sequence", Begin),
    ("__read_seqcount_begin", Begin),
    ("raw_read_seqcount", Begin),
    ("raw_seqcount_begin", Begin),
    ("__read_seqcount_t_begin", Begin),
    ("raw_read_seqcount_t", Begin),
    ("raw_read_seqcount_latch", Begin),
    ("do___read_seqcount_retry", Check),
    ("__read_seqcount_t_retry", Check),
    ("__read_seqcount_retry", Check),
    ("raw_read_seqcount_latch_retry", Check),
    ("do_raw_write_seqcount_begin", WriteBegin),
    ("raw_write_seqcount_t_begin", WriteBegin),
    ("raw_write_seqcount_begin", WriteBegin),
    ("do_raw_write_seqcount_end", WriteEnd),
    ("raw_write_seqcount_t_end", WriteEnd),
    ("raw_write_seqcount_end", WriteEnd),
    ("raw_write_seqcount_latch", WriteOther),
    ("do_raw_write_seqcount_barrier", WriteOther),
    ("raw_write_seqcount_t_barrier", WriteOther),
    ("raw_write_seqcount_barrier", WriteOther),
    ("do_write_seqcount_invalidate", WriteOther),
    ("write_seqcount_t_invalidate", WriteOther),
    ("write_seqcount_invalidate", WriteOther),
    ("read_seqcount_begin", Wrapper),
    ("raw_read_seqcount_begin", Wrapper),
    ("read_seqcount_t_begin", Wrapper),
    ("raw_read_seqcount_t_begin", Wrapper),
    ("raw_seqcount_t_begin", Wrapper),
    ("read_seqcount_latch", Wrapper),
    ("read_seqbegin", Wrapper),
    ("read_seqbegin_or_lock", Wrapper),
    ("read_seqbegin_or_lock_irqsave", Wrapper),
    ("__scoped_seqlock_next", Wrapper),
    ("read_seqlock_excl", Wrapper),
    ("__read_seqlock_excl_irqsave", Wrapper),
    ("do_read_seqcount_retry", Wrapper),
    ("read_seqcount_t_retry", Wrapper),
    ("read_seqcount_retry", Wrapper),
    ("read_seqcount_latch_retry", Wrapper),
    ("read_seqretry", Wrapper),
    ("need_seqretry", Wrapper),
    ("done_seqretry", Wrapper),
    ("done_seqretry_irqrestore", Wrapper),
    ("do_write_seqcount_begin", Wrapper),
    ("do_write_seqcount_begin_nested", Wrapper),
    ("do_write_seqcount_end", Wrapper),
    ("write_seqcount_t_begin", Wrapper),
    ("write_seqcount_t_begin_nested", Wrapper),
    ("write_seqcount_t_end", Wrapper),
    ("write_seqcount_begin", Wrapper),
    ("write_seqcount_begin_nested", Wrapper),
    ("write_seqcount_end", Wrapper),
    ("write_seqcount_latch_begin", Wrapper),
    ("write_seqcount_latch", Wrapper),
    ("write_seqcount_latch_end", Wrapper),
    ("write_seqlock", Wrapper),
    ("write_sequnlock", Wrapper),
    ("write_seqlock_bh", Wrapper),
    ("write_sequnlock_bh", Wrapper),
    ("write_seqlock_irq", Wrapper),
    ("write_sequnlock_irq", Wrapper),
    ("__write_seqlock_irqsave", Wrapper),
    ("write_sequnlock_irqrestore", Wrapper),
    ("read_mems_allowed_begin", Relative),
    ("read_mems_allowed_retry", Relative),
    ("__u64_stats_fetch_begin", Relative),
    ("__u64_stats_fetch_retry", Relative),
    ("u64_stats_fetch_begin", Relative),
    ("u64_stats_fetch_retry", Relative),
    ("pvclock_read_begin", Relative),
    ("pvclock_read_retry", Relative),
    ("mmap_lock_speculate_try_begin", Relative),
    ("mmap_lock_speculate_retry", Relative),
    ("vma_start_read", Relative),
    ("cpu_relax", Pause),
];

/// Functions that a `seqlock_t` is handed to.
const OF_SEQLOCK: &[&str] = &[
    "read_seqbegin",
    "read_seqretry",
    "read_seqbegin_or_lock",
    "read_seqbegin_or_lock_irqsave",
    "__scoped_seqlock_next",
    "need_seqretry",
    "write_seqlock",
    "write_sequnlock",
    "write_seqlock_bh",
    "write_sequnlock_bh",
    "write_seqlock_irq",
    "write_sequnlock_irq",
    "__write_seqlock_irqsave",
    "write_sequnlock_irqrestore",
];

impl Primitive {
    /// Every primitive, in the order of the list.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len() as u8).map(Self)
    }

    /// The function's name.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)].0
    }

    /// What it does.
    pub fn part(self) -> Part {
        NAMES[usize::from(self.0)].1
    }
}

impl Part {
    /// Whether the function itself loads or increments the sequence, once for each instance.
    pub fn accesses(self) -> bool {
        match self {
            Begin | Check | WriteBegin | WriteEnd | WriteOther => true,
            Wrapper | Relative | Pause => false,
        }
    }
}

/// What serialises the writers of the seqcount that the last function of `chain` accesses, by the
/// names of that function and of its callers; `None` where they are handed a bare `seqcount_t`.
pub(super) fn lockname(chain: &[Frame]) -> Option<Lockname> {
    let innermost = chain.last()?.function.as_str();
    if innermost.contains("_latch") {
        return Some(Lockname::Latch);
    }
    let callers = || chain.iter().map(|frame| frame.function.as_str());
    if callers().any(|name| OF_SEQLOCK.contains(&name)) {
        return Some(Lockname::Seqlock);
    }
    let middle = innermost.strip_suffix("_sequence")?;
    match middle
        .strip_prefix("__seqprop")
        .or_else(|| middle.strip_prefix("__seqcount"))?
    {
        "" => Some(Lockname::Plain),
        "_raw_spinlock" => Some(Lockname::RawSpinlock),
        "_spinlock" => Some(Lockname::Spinlock),
        "_rwlock" => Some(Lockname::Rwlock),
        "_mutex" | "_ww_mutex" => Some(Lockname::Mutex),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(names: &[&str]) -> Vec<Frame> {
        let frame = |name: &&str| Frame {
            function: (*name).to_owned(),
            source: None,
        };
        names.iter().map(frame).collect()
    }

    #[test]
    fn the_name_of_the_load_tells_the_lockname() {
        for (names, lockname) in [
            (&["f", "__seqprop_sequence"][..], Some(Lockname::Plain)),
            (&["f", "__seqcount_mutex_sequence"], Some(Lockname::Mutex)),
            (
                &["f", "__seqprop_raw_spinlock_sequence"],
                Some(Lockname::RawSpinlock),
            ),
            (
                &["f", "read_seqbegin", "__seqprop_spinlock_sequence"],
                Some(Lockname::Seqlock),
            ),
            (
                &["f", "write_seqlock", "do_raw_write_seqcount_begin"],
                Some(Lockname::Seqlock),
            ),
            (&["f", "raw_write_seqcount_latch"], Some(Lockname::Latch)),
            (&["f", "do_raw_write_seqcount_begin"], None),
            (&[], None),
        ] {
            assert_eq!(super::lockname(&chain(names)), lockname, "{names:?}");
        }
    }

    #[test]
    fn no_name_stands_in_the_list_twice() {
        let mut names: Vec<&str> = Primitive::all().map(Primitive::name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
