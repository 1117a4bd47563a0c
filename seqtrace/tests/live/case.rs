//! The cases, in the order in which they run.

use crate::{
    audit, catalog,
    guest::Guest,
    holds, numbers, refusal, retries, session, shutdown, sites,
    truth::{damaged, forced, free},
};

/// A case: panics when it does not hold, else returns the numbers that it looked at.
pub(crate) type Case = fn(&Guest) -> String;

/// All cases by name. The last ones change the guest (CPUs, mounts) and stay last.
pub(crate) const CASES: &[(&str, Case)] = &[
    (
        "every_site_is_accounted_for",
        sites::every_site_is_accounted_for,
    ),
    (
        "a_program_reads_the_same_text_as_kcore",
        sites::a_program_reads_the_same_text_as_kcore,
    ),
    (
        "the_catalog_is_that_of_the_boot_image",
        catalog::the_catalog_is_that_of_the_boot_image,
    ),
    (
        "the_counters_of_a_sound_kernel_are_sound",
        audit::the_counters_of_a_sound_kernel_are_sound,
    ),
    (
        "sites_ends_quietly_when_its_reader_does",
        sites::sites_ends_quietly_when_its_reader_does,
    ),
    (
        "doctor_finds_nothing_missing",
        sites::doctor_finds_nothing_missing,
    ),
    (
        "process_times_make_readers_wait",
        numbers::process_times_make_readers_wait,
    ),
    (
        "renames_are_holds_by_who_renames",
        holds::renames_are_holds_by_who_renames,
    ),
    (
        "a_flamegraph_is_drawn_or_its_lack_is_told",
        numbers::a_flamegraph_is_drawn_or_its_lack_is_told,
    ),
    ("every_retry_is_counted", retries::every_retry_is_counted),
    (
        "checks_that_the_tracer_runs_are_left_out",
        retries::checks_that_the_tracer_runs_are_left_out,
    ),
    (
        "the_status_of_the_command_is_kept",
        numbers::the_status_of_the_command_is_kept,
    ),
    (
        "probes_come_and_go_one_by_one",
        session::probes_come_and_go_one_by_one,
    ),
    (
        "a_wait_by_force_is_a_wait",
        forced::a_wait_by_force_is_a_wait,
    ),
    (
        "a_block_by_force_is_seen_at_its_lock",
        forced::a_block_by_force_is_seen_at_its_lock,
    ),
    (
        "a_retry_by_force_is_a_retry",
        forced::a_retry_by_force_is_a_retry,
    ),
    (
        "every_retry_by_force_has_its_run",
        forced::every_retry_by_force_has_its_run,
    ),
    (
        "a_hold_by_force_is_a_hold",
        forced::a_hold_by_force_is_a_hold,
    ),
    (
        "free_readers_are_counted_as_they_waited",
        free::free_readers_are_counted_as_they_waited,
    ),
    (
        "damaged_counters_are_found",
        damaged::damaged_counters_are_found,
    ),
    ("the_end_leaves_no_probe", shutdown::the_end_leaves_no_probe),
    (
        "an_interrupt_while_attaching_leaves_no_probe",
        shutdown::an_interrupt_while_attaching_leaves_no_probe,
    ),
    ("a_kill_leaves_no_probe", shutdown::a_kill_leaves_no_probe),
    (
        "a_second_tracer_is_refused",
        shutdown::a_second_tracer_is_refused,
    ),
    (
        "a_module_may_leave_while_it_is_probed",
        shutdown::a_module_may_leave_while_it_is_probed,
    ),
    (
        "a_command_that_does_not_exist_is_told",
        refusal::a_command_that_does_not_exist_is_told,
    ),
    (
        "a_user_without_privileges_is_told",
        refusal::a_user_without_privileges_is_told,
    ),
    (
        "hidden_addresses_are_told",
        refusal::hidden_addresses_are_told,
    ),
    (
        "kprobes_switched_off_are_told",
        refusal::kprobes_switched_off_are_told,
    ),
    (
        "an_undisturbed_reader_pays_nothing",
        numbers::an_undisturbed_reader_pays_nothing,
    ),
    ("missing_tracefs_is_told", refusal::missing_tracefs_is_told),
    (
        "sites_are_found_without_tracefs",
        sites::sites_are_found_without_tracefs,
    ),
];

/// Which cases cover which feature, in the words of `docs/kernels.md`, which is made of this. Every case
/// covers one at least.
pub(crate) const COVERS: &[(&str, &[&str])] = &[
    (
        "discovery",
        &[
            "every_site_is_accounted_for",
            "a_program_reads_the_same_text_as_kcore",
            "the_catalog_is_that_of_the_boot_image",
            "sites_ends_quietly_when_its_reader_does",
            "sites_are_found_without_tracefs",
        ],
    ),
    (
        "blocks",
        &[
            "process_times_make_readers_wait",
            "a_wait_by_force_is_a_wait",
            "free_readers_are_counted_as_they_waited",
        ],
    ),
    (
        "spins",
        &[
            "process_times_make_readers_wait",
            "a_wait_by_force_is_a_wait",
            "free_readers_are_counted_as_they_waited",
        ],
    ),
    (
        "retries",
        &[
            "a_retry_by_force_is_a_retry",
            "every_retry_is_counted",
            "checks_that_the_tracer_runs_are_left_out",
            "free_readers_are_counted_as_they_waited",
        ],
    ),
    (
        "runs",
        &["every_retry_is_counted", "every_retry_by_force_has_its_run"],
    ),
    (
        "fallbacks",
        &[
            "process_times_make_readers_wait",
            "a_retry_by_force_is_a_retry",
            "free_readers_are_counted_as_they_waited",
        ],
    ),
    (
        "holds",
        &[
            "renames_are_holds_by_who_renames",
            "a_hold_by_force_is_a_hold",
            "free_readers_are_counted_as_they_waited",
        ],
    ),
    ("stacks", &["a_flamegraph_is_drawn_or_its_lack_is_told"]),
    ("contention", &["a_block_by_force_is_seen_at_its_lock"]),
    (
        "audit",
        &[
            "the_counters_of_a_sound_kernel_are_sound",
            "damaged_counters_are_found",
        ],
    ),
    (
        "cost",
        &[
            "an_undisturbed_reader_pays_nothing",
            "probes_come_and_go_one_by_one",
        ],
    ),
    (
        "ending",
        &[
            "the_status_of_the_command_is_kept",
            "the_end_leaves_no_probe",
            "an_interrupt_while_attaching_leaves_no_probe",
            "a_kill_leaves_no_probe",
            "a_second_tracer_is_refused",
            "a_module_may_leave_while_it_is_probed",
        ],
    ),
    (
        "privileges",
        &[
            "doctor_finds_nothing_missing",
            "a_command_that_does_not_exist_is_told",
            "a_user_without_privileges_is_told",
            "hidden_addresses_are_told",
            "kprobes_switched_off_are_told",
            "missing_tracefs_is_told",
        ],
    ),
];
