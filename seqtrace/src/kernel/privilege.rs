//! What this process may do: the effective capabilities in `/proc/self/status`.

use std::fs;

use anyhow::{Context as _, Result};

/// A capability that tracing needs, by its number (`include/uapi/linux/capability.h`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capability {
    /// Its name as capsh prints it.
    pub name: &'static str,
    /// Its bit.
    pub number: u32,
}

/// What tracing needs: loading programs, opening probes, addresses in kallsyms. Text is read by
/// a program where `/proc/kcore` is closed (`cap_sys_rawio`).
pub const NEEDED: [Capability; 3] = [
    Capability {
        name: "cap_bpf",
        number: 39,
    },
    Capability {
        name: "cap_perfmon",
        number: 38,
    },
    Capability {
        name: "cap_syslog",
        number: 34,
    },
];

/// Those of [`NEEDED`] that this process does not have.
///
/// # Errors
///
/// When `/proc` is not mounted.
pub fn missing() -> Result<Vec<&'static str>> {
    let status =
        fs::read_to_string("/proc/self/status").context("failed to read `/proc/self/status`")?;
    let effective = parse_effective(&status).context("no `CapEff` in `/proc/self/status`")?;
    Ok(NEEDED
        .iter()
        .filter(|capability| effective & (1 << capability.number) == 0)
        .map(|capability| capability.name)
        .collect())
}

/// The effective set in the text of `/proc/*/status`.
fn parse_effective(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|l| l.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read_from_the_status() {
        let status = "Name:\tcat\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n";
        assert_eq!(parse_effective(status), Some(0x1ff_ffff_ffff));
        assert_eq!(parse_effective("Name:\tcat\n"), None);
    }
}
