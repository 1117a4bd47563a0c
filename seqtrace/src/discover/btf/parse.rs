//! The header and the extent of each record: what must hold before anything else is read.

use std::ops::Range;

use anyhow::{Context as _, bail, ensure};

use super::record::{self, RECORD_HEADER_BYTES};

const MAGIC: u16 = 0xeb9f;
/// `struct btf_header` as far as it is used here.
const HEADER_BYTES: usize = 24;

/// Where the two sections lie in the bytes.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) types: Range<usize>,
    pub(super) strings: Range<usize>,
}

/// Reads the header.
pub(super) fn sections(bytes: &[u8]) -> anyhow::Result<Sections> {
    ensure!(
        bytes.len() >= HEADER_BYTES,
        "BTF is shorter than its header"
    );
    let magic = u16::from_le_bytes([bytes[0], bytes[1]]);
    ensure!(magic != MAGIC.swap_bytes(), "BTF is big-endian");
    ensure!(magic == MAGIC, "not BTF: magic is {magic:#06x}");
    ensure!(bytes[2] == 1, "BTF version {} is unknown", bytes[2]);
    ensure!(
        u32::try_from(bytes.len()).is_ok(),
        "BTF is larger than 4 GiB"
    );
    let start = record::word(bytes, 4) as usize;
    ensure!(
        start >= HEADER_BYTES,
        "BTF header is {start} bytes long, less than its fields"
    );
    let section = |offset: usize, what: &str| -> anyhow::Result<Range<usize>> {
        let begin = start + record::word(bytes, offset) as usize;
        let end = begin + record::word(bytes, offset + 4) as usize;
        ensure!(
            end <= bytes.len(),
            "the {what} of BTF end at {end} of {} bytes",
            bytes.len()
        );
        Ok(begin..end)
    };
    Ok(Sections {
        types: section(8, "types")?,
        strings: section(16, "strings")?,
    })
}

/// Finds the start of every record in the type section.
pub(super) fn records(bytes: &[u8], types: Range<usize>) -> anyhow::Result<Vec<u32>> {
    // The average record of a kernel takes about 25 bytes.
    let mut starts = Vec::with_capacity(types.len() / 25);
    let mut at = types.start;
    while at < types.end {
        let record = &bytes[at..types.end];
        if record.len() < RECORD_HEADER_BYTES {
            bail!("BTF type {} is cut off", starts.len() + 1);
        }
        let trailer = record::trailer_bytes(record).with_context(|| {
            let kind = record::kind_code(record);
            format!("BTF type {} has the unknown kind {kind}", starts.len() + 1)
        })?;
        ensure!(
            RECORD_HEADER_BYTES + trailer <= record.len(),
            "BTF type {} says it is longer than the section",
            starts.len() + 1
        );
        starts.push(at as u32);
        at += RECORD_HEADER_BYTES + trailer;
    }
    Ok(starts)
}
