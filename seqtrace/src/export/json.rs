//! A snapshot ↔ one JSON document.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::aggregate::snapshot::Snapshot;

/// The snapshot as one document, indented, with a newline at its end.
pub fn document(snapshot: &Snapshot) -> String {
    serde_json::to_string_pretty(snapshot).expect("strings are its only keys") + "\n"
}

/// What every version of the document has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// Reads a document back.
///
/// # Errors
///
/// When it is not a document of this tool, or of a format that this build does not know.
pub fn read(bytes: &[u8]) -> Result<Snapshot> {
    let Head { format } =
        serde_json::from_slice(bytes).context("failed to read the snapshot's `format`")?;
    ensure!(
        format <= Snapshot::FORMAT,
        "snapshot of format {format} is newer than this seqtrace, which reads up to {}: \
         use a newer seqtrace",
        Snapshot::FORMAT
    );
    ensure!(format > 0, "snapshot of format 0: no seqtrace wrote that");
    serde_json::from_slice(bytes)
        .with_context(|| format!("failed to read a snapshot of format {format}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_before_its_fields_are_looked_at() {
        let error = read(br#"{"format": 2, "surprise": []}"#).expect_err("too new");
        assert_eq!(
            error.to_string(),
            "snapshot of format 2 is newer than this seqtrace, which reads up to 1: \
             use a newer seqtrace"
        );
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for bytes in [
            &b""[..],
            b"[]",
            b"{}",
            b"\xff",
            br#"{"format": 0}"#,
            br#"{"format": 1}"#,
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
