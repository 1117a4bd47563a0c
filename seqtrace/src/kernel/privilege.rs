//! What this process may do: the capabilities of its threads, asked for and given up.

use std::{env, fs, io};

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

/// What sets breakpoints on kernel memory.
pub const SYS_ADMIN: Capability = Capability {
    name: "cap_sys_admin",
    number: 21,
};

/// Whether this process has a capability.
///
/// # Errors
///
/// When `/proc` is not mounted.
pub fn has(capability: Capability) -> Result<bool> {
    Ok(effective()? & (1 << capability.number) != 0)
}

fn effective() -> Result<u64> {
    let status =
        fs::read_to_string("/proc/self/status").context("failed to read `/proc/self/status`")?;
    parse_effective(&status).context("no `CapEff` in `/proc/self/status`")
}

/// Those of [`NEEDED`] that this process does not have.
///
/// # Errors
///
/// When `/proc` is not mounted.
pub fn missing() -> Result<Vec<&'static str>> {
    let effective = effective()?;
    Ok(NEEDED
        .iter()
        .filter(|capability| effective & (1 << capability.number) == 0)
        .map(|capability| capability.name)
        .collect())
}

/// The command that gives this program what it needs, whoever runs it.
pub fn setcap() -> String {
    let names = NEEDED.map(|capability| capability.name).join(",");
    let program = env::current_exe().unwrap_or_else(|_| "seqtrace".into());
    format!("`sudo setcap {names}+ep {}`", program.display())
}

/// What a process of root keeps: to write a file that the user named, to end a command that it started.
/// Other users have none of these.
const HARMLESS: [u32; 3] = [1, 2, 5];

/// What opens probes.
pub const PERFMON: Capability = NEEDED[1];

/// A set of capabilities, of each 32 in turn (`include/uapi/linux/capability.h`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`, and which thread: this one.
const HEADER: [u32; 2] = [0x2008_0522, 0];

/// Gives up all capabilities of the calling thread but `keep`, and for root those that touch files and
/// signals. A capability is a thread's own.
///
/// # Errors
///
/// When the kernel refuses.
pub fn give_up(keep: &[Capability]) -> io::Result<()> {
    let kept = keep.iter().map(|capability| capability.number);
    let kept = kept.chain(HARMLESS).fold(0_u64, |set, bit| set | 1 << bit);
    let mut sets = [Sets::default(); 2];
    // SAFETY: the header says that there are two sets.
    let asked = unsafe { libc::syscall(libc::SYS_capget, HEADER.as_ptr(), sets.as_mut_ptr()) };
    if asked < 0 {
        return Err(io::Error::last_os_error());
    }
    for (sets, kept) in sets.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        sets.effective &= kept;
        sets.permitted &= kept;
        sets.inheritable &= kept;
    }
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), sets.as_ptr()) };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// How many threads of this process have one of [`NEEDED`] that is not in `keep`.
///
/// # Errors
///
/// When `/proc` is not mounted.
pub fn holders(keep: &[Capability]) -> Result<usize> {
    let path = "/proc/self/task";
    let given_up = NEEDED
        .iter()
        .filter(|capability| !keep.contains(capability));
    let given_up = given_up.fold(0_u64, |set, capability| set | 1 << capability.number);
    let threads = fs::read_dir(path).with_context(|| format!("failed to list `{path}`"))?;
    let holds = |status: &str| parse_effective(status).is_none_or(|set| set & given_up != 0);
    Ok(threads
        .flatten()
        // One that has just ended has nothing.
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
        .filter(|status| holds(status))
        .count())
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
