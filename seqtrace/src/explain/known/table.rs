//! The seqcounts of the kernel, as data.

use super::Known;

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
pub(super) const KNOWN: [Known; 22] = [
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
pub(super) const READERS_OF_SEVERAL: [(&str, &[&str]); 2] = [
    ("path_init", &["mount_lock", "rename_lock"]),
    ("prepend_path", &["mount_lock", "rename_lock"]),
];

/// Writers that are inside the write section for a part of their time only.
pub(super) const PARTLY_INSIDE: [&str; 18] = [
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

/// Those that are a `seqlock_t`.
pub(super) const SEQLOCKS: [&str; 6] = [
    "signal_struct.stats_lock",
    "rename_lock",
    "mount_lock",
    "neighbour.ha_lock",
    "badblocks.lock",
    "drm_vblank_crtc.seqlock",
];

/// Those whose writers hold a spinlock_t, beside the `seqlock_t`: on PREEMPT_RT their readers take it.
pub(super) const SPINLOCKS: [&str; 6] = [
    "task_struct.mems_allowed_seq",
    "dentry.d_seq",
    "fs_struct.seq",
    "nf_conntrack_generation",
    "ioc.period_seqcount",
    "xfrm_policy_hash_generation",
];
