//! Bytes of a kernel in, catalog of its sites out.
//!
//! Pure: the same bytes give the same catalog on any host. Reading `/proc` and `/sys` is the
//! business of `kernel`.

pub mod btf;
pub mod catalog;

pub mod image;
pub mod store;
pub mod symbols;
