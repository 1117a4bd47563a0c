//! What the running kernel offers: each question with its answer and, for a no, a fix.

use std::{fs, io, io::Read as _, path::Path};

use anyhow::{Context as _, Result, anyhow};

use crate::kernel::{
    hazards, installed, privilege, running,
    text::{Choice, Text},
};

/// One question put to this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// What is asked: `kprobes`, `BTF`.
    pub name: &'static str,
    /// Whether tracing needs a yes.
    pub needed: bool,
    /// The answer.
    pub answer: Answer,
}

/// The answer to a [`Check`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is there; the detail may be empty.
    Yes(String),
    /// It is not there.
    No {
        /// What is missing.
        why: String,
        /// What to do.
        fix: String,
    },
    /// It could not be found out.
    Unknown(String),
}

impl Check {
    /// A line for a person: what is missing and what to do; `None` unless it is needed and the
    /// answer is no.
    pub fn failure(&self) -> Option<String> {
        match &self.answer {
            Answer::No { why, fix } if self.needed => Some(format!("{why}: {fix}")),
            Answer::No { .. } | Answer::Yes(_) | Answer::Unknown(_) => None,
        }
    }
}

/// Everything that reading the sites needs, in the order in which a lack should be told.
pub fn discover_checks() -> Vec<Check> {
    vec![architecture(), privileges(), lockdown(), symbols(), btf()]
}

/// Whether and how the kernel's text can be read.
pub fn text_checks() -> Vec<Check> {
    vec![text()]
}

/// Everything that kprobes need beyond [`discover_checks`].
pub fn probe_checks() -> Vec<Check> {
    vec![kprobes(), kprobes_enabled(), tracefs(), perf_events()]
}

/// The number by which perf knows kprobes.
///
/// # Errors
///
/// When this kernel has none.
pub fn kprobe_type() -> Result<u32> {
    let text = fs::read_to_string(KPROBE_TYPE);
    let text = text.with_context(|| format!("failed to read `{KPROBE_TYPE}`"))?;
    text.trim()
        .parse()
        .with_context(|| format!("failed to parse `{KPROBE_TYPE}`"))
}

/// Whether this kernel has kprobes at all.
pub fn has_kprobes() -> bool {
    Path::new(KPROBE_TYPE).exists()
}

/// What tells it.
const KPROBE_TYPE: &str = "/sys/bus/event_source/devices/kprobe/type";

/// Whether the tracepoints of contended locks tell of readers: those that block on PREEMPT_RT.
pub fn contention() -> Check {
    let answer = match has_symbols(["rt_spin_lock", "__traceiter_contention_begin"]) {
        Err(error) => Answer::Unknown(format!("{error:#}")),
        Ok([true, true]) => Answer::Yes("`lock:contention_begin` and `lock:contention_end`".into()),
        Ok([false, _]) => no(
            "no reader of this kernel blocks: the tracepoints of contended locks say nothing of it",
            "use `--backend probe` or `--backend sample`, or a PREEMPT_RT kernel",
        ),
        Ok([true, false]) => no(
            "this kernel has no tracepoints of contended locks",
            "use Linux 5.19 or newer",
        ),
    };
    check("contention", true, answer)
}

/// Whether this user may watch a word of kernel memory (`hw_breakpoint_parse`,
/// `kernel/events/hw_breakpoint.c`).
pub fn breakpoints() -> Check {
    let exists = Path::new("/sys/bus/event_source/devices/breakpoint/type").exists();
    let answer = match privilege::has(privilege::SYS_ADMIN) {
        _ if !exists => no(
            "this kernel has no hardware breakpoints for perf events",
            "use a kernel with CONFIG_HAVE_HW_BREAKPOINT",
        ),
        Ok(true) => Answer::Yes(String::new()),
        Ok(false) => no(
            "this user lacks cap_sys_admin",
            "run seqtrace as root (`sudo seqtrace watch`)",
        ),
        Err(error) => Answer::Unknown(format!("{error:#}")),
    };
    check("breakpoints", true, answer)
}

/// Which of these symbols the kernel has. Names are shown to everybody.
fn has_symbols<const N: usize>(names: [&str; N]) -> Result<[bool; N]> {
    let path = "/proc/kallsyms";
    let text = fs::read_to_string(path).with_context(|| format!("failed to read `{path}`"))?;
    let mut has = [false; N];
    for name in text.lines().filter_map(|line| line.split(' ').nth(2)) {
        for (has, wanted) in has.iter_mut().zip(names) {
            *has |= name == wanted;
        }
    }
    Ok(has)
}

/// What is good to know and not needed.
pub fn other_checks() -> Vec<Check> {
    vec![realtime(), kprobe_list()]
}

fn check(name: &'static str, needed: bool, answer: Answer) -> Check {
    Check {
        name,
        needed,
        answer,
    }
}

fn no(why: impl Into<String>, fix: impl Into<String>) -> Answer {
    Answer::No {
        why: why.into(),
        fix: fix.into(),
    }
}

fn architecture() -> Check {
    let answer = if cfg!(target_arch = "x86_64") {
        Answer::Yes("x86_64".to_owned())
    } else {
        no(
            "this architecture is not supported",
            "use an x86_64 machine",
        )
    };
    check("architecture", true, answer)
}

/// Whether this user has what loads programs and opens perf events.
pub fn privileges() -> Check {
    let answer = match privilege::missing() {
        Ok(missing) if missing.is_empty() => {
            Answer::Yes(privilege::NEEDED.map(|c| c.name).join(", "))
        }
        Ok(missing) => no(
            format!("this user lacks {}", missing.join(", ")),
            format!(
                "run seqtrace as root (`sudo seqtrace`), or once {}",
                privilege::setcap()
            ),
        ),
        Err(error) => Answer::Unknown(format!("{error:#}")),
    };
    check("privileges", true, answer)
}

fn lockdown() -> Check {
    let answer = match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(text) if text.contains("[confidentiality]") => no(
            "the kernel is locked down (confidentiality): it refuses kprobes and \
             lets nobody read its text",
            "boot without `lockdown=confidentiality`, or disable secure boot's lockdown",
        ),
        Ok(text) => Answer::Yes(format!("kernel lockdown: {}", text.trim())),
        Err(_) => Answer::Yes("no kernel lockdown".to_owned()),
    };
    check("lockdown", true, answer)
}

fn symbols() -> Check {
    const FIX: &str = "set `sysctl kernel.kptr_restrict=1`, and run as root or with cap_syslog";
    let answer = match first_line("/proc/kallsyms") {
        Ok(line) if line.starts_with("0000000000000000") && !has_addresses() => no(
            "`/proc/kallsyms` shows no addresses (kernel.kptr_restrict)",
            FIX,
        ),
        Ok(_) => Answer::Yes("`/proc/kallsyms` shows addresses".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => no(
            "there is no `/proc/kallsyms`",
            "use a kernel with CONFIG_KALLSYMS, and mount `/proc`",
        ),
        Err(error) => no(format!("failed to read `/proc/kallsyms`: {error}"), FIX),
    };
    check("symbols", true, answer)
}

/// Whether some symbol has an address: per-CPU symbols at the head of kallsyms are zero by right.
fn has_addresses() -> bool {
    fs::read_to_string("/proc/kallsyms").is_ok_and(|text| {
        text.lines()
            .any(|line| !line.starts_with("0000000000000000"))
    })
}

fn first_line(path: &str) -> io::Result<String> {
    let mut head = [0; 256];
    let length = fs::File::open(path)?.read(&mut head)?;
    let text = String::from_utf8_lossy(&head[..length]).into_owned();
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Opens what the text would be read from; that is cheap, and nothing else is as sure.
fn text() -> Check {
    let open = || -> Result<Text> {
        let text = Text::open(Choice::Auto)?;
        if let Some(no_memory) = text.no_memory() {
            let (release, build_id) = running::identity()?;
            installed::vmlinux(Path::new("/"), &release, &build_id)
                .map_err(|error| anyhow!("{no_memory}{error:#}"))?;
        }
        Ok(text)
    };
    let answer = match open() {
        Ok(text) => Answer::Yes(format!("read from {}", text.source())),
        Err(error) => no(
            format!("{error:#}"),
            "run as root, on a kernel that is not locked down",
        ),
    };
    check("kernel text", true, answer)
}

fn btf() -> Check {
    let answer = if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Answer::Yes("`/sys/kernel/btf/vmlinux`".to_owned())
    } else {
        no(
            "this kernel has no BTF (`/sys/kernel/btf/vmlinux`)",
            "use a kernel with CONFIG_DEBUG_INFO_BTF, and mount `/sys`",
        )
    };
    check("BTF", true, answer)
}

fn tracefs() -> Check {
    let answer = match hazards::tracefs() {
        _ if hazards::is_tracefs_closed() => Answer::Yes(
            "closed to this user: probes are perf events, which are slow to take off".to_owned(),
        ),
        Ok(path) => Answer::Yes(format!("`{}`", path.display())),
        Err(_) => no(
            "tracefs is not mounted",
            "run `mount -t tracefs nodev /sys/kernel/tracing` as root",
        ),
    };
    check("tracefs", true, answer)
}

fn kprobes() -> Check {
    let answer = if has_kprobes() {
        Answer::Yes(String::new())
    } else {
        no(
            "this kernel has no kprobes for perf events",
            "use a kernel with CONFIG_KPROBES and CONFIG_KPROBE_EVENTS",
        )
    };
    check("kprobes", true, answer)
}

/// Who may open perf events.
const PERF_EVENTS: &str = "/proc/sys/kernel/perf_event_paranoid";

/// Whether `cap_perfmon` may not be enough to open perf events: Debian's kernels want `cap_sys_admin` where the
/// setting is above 2. Others take that setting too, and never do.
pub fn are_perf_events_for_root() -> bool {
    let setting = fs::read_to_string(PERF_EVENTS).ok();
    let setting = setting.and_then(|text| text.trim().parse::<i32>().ok());
    setting.is_some_and(|setting| setting > 2)
}

/// Whether this user may open perf events, which run the programs of probes and samples. Debian's kernels
/// want `cap_sys_admin` where the setting is above 2, others never.
pub fn perf_events() -> Check {
    let path = PERF_EVENTS;
    let setting = fs::read_to_string(path).map(|text| text.trim().parse::<i32>());
    let answer = match (setting, privilege::has(privilege::SYS_ADMIN)) {
        (Ok(Ok(setting @ 3..)), Ok(false)) => no(
            format!("perf events are for root only (kernel.perf_event_paranoid is {setting})"),
            "run `sudo sysctl kernel.perf_event_paranoid=2`, or seqtrace as root",
        ),
        (Ok(Ok(_)), Ok(_)) => Answer::Yes(String::new()),
        (Err(error), _) => Answer::Unknown(format!("failed to read `{path}`: {error}")),
        (Ok(Err(error)), _) => Answer::Unknown(format!("failed to parse `{path}`: {error}")),
        (_, Err(error)) => Answer::Unknown(format!("{error:#}")),
    };
    check("perf events", true, answer)
}

fn kprobes_enabled() -> Check {
    let answer = match fs::read_to_string("/sys/kernel/debug/kprobes/enabled") {
        Ok(text) if text.trim() == "0" => no(
            "kprobes are switched off",
            "run `echo 1 > /sys/kernel/debug/kprobes/enabled` as root",
        ),
        Ok(_) => Answer::Yes(String::new()),
        Err(_) => Answer::Unknown("debugfs is not mounted; kprobes are on by default".to_owned()),
    };
    check("kprobes enabled", true, answer)
}

fn realtime() -> Check {
    let answer = match fs::read_to_string("/sys/kernel/realtime") {
        Ok(text) if text.trim() == "1" => {
            Answer::Yes("yes: readers block on the writer's lock".to_owned())
        }
        Ok(_) | Err(_) => Answer::Yes("no: readers spin, none block".to_owned()),
    };
    check("PREEMPT_RT", false, answer)
}

fn kprobe_list() -> Check {
    let answer = if Path::new("/sys/kernel/debug/kprobes/blacklist").exists() {
        Answer::Yes(String::new())
    } else {
        no(
            "debugfs is not mounted: blacklisted addresses show only when the kernel refuses them",
            "run `mount -t debugfs nodev /sys/kernel/debug` as root",
        )
    };
    check("kprobes blacklist", false, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_needed_no_is_a_failure() {
        let failing = no("this kernel has no BTF", "use another");
        assert_eq!(
            check("BTF", true, failing.clone()).failure().as_deref(),
            Some("this kernel has no BTF: use another")
        );
        assert_eq!(check("BTF", false, failing).failure(), None);
        assert_eq!(
            check("BTF", true, Answer::Yes(String::new())).failure(),
            None
        );
        let unknown = Answer::Unknown("no debugfs".to_owned());
        assert_eq!(check("BTF", true, unknown).failure(), None);
    }
}
