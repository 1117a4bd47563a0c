//! What was lost → what that means for the numbers.

/// What each loss means, and what to do about it.
pub(super) const LOSSES: [(&str, &str); seqtrace_common::loss::COUNT as usize] = [
    (
        "ring_full",
        "events left out of the longest events; counts and times are whole; raise --threshold",
    ),
    (
        "blocks_full",
        "blocks hit but not timed: too many readers inside a block at once; times are too low",
    ),
    (
        "spins_full",
        "pauses not followed: too many readers spun; counts and times of spins are too low",
    ),
    (
        "tasks_full",
        "events not credited to their task: too many tasks; readers and owners are incomplete",
    ),
    (
        "stack_lost",
        "events whose stack the kernel did not give; shown as [stack lost]",
    ),
    (
        "stack_counts_full",
        "events not credited to their stack: too many stacks; shown as [stack lost]",
    ),
    (
        "end_without_start",
        "readers that were inside a block when tracing began; not counted",
    ),
    (
        "unknown_address",
        "probes that fired at an address no site has; not counted; please report this",
    ),
    (
        "start_without_end",
        "blocks whose end was not seen; counted as hits, not timed",
    ),
    (
        "missed",
        "probes whose program was passed over: their CPU was in another, or in a map; not counted",
    ),
    (
        "runs_full",
        "failed checks in no run: too many readers retried at once; runs are too few and too short",
    ),
    (
        "holds_full",
        "holds hit but not timed: too many writers inside at once; their times are too low",
    ),
    (
        "hold_without_end",
        "holds whose end was not seen, or that began inside another; counted as hits, not timed",
    ),
    (
        "end_without_hold",
        "holds whose begin was not seen, such as those open when tracing began; not counted",
    ),
    (
        "word_unread",
        "increments whose sequence could not be read; not counted; please report this",
    ),
    (
        "caller_unknown",
        "waits for a lock without a stack that tells the caller; not counted, if it was a reader",
    ),
    (
        "blames_full",
        "waits not credited to their writer: too many pairs of reader and writer",
    ),
    (
        "nested",
        "probes that fired while their CPU handled another probe; not counted, nor in missed",
    ),
    (
        "thinned_out",
        "hits passed over to keep to --budget; counts of these sites are too low",
    ),
    (
        "command_lost",
        "processes of the command that could not be noted; what it lost is too low",
    ),
];
