//! What to attach: catalog × kernel facts × options → probes and skips.

use serde::{Deserialize, Serialize};

use crate::discover::catalog::Site;

/// What to attach and what not. `targets` has every site of the catalog exactly once.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Sites in catalog order; the index is the site's slot in the counting maps.
    pub targets: Vec<Target>,
}

/// One site and what is to become of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The site.
    pub site: Site,
    /// Run-time address of the site in the running kernel.
    pub address: u64,
    /// Run-time address of the end of the block, for blocks.
    pub end_address: Option<u64>,
    /// Byte offset of the rt_mutex owner from the lock's address, for blocks.
    pub owner_offset: Option<i32>,
    /// Why it is left out; `None`: it is to be probed.
    pub skip: Option<Skip>,
}

/// Why a site is left out by us.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// The function is `notrace`: the kernel refuses kprobe events there.
    Notrace,
    /// The function is on the kernel's kprobes blacklist.
    Blacklisted,
    /// The function is init text, which is gone after boot.
    InitText,
    /// The tracer itself runs this function for each event.
    UsedByTracer,
}
