//! What the kernel tells of a loaded program.

use std::{
    fs,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use anyhow::{Context as _, Result};

/// How often a probe fired and could not run the program, because the CPU was in another program or
/// in the middle of a map operation (`trace_call_bpf`, `kernel/trace/bpf_trace.c`).
///
/// Linux counts these for kprobes since 6.7 (`bpf_prog_inc_misses_counters` in `trace_call_bpf`);
/// before, the number is always zero.
///
/// # Errors
///
/// When the description cannot be read.
pub fn misses(program: BorrowedFd<'_>) -> Result<u64> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
    Ok(parse(&text))
}

fn parse(description: &str) -> u64 {
    description
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_stand_in_the_description_of_a_program() {
        let description = "pos:\t0\nflags:\t02000002\nprog_type:\t2\nprog_jited:\t1\n\
                           run_cnt:\t0\nrecursion_misses:\t17\nverified_insns:\t300\n";
        assert_eq!(parse(description), 17);
        assert_eq!(parse("pos:\t0\n"), 0);
    }
}
