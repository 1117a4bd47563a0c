//! Who met a loss → lines of the log, with `-v`.

use std::time::Duration;

use log::{Level, info, log_enabled};
use seqtrace_common::{event::Event, loss};

use crate::{aggregate::comm, command::trace::nanoseconds};

/// Time between two notes of one loss on one CPU, with `-v` and with `-vv`.
const SELDOM: Duration = Duration::from_secs(10);
const OFTEN: Duration = Duration::from_secs(1);

/// How often the kernel side is to note a loss, in nanoseconds; `None`: never.
pub(super) fn every_ns() -> Option<u64> {
    let every = if log_enabled!(Level::Debug) {
        OFTEN
    } else {
        SELDOM
    };
    log_enabled!(Level::Info).then(|| nanoseconds(every))
}

/// Logs what was noted.
pub(super) fn tell(notes: &[Event]) {
    for note in notes {
        info!("{}", line(note));
    }
}

/// `lost on CPU 1, in cwd-reader/359: ring_full`.
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
}
