//! The kinds of lines.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Header;
use crate::aggregate::{SiteLabel, occurrence::Occurrence};

/// How the line of a header begins.
pub(super) const HEADER: &[u8] = br#"{"recording":"#;
/// How the line of an event begins, so that it can be passed over unread.
pub(super) const EVENT: &[u8] = br#"{"event":"#;
/// What stands in the line of an event that names the hold it waited for. In no text: quotes are escaped there.
pub(super) const HOLD: &[u8] = br#""hold":{"#;
/// How the line of a snapshot begins.
pub(super) const SNAPSHOT: &[u8] = br#"{"snapshot":"#;
/// How the line of the snapshot that closes a file begins.
pub(super) const LAST: &[u8] = br#"{"last":"#;

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct HeaderLine<H = Header> {
    pub(super) recording: H,
}

/// What the header of every version has.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
    #[serde(default)]
    pub(super) version: String,
}

/// One event; its site and its stack are numbers of earlier lines.
#[derive(Serialize, Deserialize)]
pub(super) struct EventLine<E = Occurrence> {
    pub(super) event: E,
}

/// One snapshot. Where a list of frames would stand, the number of the stack stands.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SnapshotLine {
    /// After an interval.
    Snapshot(Value),
    /// At the end of the file.
    Last(Value),
}

/// A name for later lines.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NameLine {
    /// A site, by the number that stands with it.
    Site(u32, SiteLabel),
    /// A function; frames are numbered from 0 as they come.
    Frame(String),
    /// Numbers of frames, outermost first; stacks are numbered from 0 as they come.
    Stack(Vec<u32>),
}
