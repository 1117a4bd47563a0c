//! A recording of a million events, the same in every run.

use seqtrace::{
    aggregate::{SiteLabel, occurrence::Occurrence, snapshot::Snapshot},
    export::json,
    plan::{Backend, Kind},
    recording::{FORMAT, Header, Writer},
};

/// Events of the recording.
pub(crate) const EVENTS: u64 = 1_000_000;

/// Events in an interval of it.
const INTERVAL: u64 = 10_000;

/// Different sites.
const SITES: u32 = 100;

/// How many different ones its events have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variety {
    /// Kernel stacks.
    pub(crate) stacks: u32,
    /// Tasks that wait, and as many that write.
    pub(crate) tasks: u32,
}

/// That of a busy machine.
pub(crate) const USUAL: Variety = Variety {
    stacks: 2000,
    tasks: 5000,
};

fn snapshot() -> Snapshot {
    let bytes = include_bytes!("../../tests/data/snapshots/realtime.json");
    json::read(bytes).expect("the tests read it too")
}

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() >> 33) as u32 % bound
    }
}

fn event(random: &mut Random, time_ns: u64, variety: Variety) -> Occurrence {
    let Variety { stacks, tasks } = variety;
    let tid = random.below(tasks);
    Occurrence {
        time_ns,
        duration_ns: random.next() >> 40,
        site: random.below(SITES),
        cpu: random.below(64),
        tid,
        tgid: tid & !7,
        comm: format!("worker-{}", tid % 50),
        slept: tid.is_multiple_of(2),
        owner_tid: Some(random.below(tasks)),
        owner_comm: Some("writer".to_owned()),
        stack: Some(random.below(stacks)),
        ..Occurrence::default()
    }
}

fn label(site: u32) -> SiteLabel {
    SiteLabel {
        seqcount: "rename_lock".to_owned(),
        lockname: None,
        image: "vmlinux".to_owned(),
        site: format!("d_lookup+{site:#x}"),
        kind: Kind::Block,
        backend: Backend::Probe,
    }
}

fn frames(stack: u32) -> Vec<String> {
    let depth = 10 + stack % 20;
    let frame = |level| format!("function_{}_{level}", stack >> (level / 2));
    (0..depth).map(frame).collect()
}

/// The bytes of the recording.
pub(crate) fn recording(variety: Variety) -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        part: 1,
        ..Header::default()
    };
    let mut writer = Writer::begin(Vec::new(), &header).expect("memory takes it");
    let mut random = Random(1);
    let mut snapshot = snapshot();
    for number in 1..=EVENTS {
        let time_ns = number * 10_000 + random.next() % 5000;
        let event = event(&mut random, time_ns, variety);
        let stack = event.stack.unwrap_or_default();
        writer
            .event(&event, || label(event.site), || frames(stack))
            .expect("memory takes it");
        if number % INTERVAL == 0 {
            snapshot.elapsed_ns += 1;
            let last = number == EVENTS;
            writer.snapshot(&snapshot, last).expect("memory takes it");
        }
    }
    writer.finish().expect("memory takes it")
}
