//! The `seqtrace` command: parse, run, exit status.

fn main() {}
