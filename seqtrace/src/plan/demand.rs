//! Time that readers lose at each seqcount → whose writers are to be probed now. Pure.
//!
//! A probe at a write costs the writer a trap, so writers are probed only while readers are known to
//! lose time, for a short while, and then not again for longer.

use std::{collections::BTreeMap, time::Duration};

use super::{Kind, Plan};

/// Writers stay without a probe for so many times as long as they had one.
const REST: u32 = 10;

/// When writers are probed on demand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Readers of one seqcount lose more than this in a second.
    pub above: Duration,
    /// For how long.
    pub lasting: Duration,
}

/// What is to be done with the writers of a seqcount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Demand {
    /// They are to be probed.
    Begin {
        /// Name of the seqcount.
        seqcount: String,
        /// Time that its readers lost for each second of the last interval, nanoseconds.
        lost_ns: u64,
    },
    /// Their probes are to be taken off.
    End {
        /// Name of the seqcount.
        seqcount: String,
    },
}

/// Decides, interval by interval.
#[derive(Debug)]
pub struct Demands {
    limits: Limits,
    writers: BTreeMap<String, Writers>,
}

/// The writers of one seqcount.
#[derive(Debug)]
struct Writers {
    slots: Vec<u32>,
    state: State,
}

/// Times are since the begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Without probes, and may be probed from then on.
    Resting(Duration),
    /// Probed until then.
    Probed(Duration),
}

impl Demands {
    /// For the increments of `plan` that wait for somebody to ask for them.
    pub fn new(plan: &Plan, limits: Limits) -> Self {
        let mut writers = BTreeMap::new();
        for (slot, target) in (0..).zip(&plan.targets) {
            if target.kind == Kind::Write && target.on_demand && target.skip.is_none() {
                let entry = writers.entry(target.place.seqcount().label());
                let writers = entry.or_insert_with(|| Writers {
                    slots: Vec::new(),
                    state: State::Resting(Duration::ZERO),
                });
                writers.slots.push(slot);
            }
        }
        Self { limits, writers }
    }

    /// The slots of the increments of a seqcount.
    pub fn slots(&self, seqcount: &str) -> &[u32] {
        self.writers
            .get(seqcount)
            .map_or(&[], |writers| &writers.slots)
    }

    /// What is to be done at `now`, a time since the begin. `lost_ns` has the time that the readers of
    /// each seqcount lost for each second of the interval that ends now.
    pub fn decide(&mut self, now: Duration, lost_ns: &BTreeMap<String, u64>) -> Vec<Demand> {
        let Limits { above, lasting } = self.limits;
        let mut demands = Vec::new();
        for (seqcount, writers) in &mut self.writers {
            let seqcount = || seqcount.clone();
            let lost_ns = lost_ns.get(&seqcount()).copied().unwrap_or(0);
            match writers.state {
                State::Probed(until) if now >= until => {
                    writers.state = State::Resting(now + lasting * REST);
                    demands.push(Demand::End {
                        seqcount: seqcount(),
                    });
                }
                State::Resting(until) if now >= until && u128::from(lost_ns) > above.as_nanos() => {
                    writers.state = State::Probed(now + lasting);
                    demands.push(Demand::Begin {
                        seqcount: seqcount(),
                        lost_ns,
                    });
                }
                State::Probed(_) | State::Resting(_) => {}
            }
        }
        demands
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        discover::catalog::{Half, Instance, Name, Seqcount, Write},
        plan::{Backend, Place, Target},
    };

    fn target(name: &str, on_demand: bool) -> Target {
        Target {
            image: "vmlinux".to_owned(),
            kind: Kind::Write,
            backend: Backend::Probe,
            address: 0,
            end_address: None,
            owner_offset: None,
            word: None,
            skip: None,
            on_demand,
            place: Place::Instance(Instance {
                function: "writer".to_owned(),
                offset: 0,
                image_offset: 0,
                half: Half::Write(Write::Begin),
                seqcount: Seqcount {
                    name: Name::Global(name.to_owned()),
                    lockname: None,
                    lock: None,
                },
                location: None,
                open_coded: false,
                sites: Vec::new(),
                chain: Vec::new(),
            }),
        }
    }

    fn demands() -> Demands {
        let targets = [
            ("rename_lock", true),
            ("mount_lock", true),
            ("rename_lock", true),
            ("asked_for", false),
        ];
        let plan = Plan {
            targets: targets.map(|(name, wait)| target(name, wait)).into(),
        };
        let limits = Limits {
            above: Duration::from_millis(10),
            lasting: Duration::from_secs(3),
        };
        Demands::new(&plan, limits)
    }

    fn begin(lost_ns: u64) -> Vec<Demand> {
        vec![Demand::Begin {
            seqcount: "rename_lock".to_owned(),
            lost_ns,
        }]
    }

    #[test]
    fn writers_are_probed_for_a_while_and_then_left_alone_for_longer() {
        let mut demands = demands();
        let hurt = |lost_ns| BTreeMap::from([("rename_lock".to_owned(), lost_ns)]);
        let mut at =
            |seconds, lost_ns| demands.decide(Duration::from_secs(seconds), &hurt(lost_ns));
        assert_eq!(at(1, 10_000_000), [], "as much as it may be");
        assert_eq!(at(2, 10_000_001), begin(10_000_001));
        assert_eq!(at(3, 50_000_000), [], "they are probed");
        let end = Demand::End {
            seqcount: "rename_lock".to_owned(),
        };
        assert_eq!(at(5, 50_000_000), [end]);
        assert_eq!(at(34, 50_000_000), [], "they rest");
        assert_eq!(at(35, 50_000_000), begin(50_000_000));
    }

    #[test]
    fn only_writers_that_wait_for_it_are_probed() {
        let mut demands = demands();
        assert_eq!(demands.slots("rename_lock"), [0, 2]);
        assert!(demands.slots("asked_for").is_empty());
        let lost_ns = BTreeMap::from([("asked_for".to_owned(), u64::MAX)]);
        assert_eq!(demands.decide(Duration::from_secs(1), &lost_ns), []);
    }
}
