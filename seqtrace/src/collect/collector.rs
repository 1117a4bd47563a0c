//! Reads the maps on a tick and drains the ring whenever it has something.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::maps::{MapData, RingBuf};
use nix::time::{ClockId, clock_gettime};
use seqtrace_common::{event::Event, loss};
use tokio::{
    io::{
        Interest,
        unix::{AsyncFd, AsyncFdReadyMutGuard},
    },
    time::{Interval, MissedTickBehavior, interval_at, sleep_until},
};

use super::{
    batch::{Arrivals, Batch, News},
    inbox::Inbox,
    maps::{Maps, contents, take},
    quiet::{Reaped, Room, is_crowded, quiet},
    stacks::Stacks,
};
use crate::attach::{MapSizes, Missed, Session};

/// How long the ring is left alone after it was emptied. The kernel wakes who waits for it at each record
/// that finds all before it taken (`bpf_ringbuf_commit`, `kernel/bpf/ringbuf.c`): at many records a second
/// that would cost more than the records. The first record after a rest is taken at once.
const REST: Duration = Duration::from_millis(20);

/// A ring in which so large a part was full when it was emptied is not left alone.
const BUSY_PART: u32 = 4;

/// Bytes that a record takes in the ring, with its header.
const RECORD_BYTES: u32 = size_of::<Event>() as u32 + 8;

/// Turns what a session's maps hold into batches.
///
/// Counters are read before the open waits: a wait that ends in between is in neither or in the
/// open ones, never in both, so that numbers of waits do not go down from one batch to the next.
pub struct Collector {
    maps: Maps,
    stacks: Stacks,
    missed: Missed,
    ring: AsyncFd<RingBuf<MapData>>,
    /// When the ring may be looked at again.
    rested: tokio::time::Instant,
    tick: Interval,
    inbox: Inbox,
    reaped: Reaped,
    slots: u32,
    counted: BTreeSet<u32>,
    runs: Vec<u32>,
    sizes: MapSizes,
    stacks_on: bool,
    samples: bool,
    threshold_ns: Option<u64>,
    min_ns: u64,
    began: Instant,
}

impl Collector {
    /// Takes the maps away from the session, which can have one collector only. Batches come once
    /// in `period`. Must be called inside a tokio runtime with time and io enabled.
    ///
    /// # Errors
    ///
    /// When the session had a collector before, or the ring cannot be polled.
    pub fn new(session: &mut Session, period: Duration) -> Result<Self> {
        let ring: RingBuf<MapData> = take(session, "EVENTS")?;
        // SAFETY: the map owns the file descriptor and stays in the `AsyncFd`.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
            .context("failed to poll the ring")?;
        let mut tick = interval_at(tokio::time::Instant::now() + period, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            maps: Maps::take(session)?,
            stacks: Stacks::new(take(session, "STACKS")?),
            missed: session.missed()?,
            ring,
            rested: tokio::time::Instant::now(),
            tick,
            inbox: Inbox::default(),
            reaped: Reaped::default(),
            slots: session.slots(),
            counted: &(session.probed() | session.sampled()) | session.contended(),
            runs: session.runs().to_vec(),
            sizes: session.sizes(),
            stacks_on: session.stacks(),
            samples: session.samples(),
            threshold_ns: session.threshold_ns(),
            min_ns: session.min_ns(),
            began: session.began(),
        })
    }

    /// Reads the counters of one more slot from now on: one that was probed only now
    /// ([`Session::add`]). Slots whose probe is taken off stay.
    pub fn include(&mut self, slot: u32) {
        self.counted.insert(slot);
    }

    /// The next batch comes in `first` from now, and then one in each `period`. Must be called inside a
    /// tokio runtime with time enabled.
    pub fn pace(&mut self, first: Duration, period: Duration) {
        self.tick = interval_at(tokio::time::Instant::now() + first, period);
        self.tick
            .set_missed_tick_behavior(MissedTickBehavior::Delay);
    }

    /// Hands out every record from now on, and not only the longest.
    pub fn keep_each(&mut self) {
        self.inbox.keep_each();
    }

    /// Waits for the next tick and reads everything, or before it for more records than there is room
    /// for ([`Collector::keep_each`]). Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub async fn next(&mut self) -> Result<News> {
        if self.ticked().await? {
            let batch = self.read(self.began.elapsed())?;
            return Ok(News::Batch(Box::new(batch)));
        }
        let records = self.inbox.take_each();
        let stacks = records.iter().map(|event| event.stack);
        let frames = if self.stacks_on {
            self.stacks.frames(stacks)
        } else {
            HashMap::new()
        };
        Ok(News::Arrivals(Arrivals { records, frames }))
    }

    /// Waits for the next tick, and reads only if waits have to be taken out of a map that fills up.
    ///
    /// Where nobody looks at the numbers before the end, that is better than [`Collector::next`]: the
    /// kernel runs no program at a kprobe while the task on that CPU reads a map
    /// (`bpf_disable_instrumentation`, `include/linux/bpf.h`), and if that task is preempted, readers
    /// that come upon it are not counted until it goes on. Listing keys does not have this effect.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub async fn tend(&mut self) -> Result<Option<Batch>> {
        self.ticked().await?;
        let room = self.sizes.spins;
        let spins = self.maps.spins.keys().take(room as usize).count();
        if is_crowded(spins, room) {
            self.read(self.began.elapsed()).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Waits for the next tick: `true`; `false` when there is no more room for records before.
    async fn ticked(&mut self) -> Result<bool> {
        loop {
            if self.inbox.is_full() {
                return Ok(false);
            }
            tokio::select! {
                _ = self.tick.tick() => return Ok(true),
                guard = rested(&mut self.ring, self.rested) => {
                    let mut guard = guard.context("failed to poll the ring")?;
                    let records = drain(guard.get_inner_mut(), &mut self.inbox, Until::Full)?;
                    // What is left makes it ready at once.
                    if !self.inbox.is_full() {
                        guard.clear_ready();
                        let is_busy = records > self.sizes.ring_bytes / RECORD_BYTES / BUSY_PART;
                        let rest = if is_busy { Duration::ZERO } else { REST };
                        self.rested = tokio::time::Instant::now() + rest;
                    }
                }
            }
        }
    }

    /// Reads everything now.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub fn now(&mut self) -> Result<Batch> {
        self.read(self.began.elapsed())
    }

    /// Reads everything once more, after [`Session::detach`]: the numbers are complete then.
    /// `elapsed` comes from [`Session::close_window`].
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub fn final_batch(&mut self, elapsed: Duration) -> Result<Batch> {
        self.read(elapsed)
    }

    fn read(&mut self, elapsed: Duration) -> Result<Batch> {
        drain(self.ring.get_mut(), &mut self.inbox, Until::Empty)?;
        let MapSizes {
            blocks,
            spins: spin_room,
            blames,
            tasks,
            stack_counts,
            ..
        } = self.sizes;
        let (counters, recent) = self.maps.counters(self.slots, &self.counted)?;
        let credits = self.maps.credits((tasks, blames), recent)?;
        let mut batch = Batch {
            elapsed_ns: elapsed.as_nanos().try_into().unwrap_or(u64::MAX),
            counters,
            losses: self.maps.losses()?,
            samples_elsewhere: self.samples.then(|| self.maps.elsewhere()).transpose()?,
            blames: credits.blames.into_iter().collect(),
            tasks: credits.tasks.into_iter().collect(),
            ..Batch::default()
        };
        if self.stacks_on {
            let stacks = contents(&self.maps.stack_counts, stack_counts, "STACK_COUNTS")?;
            batch.stacks = stacks.into_iter().collect();
        }
        for open in self.maps.open_blocks()? {
            *batch.blocks_in_flight.entry(open.slot()).or_default() += 1;
        }
        for (key, block) in contents(&self.maps.blocks, blocks, "BLOCKS")? {
            if block.start_ns != 0 {
                *batch.blocks_in_flight.entry(key.slot).or_default() += 1;
            }
        }
        for (_, contention) in contents(&self.maps.contentions, blocks, "CONTENTIONS")? {
            if contention.block.start_ns != 0 {
                *batch.blocks_in_flight.entry(contention.slot).or_default() += 1;
            }
        }
        let holds = contents(&self.maps.holds, self.sizes.holds, "HOLDS")?;
        for hold in holds.values().filter(|hold| hold.filtered == 0) {
            *batch.holds_in_flight.entry(hold.slot).or_default() += 1;
        }
        self.read_runs(&mut batch)?;
        self.read_spins(&mut batch, spin_room)?;
        let thinned_out = batch.counters.iter().map(|site| site.thinned_out);
        batch.losses[loss::THINNED_OUT as usize] += thinned_out.sum::<u64>();
        self.reaped.add_to(&mut batch);
        batch.losses[loss::MISSED as usize] += self.missed.passed_over()?;
        let fired = self.missed.fired()?.unwrap_or_default();
        batch.losses[loss::NESTED as usize] += fired.nested;
        (batch.events, batch.events_left_out) = self.inbox.take_longest();
        batch.records = self.inbox.take_each();
        batch.notes = self.inbox.take_notes();
        self.read_frames(&mut batch);
        Ok(batch)
    }

    fn read_runs(&self, batch: &mut Batch) -> Result<()> {
        if self.runs.is_empty() {
            return Ok(());
        }
        batch.runs = self.maps.run_counters(&self.runs)?;
        for (key, run) in contents(&self.maps.runs, self.sizes.runs, "RUNS")? {
            let (runs, retries) = batch.runs_in_flight.entry(key.slot).or_default();
            *runs += 1;
            *retries += run.length;
        }
        Ok(())
    }

    /// Puts the open waits into the batch, but for those that have been quiet for long.
    fn read_spins(&mut self, batch: &mut Batch, capacity: u32) -> Result<()> {
        let mut spins = contents(&self.maps.spins, capacity, "SPINS")?;
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("failed to read the clock")?;
        let now_ns = Duration::from(now)
            .as_nanos()
            .try_into()
            .unwrap_or(u64::MAX);
        let MapSizes {
            tasks,
            stack_counts,
            blames,
            ..
        } = self.sizes;
        let room = Room {
            tasks: tasks as usize,
            stacks: if self.stacks_on {
                stack_counts as usize
            } else {
                0
            },
            blames: blames as usize,
        };
        for key in quiet(&spins, capacity, now_ns) {
            // A wait that is gone meanwhile has been counted by the kernel side.
            if let Some(spin) = spins.remove(&key)
                && self.maps.spins.remove(&key).is_ok()
            {
                if spin.duration_ns() < self.min_ns {
                    self.reaped.count_short(key);
                    continue;
                }
                self.reaped.count(key, &spin, room);
                if self
                    .threshold_ns
                    .is_some_and(|threshold_ns| spin.duration_ns() >= threshold_ns)
                {
                    self.inbox.push(spin.event(key));
                }
            }
        }
        // They may last for longer in the next batch: they are open still.
        for (key, _) in spins.extract_if(|_, spin| spin.duration_ns() < self.min_ns) {
            batch.counters[key.slot as usize].short += 1;
        }
        batch.spins = spins.into_iter().collect();
        Ok(())
    }

    fn read_frames(&mut self, batch: &mut Batch) {
        if !self.stacks_on {
            return;
        }
        let ids = batch
            .stacks
            .iter()
            .map(|(key, _)| key.stack)
            .chain(
                batch
                    .blames
                    .iter()
                    .flat_map(|(key, _)| [key.stack, key.writer_stack]),
            )
            .chain(
                batch
                    .spins
                    .iter()
                    .flat_map(|(_, spin)| [spin.stack, spin.edge.stack]),
            )
            .chain(batch.events.iter().map(|event| event.stack))
            .chain(batch.records.iter().map(|event| event.stack));
        batch.frames = self.stacks.frames(ids);
    }
}

/// The ring as soon as there is something in it and it may be looked at.
async fn rested(
    ring: &mut AsyncFd<RingBuf<MapData>>,
    from: tokio::time::Instant,
) -> io::Result<AsyncFdReadyMutGuard<'_, RingBuf<MapData>>> {
    sleep_until(from).await;
    ring.readable_mut().await
}

/// How far the ring is emptied.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Until {
    /// Nothing is in it.
    Empty,
    /// There is no more room, or nothing is in it.
    Full,
}

/// Takes records out of the ring; how many.
fn drain(ring: &mut RingBuf<MapData>, inbox: &mut Inbox, until: Until) -> Result<u32> {
    let mut records = 0;
    while !(until == Until::Full && inbox.is_full())
        && let Some(record) = ring.next()
    {
        let event = Event::decode(&record).with_context(|| {
            format!(
                "failed to decode a record of {} bytes from the ring",
                record.len()
            )
        })?;
        inbox.push(event);
        records += 1;
    }
    Ok(records)
}
