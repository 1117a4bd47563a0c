//! Attaches a program to an event of tracefs through a perf event.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use libc::{c_int, c_ulong};

/// A program that runs at an event; dropping it takes the program off.
#[derive(Debug)]
pub(super) struct PerfEvent {
    _file: OwnedFd,
}

/// `struct perf_event_attr`, version 0 (`include/uapi/linux/perf_event.h`).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    rest: [u64; 5],
}

const _: () = assert!(size_of::<Attributes>() == PERF_ATTR_SIZE_VER0 as usize);

const PERF_ATTR_SIZE_VER0: u32 = 64;
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: c_ulong = 1 << 3;
const PERF_EVENT_IOC_ENABLE: c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: c_ulong = 0x4004_2408;

impl PerfEvent {
    /// Runs `program` at the event with the given id, whatever the task and the CPU: a program is
    /// the event's, so one perf event on one CPU does (`kprobe_perf_func`,
    /// `kernel/trace/trace_kprobe.c`).
    pub(super) fn start(id: u64, program: BorrowedFd<'_>) -> io::Result<Self> {
        let attributes = Attributes {
            kind: PERF_TYPE_TRACEPOINT,
            size: PERF_ATTR_SIZE_VER0,
            config: id,
            sample_period: 1,
            ..Attributes::default()
        };
        let (all_tasks, first_cpu, no_group): (c_int, c_int, c_int) = (-1, 0, -1);
        // SAFETY: `attributes` lives through the call and has the size it says.
        let file = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                all_tasks,
                first_cpu,
                no_group,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor.
        let file = unsafe { OwnedFd::from_raw_fd(file as c_int) };
        control(&file, PERF_EVENT_IOC_SET_BPF, program.as_raw_fd())?;
        control(&file, PERF_EVENT_IOC_ENABLE, 0)?;
        Ok(Self { _file: file })
    }
}

fn control(file: &OwnedFd, request: c_ulong, argument: c_int) -> io::Result<()> {
    // SAFETY: both requests take a number, no pointer.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request as _, argument) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
