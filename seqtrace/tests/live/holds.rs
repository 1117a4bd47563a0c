//! Holds: write sections of the seqcounts that are named.

use ::seqtrace::plan::Kind;

use crate::{
    guest::{Guest, Workload},
    seqtrace,
};

/// Each rename of a directory or a file is a hold of `rename_lock` by who renames.
pub(crate) fn renames_are_holds_by_who_renames(_: &Guest) -> String {
    let _workload = Workload::start("rename");
    let snapshot = seqtrace::stat(&["--duration", "5s", "--writers", "rename_lock"]);
    let rows = snapshot.rows.iter();
    let holds: Vec<_> = rows.filter(|row| row.kind == Kind::Write).collect();
    let count: u64 = holds.iter().map(|row| row.count).sum();
    let total_ns: u64 = holds.iter().map(|row| row.total_ns).sum();
    assert!(count > 0 && total_ns > 0, "no hold: {:#?}", snapshot.losses);
    let mut writers = holds.iter().flat_map(|row| &row.readers);
    assert!(
        writers.all(|writer| writer.comm == "renamer" && writer.tgid > 0),
        "{holds:#?}"
    );
    for lost in ["holds_full", "hold_without_end", "word_unread"] {
        assert_eq!(snapshot.losses.get(lost), Some(&0), "{:?}", snapshot.losses);
    }
    let functions: Vec<&str> = holds.iter().map(|row| row.site.as_str()).collect();
    format!("{count} holds in {total_ns} ns at {}", functions.join(", "))
}
