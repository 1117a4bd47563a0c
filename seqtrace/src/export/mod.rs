//! Snapshots in, bytes out. Pure.
