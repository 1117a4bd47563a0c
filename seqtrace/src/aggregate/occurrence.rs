//! Events from the ring → events that can be written down one by one.

use seqtrace_common::{
    event::{Event, kind},
    wait::{SpinState, WaitKey},
};
use serde::{Deserialize, Serialize};

use super::{Aggregate, SiteLabel, comm};

/// One event over the threshold; its site and its stack by number. Of a hold the reader is the writer.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Time of its end since boot, nanoseconds.
    pub time_ns: u64,
    /// How long the reader waited, nanoseconds; for runs since the first failed check.
    pub duration_ns: u64,
    /// Number of its site.
    pub site: u32,
    /// CPU on which it ended.
    pub cpu: u32,
    /// Reader's thread id; 0 for the idle tasks.
    pub tid: u32,
    /// Reader's process id.
    pub tgid: u32,
    /// Reader's command name.
    pub comm: String,
    /// Id of the reader's cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<u64>,
    /// For runs the failed checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u64>,
    /// Whether it is a run that went on when this was recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconverged: bool,
    /// Whether the reader slept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub slept: bool,
    /// Owner's thread id; `None` when there was none or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_tid: Option<u32>,
    /// Owner's command name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_comm: Option<String>,
    /// The hold that the reader waited for, where it is known; it may be a shorter one than is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldBegin>,
    /// Number of its stack; `None` when it was lost or not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<u32>,
}

/// Which hold it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct HoldBegin {
    /// Number of the increment by which it began.
    pub site: u32,
    /// When that was, nanoseconds since boot.
    pub began_ns: u64,
}

impl Occurrence {
    /// An event of the ring.
    pub fn new(event: &Event) -> Self {
        let is_run = matches!(event.kind, kind::RUN | kind::UNCONVERGED);
        let owner = event.owner_tid != 0;
        let is_blamed = event.hold_ns != 0 && event.kind != kind::HOLD;
        Self {
            time_ns: event.time_ns,
            duration_ns: event.duration_ns,
            site: event.slot,
            cpu: event.cpu,
            tid: event.tid,
            tgid: event.tgid,
            comm: comm::text(&event.comm),
            cgroup: (event.cgroup != 0).then_some(event.cgroup),
            retries: is_run.then_some(event.lock),
            unconverged: event.kind == kind::UNCONVERGED,
            slept: event.slept != 0,
            owner_tid: owner.then_some(event.owner_tid),
            owner_comm: owner.then(|| comm::text(&event.owner_comm)),
            hold: is_blamed.then_some(HoldBegin {
                site: event.hold_slot,
                began_ns: event.hold_ns,
            }),
            stack: u32::try_from(event.stack).ok(),
        }
    }

    /// When it began, nanoseconds since boot.
    pub fn began_ns(&self) -> u64 {
        self.time_ns.saturating_sub(self.duration_ns)
    }
}

impl Aggregate {
    /// How the site of a slot is called; `None` where no site has it.
    pub fn label(&self, slot: u32) -> Option<&SiteLabel> {
        self.labels.get(slot as usize)
    }

    /// The functions of a stack (addresses innermost first), outermost first.
    pub fn frames(&self, addresses: &[u64]) -> Vec<String> {
        self.names.frames(addresses)
    }

    /// Whether a single event is among those that were asked for; `frames` has its stack, if it must be
    /// known.
    pub fn wants(
        &self,
        label: &SiteLabel,
        event: &Occurrence,
        frames: impl Fn() -> Vec<String>,
    ) -> bool {
        let narrowing = self.narrowing();
        if narrowing.is_everything() {
            return true;
        }
        let frames = frames();
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        narrowing.takes(label, event, &frames)
    }

    /// The spins that are open still and lasted for the threshold at least, as events: the kernel
    /// side sends one only when a spin ends.
    pub fn open_spins(&self) -> impl Iterator<Item = Event> {
        let threshold_ns = self.facts.threshold_ns.unwrap_or(u64::MAX);
        let spins = self.totals.spins.iter();
        spins
            .filter(move |(_, spin)| spin.duration_ns() >= threshold_ns)
            .map(|(key, spin): &(WaitKey, SpinState)| spin.event(*key))
    }
}
