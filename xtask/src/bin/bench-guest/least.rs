//! The least programs that do a part of what is measured, at places: what is left to a tool that does more. Hash tables of the
//! kernel and its helpers as people use them, and nothing else.

use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, bail};
use nix::libc;

use crate::program::{self, Program, owned};

const BPF_MAP_CREATE: libc::c_long = 0;
const HASH: u32 = 1;
const PER_CPU_HASH: u32 = 5;
const PER_CPU_ARRAY: u32 = 6;
const STACK_TRACE: u32 = 7;
const RING: u32 = 27;

const LOOKUP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;
const KTIME_GET_NS: i32 = 5;
const GET_CURRENT_PID_TGID: i32 = 14;
const GET_CURRENT_COMM: i32 = 16;
const GET_STACKID: i32 = 27;
const RING_OUTPUT: i32 = 130;

/// Bytes of the ring. Nobody reads it: a record that finds no room would be cheaper, and they all have room.
const RING_BYTES: u32 = 1 << 20;
/// Frames of a stack, as many as the kernel takes (`PERF_MAX_STACK_DEPTH`, `include/uapi/linux/perf_event.h`).
const FRAMES: u32 = 127;

/// The first members of `union bpf_attr` for a map.
#[repr(C)]
struct Create {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
}

/// The maps that the programs share.
struct Maps {
    /// When a thread began to wait, by thread and process id.
    since: OwnedFd,
    /// How often something was, and for how long.
    sums: OwnedFd,
    /// How often, by name.
    names: OwnedFd,
    stacks: OwnedFd,
    ring: OwnedFd,
}

/// Runs `command` while programs run at places: each of `roles` is `ROLE=PLACE`.
///
/// # Errors
///
/// When there is no such role, the kernel takes a map, a program or a place not, or `command` fails.
pub(crate) fn run(roles: &[&str], command: &[&str]) -> Result<()> {
    let maps = Maps {
        since: create(HASH, 8, 8, 1024)?,
        sums: create(PER_CPU_ARRAY, 4, 16, 1)?,
        names: create(PER_CPU_HASH, 16, 8, 1024)?,
        stacks: create(STACK_TRACE, 4, 8 * FRAMES, 1024)?,
        ring: create(RING, 0, 0, RING_BYTES)?,
    };
    let armed = roles
        .iter()
        .map(|role| {
            let (role, place) = role.split_once('=').context("no `ROLE=PLACE`")?;
            program::arm(place, &maps.program(role)?)
        })
        .collect::<Result<Vec<_>>>()?;
    program::run(command)?;
    drop(armed);
    Ok(())
}

fn create(kind: u32, key_bytes: u32, value_bytes: u32, entries: u32) -> Result<OwnedFd> {
    let create = Create {
        kind,
        key_bytes,
        value_bytes,
        entries,
        flags: 0,
    };
    // SAFETY: `create` lives through the call and has the size it says.
    owned(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            &raw const create,
            size_of::<Create>(),
        )
    })
    .with_context(|| format!("failed to create a map of kind {kind}"))
}

impl Maps {
    fn program(&self, role: &str) -> Result<Program> {
        let mut program = Program::with_context();
        match role {
            "begin" => self.begin(&mut program),
            "end" => self.end(&mut program),
            "end-stack" => {
                self.end(&mut program);
                self.stack(&mut program);
            }
            "name" => self.name(&mut program),
            "stack" => self.stack(&mut program),
            _ => bail!("there is no role `{role}`"),
        }
        program.leave();
        Ok(program)
    }

    /// Keeps when the thread began to wait.
    fn begin(&self, program: &mut Program) {
        program.call(KTIME_GET_NS).store(-16);
        program.call(GET_CURRENT_PID_TGID).store(-8);
        program.map(1, self.since.as_raw_fd()).local(2, -8);
        program.local(3, -16).number(4, 0).call(UPDATE);
    }

    /// Adds up how long the thread waited.
    fn end(&self, program: &mut Program) {
        program.call(KTIME_GET_NS).keep(7);
        program.call(GET_CURRENT_PID_TGID).store(-8);
        program.map(1, self.since.as_raw_fd()).local(2, -8);
        program.call(LOOKUP).leave_if_none().subtract_found(7);
        program.map(1, self.since.as_raw_fd()).local(2, -8);
        program.call(DELETE).number(0, 0).store(-16);
        program.map(1, self.sums.as_raw_fd()).local(2, -16);
        program.call(LOOKUP).leave_if_none();
        program.number(1, 1).add_to_found(0, 1).add_to_found(8, 7);
    }

    /// Counts by name.
    fn name(&self, program: &mut Program) {
        program.local(1, -16).number(2, 16).call(GET_CURRENT_COMM);
        program.map(1, self.names.as_raw_fd()).local(2, -16);
        program.call(LOOKUP);
        program.unless_found(|program| {
            program.number(0, 0).store(-24);
            program.map(1, self.names.as_raw_fd()).local(2, -16);
            program.local(3, -24).number(4, 0).call(UPDATE);
            program.map(1, self.names.as_raw_fd()).local(2, -16);
            program.call(LOOKUP).leave_if_none();
        });
        program.number(1, 1).add_to_found(0, 1);
    }

    /// Takes the stack, and writes a record of sixteen bytes, which wakes nobody.
    fn stack(&self, program: &mut Program) {
        const NO_WAKEUP: i32 = 1;
        program.context(1).map(2, self.stacks.as_raw_fd());
        program.number(3, 0).call(GET_STACKID).store(-8);
        program.call(KTIME_GET_NS).store(-16);
        program.map(1, self.ring.as_raw_fd()).local(2, -16);
        program.number(3, 16).number(4, NO_WAKEUP);
        program.call(RING_OUTPUT);
    }
}
