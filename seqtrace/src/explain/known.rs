//! What is known of the kernel's seqcounts: who reads and writes them, and where they are initialised.
//!
//! From mainline sources of 5.4 to 6.12. A function stands here only if its use of the seqcount cannot
//! be mistaken for that of another one, or with all that it may be.

use super::report::plain;

/// Which side of a seqcount somebody is on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Reads, and waits or retries while a writer is inside.
    Reader,
    /// Makes the sequence odd.
    Writer,
}

impl Side {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
        }
    }
}

/// One seqcount of the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// As seqtrace calls it.
    pub name: &'static str,
    /// Where it is initialised at run time; `None` for those that are static.
    pub unit: Option<&'static str>,
    /// Functions that read it.
    readers: &'static [&'static str],
    /// Functions that write it, and what they call while they do.
    writers: &'static [&'static str],
    /// Classes of its own, or of the lock of its writers.
    classes: &'static [&'static str],
}

macro_rules! known {
    ($name:literal, $unit:expr, $readers:expr, $writers:expr, $classes:expr) => {
        Known {
            name: $name,
            unit: $unit,
            readers: &$readers,
            writers: &$writers,
            classes: &$classes,
        }
    };
}

const FORK: Option<&str> = Some("kernel/fork.c");

/// All that is known.
const KNOWN: [Known; 22] = [
    known!(
        "task_struct.mems_allowed_seq",
        FORK,
        [
            "read_mems_allowed_begin",
            "read_mems_allowed_retry",
            "get_any_partial",
            "___slab_alloc"
        ],
        ["cpuset_change_task_nodemask", "set_mems_allowed"],
        ["&p->mems_allowed_seq", "&tsk->mems_allowed_seq"]
    ),
    known!(
        "signal_struct.stats_lock",
        FORK,
        ["thread_group_cputime", "getrusage", "do_task_stat"],
        ["__exit_signal", "release_task", "wait_task_zombie"],
        [
            "&(&sig->stats_lock)->lock",
            "&sig->stats_lock",
            "&(&sig->stats_lock)->seqcount"
        ]
    ),
    known!(
        "rename_lock",
        None,
        ["d_lookup", "is_subdir", "d_walk", "__dentry_path"],
        ["d_move", "d_exchange", "d_splice_alias"],
        ["rename_lock", "rename_lock.seqcount"]
    ),
    known!(
        "mount_lock",
        None,
        ["__legitimize_mnt", "lookup_mnt", "path_is_mountpoint"],
        [
            "attach_recursive_mnt",
            "umount_tree",
            "do_umount",
            "lock_mount_hash",
            "mnt_set_mountpoint"
        ],
        ["mount_lock", "mount_lock.seqcount"]
    ),
    known!(
        "dentry.d_seq",
        Some("fs/dcache.c"),
        ["__d_lookup_rcu", "__d_lookup_rcu_op_compare", "lookup_fast"],
        [
            "__d_instantiate",
            "__d_drop",
            "dentry_unlink_inode",
            "__d_move"
        ],
        ["&dentry->d_seq"]
    ),
    known!(
        "tk_core",
        None,
        [
            "ktime_get",
            "ktime_get_with_offset",
            "ktime_get_real_ts64",
            "ktime_get_ts64",
            "ktime_get_raw",
            "ktime_get_raw_ts64",
            "ktime_get_coarse_ts64",
            "ktime_get_coarse_real_ts64",
            "ktime_get_resolution_ns",
            "ktime_get_update_offsets_now",
            "ktime_get_snapshot",
            "getnstimeofday64",
            "ktime_get_coarse_with_offset",
            "ktime_get_real_seconds",
        ],
        [
            "timekeeping_advance",
            "update_wall_time",
            "timekeeping_update",
            "do_settimeofday64",
            "do_adjtimex",
            "timekeeping_inject_offset",
            "timekeeping_resume",
            "timekeeping_suspend",
            "change_clocksource",
        ],
        ["tk_core.seq", "tk_core.seq.seqcount", "tk_core"]
    ),
    known!(
        "jiffies_seq",
        None,
        ["get_jiffies_64"],
        ["tick_do_update_jiffies64", "do_timer"],
        ["jiffies_seq", "jiffies_seq.seqcount"]
    ),
    known!(
        "hrtimer_clock_base.seq",
        Some("kernel/time/hrtimer.c"),
        ["hrtimer_active"],
        ["__run_hrtimer"],
        ["&cpu_base->seq", "hrtimer_bases.clock_base[i].seq"]
    ),
    known!(
        "psi_seq",
        None,
        ["collect_percpu_times", "get_recent_times"],
        ["psi_group_change"],
        ["psi_seq", "&per_cpu_ptr(group->pcpu, cpu)->seq"]
    ),
    known!(
        "xt_recseq",
        None,
        ["get_counters", "xt_get_counters"],
        [
            "ipt_do_table",
            "ip6t_do_table",
            "arpt_do_table",
            "ebt_do_table"
        ],
        ["&xt_recseq", "xt_recseq", "&per_cpu(xt_recseq, i)"]
    ),
    known!(
        "nf_conntrack_generation",
        None,
        [
            "__nf_conntrack_find_get",
            "__nf_conntrack_confirm",
            "get_next_corpse"
        ],
        ["nf_conntrack_hash_resize"],
        [
            "nf_conntrack_generation",
            "nf_conntrack_generation.seqcount"
        ]
    ),
    known!(
        "Qdisc.running",
        None,
        [],
        ["qdisc_run_begin", "__qdisc_run"],
        [
            "&qdisc_running_key",
            "dev->qdisc_running_key ?: &qdisc_running_key"
        ]
    ),
    known!(
        "neighbour.ha_lock",
        Some("net/core/neighbour.c"),
        [
            "neigh_resolve_output",
            "neigh_connected_output",
            "neigh_ha_snapshot"
        ],
        ["neigh_update_hhs", "__neigh_update"],
        ["&(&n->ha_lock)->lock", "&n->ha_lock"]
    ),
    known!(
        "dma_resv.seq",
        Some("drivers/dma-buf/dma-resv.c"),
        [
            "dma_resv_test_signaled_rcu",
            "dma_resv_wait_timeout_rcu",
            "dma_resv_get_fences_rcu"
        ],
        [
            "dma_resv_add_excl_fence",
            "dma_resv_add_shared_fence",
            "dma_resv_copy_fences"
        ],
        ["reservation_seqcount"]
    ),
    known!(
        "ioc.period_seqcount",
        Some("block/blk-iocost.c"),
        ["ioc_now"],
        ["ioc_start_period"],
        ["&ioc->period_seqcount"]
    ),
    known!(
        "badblocks.lock",
        Some("block/badblocks.c"),
        ["badblocks_check"],
        ["badblocks_set", "badblocks_clear"],
        ["&(&bb->lock)->lock"]
    ),
    known!(
        "drm_vblank_crtc.seqlock",
        Some("drivers/gpu/drm/drm_vblank.c"),
        ["drm_vblank_count_and_time"],
        ["drm_update_vblank_count", "store_vblank"],
        ["&(&vblank->seqlock)->lock"]
    ),
    known!(
        "fs_struct.seq",
        Some("fs/fs_struct.c"),
        ["nd_jump_root", "set_root"],
        ["set_fs_root", "set_fs_pwd"],
        ["&fs->seq"]
    ),
    known!(
        "mm_struct.mm_lock_seq",
        FORK,
        ["mmap_lock_speculate_try_begin"],
        ["mm_lock_seqcount_begin"],
        ["&mm->mm_lock_seq"]
    ),
    known!(
        "inode.i_size_seqcount",
        Some("fs/inode.c"),
        ["i_size_read"],
        ["i_size_write"],
        ["&inode->i_size_seqcount"]
    ),
    known!(
        "xfrm_policy_hash_generation",
        None,
        ["xfrm_policy_lookup_bytype"],
        ["xfrm_hash_resize", "xfrm_hash_rebuild"],
        [
            "xfrm_policy_hash_generation",
            "net->xfrm.xfrm_policy_hash_generation"
        ]
    ),
    known!(
        "kvm_arch.pvclock_sc",
        Some("arch/x86/kvm/x86.c"),
        ["get_kvmclock", "kvm_guest_time_update"],
        ["kvm_start_pvclock_update", "kvm_update_masterclock"],
        ["&kvm->arch.pvclock_sc"]
    ),
];

/// Functions that read one of several.
const READERS_OF_SEVERAL: [(&str, &[&str]); 2] = [
    ("path_init", &["mount_lock", "rename_lock"]),
    ("prepend_path", &["mount_lock", "rename_lock"]),
];

/// Writers that are inside the write section for a part of their time only.
const PARTLY_INSIDE: [&str; 18] = [
    "timekeeping_advance",
    "update_wall_time",
    "do_settimeofday64",
    "do_adjtimex",
    "timekeeping_inject_offset",
    "timekeeping_resume",
    "timekeeping_suspend",
    "change_clocksource",
    "release_task",
    "__exit_signal",
    "wait_task_zombie",
    "do_umount",
    "attach_recursive_mnt",
    "nf_conntrack_hash_resize",
    "tick_do_update_jiffies64",
    "d_splice_alias",
    "__neigh_update",
    "kvm_update_masterclock",
];

/// Whether a task in this function is inside the write section whatever it does there.
pub fn is_inside(function: &str) -> bool {
    !PARTLY_INSIDE.contains(&plain(function))
}

/// Those that are a `seqlock_t`.
const SEQLOCKS: [&str; 6] = [
    "signal_struct.stats_lock",
    "rename_lock",
    "mount_lock",
    "neighbour.ha_lock",
    "badblocks.lock",
    "drm_vblank_crtc.seqlock",
];

/// The seqcounts that a function may be reading or writing; empty if nothing is known of it.
pub fn by_function(function: &str, side: Side) -> Vec<&'static str> {
    let function = plain(function);
    if side == Side::Reader
        && let Some((_, several)) = READERS_OF_SEVERAL
            .iter()
            .find(|(name, _)| *name == function)
    {
        return several.to_vec();
    }
    let functions = |known: &Known| match side {
        Side::Reader => known.readers,
        Side::Writer => known.writers,
    };
    let found = KNOWN
        .iter()
        .filter(|known| functions(known).contains(&function));
    found.map(|known| known.name).collect()
}

/// The seqcount that a class without `#N` belongs to.
pub fn by_class(class: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|known| known.classes.contains(&class));
    known.map(|known| known.name)
}

/// Those whose writers hold a spinlock_t, beside the `seqlock_t`: on PREEMPT_RT their readers take it.
const SPINLOCKS: [&str; 6] = [
    "task_struct.mems_allowed_seq",
    "dentry.d_seq",
    "fs_struct.seq",
    "nf_conntrack_generation",
    "ioc.period_seqcount",
    "xfrm_policy_hash_generation",
];

/// Whether readers block on PREEMPT_RT: since 5.10 they take the lock of the writers and drop it.
pub fn blocks(name: &str) -> bool {
    is_seqlock(name) || SPINLOCKS.contains(&name)
}

/// Whether it is a `seqlock_t`, with the lock of its writers in it.
pub fn is_seqlock(name: &str) -> bool {
    SEQLOCKS.contains(&name)
}

/// The compilation unit that initialises a seqcount at run time.
pub fn unit(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|known| known.name == name)?.unit
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_function_and_no_class_belongs_to_two_seqcounts() {
        for side in [Side::Reader, Side::Writer] {
            let mut seen = BTreeSet::new();
            for known in &KNOWN {
                let functions = match side {
                    Side::Reader => known.readers,
                    Side::Writer => known.writers,
                };
                for function in functions {
                    assert!(seen.insert(*function), "{function} {side:?}");
                }
            }
        }
        let mut seen = BTreeSet::new();
        for class in KNOWN.iter().flat_map(|known| known.classes) {
            assert!(seen.insert(*class), "{class}");
        }
    }
}
