//! Debian packages for the tasks, whatever the machine's own release is.

mod control;
mod repository;
mod sources;

pub(crate) use self::repository::{Package, Repository};
