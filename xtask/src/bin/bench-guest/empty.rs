//! A program that does nothing, at places: the least that an event can cost. It goes with this process.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use nix::libc;

/// `r0 = 0; exit`, as the kernel's instructions of eight bytes.
const NOTHING: [u64; 2] = [0xb7, 0x95];

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// The first members of `union bpf_attr` for a program.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    licence: u64,
    log: [u64; 2],
    kernel_version: u32,
    flags: u32,
}

/// The same for a raw tracepoint.
#[repr(C)]
struct Tracepoint {
    name: u64,
    program: u32,
    reserved: u32,
}

/// `struct perf_event_attr`, version 1.
#[repr(C)]
#[derive(Default)]
struct Event {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    symbol: u64,
    offset: u64,
}

/// Runs `command` while the program runs at `places`.
///
/// # Errors
///
/// When the kernel takes the program or a place not, or `command` fails.
pub(crate) fn run(places: &[&str], command: &[&str]) -> Result<()> {
    let armed = places
        .iter()
        .copied()
        .map(arm)
        .collect::<Result<Vec<_>>>()?;
    let (program, words) = command.split_first().context("no command")?;
    let status = Command::new(program)
        .args(words)
        .status()
        .with_context(|| format!("failed to run `{program}`"))?;
    drop(armed);
    ensure!(status.success(), "`{program}` failed: {status}");
    Ok(())
}

/// Has the program run at a place, until the descriptors are dropped.
fn arm(place: &str) -> Result<[OwnedFd; 2]> {
    match place.split_once('+') {
        Some((symbol, offset)) => at_instruction(symbol, offset),
        None => at_tracepoint(place),
    }
    .with_context(|| format!("failed to arm `{place}`"))
}

fn load(kind: u32) -> Result<OwnedFd> {
    let load = Load {
        kind,
        instruction_count: NOTHING.len() as u32,
        instructions: NOTHING.as_ptr().addr() as u64,
        licence: c"GPL".as_ptr().addr() as u64,
        ..Load::default()
    };
    // SAFETY: `load` and what it points to live through the call and have the sizes they say.
    owned(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const load,
            size_of::<Load>(),
        )
    })
    .context("failed to load the empty program")
}

fn at_instruction(symbol: &str, offset: &str) -> Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_KPROBE)?;
    let kind = "/sys/bus/event_source/devices/kprobe/type";
    let kind = fs::read_to_string(kind).with_context(|| format!("failed to read `{kind}`"))?;
    let symbol = CString::new(symbol).context("a symbol with a zero in it")?;
    let event = Event {
        kind: kind.trim().parse().context("failed to parse a number")?,
        size: size_of::<Event>() as u32,
        sample_period: 1,
        flags: 1,
        symbol: symbol.as_ptr().addr() as u64,
        offset: offset.parse().context("the offset is no number")?,
        ..Event::default()
    };
    let (all_tasks, cpu, no_group) = (-1, 0, -1);
    // SAFETY: `event` lives through the call and has the size it says.
    let event = owned(unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const event,
            all_tasks,
            cpu,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    })?;
    for (request, argument) in [
        (PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()),
        (PERF_EVENT_IOC_ENABLE, 0),
    ] {
        // SAFETY: both requests take a number, no pointer.
        let status = unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) };
        ensure!(status >= 0, io::Error::last_os_error());
    }
    Ok([program, event])
}

fn at_tracepoint(name: &str) -> Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_RAW_TRACEPOINT)?;
    let name = CString::new(name).context("a name with a zero in it")?;
    let tracepoint = Tracepoint {
        name: name.as_ptr().addr() as u64,
        program: program.as_raw_fd() as u32,
        reserved: 0,
    };
    // SAFETY: as in `load`.
    let link = owned(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_RAW_TRACEPOINT_OPEN,
            &raw const tracepoint,
            size_of::<Tracepoint>(),
        )
    })?;
    Ok([program, link])
}

fn owned(descriptor: libc::c_long) -> Result<OwnedFd> {
    ensure!(descriptor >= 0, io::Error::last_os_error());
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}
