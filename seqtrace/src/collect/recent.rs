//! What tasks did, and who waited for whom: what the kernel side has credited, and what it has still to credit to
//! those who came last.

use std::collections::HashMap;

use anyhow::Result;
use seqtrace_common::{
    blame::{BlameKey, BlameValue},
    counters::{TaskKey, TaskValue},
    recent::{RecentBlame, RecentReader},
};

use super::maps::{Maps, contents};

/// How often all is read again, when something was credited in between.
const TRIES: usize = 4;

/// Who came last to a site on a CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recent {
    /// Slot of the site.
    pub(super) slot: u32,
    /// The CPU, by its place among the values of the map.
    pub(super) cpu: usize,
    /// The reader.
    pub(super) reader: RecentReader,
    /// The reader that waited, and the writer.
    pub(super) blame: RecentBlame,
}

/// What was credited.
#[derive(Debug, Default)]
pub(super) struct Credits {
    pub(super) tasks: HashMap<TaskKey, TaskValue>,
    pub(super) blames: HashMap<BlameKey, BlameValue>,
}

impl Maps {
    /// All credits, with what those in `recent` had still to get a moment ago.
    ///
    /// What is credited while the maps are read may be in what was read, or not. Then all is read again. While
    /// tasks take turns so fast that this never helps, what is on its way is left out: it is what these few did
    /// in the time of one reading, and in the next. Once the probes are gone nothing is on its way.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub(super) fn credits(
        &self,
        (tasks, blames): (u32, u32),
        mut recent: Vec<Recent>,
    ) -> Result<Credits> {
        let mut tries = 0;
        loop {
            let mut credits = Credits {
                tasks: contents(&self.tasks, tasks, "TASKS")?,
                blames: contents(&self.blames, blames, "BLAMES")?,
            };
            let now = self.recent(recent.iter().map(|recent| recent.slot))?;
            let (stayed, moved): (Vec<Recent>, Vec<Recent>) =
                recent.into_iter().partition(|recent| stays(recent, &now));
            tries += 1;
            if moved.is_empty() || tries == TRIES {
                for recent in &stayed {
                    credits.add(recent);
                }
                return Ok(credits);
            }
            recent = now;
        }
    }
}

/// Whether nothing was credited from when `recent` was read until `now`: a sequence counter, as those that are traced.
fn stays(recent: &Recent, now: &[Recent]) -> bool {
    let moves = |recent: &Recent| [recent.reader.moves, recent.blame.moves];
    let is_between = moves(recent).iter().any(|moves| moves % 2 != 0);
    let now = now
        .iter()
        .find(|now| (now.slot, now.cpu) == (recent.slot, recent.cpu));
    !is_between && now.is_some_and(|now| moves(now) == moves(recent))
}

impl Credits {
    fn add(&mut self, recent: &Recent) {
        let Recent { reader, blame, .. } = recent;
        if reader.is_due() {
            self.add_task(reader.key, &reader.value);
        }
        if blame.value.count == 0 {
            return;
        }
        self.blames.entry(blame.key).or_default().add(&blame.value);
        if let Some((key, value)) = blame.owner() {
            self.add_task(key, &value);
        }
    }

    fn add_task(&mut self, key: TaskKey, more: &TaskValue) {
        let sum = self.tasks.entry(key).or_insert(TaskValue {
            tid: more.tid,
            ..TaskValue::default()
        });
        sum.count += more.count;
        sum.total_ns += more.total_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(cpu: usize, count: u64, moves: u64) -> Recent {
        let mut recent = Recent {
            slot: 3,
            cpu,
            reader: RecentReader {
                moves,
                ..RecentReader::NONE
            },
            blame: RecentBlame::NONE,
        };
        recent.reader.key.slot = 3;
        recent.reader.key.tgid = 7;
        recent.reader.value = TaskValue {
            count,
            total_ns: 10 * count,
            tid: 70,
        };
        recent.blame.key.slot = 3;
        recent.blame.key.owned = 1;
        recent.blame.key.writer_tgid = 9;
        recent.blame.value = BlameValue {
            count,
            wait_ns: 10 * count,
            held_ns: 0,
            tid: 70,
            writer_tid: 90,
        };
        recent
    }

    #[test]
    fn a_task_is_credited_what_was_credited_and_what_was_not_on_each_cpu() {
        let (reader, key) = (recent(0, 1, 0).reader.key, recent(0, 1, 0).blame.key);
        let (owner, _) = recent(0, 1, 0).blame.owner().expect("it owns the lock");
        let mut credits = Credits::default();
        credits.add_task(
            reader,
            &TaskValue {
                count: 5,
                total_ns: 500,
                tid: 71,
            },
        );
        credits.add(&recent(0, 1, 1));
        credits.add(&recent(1, 2, 0));
        let sum = |count, total_ns, tid| TaskValue {
            count,
            total_ns,
            tid,
        };
        assert_eq!(credits.tasks[&reader], sum(8, 530, 71));
        assert_eq!(credits.tasks[&owner], sum(3, 30, 90));
        assert_eq!(credits.blames[&key].count, 3);
        assert_eq!(credits.blames[&key].writer_tid, 90);
    }

    #[test]
    fn nobody_is_credited_nothing() {
        let mut credits = Credits::default();
        credits.add(&recent(0, 0, 4));
        assert!(credits.tasks.is_empty() && credits.blames.is_empty());
    }

    #[test]
    fn what_was_credited_meanwhile_has_not_stayed() {
        let before = recent(1, 4, 2);
        assert!(stays(&before, &[recent(0, 9, 4), recent(1, 6, 2)]));
        assert!(!stays(&before, &[recent(0, 9, 2), recent(1, 1, 4)]));
        assert!(!stays(&recent(1, 4, 3), &[recent(1, 4, 3)]));
        assert!(!stays(&before, &[]));
    }
}
