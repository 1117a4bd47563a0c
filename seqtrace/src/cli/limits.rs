//! Words about how much room a run has, when it ends by itself, and what it makes of a loss.

use std::path::PathBuf;

use clap::{Args, value_parser};

/// The smallest ring: a page of this architecture.
const PAGE_BYTES: u32 = 4096;

/// How much room a run has, and when it ends.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArguments {
    /// Exit with status 5 if anything was lost; the output is complete all the same
    #[arg(long)]
    pub strict: bool,
    /// End when so many events were counted; looked at once in an interval (`stat` and `flame`: a
    /// second), so more may be counted
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u64).range(1..))]
    pub max_events: Option<u64>,
    /// End as soon as this file exists, with status 6; nothing is attached if it exists already
    #[arg(long, value_name = "PATH")]
    pub kill_file: Option<PathBuf>,
    /// Room for recorded events that were not fetched yet, in bytes (`64K`, `1M`): a power of two, a
    /// page at least [default: 1M]
    #[arg(long, value_name = "BYTES", value_parser = ring_bytes)]
    pub ring_bytes: Option<u32>,
    /// Entries of each map of waits, tasks and stacks [default: 8192 or 16384, as it needs]
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..=1 << 24))]
    pub map_entries: Option<u32>,
    /// Different kernel stacks that are kept, about a kilobyte each [default: 8192]
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..=1 << 20))]
    pub max_stacks: Option<u32>,
}

/// A number with a unit by powers of 1024, or none.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let units = [('K', 10), ('M', 20), ('G', 30)];
    let unit = units.into_iter().find_map(|(unit, shift)| {
        let digits = text.strip_suffix([unit, unit.to_ascii_lowercase()])?;
        Some((digits, 1 << shift))
    });
    let (digits, unit) = unit.unwrap_or((text, 1));
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(unit)
}

/// A number of bytes that a ring can have.
fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes = bytes(text).and_then(|bytes| u32::try_from(bytes).ok());
    match bytes {
        Some(bytes) if bytes >= PAGE_BYTES && bytes.is_power_of_two() => Ok(bytes),
        Some(_) | None => Err(format!(
            "it must be a power of two from {PAGE_BYTES} bytes to 2048M: `65536`, `64K`, `1M`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_a_power_of_two_of_at_least_a_page() {
        for (text, bytes) in [
            ("4096", 4096),
            ("4K", 4096),
            ("64k", 65536),
            ("1M", 1 << 20),
        ] {
            assert_eq!(ring_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["2048", "5000", "0", "", "K", "4096M", "3M", "-4096", "4G"] {
            assert!(ring_bytes(bad).is_err(), "{bad} was taken");
        }
    }
}
