//! Variables of the running kernel: from what the code says of them to their address and value.

use anyhow::{Context as _, Result};

use super::running::{Running, VMLINUX};
use crate::discover::catalog::Location;

impl Running {
    /// Run-time address of a variable that code of `image` refers to; `None` for memory that only
    /// registers lead to, and for variables of a module that is not loaded.
    pub fn address_of(&self, location: &Location) -> Option<u64> {
        match location {
            Location::Vmlinux(offset) => Some(self.base(VMLINUX).ok()?.wrapping_add(*offset)),
            Location::Variable {
                image,
                symbol,
                offset,
            } => {
                let symbols = if image == VMLINUX {
                    &self.symbols.vmlinux
                } else {
                    self.symbols.modules.get(image)?
                };
                Some(symbols.address_of(symbol)?.wrapping_add(*offset))
            }
            Location::Memory(_) => None,
        }
    }

    /// The 32-bit word at `address`, as it is right now.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn word(&self, address: u64) -> Result<u32> {
        let bytes = self.text().read(address, 4)?;
        let bytes = bytes
            .try_into()
            .ok()
            .context("fewer bytes came than were asked for")?;
        Ok(u32::from_le_bytes(bytes))
    }
}
