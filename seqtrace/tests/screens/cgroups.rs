//! Tasks in containers and units, and waits that are told.

use std::sync::Arc;

use seqtrace::{
    aggregate::{cgroups::CgroupRow, snapshot::Snapshot},
    tui::Input,
};

use super::{Recorded, Screen, golden, recorded};

/// The last numbers of the storm, its readers in cgroups: in a container, in a unit, in one that is gone, the
/// first of all in two of them.
pub(crate) fn in_cgroups() -> Snapshot {
    let storm = recorded(Recorded::Storm);
    let mut snapshot = Snapshot::clone(storm.last().expect("some"));
    let row = |id, path: Option<&str>, name: Option<&str>| CgroupRow {
        id,
        path: path.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    let scope = format!(
        "/system.slice/docker-{}.scope",
        "0123456789abcdef".repeat(4)
    );
    snapshot.cgroups = vec![
        row(70, Some(&scope), Some("docker:0123456789ab")),
        row(71, Some("/system.slice/cron.service"), Some("cron.service")),
        row(72, None, None),
    ];
    for (index, row) in snapshot.rows.iter_mut().enumerate() {
        for (place, task) in row.readers.iter_mut().enumerate() {
            let of_task = task.comm.len() as u64 % 3;
            let moved = u64::from(index == 0 && place == 0);
            task.cgroup = Some(70 + (of_task + moved) % 3);
        }
    }
    snapshot
}

#[test]
fn tasks_tell_their_cgroups_where_there_are_any() {
    let snapshot = Arc::new(in_cgroups());
    for (width, height) in [(80, 24), (120, 40)] {
        let mut screen = Screen::of(&[Arc::clone(&snapshot)], width, height);
        screen
            .press("3")
            .assert_has(&["CGROUP", "docker:0123456789ab", "cron.service", "id 72"]);
        golden(
            &format!("tasks-in-cgroups-{width}x{height}"),
            &screen.text(),
        );
    }
    let mut screen = Screen::of(&recorded(Recorded::Storm), 200, 60);
    screen.press("3").assert_lacks(&["CGROUP"]);
}

#[test]
fn a_wait_that_is_told_stands_at_the_foot_until_a_key_is_pressed() {
    let mut screen = Screen::of(&recorded(Recorded::Storm), 120, 40);
    let line = "cwd-reader/359 waited 38.4 ms for mount_lock at prepend_path+0x333 (block)";
    screen.input(Input::Told(line.to_owned()));
    let text = screen.text();
    assert_eq!(text.lines().last(), Some(line), "{text}");
    screen.press("5").assert_lacks(&[line]);
}
