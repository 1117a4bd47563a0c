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

    /// Run-time addresses of a per-CPU variable of vmlinux by its symbol, one for each CPU that is online;
    /// `None` if it is no such variable, or cannot be found.
    ///
    /// Symbols of the section stand for offsets, from 6.15 on for addresses of its first copy; both
    /// become addresses by `__per_cpu_offset` (`include/asm-generic/percpu.h`).
    pub fn addresses_by_cpu(&self, symbol: &str) -> Option<Vec<(u32, u64)>> {
        let find = |name| self.symbols.vmlinux.address_of(name);
        let variable = find(symbol)?;
        // Symbols at address 0 are left out of the table.
        let start = find("__per_cpu_start").unwrap_or(0);
        if !(start..find("__per_cpu_end")?).contains(&variable) {
            return None;
        }
        let offsets = find("__per_cpu_offset")?;
        let address = |cpu: u32| {
            let bytes = self.text().read(offsets + 8 * u64::from(cpu), 8).ok()?;
            let offset = u64::from_le_bytes(bytes.try_into().ok()?);
            Some((cpu, variable.wrapping_add(offset)))
        };
        let cpus = aya::util::online_cpus().ok()?;
        cpus.into_iter().map(address).collect()
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
