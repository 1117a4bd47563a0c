//! Facts about the running kernel. The only module that reads `/proc` and `/sys`.

pub mod feature;
pub mod hazards;
pub mod instance;
pub mod privilege;
