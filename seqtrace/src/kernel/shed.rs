//! What was needed to find and place probes → memory of the system again, before a run that may take days.

use std::{cell::OnceCell, sync::Arc};

use super::running::Running;
use crate::discover::btf::Btf;

impl Running {
    /// Forgets the types, and what else only discovery and attaching need; symbols and modules stay.
    pub fn forget_types(&mut self) {
        self.btf = Arc::new(Btf::default());
        self.completed = OnceCell::new();
        self.installed_base = OnceCell::new();
    }
}

/// Gives back to the system what the allocator holds and nobody uses. After a scan that is most of it: the pages
/// of threads that are over are kept for those to come.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and locks what it looks at.
    unsafe {
        libc::malloc_trim(0);
    }
}
