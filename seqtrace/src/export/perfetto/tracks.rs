//! CPUs and tasks → tracks of the trace. Slices of one track may not overlap unless one lies in the other, so that
//! each has as many lanes as things went on at once.

use std::io::{self, Write};

use rustc_hash::FxHashMap;

use super::packets::{PacketWriter, TrackDescriptor};

/// What a task is to a slice: each has a track of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Who waited.
    Reader,
    /// Who owned the lock.
    Owner,
    /// Who held the sequence odd.
    Writer,
}

/// The number of a task: an id with a command, because a task changes its command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TaskNumber(u32);

/// Where a slice is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Track {
    /// The CPU on which a wait ended.
    Cpu(u32),
    /// A task.
    Task(Role, TaskNumber),
}

/// Tracks that hold the others, by their numbers.
const GROUPS: [(u64, &str); 4] = [
    (1, "Waits by CPU"),
    (2, "Waits by task"),
    (3, "Waits by owner of the writers' lock"),
    (4, "Holds by writer"),
];

/// The lanes of a track by when their last slices ended: that, and the lane's number in the trace.
#[derive(Default)]
struct Lanes(Vec<(u64, u64)>);

impl Lanes {
    /// The lane that has been free for the shortest time. Slices come by their end, and by this choice there are as
    /// few lanes as can be.
    fn free(&mut self, began_ns: u64, ended_ns: u64) -> Option<u64> {
        let free = self.0.partition_point(|lane| lane.0 <= began_ns);
        let (_, uuid) = self.0.get(free.checked_sub(1)?).copied()?;
        let behind = self.place(ended_ns);
        self.0.copy_within(free..behind, free - 1);
        self.0[behind - 1] = (ended_ns, uuid);
        Some(uuid)
    }

    fn add(&mut self, ended_ns: u64, uuid: u64) {
        self.0.insert(self.place(ended_ns), (ended_ns, uuid));
    }

    fn place(&self, ended_ns: u64) -> usize {
        self.0.partition_point(|lane| lane.0 <= ended_ns)
    }
}

struct Task {
    /// Command and id.
    name: String,
    /// The number of that name in annotations.
    value: u64,
    /// By role.
    lanes: [Lanes; 3],
}

/// All tracks so far.
#[derive(Default)]
pub(super) struct Tracks {
    cpus: FxHashMap<u32, Lanes>,
    tasks: Vec<Task>,
    /// Commands by their numbers.
    comms: FxHashMap<Box<str>, u32>,
    /// Tasks by their ids and the numbers of their commands.
    numbers: FxHashMap<(u32, u32), TaskNumber>,
    lanes: u64,
}

impl Tracks {
    /// Those that hold the others are told.
    pub(super) fn begin<W: Write>(packets: &mut PacketWriter<W>) -> io::Result<Self> {
        for (uuid, name) in GROUPS {
            packets.track(TrackDescriptor {
                uuid,
                name: name.to_owned(),
                parent_uuid: None,
            })?;
        }
        Ok(Self::default())
    }

    /// The number of a task.
    pub(super) fn task<W>(
        &mut self,
        packets: &mut PacketWriter<W>,
        tid: u32,
        comm: &str,
    ) -> TaskNumber
    where
        W: Write,
    {
        let comms = self.comms.len() as u32;
        let comm_number = match self.comms.get(comm) {
            Some(number) => *number,
            None => *self.comms.entry(comm.into()).or_insert(comms),
        };
        let tasks = &mut self.tasks;
        let number = self.numbers.entry((tid, comm_number));
        *number.or_insert_with(|| {
            let name = format!("{comm}/{tid}");
            let value = packets.value(&name);
            tasks.push(Task {
                name,
                value,
                lanes: Default::default(),
            });
            TaskNumber(tasks.len() as u32 - 1)
        })
    }

    /// The number of what a task is called in annotations.
    pub(super) fn value(&self, task: TaskNumber) -> u64 {
        self.tasks[task.0 as usize].value
    }

    /// The lane of a track that is free at `began_ns`; a new one is told to the trace.
    pub(super) fn lane<W: Write>(
        &mut self,
        packets: &mut PacketWriter<W>,
        track: Track,
        (began_ns, ended_ns): (u64, u64),
    ) -> io::Result<u64> {
        let lanes = match track {
            Track::Cpu(cpu) => self.cpus.entry(cpu).or_default(),
            Track::Task(role, task) => &mut self.tasks[task.0 as usize].lanes[role as usize],
        };
        if let Some(free) = lanes.free(began_ns, ended_ns) {
            return Ok(free);
        }
        self.lanes += 1;
        let uuid = GROUPS.len() as u64 + self.lanes;
        lanes.add(ended_ns, uuid);
        packets.track(TrackDescriptor {
            uuid,
            name: self.name(track),
            parent_uuid: Some(track.group()),
        })?;
        Ok(uuid)
    }

    fn name(&self, track: Track) -> String {
        match track {
            Track::Cpu(cpu) => format!("CPU {cpu}"),
            Track::Task(_, task) => self.tasks[task.0 as usize].name.clone(),
        }
    }
}

impl Track {
    fn group(self) -> u64 {
        match self {
            Self::Cpu(_) => 1,
            Self::Task(Role::Reader, _) => 2,
            Self::Task(Role::Owner, _) => 3,
            Self::Task(Role::Writer, _) => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;

    #[test]
    fn slices_that_end_one_after_the_other_take_as_few_lanes_as_go_on_at_once() {
        let mut lanes = Lanes::default();
        let mut taken = Vec::new();
        for (began_ns, ended_ns) in [(0, 10), (0, 20), (30, 40), (15, 50), (50, 50), (40, 60)] {
            let uuid = lanes.free(began_ns, ended_ns).unwrap_or_else(|| {
                let uuid = lanes.0.len() as u64 + 1;
                lanes.add(ended_ns, uuid);
                uuid
            });
            taken.push(uuid);
        }
        assert_eq!(taken, [1, 2, 2, 1, 1, 2]);
        assert_eq!(lanes.0, [(50, 1), (60, 2)]);
    }
}
