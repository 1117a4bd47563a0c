//! Waits by reader and writer → rows that say who kept whom waiting.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use seqtrace_common::blame::{BlameKey, BlameValue, reason, state};
use serde::{Deserialize, Serialize};

use super::{comm, frames::FrameNames, rows::SiteLabel};
use crate::{collect::batch::Batch, plan::Kind};

/// One reader that waited for one writer: all its waits at one site from one stack, as the writer was
/// in the same state and had begun its holds at one place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BlameRow {
    /// Index of the reader's site in the plan, as in `Row::slot`.
    pub slot: u32,
    /// Name of the seqcount.
    pub seqcount: String,
    /// Tells apart the counters of that name, numbered from 1 in this document alone; `None` where it is
    /// not known which it was.
    pub object: Option<u64>,
    /// The reader's site.
    pub site: String,
    /// How it waited there.
    pub kind: Kind,
    /// Who waited.
    pub reader: Party,
    /// Who held the sequence odd, or owned the lock of its writers.
    pub writer: Party,
    /// The increment by which the hold began: `d_move+0x1a`; `None` where holds are not followed.
    pub writer_site: Option<String>,
    /// What the writer was doing when the reader came.
    pub state: State,
    /// Whether the writer owned the lock that the reader called.
    pub owned: bool,
    /// Waits.
    pub count: u64,
    /// Time lost by the reader, nanoseconds.
    pub wait_ns: u64,
    /// How long the sequence had been odd when the reader came, nanoseconds, summed up over the waits;
    /// `None` where holds are not followed.
    pub held_ns: Option<u64>,
}

/// One side of a wait.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Party {
    /// Command name.
    pub comm: String,
    /// Process id.
    pub tgid: u32,
    /// Thread id in the first wait.
    pub tid: u32,
    /// Kernel stack, as in `StackRow::frames`; the writer's at the begin of its hold. Empty when not
    /// asked for, not known or lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
}

/// What a writer was doing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It ran, on another CPU than the reader.
    Running,
    /// It was ready to run and on no CPU.
    Preempted,
    /// It waited itself.
    Sleeping,
    /// The reader was in an interrupt that had come upon the writer.
    Interrupted,
    /// The kernel does not tell.
    Unknown,
}

impl State {
    fn new(verdict: u32) -> Self {
        match verdict {
            state::RUNNING => Self::Running,
            state::PREEMPTED => Self::Preempted,
            state::SLEEPING => Self::Sleeping,
            state::INTERRUPTED => Self::Interrupted,
            _ => Self::Unknown,
        }
    }

    /// The word for it in the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Preempted => "preempted",
            Self::Sleeping => "sleeping",
            Self::Interrupted => "interrupted",
            Self::Unknown => "unknown",
        }
    }
}

/// What stands together in one row, apart from the numbers and the threads.
type Identity<'a> = (BlameKey, &'a [String], &'a [String]);

/// The rows, most time lost first, then most waits. Stacks that differ only in addresses inside the
/// same functions become one.
pub(super) fn blames(labels: &[SiteLabel], batch: &Batch, names: &FrameNames) -> Vec<BlameRow> {
    let frames: BTreeMap<i32, Vec<String>> = batch
        .frames
        .iter()
        .map(|(stack, addresses)| (*stack, names.frames(addresses)))
        .collect();
    let frames_of = |stack| frames.get(&stack).map_or(&[][..], Vec::as_slice);
    let objects = objects(labels, batch);
    let mut sums: Vec<(Identity<'_>, BlameValue)> = Vec::new();
    let mut index = HashMap::new();
    for (key, value) in &batch.blames {
        let stacks = (frames_of(key.stack), frames_of(key.writer_stack));
        let identity = (
            BlameKey {
                stack: 0,
                writer_stack: 0,
                ..*key
            },
            stacks.0,
            stacks.1,
        );
        let at = *index.entry(identity).or_insert_with(|| {
            sums.push((identity, BlameValue::default()));
            sums.len() - 1
        });
        sums[at].1.add(value);
    }
    let rows = sums.into_iter();
    let mut rows: Vec<BlameRow> = rows
        .filter_map(|(identity, value)| row(labels, &objects, identity, &value))
        .collect();
    rows.sort_by_cached_key(|row| {
        (
            Reverse((row.wait_ns, row.count)),
            row.slot,
            row.object,
            row.reader.clone(),
            row.writer.clone(),
            (row.writer_site.clone(), row.state),
        )
    });
    rows
}

/// Which counter of its name lies at an address; by slot, because a name belongs to the site.
fn objects(labels: &[SiteLabel], batch: &Batch) -> BTreeMap<(String, u64), u64> {
    let words = batch.blames.iter().filter_map(|(key, _)| {
        let label = labels.get(key.slot as usize)?;
        (key.word != 0).then(|| (label.seqcount.clone(), key.word))
    });
    let words: BTreeSet<(String, u64)> = words.collect();
    let mut before = BTreeMap::<String, u64>::new();
    let number = |(name, word): (String, u64)| {
        let number = before.entry(name.clone()).or_default();
        *number += 1;
        ((name, word), *number)
    };
    words.into_iter().map(number).collect()
}

fn row(
    labels: &[SiteLabel],
    objects: &BTreeMap<(String, u64), u64>,
    (key, frames, writer_frames): Identity<'_>,
    value: &BlameValue,
) -> Option<BlameRow> {
    let BlameKey {
        word,
        slot,
        writer_slot,
        tgid,
        writer_tgid,
        state,
        owned,
        stack: _,
        writer_stack: _,
        comm,
        writer_comm,
    } = key;
    let label = labels.get(slot as usize)?;
    let writer = labels.get(writer_slot as usize);
    Some(BlameRow {
        slot,
        seqcount: label.seqcount.clone(),
        object: objects.get(&(label.seqcount.clone(), word)).copied(),
        site: label.site.clone(),
        kind: label.kind,
        reader: Party {
            comm: comm::text(&comm),
            tgid,
            tid: value.tid,
            frames: frames.to_vec(),
        },
        writer: Party {
            comm: comm::text(&writer_comm),
            tgid: writer_tgid,
            tid: value.writer_tid,
            frames: writer_frames.to_vec(),
        },
        writer_site: writer.map(|writer| writer.site.clone()),
        state: State::new(state),
        owned: owned != 0,
        count: value.count,
        wait_ns: value.wait_ns,
        held_ns: writer.map(|_| value.held_ns),
    })
}

/// Waits without a writer by reason, those that there were.
pub(super) fn unblamed(counts: &[u64; reason::COUNT]) -> BTreeMap<String, u64> {
    let counts = reason::NAMES.into_iter().zip(*counts);
    let counts = counts.filter(|(_, count)| *count > 0);
    counts
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use seqtrace_common::{
        blame::Edge,
        counters::SiteCounters,
        event::Event,
        loss,
        wait::{SpinState, WaitKey},
    };

    use super::*;
    use crate::{
        aggregate::{Aggregate, Facts, snapshot::Snapshot, tests::target},
        discover::catalog::Role,
        plan::Plan,
    };

    /// A wait at slot 0 of a tenth of a microsecond, with that word, verdict and stack.
    fn wait(word: u64, verdict: u32, stack: i32) -> (BlameKey, BlameValue) {
        let edge = Edge {
            word,
            hold_ns: 1_000,
            slot: 1,
            tid: 8,
            tgid: 8,
            comm: comm::bytes("writer"),
            ..Edge::unknown(verdict)
        };
        let mut event = Event::decode(&[0; size_of::<Event>()]).expect("zeros are an event");
        event.time_ns = 1_140;
        event.duration_ns = 100;
        event.stack = stack;
        event.comm = comm::bytes("reader");
        (edge.key(&event.wait()), edge.value(&event.wait()))
    }

    fn snapshot(batch: Batch) -> Snapshot {
        let mut increment = target("d_move", Role::Retry);
        increment.kind = Kind::Write;
        let plan = Plan {
            targets: vec![target("getrusage", Role::Spin), increment],
        };
        let symbolise = Box::new(|address| (address > 0).then(|| "getrusage".to_owned()));
        let mut aggregate = Aggregate::new(&plan, &[], Facts::default(), symbolise);
        aggregate.add(batch);
        aggregate.snapshot()
    }

    fn batch(blames: Vec<(BlameKey, BlameValue)>) -> Batch {
        let mut counters = SiteCounters::ZERO;
        for _ in &blames {
            counters.complete(100);
        }
        counters.hits = 100;
        counters.unblamed[2] = 1;
        counters.complete(100);
        let mut losses = [0; loss::COUNT as usize];
        losses[loss::TASKS_FULL as usize] = counters.count;
        Batch {
            counters: vec![counters, SiteCounters::ZERO],
            frames: HashMap::from([(5, vec![0x1041]), (6, vec![0x1051])]),
            blames,
            losses,
            ..Batch::default()
        }
    }

    #[test]
    fn waits_for_one_writer_are_one_row_whatever_the_addresses_in_the_stack() {
        let snapshot = snapshot(batch(vec![
            wait(0x20, state::RUNNING, 5),
            wait(0x20, state::RUNNING, 6),
            wait(0x10, state::RUNNING, 5),
            wait(0x20, state::PREEMPTED, 5),
        ]));
        assert_eq!(snapshot.check(), []);
        let rows = snapshot.blames.iter();
        let rows = rows.map(|row| (row.object, row.state, row.count, row.wait_ns, row.held_ns));
        let rows: Vec<_> = rows.collect();
        let expected = [
            (Some(2), State::Running, 2, 200, Some(80)),
            (Some(1), State::Running, 1, 100, Some(40)),
            (Some(2), State::Preempted, 1, 100, Some(40)),
        ];
        assert_eq!(rows, expected);
        let first = &snapshot.blames[0];
        assert_eq!(first.writer_site.as_deref(), Some("d_move+0x40"));
        assert_eq!(first.reader.frames, ["getrusage"]);
        assert_eq!((&*first.writer.comm, first.writer.tid), ("writer", 8));
        assert_eq!(snapshot.rows[0].unblamed["not_probed"], 1);
    }

    #[test]
    fn a_wait_that_is_neither_blamed_nor_told_why_not_is_missed() {
        let spoils: [fn(&mut Snapshot); 3] = [
            |snapshot| snapshot.blames[0].count -= 1,
            |snapshot| snapshot.rows[0].unblamed.clear(),
            |snapshot| snapshot.blames[0].count += 1,
        ];
        for spoil in spoils {
            let mut snapshot = snapshot(batch(vec![wait(0x20, state::RUNNING, 5)]));
            spoil(&mut snapshot);
            assert!(!snapshot.check().is_empty());
        }
    }

    #[test]
    fn an_open_spin_is_blamed_too() {
        let mut open = batch(Vec::new());
        let (_, first) = wait(0, state::RUNNING, 5);
        let spin = SpinState {
            first_ns: 0,
            last_ns: first.wait_ns,
            pauses: 2,
            sequence: 7,
            switches: 0,
            registers: 0,
            tgid: 7,
            stack: 5,
            cpu: 0,
            command: 0,
            cgroup: 0,
            comm: comm::bytes("reader"),
            edge: Edge::unknown(state::SLEEPING),
        };
        open.spins = vec![(WaitKey { tid: 7, slot: 0 }, spin)];
        let snapshot = snapshot(open);
        assert_eq!(snapshot.check(), []);
        assert_eq!(snapshot.blames[0].state, State::Sleeping);
        assert_eq!(
            (snapshot.blames[0].count, snapshot.blames[0].held_ns),
            (1, None)
        );
    }

    #[test]
    fn words_of_the_output_are_those_of_the_documents() {
        for verdict in 0..=state::UNKNOWN {
            let state = State::new(verdict);
            let document = serde_json::to_value(state).expect("a word");
            assert_eq!(document, state.word());
        }
    }
}
