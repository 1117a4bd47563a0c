//! `record --last TIME`: the last while, in memory, and in a file when a wait asks for it.

use std::{
    fs::File,
    mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Error, Result};
use log::warn;

mod last;

use self::last::{Kept, Last};
use crate::{
    aggregate::snapshot::Snapshot,
    command::{
        observe::{Observer, Records},
        record::{self, failed_to_write, part_path},
        trace::nanoseconds,
    },
    recording::Header,
};

/// Keeps what it observes for a while, and saves it when it is asked to.
pub(super) struct Flight {
    path: PathBuf,
    last: Last,
    /// What a file says of this machine; set when counting begins.
    header: Option<Header>,
    saved: u32,
    /// Whether a wait came since the last snapshot.
    is_due: bool,
    /// Waits that came when what led to them had been saved with another.
    passed_over: u64,
    failed: Option<Error>,
}

impl Flight {
    /// Saves the last `time` to `path`, the second and later ones beside it.
    pub(super) fn new(path: &Path, time: Duration) -> Self {
        Self {
            path: path.to_owned(),
            last: Last::new(nanoseconds(time)),
            header: None,
            saved: 0,
            is_due: false,
            passed_over: 0,
            failed: None,
        }
    }

    /// The end of the run, which `snapshot` shows; saves what a last wait asked for.
    ///
    /// # Errors
    ///
    /// When a file could not be written, now or before.
    pub(super) fn close(mut self, snapshot: &Snapshot) -> Result<()> {
        self.take(&Arc::new(snapshot.clone()));
        if self.saved == 0 && self.failed.is_none() {
            warn!("no wait was as long as --on-wait says: nothing was saved");
        }
        if self.passed_over > 0 {
            warn!(
                "--on-wait: {} more waits are in the files of those before them, or came too soon after",
                self.passed_over
            );
        }
        self.failed.map_or(Ok(()), Err)
    }

    fn take(&mut self, snapshot: &Arc<Snapshot>) {
        self.last.end_interval(snapshot);
        if !mem::take(&mut self.is_due) || self.failed.is_some() {
            return;
        }
        if let Err(error) = self.write() {
            self.failed = Some(error);
        }
    }

    fn write(&mut self) -> Result<()> {
        let path = part_path(&self.path, self.saved + 1);
        let header = self.header.as_ref().context("nothing was counted")?;
        let header = Header {
            part: self.saved + 1,
            ..header.clone()
        };
        let file = File::create(&path).with_context(|| failed_to_write(&path))?;
        self.last
            .write(file, &header)
            .with_context(|| failed_to_write(&path))?;
        self.saved += 1;
        warn!("saved `{}`: {}", path.display(), self.last.told());
        self.last.forget();
        Ok(())
    }
}

impl Observer for Flight {
    fn wants_records(&self) -> bool {
        true
    }

    fn wants_holds(&self) -> bool {
        true
    }

    fn begin(&mut self, snapshot: &Snapshot) -> Result<()> {
        let header = record::header(snapshot, 1)?;
        self.last.begin(header.began_ns, snapshot);
        self.header = Some(header);
        Ok(())
    }

    fn records(&mut self, records: &Records<'_>) -> Result<()> {
        for (label, occurrence, event) in records.wanted() {
            self.last.push(Kept {
                label: label.clone(),
                frames: records.frames_of(event),
                occurrence,
            });
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<()> {
        self.take(snapshot);
        Ok(())
    }

    fn save(&mut self) {
        self.passed_over += u64::from(mem::replace(&mut self.is_due, true));
    }

    fn wants_end(&self) -> Option<String> {
        let failed = self.failed.is_some();
        failed.then(|| "because what it is to save cannot be written".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::{export::json, recording::Reader};

    fn snapshot(elapsed_s: u64) -> Snapshot {
        let bytes = include_bytes!("../../tests/data/snapshots/realtime.json");
        let mut snapshot = json::read(bytes).expect("the golden tests read it");
        snapshot.elapsed_ns = elapsed_s * 1_000_000_000;
        snapshot
    }

    #[test]
    fn waits_of_one_interval_are_saved_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.seqtrace");
        let mut flight = Flight::new(&path, Duration::from_secs(2));
        flight.begin(&snapshot(0)).expect("it begins");
        flight.save();
        flight.save();
        flight.snapshot(&Arc::new(snapshot(1))).expect("it is kept");
        flight.snapshot(&Arc::new(snapshot(2))).expect("it is kept");
        assert_eq!((flight.saved, flight.passed_over), (1, 1));
        flight.save();
        flight.close(&snapshot(3)).expect("written");
        let files = folder.path().read_dir().expect("a folder").count();
        assert_eq!(files, 2);
        let mut second = Reader::open(BufReader::new(
            File::open(folder.path().join("a.2.seqtrace")).expect("the second"),
        ))
        .expect("a recording");
        assert_eq!(second.header().part, 2);
        assert!(second.last_snapshot().expect("its end").last);
    }
}
