//! Background load.
fn main() {}
