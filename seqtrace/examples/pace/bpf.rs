//! A BPF program that writes records into a ring each time it is run, by the system call: there is no
//! section for it in the shipped object, and no assembler for BPF among well-kept crates.

use std::{
    io,
    mem::{offset_of, size_of},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use nix::libc;
use seqtrace_common::event::Event;

/// Commands of `bpf(2)` (`include/uapi/linux/bpf.h`).
const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const PROG_LOAD: libc::c_long = 5;
const PROG_TEST_RUN: libc::c_long = 10;

/// Types of maps and of the program.
const ARRAY: u32 = 2;
const RING: u32 = 27;
const SOCKET_FILTER: u32 = 1;

/// Bytes of a ring of our own, those of seqtrace's.
const RING_BYTES: u32 = 1 << 20;

/// Slots that the records name by chance, at most so many.
const SLOTS: i32 = 64;

/// What the program works with: the record, then how often the ring took one and did not.
#[repr(C)]
#[derive(Clone, Copy)]
struct Work {
    event: Event,
    sent: u64,
    lost: u64,
}

/// Numbers of a [`Producer`] since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Records that the ring took.
    pub(crate) sent: u64,
    /// Records for which it had no room.
    pub(crate) lost: u64,
}

/// Writes records into a ring.
pub(crate) struct Producer {
    program: OwnedFd,
    work: OwnedFd,
}

impl Producer {
    /// A producer for `ring`.
    pub(crate) fn new(ring: BorrowedFd<'_>) -> Result<Self> {
        let bytes = size_of::<Work>() as u32;
        let work = create(&[ARRAY, 4, bytes, 1]).context("failed to create a map")?;
        let program = load(&instructions(ring, work.as_fd()))?;
        Ok(Self { program, work })
    }

    /// Writes so many records, one after the other.
    pub(crate) fn write(&self, records: u32) -> Result<()> {
        // No smaller packet is taken (`bpf_prog_test_run_skb`, `net/bpf/test_run.c`).
        let packet = [0_u8; 14];
        let mut attributes = Attributes::default();
        attributes.word(0, self.program.as_raw_fd().cast_unsigned());
        attributes.word(8, packet.len() as u32);
        attributes.long(16, packet.as_ptr() as u64);
        attributes.word(32, records);
        attributes
            .call(PROG_TEST_RUN)
            .context("failed to run the program")?;
        Ok(())
    }

    /// What became of the records so far.
    pub(crate) fn written(&self) -> Result<Written> {
        let key = 0_u32;
        let mut work = [0_u64; size_of::<Work>() / 8];
        let mut attributes = Attributes::default();
        attributes.word(0, self.work.as_raw_fd().cast_unsigned());
        attributes.long(8, &raw const key as u64);
        attributes.long(16, work.as_mut_ptr() as u64);
        attributes
            .call(MAP_LOOKUP_ELEM)
            .context("failed to read the map")?;
        Ok(Written {
            sent: work[offset_of!(Work, sent) / 8],
            lost: work[offset_of!(Work, lost) / 8],
        })
    }
}

/// A ring as large as seqtrace's.
pub(crate) fn ring() -> Result<OwnedFd> {
    create(&[RING, 0, 0, RING_BYTES]).context("failed to create a ring")
}

/// `union bpf_attr`, as far as it is used here.
#[derive(Default)]
#[repr(C, align(8))]
struct Attributes([u32; 20]);

impl Attributes {
    fn word(&mut self, offset: usize, value: u32) {
        self.0[offset / 4] = value;
    }

    fn long(&mut self, offset: usize, value: u64) {
        self.word(offset, value as u32);
        self.word(offset + 4, (value >> 32) as u32);
    }

    fn call(&mut self, command: libc::c_long) -> io::Result<libc::c_long> {
        // SAFETY: the attributes are as long as is said, and point to what their makers own still.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut self.0, size_of::<Self>()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(result)
    }

    /// As [`Attributes::call`], for commands that hand out a file descriptor.
    fn open(&mut self, command: libc::c_long) -> io::Result<OwnedFd> {
        let descriptor = self.call(command)?;
        // SAFETY: the kernel has just handed it out, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
    }
}

/// A map of this type, bytes of a key, bytes of a value, and entries.
fn create(words: &[u32; 4]) -> io::Result<OwnedFd> {
    let mut attributes = Attributes::default();
    for (index, word) in words.iter().enumerate() {
        attributes.word(4 * index, *word);
    }
    attributes.open(MAP_CREATE)
}

fn load(instructions: &[u64]) -> Result<OwnedFd> {
    let mut log = vec![0_u8; 16 * 1024];
    let mut attributes = Attributes::default();
    attributes.word(0, SOCKET_FILTER);
    attributes.word(4, instructions.len() as u32);
    attributes.long(8, instructions.as_ptr() as u64);
    attributes.long(16, c"GPL".as_ptr() as u64);
    attributes.word(24, 1);
    attributes.word(28, log.len() as u32);
    attributes.long(32, log.as_mut_ptr() as u64);
    attributes.open(PROG_LOAD).with_context(|| {
        let text = String::from_utf8_lossy(&log);
        format!(
            "failed to load the program: {}",
            text.trim_end_matches('\0')
        )
    })
}

/// The program: fills the record in and hands it to the ring.
fn instructions(ring: BorrowedFd<'_>, work: BorrowedFd<'_>) -> Vec<u64> {
    let mut code = Vec::new();
    // r6 = the work
    code.extend(address(6, MAP_VALUE, work));
    // record.time_ns = ktime_get_ns()
    code.push(instruction(CALL, 0, 0, 0, KTIME_GET_NS));
    code.push(instruction(STORE_LONG, 6, 0, offset_of!(Event, time_ns), 0));
    // record.duration_ns = prandom_u32()
    code.push(instruction(CALL, 0, 0, 0, PRANDOM_U32));
    code.push(instruction(
        STORE_LONG,
        6,
        0,
        offset_of!(Event, duration_ns),
        0,
    ));
    // record.slot = record.tid = duration % SLOTS
    code.push(instruction(MODULO, 0, 0, 0, SLOTS));
    code.push(instruction(STORE_WORD, 6, 0, offset_of!(Event, slot), 0));
    code.push(instruction(STORE_WORD, 6, 0, offset_of!(Event, tid), 0));
    // r0 = ringbuf_output(ring, record, bytes, 0)
    code.extend(address(1, MAP_DESCRIPTOR, ring));
    code.push(instruction(MOVE, 2, 6, 0, 0));
    code.push(instruction(
        MOVE_CONSTANT,
        3,
        0,
        0,
        size_of::<Event>() as i32,
    ));
    code.push(instruction(MOVE_CONSTANT, 4, 0, 0, 0));
    code.push(instruction(CALL, 0, 0, 0, RINGBUF_OUTPUT));
    // sent or lost, one more
    code.push(instruction(MOVE_CONSTANT, 1, 0, 0, 1));
    code.push(instruction(JUMP_UNEQUAL, 0, 0, 2, 0));
    code.push(instruction(ADD_TO_LONG, 6, 1, offset_of!(Work, sent), 0));
    code.push(instruction(JUMP, 0, 0, 1, 0));
    code.push(instruction(ADD_TO_LONG, 6, 1, offset_of!(Work, lost), 0));
    code.push(instruction(MOVE_CONSTANT, 0, 0, 0, 0));
    code.push(instruction(EXIT, 0, 0, 0, 0));
    code
}

/// Helpers (`include/uapi/linux/bpf.h`).
const KTIME_GET_NS: i32 = 5;
const PRANDOM_U32: i32 = 7;
const RINGBUF_OUTPUT: i32 = 130;

/// Operations (`Documentation/bpf/standardization/instruction-set.rst`).
const LOAD_ADDRESS: u8 = 0x18;
const STORE_WORD: u8 = 0x63;
const STORE_LONG: u8 = 0x7b;
const ADD_TO_LONG: u8 = 0xdb;
const MOVE: u8 = 0xbf;
const MOVE_CONSTANT: u8 = 0xb7;
const MODULO: u8 = 0x97;
const JUMP: u8 = 0x05;
const JUMP_UNEQUAL: u8 = 0x55;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// What an address is of, in the source register of [`LOAD_ADDRESS`].
const MAP_DESCRIPTOR: u8 = 1;
const MAP_VALUE: u8 = 2;

fn instruction(operation: u8, target: u8, source: u8, offset: usize, constant: i32) -> u64 {
    u64::from(operation)
        | u64::from(target) << 8
        | u64::from(source) << 12
        | (offset as u64 & 0xffff) << 16
        | u64::from(constant.cast_unsigned()) << 32
}

fn address(target: u8, of: u8, map: BorrowedFd<'_>) -> [u64; 2] {
    [instruction(LOAD_ADDRESS, target, of, 0, map.as_raw_fd()), 0]
}
