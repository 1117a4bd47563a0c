//! The eBPF object, and what to say when the kernel refuses one of its programs.

use anyhow::{Error, anyhow};
use aya::{include_bytes_aligned, programs::ProgramError};
use log::debug;

/// Built by `cargo xtask build-ebpf` from the `seqtrace-ebpf` crate.
pub static OBJECT: &[u8] = include_bytes_aligned!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/prebuilt/seqtrace.bpf.o"
));

/// Why a program was not loaded, in one line. The verifier's log has hundreds: it goes to the log.
pub fn refused(name: &str, error: ProgramError) -> Error {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return Error::new(error).context(format!("failed to load the program `{name}`"));
    };
    debug!("{verifier_log}");
    anyhow!(
        "failed to load the program `{name}`: {io_error}; run with `-vv` and report what the \
         kernel's verifier says"
    )
}
