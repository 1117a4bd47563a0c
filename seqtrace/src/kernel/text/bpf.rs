//! A BPF program that is run, never attached → bytes at kernel addresses, as they are right now.
//!
//! For kernels without `/proc/kcore`. What cannot be read is told by the page.

use std::{cell::RefCell, io};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader, RawTracePointRunOptions, TestRun as _,
    maps::Array,
    programs::{ProgramError, RawTracePoint},
};
use seqtrace_common::text::{CHUNK_BYTES, PAGE_BYTES, PAGES};

use super::Chunk;
use crate::kernel::object::{OBJECT, refused};

/// The program in the object.
const PROGRAM: &str = "read_text";

/// The loaded program and its map.
#[derive(Debug)]
pub(super) struct Programs {
    /// Not to be shared between threads: all reads go through one element of the map.
    ebpf: RefCell<Ebpf>,
}

impl Programs {
    /// Loads the program.
    ///
    /// # Errors
    ///
    /// When the kernel does not take it, with what to do.
    pub(super) fn load() -> Result<Self> {
        let mut ebpf = EbpfLoader::new()
            // For relocations against kernel types, which a Rust object does not have.
            .btf(None)
            .load(OBJECT)
            .context(
                "the kernel makes no BPF maps for this user: run as root (CAP_BPF, CAP_PERFMON)",
            )?;
        program(&mut ebpf)?.load().map_err(explain)?;
        Ok(Self {
            ebpf: RefCell::new(ebpf),
        })
    }

    /// Reads the pages from `address`, a multiple of the page's size, on: [`PAGES`] of them.
    ///
    /// # Errors
    ///
    /// When the kernel does not run the program.
    pub(super) fn chunk(&self, address: u64) -> Result<Chunk> {
        let mut ebpf = self.ebpf.borrow_mut();
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = address;
        let run = program(&mut ebpf)?
            .test_run(options)
            .context("the kernel does not run BPF programs on request (BPF_PROG_TEST_RUN)")?;
        let map = ebpf.map("TEXT").context("failed to find the map `TEXT`")?;
        let map: Array<_, [u8; CHUNK_BYTES]> = map.try_into()?;
        let bytes = map.get(&0, 0).context("failed to read the map `TEXT`")?;
        let unread = run.return_value;
        if unread >> PAGES != 0 {
            bail!("the program `{PROGRAM}` found no map");
        }
        Ok(Chunk {
            bytes: bytes.to_vec(),
            readable: (0..PAGES).map(|page| unread >> page & 1 == 0).collect(),
        })
    }
}

impl Chunk {
    /// Bytes of kernel memory that one chunk covers.
    pub(super) const BYTES: u64 = CHUNK_BYTES as u64;
    /// Bytes that can be read or not as a whole.
    pub(super) const PAGE_BYTES: u64 = PAGE_BYTES as u64;
}

fn program(ebpf: &mut Ebpf) -> Result<&mut RawTracePoint> {
    let program = ebpf
        .program_mut(PROGRAM)
        .with_context(|| format!("failed to find the program `{PROGRAM}`"))?;
    Ok(program.try_into()?)
}

/// What to do when the kernel refuses the program.
fn explain(error: ProgramError) -> Error {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = &error
    else {
        return refused(PROGRAM, error);
    };
    // In lockdown=confidentiality the helper is not offered (`bpf_tracing_func_proto`,
    // `kernel/trace/bpf_trace.c`), which the verifier tells in one of these ways.
    let log = verifier_log.to_string();
    if log.contains("unknown func") || log.contains("cannot use helper") {
        return anyhow!(
            "the kernel lets no BPF program read its memory: boot without \
             `lockdown=confidentiality`"
        );
    }
    if io_error.kind() == io::ErrorKind::PermissionDenied {
        return anyhow!(
            "the kernel takes no BPF program from this user: run as root (CAP_BPF, CAP_PERFMON)"
        );
    }
    refused(PROGRAM, error)
}
