//! Who met a loss → lines of the log, with `-vv`.

use std::time::Duration;

use log::{Level, info, log_enabled};
use seqtrace_common::{event::Event, loss};

use crate::{aggregate::comm, command::trace::nanoseconds};

/// Time between two notes of one loss on one CPU.
const EVERY: Duration = Duration::from_secs(1);

/// The first kernel on which the programs are known to load with notes: the verifier of 6.1 refuses them.
const SINCE: (u32, u32) = (6, 12);

/// How often the kernel side is to note a loss, in nanoseconds; `None`: never.
pub(super) fn every_ns() -> Option<u64> {
    log_enabled!(Level::Debug).then(|| nanoseconds(EVERY))
}

/// Whether the kernel of this release takes programs that note.
pub(super) fn are_taken(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= SINCE)
}

/// Logs what was noted.
pub(super) fn tell(notes: &[Event]) {
    for note in notes {
        info!("{}", line(note));
    }
}

/// `lost on CPU 1, in cwd-reader/359: tasks_full`.
fn line(note: &Event) -> String {
    let name = loss::NAMES.get(note.lock as usize).copied();
    format!(
        "lost on CPU {}, in {}/{}: {}",
        note.cpu,
        comm::text(&note.comm),
        note.tid,
        name.unwrap_or("something this seqtrace does not know")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_tells_where_and_what() {
        let mut note = Event::decode(&[0; size_of::<Event>()]).expect("zeros are an event");
        note.lock = loss::RING_FULL.into();
        note.cpu = 1;
        note.tid = 359;
        note.comm[..6].copy_from_slice(b"reader");
        assert_eq!(line(&note), "lost on CPU 1, in reader/359: ring_full");
    }

    #[test]
    fn only_kernels_that_take_notes_are_asked_for_them() {
        assert!(are_taken("6.12.118+deb13-rt-amd64") && are_taken("7.3.4"));
        assert!(!are_taken("6.1.0-56-rt-amd64") && !are_taken("5.10") && !are_taken("next"));
    }
}
