//! The ways to put probes in place. A backend owns what it put there; dropping it takes all off.

use std::fmt;

use anyhow::Result;
use aya::Ebpf;

use super::{refusal::Refusal, table::Probe};

/// What became of one probe.
pub(super) type Placed = std::result::Result<(), Refusal>;

/// One way to attach programs to addresses.
///
/// Probes are placed one by one and then started together. Errors are those that no other probe
/// would be spared either; what is about one site is a refusal.
pub(super) trait Backend: fmt::Debug + Send {
    /// Puts one probe in place.
    fn place(&mut self, ebpf: &mut Ebpf, probe: &Probe) -> Result<Placed>;

    /// Takes the probe at the end of a block off again, if there is one.
    fn withdraw(&mut self, slot: u32) -> Result<()>;

    /// Lets all probes fire, those at the ends of blocks first.
    fn start(&mut self, ebpf: &mut Ebpf) -> Result<()>;

    /// Number of probes in place.
    fn probes(&self) -> usize;

    /// Takes all probes off, those at the ends of blocks last, and calls `done` after each.
    fn stop(&mut self, done: &mut dyn FnMut());
}
