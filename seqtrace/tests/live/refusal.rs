//! Bad input and bad luck: one clear line, status 1, nothing attached.

use std::fs;

use crate::{
    guest::{self, Guest},
    seqtrace,
};

fn told() -> String {
    assert_eq!(guest::probes(), 0, "nothing stays attached");
    String::new()
}

pub(crate) fn a_command_that_does_not_exist_is_told(_: &Guest) -> String {
    seqtrace::run(&["stat", "--", "no-such-command"]).failed_with("no-such-command");
    told()
}

pub(crate) fn a_user_without_privileges_is_told(_: &Guest) -> String {
    for words in [&["stat"][..], &["sites"], &["top"]] {
        seqtrace::run_as_nobody(words).failed_with("run seqtrace as root");
    }
    told()
}

pub(crate) fn hidden_addresses_are_told(_: &Guest) -> String {
    let path = "/proc/sys/kernel/kptr_restrict";
    let before = fs::read_to_string(path).expect("the setting");
    fs::write(path, "2").expect("addresses are hidden");
    let run = seqtrace::run(&["sites"]);
    fs::write(path, before).expect("addresses are shown again");
    run.failed_with("kptr_restrict");
    told()
}

pub(crate) fn kprobes_switched_off_are_told(_: &Guest) -> String {
    let path = "/sys/kernel/debug/kprobes/enabled";
    fs::write(path, "0").expect("kprobes are switched off");
    let run = seqtrace::run(&["stat", "--duration", "1s"]);
    fs::write(path, "1").expect("kprobes are switched on again");
    run.failed_with("kprobes are switched off");
    told()
}

pub(crate) fn missing_tracefs_is_told(_: &Guest) -> String {
    guest::unmount_tracefs();
    seqtrace::run(&["stat", "--duration", "1s"]).failed_with("mount -t tracefs");
    String::new()
}
