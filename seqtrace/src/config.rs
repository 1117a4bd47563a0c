//! The command line checked and resolved.
