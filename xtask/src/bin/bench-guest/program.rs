//! Small BPF programs, instruction by instruction, at places. They go with this process.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use nix::libc;

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

/// The register that keeps the context over calls.
const CONTEXT: u8 = 6;
const FRAME: u8 = 10;

/// A program in the making: `Documentation/bpf/standardization/instruction-set.rst`.
#[derive(Debug, Default)]
pub(crate) struct Program {
    instructions: Vec<u64>,
    /// Jumps that leave the program, from where it ends.
    leaving: Vec<usize>,
}

impl Program {
    /// `r0 = 0; exit`.
    pub(crate) fn nothing() -> Self {
        let mut program = Self::default();
        program.leave();
        program
    }

    /// One that keeps its context, and does something yet.
    pub(crate) fn with_context() -> Self {
        let mut program = Self::default();
        program.push(0xbf, CONTEXT, 1, 0, 0);
        program
    }

    fn push(&mut self, opcode: u8, to: u8, from: u8, offset: i16, number: i32) -> &mut Self {
        let mut bytes = [0; 8];
        bytes[0] = opcode;
        bytes[1] = to | from << 4;
        bytes[2..4].copy_from_slice(&offset.to_ne_bytes());
        bytes[4..].copy_from_slice(&number.to_ne_bytes());
        self.instructions.push(u64::from_ne_bytes(bytes));
        self
    }

    /// A helper, by its number.
    pub(crate) fn call(&mut self, helper: i32) -> &mut Self {
        self.push(0x85, 0, 0, 0, helper)
    }

    /// Sets a register.
    pub(crate) fn number(&mut self, register: u8, number: i32) -> &mut Self {
        self.push(0xb7, register, 0, 0, number)
    }

    /// Has a register point to the program's context.
    pub(crate) fn context(&mut self, register: u8) -> &mut Self {
        self.push(0xbf, register, CONTEXT, 0, 0)
    }

    /// Has a register point to the program's own memory.
    pub(crate) fn local(&mut self, register: u8, offset: i32) -> &mut Self {
        self.push(0xbf, register, FRAME, 0, 0)
            .push(0x07, register, 0, 0, offset)
    }

    /// Has a register stand for a map.
    pub(crate) fn map(&mut self, register: u8, map: RawFd) -> &mut Self {
        const OF_MAP: u8 = 1;
        self.push(0x18, register, OF_MAP, 0, map)
            .push(0, 0, 0, 0, 0)
    }

    /// Stores what was returned in the program's own memory.
    pub(crate) fn store(&mut self, offset: i16) -> &mut Self {
        self.push(0x7b, FRAME, 0, offset, 0)
    }

    /// Keeps what was returned in a register.
    pub(crate) fn keep(&mut self, register: u8) -> &mut Self {
        self.push(0xbf, register, 0, 0, 0)
    }

    /// Subtracts what was found from a register.
    pub(crate) fn subtract_found(&mut self, register: u8) -> &mut Self {
        self.push(0x79, 1, 0, 0, 0).push(0x1f, register, 1, 0, 0)
    }

    /// Adds a register to a number in what was found.
    pub(crate) fn add_to_found(&mut self, offset: i16, register: u8) -> &mut Self {
        self.push(0x79, 2, 0, offset, 0)
            .push(0x0f, 2, register, 0, 0)
            .push(0x7b, 0, 2, offset, 0)
    }

    /// Ends the program when nothing was found.
    pub(crate) fn leave_if_none(&mut self) -> &mut Self {
        self.leaving.push(self.instructions.len());
        self.push(0x15, 0, 0, 0, 0)
    }

    /// Does something when nothing was found.
    pub(crate) fn unless_found(&mut self, otherwise: impl FnOnce(&mut Self)) {
        let jump = self.instructions.len();
        self.push(0x55, 0, 0, 0, 0);
        otherwise(self);
        self.land(jump);
    }

    /// The end.
    pub(crate) fn leave(&mut self) {
        for jump in std::mem::take(&mut self.leaving) {
            self.land(jump);
        }
        self.number(0, 0).push(0x95, 0, 0, 0, 0);
    }

    /// Has a jump lead to what comes next. Programs are short: the distance is a byte.
    fn land(&mut self, jump: usize) {
        let distance = (self.instructions.len() - jump - 1) as u64;
        self.instructions[jump] |= distance << 16;
    }
}

/// Runs a command to success.
///
/// # Errors
///
/// When it cannot be started, or fails.
pub(crate) fn run(command: &[&str]) -> Result<()> {
    let (program, words) = command.split_first().context("no command")?;
    let status = Command::new(program)
        .args(words)
        .status()
        .with_context(|| format!("failed to run `{program}`"))?;
    ensure!(status.success(), "`{program}` failed: {status}");
    Ok(())
}

/// Has a program run at a place, until the descriptors are dropped.
///
/// # Errors
///
/// When the kernel takes the program or the place not.
pub(crate) fn arm(place: &str, program: &Program) -> Result<[OwnedFd; 2]> {
    match place.split_once('+') {
        Some((symbol, offset)) => at_instruction(symbol, offset, program),
        None => at_tracepoint(place, program),
    }
    .with_context(|| format!("failed to arm `{place}`"))
}

fn load(kind: u32, program: &Program) -> Result<OwnedFd> {
    let load = Load {
        kind,
        instruction_count: program.instructions.len() as u32,
        instructions: program.instructions.as_ptr().addr() as u64,
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
    .with_context(|| format!("failed to load {program:x?}"))
}

fn at_instruction(symbol: &str, offset: &str, program: &Program) -> Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_KPROBE, program)?;
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

fn at_tracepoint(name: &str, program: &Program) -> Result<[OwnedFd; 2]> {
    let program = load(BPF_PROG_TYPE_RAW_TRACEPOINT, program)?;
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

/// A descriptor that the kernel has returned.
///
/// # Errors
///
/// When it has returned none.
pub(crate) fn owned(descriptor: libc::c_long) -> Result<OwnedFd> {
    ensure!(descriptor >= 0, io::Error::last_os_error());
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}
