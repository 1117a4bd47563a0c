//! Puts one probe in place, or tells why the kernel would not.

use anyhow::{Context as _, Result, anyhow};
use aya::programs::{
    KProbe, ProgramError,
    kprobe::{KProbeError, KProbeLink},
};

use super::{refusal::Refusal, table::Probe};

/// What became of one probe.
pub(super) type Attached = std::result::Result<KProbeLink, Refusal>;

/// Attaches `program` at the first of the probe's names that the kernel takes.
///
/// # Errors
///
/// When the error is not about the site: no other probe would fare better.
pub(super) fn attach(program: &mut KProbe, probe: &Probe) -> Result<Attached> {
    let mut refusal = Refusal::NoSymbol;
    for (symbol, offset) in &probe.names {
        match program.attach(symbol, *offset) {
            Ok(id) => return Ok(Ok(program.take_link(id)?)),
            Err(error) => refusal = judge(error, symbol, *offset)?,
        }
        if !refusal.is_about_the_name() {
            break;
        }
    }
    Ok(Err(refusal))
}

fn judge(error: ProgramError, symbol: &str, offset: u64) -> Result<Refusal> {
    if let ProgramError::KProbeError(KProbeError::FileError { filename, .. }) = &error {
        return Err(anyhow!(
            "failed to read `{}`: this kernel has no kprobes (`CONFIG_KPROBE_EVENTS`)",
            filename.display()
        ));
    }
    let refusal = match &error {
        ProgramError::SyscallError(error) => {
            error.io_error.raw_os_error().and_then(Refusal::from_errno)
        }
        _ => None,
    };
    refusal.map_or_else(
        || Err(error).with_context(|| format!("failed to attach to `{symbol}+{offset:#x}`")),
        Ok,
    )
}
