//! What is written is read back; whatever else is read is refused, or kept as far as it goes.

use std::io;

use super::*;
use crate::{
    aggregate::{
        SiteLabel,
        occurrence::Occurrence,
        snapshot::{Costs, StackRow},
    },
    plan::{Backend, Kind},
};

fn header() -> Header {
    Header {
        format: FORMAT,
        version: "1.2.3".to_owned(),
        release: "6.12".to_owned(),
        host: "here".to_owned(),
        cpus: 2,
        words: vec!["seqtrace".to_owned(), "record".to_owned()],
        part: 1,
        ..Header::default()
    }
}

fn snapshot(elapsed_ns: u64, frames: &[&[&str]]) -> Snapshot {
    let stack = |frames: &&[&str]| StackRow {
        row: 0,
        comm: "reader".to_owned(),
        frames: frames.iter().map(|frame| (*frame).to_owned()).collect(),
        count: 1,
        total_ns: 5,
    };
    Snapshot {
        format: Snapshot::FORMAT,
        release: "6.12".to_owned(),
        build_id: String::new(),
        realtime: false,
        elapsed_ns,
        ended: None,
        converge_ns: None,
        rows: Vec::new(),
        seqcounts: Vec::new(),
        stacks: frames.iter().map(stack).collect(),
        blames: Vec::new(),
        demands: Vec::new(),
        events: Vec::new(),
        cgroups: Vec::new(),
        command: None,
        coverage: Coverage::default(),
        filters: None,
        repeats: Vec::new(),
        samples: None,
        losses: [("ring_full".to_owned(), 0)].into(),
        costs: Costs::default(),
        governor: None,
    }
}

fn label() -> SiteLabel {
    SiteLabel {
        seqcount: "rename_lock".to_owned(),
        lockname: None,
        image: "vmlinux".to_owned(),
        site: "d_lookup+0x4b".to_owned(),
        kind: Kind::Spin,
        backend: Backend::Probe,
    }
}

fn event(time_ns: u64, stack: Option<u32>) -> Occurrence {
    Occurrence {
        time_ns,
        duration_ns: 7,
        site: 3,
        comm: "reader".to_owned(),
        stack,
        ..Occurrence::default()
    }
}

const STACKS: [&[&str]; 3] = [&["entry", "getcwd"], &["entry", "stat"], &[]];

/// Two snapshots and three events.
fn recording() -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
    let frames = || vec!["entry".to_owned(), "getcwd".to_owned()];
    for time_ns in 0..3 {
        let stack = (time_ns > 0).then_some(400);
        writer.event(&event(time_ns, stack), label, frames).unwrap();
    }
    writer.snapshot(&snapshot(1, &STACKS[..1]), false).unwrap();
    writer.snapshot(&snapshot(2, &STACKS), true).unwrap();
    writer.finish().unwrap()
}

/// Bytes of a recording with these lines behind the header.
fn of_lines(lines: &[&str]) -> Vec<u8> {
    let head = format!(
        "{{\"recording\":{}}}",
        serde_json::to_string(&header()).unwrap()
    );
    let text = std::iter::once(head.as_str()).chain(lines.iter().copied());
    let text: String = text.flat_map(|line| [line, "\n"]).collect();
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

fn read_all(bytes: &[u8]) -> (Vec<Entry>, Ending) {
    let mut reader = Reader::open(bytes).unwrap();
    let entries = std::iter::from_fn(|| reader.next(true)).collect();
    (entries, reader.ending().cloned().unwrap())
}

fn refusal(bytes: &[u8]) -> String {
    let error = Reader::open(bytes).err().expect("refused");
    format!("{error:#}")
}

#[test]
fn what_was_recorded_is_read_back() {
    let bytes = recording();
    let mut reader = Reader::open(bytes.as_slice()).unwrap();
    assert_eq!(*reader.header(), header());
    let mut events = Vec::new();
    let mut snapshots = Vec::new();
    while let Some(entry) = reader.next(true) {
        match entry {
            Entry::Event(event) => {
                assert_eq!(reader.site(&event), Some(&label()));
                let frames: Vec<&str> = reader.frames(&event).collect();
                events.push((event.time_ns, frames.join(";")));
            }
            Entry::Snapshot(taken) => snapshots.push(*taken),
        }
    }
    assert_eq!(reader.ending(), Some(&Ending::Whole));
    let expected = [(0, ""), (1, "entry;getcwd"), (2, "entry;getcwd")];
    assert_eq!(
        events,
        expected.map(|(time, stack)| (time, stack.to_owned()))
    );
    let taken = |last, snapshot| Taken { last, snapshot };
    assert_eq!(
        snapshots,
        [
            taken(false, snapshot(1, &STACKS[..1])),
            taken(true, snapshot(2, &STACKS))
        ]
    );
}

#[test]
fn the_last_snapshot_is_found_without_the_rest() {
    let bytes = recording();
    let mut reader = Reader::open(bytes.as_slice()).unwrap();
    let taken = reader.last_snapshot().unwrap();
    assert_eq!((taken.last, taken.snapshot), (true, snapshot(2, &STACKS)));
    assert_eq!(reader.ending(), Some(&Ending::Whole));
}

#[test]
fn names_are_written_once() {
    let text = zstd::decode_all(recording().as_slice()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let count = |part: &str| text.matches(part).count();
    assert_eq!(count("getcwd"), 1, "{text}");
    assert_eq!(count("d_lookup"), 1, "{text}");
    assert_eq!(count("{\"stack\":"), 2, "{text}");
}

/// A file that takes so many bytes and no more.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_was_flushed_can_be_read_when_the_writer_was_killed() {
    let disk = Disk {
        bytes: Vec::new(),
        room: 1 << 20,
    };
    let mut writer = Writer::begin(disk, &header()).unwrap();
    writer.snapshot(&snapshot(1, &STACKS), false).unwrap();
    let flushed = writer.bytes() as usize;
    writer.event(&event(5, None), label, Vec::new).unwrap();
    writer.snapshot(&snapshot(2, &STACKS), true).unwrap();
    let whole = writer.finish().unwrap().bytes;
    let (entries, ending) = read_all(&whole[..flushed]);
    let [Entry::Snapshot(taken)] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (taken.last, &taken.snapshot),
        (false, &snapshot(1, &STACKS))
    );
    assert_eq!(ending, Ending::Cut);
}

#[test]
fn a_full_disk_is_an_error_and_what_was_before_can_be_read() {
    let disk = Disk {
        bytes: Vec::new(),
        room: 2000,
    };
    let mut writer = Writer::begin(disk, &header()).unwrap();
    let names: Vec<String> = (0..5000_u64)
        .map(|number| format!("function_{}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    writer.snapshot(&snapshot(1, &STACKS), false).unwrap();
    let failed = writer.snapshot(&snapshot(2, &[&names]), true).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_recording_can_be_cut_anywhere() {
    let bytes = recording();
    let whole = read_all(&bytes).0;
    for length in 1..bytes.len() {
        let Ok(mut reader) = Reader::open(&bytes[..length]) else {
            continue;
        };
        let mut read = 0;
        while let Some(entry) = reader.next(true) {
            assert_eq!(entry, whole[read], "cut at {length}");
            read += 1;
        }
        assert_eq!(reader.ending(), Some(&Ending::Cut), "cut at {length}");
    }
}

#[test]
fn what_is_no_recording_is_refused_in_one_line() {
    let foreign = "it is no recording: `seqtrace record` writes them";
    assert_eq!(refusal(b""), "it is empty: nothing was recorded");
    assert_eq!(refusal(b"\x7fELF and so on"), foreign);
    let other = zstd::encode_all(&b"{\"some\":\"json\"}\n"[..], 1).unwrap();
    assert_eq!(refusal(&other), foreign);
    assert_eq!(
        refusal(&recording()[..20]),
        "it is cut off in its first line: nothing can be read"
    );
    let newer = br#"{"recording":{"format":3,"version":"9.0.0","surprise":[]}}"#;
    let newer = zstd::encode_all(&[&newer[..], b"\n"].concat()[..], 1).unwrap();
    assert_eq!(
        refusal(&newer),
        "it is of format 3, and this seqtrace reads up to 2: use seqtrace 9.0.0 or a newer one"
    );
}

#[test]
fn a_recording_without_a_snapshot_has_no_totals() {
    let bytes = of_lines(&[]);
    let error = Reader::open(bytes.as_slice()).unwrap().last_snapshot();
    assert_eq!(
        error.unwrap_err().to_string(),
        "it is cut off before its first snapshot: no number was recorded"
    );
}

/// What was read before the damage, and the damage.
fn damage(lines: &[&str]) -> (usize, String) {
    let (entries, ending) = read_all(&of_lines(lines));
    match ending {
        Ending::Damaged(what) => (entries.len(), what),
        Ending::Whole | Ending::Cut => panic!("{lines:?}: {ending:?}"),
    }
}

#[test]
fn lines_that_lie_end_the_reading_there() {
    let mut good = serde_json::to_value(snapshot(1, &[])).unwrap();
    let line = format!("{{\"snapshot\":{good}}}");
    good["stacks"] = serde_json::json!([{"frames": 7}]);
    let unknown_stack = format!("{{\"snapshot\":{good}}}");
    good["stacks"] = serde_json::json!([]);
    good["elapsed_ns"] = u64::MAX.into();
    let large = format!("{{\"snapshot\":{good}}}");
    for (bad, expected) in [
        (unknown_stack.as_str(), "stack 7 is not known"),
        (&large, "its numbers are too large"),
        ("{\"stack\":[0]}", "a stack has a frame that is not known"),
        ("{\"event\":{}}", "an event cannot be read"),
        ("nonsense", "a line is none of a recording"),
        ("", "a line is none of a recording"),
        ("{\"snapshot\":{}}", "a snapshot cannot be read"),
    ] {
        let (read, what) = damage(&[&line, bad, &line]);
        assert_eq!(read, 1, "{bad}");
        assert!(what.starts_with(expected), "{bad}: {what}");
    }
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    let endless = "x".repeat(limits::LINE_BYTES + 5);
    assert_eq!(damage(&[&endless]), (0, "a line is too long".to_owned()));
}

#[test]
fn names_cannot_steer_a_terminal() {
    let mut evil = snapshot(1, &[&["\x1b[2Jevil"]]);
    evil.release = "\x07bell".to_owned();
    let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
    writer.snapshot(&evil, true).unwrap();
    let bytes = writer.finish().unwrap();
    let taken = Reader::open(bytes.as_slice())
        .unwrap()
        .last_snapshot()
        .unwrap();
    assert_eq!(taken.snapshot.stacks[0].frames, ["\\u{1b}[2Jevil"]);
    assert_eq!(taken.snapshot.release, "\\u{7}bell");
}
