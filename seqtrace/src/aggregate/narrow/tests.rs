//! What is left of the recorded snapshot of the tests under each filter adds up with what is left out.

use globset::Glob;

use super::*;
use crate::{
    aggregate::snapshot::SeqcountRow,
    plan::{Kind, SiteFilter},
};

fn recorded() -> Snapshot {
    let text = include_str!("../../../tests/data/snapshots/realtime.json");
    serde_json::from_str(text).expect("a snapshot")
}

fn glob(text: &str) -> Glob {
    Glob::new(text).expect("a pattern")
}

fn events(snapshot: &Snapshot) -> (u64, u64) {
    let rows = snapshot.rows.iter();
    rows.fold((0, 0), |(count, total_ns), row| {
        (count + row.count, total_ns + row.total_ns)
    })
}

/// Narrows the recorded snapshot, and checks that nothing is lost on the way.
fn narrow(narrowing: &Narrowing) -> Snapshot {
    let whole = recorded();
    let left = narrowing.of(whole.clone());
    let left_out = left.filters.clone().and_then(|filters| filters.left_out);
    let left_out = left_out.expect("something is narrowed");
    let (count, total_ns) = events(&left);
    let sum = (count + left_out.events, total_ns + left_out.total_ns);
    assert_eq!(sum, events(&whole));
    for stack in &left.stacks {
        assert!(stack.row < left.rows.len());
    }
    let of_seqcounts: u64 = left.seqcounts.iter().map(SeqcountRow::events).sum();
    let readers = left.rows.iter().filter(|row| row.kind != Kind::Write);
    assert_eq!(of_seqcounts, readers.map(|row| row.count).sum::<u64>());
    assert_eq!(left.check(), []);
    left
}

#[test]
fn whole_rows_stay_as_they_are() {
    let seqcounts = [glob("rename_lock")];
    let left = narrow(&Narrowing {
        sites: SiteFilter::new(&seqcounts, [], []),
        ..Narrowing::default()
    });
    let whole = recorded();
    let wanted = whole
        .rows
        .iter()
        .filter(|row| row.seqcount == "rename_lock");
    assert_eq!(left.rows, wanted.cloned().collect::<Vec<_>>());
    assert!(!left.rows.is_empty());
    assert!(
        left.events
            .iter()
            .all(|event| event.seqcount == "rename_lock")
    );
    let stacks = whole.stacks.iter();
    let stacks = stacks.filter(|stack| whole.rows[stack.row].seqcount == "rename_lock");
    assert_eq!(left.stacks.len(), stacks.count());
}

#[test]
fn readers_that_are_wanted_and_the_others_are_all_readers() {
    let whole = recorded();
    let comm = whole.rows[0].readers[0].comm.clone();
    let wanted = narrow(&Narrowing {
        comms: vec![glob(&comm).compile_matcher()],
        ..Narrowing::default()
    });
    let rows = wanted.rows.iter();
    assert!(
        rows.flat_map(|row| &row.readers)
            .all(|task| task.comm == comm)
    );
    let of_all = whole.rows.iter().flat_map(|row| &row.readers);
    let of_all = of_all
        .filter(|task| task.comm == comm)
        .map(|task| task.count);
    assert_eq!(events(&wanted).0, of_all.sum::<u64>());
    let pid = whole.rows[0].readers[0].tgid;
    let by_pid = narrow(&Narrowing {
        pids: [pid].into(),
        ..Narrowing::default()
    });
    let rows = by_pid.rows.iter();
    assert!(
        rows.flat_map(|row| &row.readers)
            .all(|task| task.tgid == pid)
    );
    assert!(!by_pid.rows.is_empty());
}

#[test]
fn of_a_part_of_a_row_only_what_is_known_is_told() {
    let whole = recorded();
    let row = whole
        .rows
        .iter()
        .find(|row| row.readers.len() > 1)
        .expect("one");
    let readers = vec![row.readers[0].clone()];
    let part = part(row, readers, None);
    assert_eq!(part.count, row.readers[0].count);
    assert_eq!((part.longest_ns(), part.p99_ns), (None, None));
    assert_eq!(row.longest_ns(), Some(row.max_ns));
}

#[test]
fn events_are_chosen_by_a_function_in_their_stacks() {
    let whole = recorded();
    let frame = |snapshot: &Snapshot| {
        let stacks = snapshot.stacks.iter();
        stacks
            .flat_map(|stack| stack.frames.clone())
            .collect::<BTreeSet<_>>()
    };
    let Some(name) = frame(&whole).into_iter().next() else {
        panic!("the recorded snapshot has stacks");
    };
    let left = narrow(&Narrowing {
        stacks: vec![name.clone()],
        ..Narrowing::default()
    });
    let has = |frames: &[String]| frames.iter().any(|frame| frame.contains(&name));
    assert!(!left.stacks.is_empty() && left.stacks.iter().all(|stack| has(&stack.frames)));
    let wanted = whole.stacks.iter().filter(|stack| has(&stack.frames));
    assert_eq!(
        events(&left).0,
        wanted.map(|stack| stack.count).sum::<u64>()
    );
    let none = narrow(&Narrowing {
        stacks: vec!["no_such_function".to_owned()],
        ..Narrowing::default()
    });
    assert!(none.rows.is_empty() && none.stacks.is_empty());
}
