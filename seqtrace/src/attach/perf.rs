//! Attaches a program to a perf event: an event of tracefs, a probe of its own, the clock of a CPU, a
//! word of memory.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use libc::{c_int, c_ulong};

/// A program that runs at an event; dropping it takes the program off.
#[derive(Debug)]
pub(super) struct PerfEvent {
    file: OwnedFd,
}

/// What a program is to run at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source<'a> {
    /// An event of tracefs by its id, whatever the task and the CPU: a program is the event's, so one
    /// perf event on one CPU does (`kprobe_perf_func`, `kernel/trace/trace_kprobe.c`).
    Tracefs {
        /// What `events/*/*/id` says.
        id: u64,
    },
    /// A kprobe that goes with the event.
    Kprobe {
        /// What perf calls kprobes: `/sys/bus/event_source/devices/kprobe/type`.
        kind: u32,
        /// Where, by a symbol.
        symbol: &'a CStr,
        /// Distance from the symbol, bytes.
        offset: u64,
    },
    /// The clock of a CPU, once in a period of its time, idle or not.
    Clock {
        /// The CPU.
        cpu: u32,
        /// The time between two samples, nanoseconds.
        period_ns: u64,
    },
    /// Writes by a CPU to four bytes of kernel memory. The processor reports them after the
    /// instruction (`kernel/events/hw_breakpoint.c`); there are four such registers in each.
    Word {
        /// The CPU.
        cpu: u32,
        /// Where they are; a multiple of four.
        address: u64,
    },
}

/// `struct perf_event_attr`, version 1 (`include/uapi/linux/perf_event.h`).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
    breakpoint_bytes: u64,
}

const _: () = assert!(size_of::<Attributes>() == PERF_ATTR_SIZE_VER1 as usize);

const PERF_ATTR_SIZE_VER1: u32 = 72;
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_TYPE_BREAKPOINT: u32 = 5;
const HW_BREAKPOINT_W: u32 = 2;
const HW_BREAKPOINT_LEN_4: u64 = 4;
/// The first of the flags: nothing happens before it is told to.
const DISABLED: u64 = 1;
const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
const PERF_FLAG_FD_CLOEXEC: c_ulong = 1 << 3;
const PERF_EVENT_IOC_ENABLE: c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: c_ulong = 0x4004_2408;

impl Source<'_> {
    fn attributes(self) -> Attributes {
        let all = Attributes {
            size: PERF_ATTR_SIZE_VER1,
            sample_period: 1,
            flags: DISABLED,
            ..Attributes::default()
        };
        match self {
            Self::Tracefs { id } => Attributes {
                kind: PERF_TYPE_TRACEPOINT,
                config: id,
                ..all
            },
            // The two numbers of a breakpoint are the name and the offset of a kprobe.
            Self::Kprobe {
                kind,
                symbol,
                offset,
            } => Attributes {
                kind,
                breakpoint_address: symbol.as_ptr().addr() as u64,
                breakpoint_bytes: offset,
                ..all
            },
            Self::Clock { cpu: _, period_ns } => Attributes {
                kind: PERF_TYPE_SOFTWARE,
                config: PERF_COUNT_SW_CPU_CLOCK,
                sample_period: period_ns,
                ..all
            },
            Self::Word { cpu: _, address } => Attributes {
                kind: PERF_TYPE_BREAKPOINT,
                breakpoint_type: HW_BREAKPOINT_W,
                breakpoint_address: address,
                breakpoint_bytes: HW_BREAKPOINT_LEN_4,
                ..all
            },
        }
    }

    fn cpu(self) -> u32 {
        match self {
            Self::Tracefs { .. } | Self::Kprobe { .. } => 0,
            Self::Clock { cpu, .. } | Self::Word { cpu, .. } => cpu,
        }
    }
}

impl PerfEvent {
    /// Runs `program` at the event.
    pub(super) fn start(source: Source<'_>, program: BorrowedFd<'_>) -> io::Result<Self> {
        let event = Self::open(source)?;
        event.run(program)?;
        Ok(event)
    }

    /// Makes the event, at which nothing happens yet. The kernel refuses a probe here.
    pub(super) fn open(source: Source<'_>) -> io::Result<Self> {
        let attributes = source.attributes();
        let (all_tasks, cpu, no_group): (c_int, u32, c_int) = (-1, source.cpu(), -1);
        // SAFETY: `attributes` lives through the call and has the size it says.
        let file = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                all_tasks,
                cpu,
                no_group,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor.
        let file = unsafe { OwnedFd::from_raw_fd(file as c_int) };
        Ok(Self { file })
    }

    /// Runs `program` at the event from now on.
    pub(super) fn run(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        control(&self.file, PERF_EVENT_IOC_SET_BPF, program.as_raw_fd())?;
        control(&self.file, PERF_EVENT_IOC_ENABLE, 0)
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
