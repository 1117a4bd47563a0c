//! What the lines of a recording refer to by number, and the lines that do.

use anyhow::{Context as _, Result, ensure};
use rustc_hash::FxHashMap;

use super::{
    limits,
    lines::{EventLine, NameLine, SnapshotLine},
    numbering::{Expansion, make_safe},
};
use crate::{
    aggregate::{SiteLabel, occurrence::Occurrence, snapshot::Snapshot},
    plan::Kind,
};

/// The names so far.
#[derive(Default)]
pub(super) struct Names {
    sites: FxHashMap<u32, SiteLabel>,
    /// Whether one of them is an increment, where holds begin.
    has_writers: bool,
    frames: Vec<String>,
    frames_bytes: usize,
    /// All stacks one after the other.
    stacks: Vec<u32>,
    /// Where each stack ends in `stacks`.
    ends: Vec<usize>,
}

impl Names {
    /// Takes over the name in a line.
    ///
    /// # Errors
    ///
    /// When it is none, or there are too many.
    pub(super) fn take_over(&mut self, line: &[u8]) -> Result<()> {
        let line = serde_json::from_slice(line).context("a line is none of a recording")?;
        match line {
            NameLine::Site(number, label) => {
                ensure!(self.sites.len() < limits::SITES, "its sites are too many");
                self.has_writers |= label.kind == Kind::Write;
                self.sites.insert(number, safe(label));
            }
            NameLine::Frame(mut name) => {
                make_safe(&mut name);
                ensure!(
                    name.len() <= limits::NAME_BYTES,
                    "a name of {} bytes is too long",
                    name.len()
                );
                self.frames_bytes += name.len() + size_of::<String>();
                ensure!(
                    self.frames_bytes <= limits::NAMES_BYTES,
                    "its names are too many"
                );
                self.frames.push(name);
            }
            NameLine::Stack(frames) => {
                let is_known = |frame: &u32| (*frame as usize) < self.frames.len();
                ensure!(
                    frames.iter().all(is_known),
                    "a stack has a frame that is not known"
                );
                ensure!(
                    frames.len() <= limits::STACK_FRAMES,
                    "a stack of {} frames is too deep",
                    frames.len()
                );
                ensure!(
                    self.stacks.len() + self.ends.len() < limits::STACKS_FRAMES,
                    "its stacks are too many"
                );
                self.stacks.extend(frames);
                self.ends.push(self.stacks.len());
            }
        }
        Ok(())
    }

    /// How a site is called.
    pub(super) fn site(&self, number: u32) -> Option<&SiteLabel> {
        self.sites.get(&number)
    }

    /// Whether there may be holds among the events.
    pub(super) fn has_writers(&self) -> bool {
        self.has_writers
    }

    /// The frames of a stack, outermost first.
    pub(super) fn frames(&self, stack: Option<u32>) -> impl Iterator<Item = &str> {
        let frames = stack.and_then(|stack| self.stack(stack.into()));
        let frames = frames.unwrap_or_default().iter();
        frames.map(|frame| self.frames[*frame as usize].as_str())
    }

    fn stack(&self, number: u64) -> Option<&[u32]> {
        let number = usize::try_from(number).ok()?;
        let end = *self.ends.get(number)?;
        let begin = match number.checked_sub(1) {
            Some(previous) => self.ends[previous],
            None => 0,
        };
        Some(&self.stacks[begin..end])
    }

    /// The event in a line.
    ///
    /// # Errors
    ///
    /// When there is none, or it refers to what is not known.
    pub(super) fn event(&self, line: &[u8]) -> Result<Occurrence> {
        let line: EventLine = serde_json::from_slice(line).context("an event cannot be read")?;
        let mut event = line.event;
        ensure!(
            self.sites.contains_key(&event.site),
            "an event is at site {}, which is not known",
            event.site
        );
        let is_known = |stack: u32| (stack as usize) < self.ends.len();
        ensure!(
            event.stack.is_none_or(is_known),
            "an event has a stack that is not known"
        );
        ensure!(
            event.time_ns <= limits::SUM && event.duration_ns <= limits::SUM,
            "the numbers of an event are too large"
        );
        make_safe(&mut event.comm);
        event.owner_comm.iter_mut().for_each(make_safe);
        Ok(event)
    }

    /// The snapshot in a line.
    ///
    /// # Errors
    ///
    /// When there is none, it refers to what is not known, or is too large.
    pub(super) fn snapshot(&self, line: &[u8]) -> Result<Snapshot> {
        let line = serde_json::from_slice(line).context("a snapshot cannot be read")?;
        let (SnapshotLine::Snapshot(mut value) | SnapshotLine::Last(mut value)) = line;
        Expansion::new(|number| self.stack(number), &self.frames).expand(&mut value)?;
        let snapshot: Snapshot =
            serde_json::from_value(value).context("a snapshot cannot be read")?;
        ensure!(
            (1..=Snapshot::FORMAT).contains(&snapshot.format),
            "a snapshot is of format {}, and this seqtrace reads up to {}: use a newer one",
            snapshot.format,
            Snapshot::FORMAT
        );
        Ok(snapshot)
    }
}

fn safe(mut label: SiteLabel) -> SiteLabel {
    let SiteLabel {
        seqcount,
        lockname: _,
        image,
        site,
        kind: _,
        backend: _,
    } = &mut label;
    [seqcount, image, site].into_iter().for_each(make_safe);
    label
}
