//! Records that the kernel side writes to the ring buffer.

use crate::blame::Wait;

/// What an [`Event`] tells of.
pub mod kind {
    /// A reader took and dropped the writer's lock (PREEMPT_RT).
    pub const BLOCK: u32 = 0;
    /// A reader looped on an odd sequence.
    pub const SPIN: u32 = 1;
    /// A read section failed its check, or gave up and took the lock; the slot tells which.
    pub const RETRY: u32 = 2;
    /// A read section that had failed its check, once or more in a row, passed it.
    pub const RUN: u32 = 3;
    /// A read section has been failing its check for longer than the limit, and goes on.
    pub const UNCONVERGED: u32 = 4;
    /// Something was lost: `lock` is its index in [`crate::loss`]. Only where notes are asked for, and not each one.
    pub const NOTE: u32 = 9;
    /// A sample of the CPU clock found a reader waiting; never in the ring.
    pub const SAMPLE: u32 = 8;
    /// A writer made a sequence odd, and even again; in the ring only where holds are asked for.
    pub const HOLD: u32 = 5;
}

/// One event over the threshold.
///
/// Retries and fallbacks have no duration: they are recorded only where the threshold is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event {
    /// End of the event, `bpf_ktime_get_ns`.
    pub time_ns: u64,
    /// How long the reader waited; zero for retries. Of runs the time since the first failed check, of holds
    /// how long the sequence was odd.
    pub duration_ns: u64,
    /// Address of the writer's lock for blocks, the number of failed checks for runs, what was lost
    /// for notes, else zero.
    pub lock: u64,
    /// Id of the cgroup that the reader was in, of the hierarchy of version 2; zero where the kernel has none.
    pub cgroup: u64,
    /// When the hold began that the reader waited for, `bpf_ktime_get_ns`; zero when it is not known.
    pub hold_ns: u64,
    /// Slot of the site.
    pub slot: u32,
    /// One of the constants in [`kind`].
    pub kind: u32,
    /// CPU on which the event ended.
    pub cpu: u32,
    /// Reader's thread id.
    pub tid: u32,
    /// Reader's process id.
    pub tgid: u32,
    /// Key in the `STACKS` map, or a negative errno.
    pub stack: i32,
    /// Thread id of the lock's owner at the call; 0 when there was none or it is not known.
    pub owner_tid: u32,
    /// 1 when the reader slept.
    pub slept: u32,
    /// Slot of the increment by which that hold began; [`crate::blame::Edge::NO_SLOT`] when it is not known.
    pub hold_slot: u32,
    /// 1 when the reader is of the command that is run.
    pub command: u32,
    /// Reader's command name, zero-terminated.
    pub comm: [u8; 16],
    /// Owner's command name, zero-terminated.
    pub owner_comm: [u8; 16],
}

const _: () = assert!(size_of::<Event>() == 112);

impl Event {
    /// The wait that it tells of.
    #[inline]
    pub const fn wait(&self) -> Wait {
        Wait {
            end_ns: self.time_ns,
            duration_ns: self.duration_ns,
            slot: self.slot,
            stack: self.stack,
            tid: self.tid,
            tgid: self.tgid,
            comm: self.comm,
        }
    }

    /// Reads a record back from the bytes that the ring buffer hands out.
    ///
    /// `None` when the length is not that of a record: the object and the tool were built from
    /// different sources.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (time_ns, rest) = bytes.split_first_chunk()?;
        let (duration_ns, rest) = rest.split_first_chunk()?;
        let (lock, rest) = rest.split_first_chunk()?;
        let (cgroup, rest) = rest.split_first_chunk()?;
        let (hold_ns, rest) = rest.split_first_chunk()?;
        let (words, rest) = rest.split_first_chunk::<40>()?;
        let (comm, owner_comm) = rest.split_first_chunk()?;
        let mut words = words.chunks_exact(4);
        let mut word = || Some(u32::from_ne_bytes(words.next()?.try_into().ok()?));
        Some(Self {
            time_ns: u64::from_ne_bytes(*time_ns),
            duration_ns: u64::from_ne_bytes(*duration_ns),
            lock: u64::from_ne_bytes(*lock),
            cgroup: u64::from_ne_bytes(*cgroup),
            hold_ns: u64::from_ne_bytes(*hold_ns),
            slot: word()?,
            kind: word()?,
            cpu: word()?,
            tid: word()?,
            tgid: word()?,
            stack: word()?.cast_signed(),
            owner_tid: word()?,
            slept: word()?,
            hold_slot: word()?,
            command: word()?,
            comm: *comm,
            owner_comm: owner_comm.try_into().ok()?,
        })
    }
}

// SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Event {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a record, each u32 of it holding its own index.
    fn bytes() -> [u8; 112] {
        let mut bytes = [0; 112];
        for (index, word) in bytes.chunks_exact_mut(4).enumerate() {
            word.copy_from_slice(&(index as u32).to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn decode_finds_every_field_where_the_layout_has_it() {
        let event = Event::decode(&bytes()).unwrap();
        let word = |offset: usize| (offset / 4) as u32;
        let long = |offset| u64::from(word(offset)) | u64::from(word(offset) + 1) << 32;
        assert_eq!(event.time_ns, long(core::mem::offset_of!(Event, time_ns)));
        assert_eq!(
            event.duration_ns,
            long(core::mem::offset_of!(Event, duration_ns))
        );
        assert_eq!(event.lock, long(core::mem::offset_of!(Event, lock)));
        assert_eq!(event.cgroup, long(core::mem::offset_of!(Event, cgroup)));
        assert_eq!(event.hold_ns, long(core::mem::offset_of!(Event, hold_ns)));
        assert_eq!(event.slot, word(core::mem::offset_of!(Event, slot)));
        assert_eq!(event.kind, word(core::mem::offset_of!(Event, kind)));
        assert_eq!(event.cpu, word(core::mem::offset_of!(Event, cpu)));
        assert_eq!(event.tid, word(core::mem::offset_of!(Event, tid)));
        assert_eq!(event.tgid, word(core::mem::offset_of!(Event, tgid)));
        assert_eq!(
            event.stack,
            word(core::mem::offset_of!(Event, stack)) as i32
        );
        assert_eq!(
            event.owner_tid,
            word(core::mem::offset_of!(Event, owner_tid))
        );
        assert_eq!(event.slept, word(core::mem::offset_of!(Event, slept)));
        assert_eq!(
            event.hold_slot,
            word(core::mem::offset_of!(Event, hold_slot))
        );
        assert_eq!(event.command, word(core::mem::offset_of!(Event, command)));
        assert_eq!(
            event.comm[0],
            word(core::mem::offset_of!(Event, comm)) as u8
        );
        assert_eq!(
            event.owner_comm[0],
            word(core::mem::offset_of!(Event, owner_comm)) as u8
        );
    }

    #[test]
    fn decode_refuses_a_record_of_another_length() {
        assert_eq!(Event::decode(&bytes()[..111]), None);
        assert_eq!(Event::decode(&[0; 120]), None);
        assert_eq!(Event::decode(&[]), None);
    }
}
