//! What the kernel tells of a loaded program.

use std::{
    fs,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use anyhow::{Context as _, Result};

/// What a program did since it was loaded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Runs {
    /// How often a probe fired and could not run the program, because the CPU was in another program
    /// or in the middle of a map operation (`trace_call_bpf`, `kernel/trace/bpf_trace.c`).
    ///
    /// Linux counts these for kprobes since 6.7 (`bpf_prog_inc_misses_counters` in `trace_call_bpf`);
    /// before, the number is always zero.
    pub misses: u64,
    /// How often it ran while statistics were on (`BPF_ENABLE_STATS`).
    pub runs: u64,
    /// How long it ran then, nanoseconds.
    pub run_ns: u64,
}

/// Whether a kernel of this release counts [`Runs::misses`] at kprobes; `None` where the release is none.
pub fn counts_misses(release: &str) -> Option<bool> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    Some((number()?, number()?) >= (6, 7))
}

/// What a loaded program did.
///
/// # Errors
///
/// When the description cannot be read.
pub fn runs(program: BorrowedFd<'_>) -> Result<Runs> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
    Ok(parse(&text))
}

fn parse(description: &str) -> Runs {
    let number = |name: &str| {
        let mut lines = description.lines();
        lines
            .find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(':')?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or_default()
    };
    Runs {
        misses: number("recursion_misses"),
        runs: number("run_cnt"),
        run_ns: number("run_time_ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_are_counted_since_6_7() {
        for (release, counts) in [
            ("6.1.0-56-rt-amd64", Some(false)),
            ("6.6.99", Some(false)),
            ("6.7.0-rc1", Some(true)),
            ("6.12.117+deb13-amd64", Some(true)),
            ("7.0", Some(true)),
            ("next", None),
        ] {
            assert_eq!(counts_misses(release), counts, "{release}");
        }
    }

    #[test]
    fn what_a_program_did_stands_in_its_description() {
        let description = "pos:\t0\nflags:\t02000002\nprog_type:\t2\nprog_jited:\t1\n\
                           run_time_ns:\t5100\nrun_cnt:\t3\nrecursion_misses:\t17\n";
        let runs = Runs {
            misses: 17,
            runs: 3,
            run_ns: 5100,
        };
        assert_eq!(parse(description), runs);
        assert_eq!(parse("pos:\t0\n"), Runs::default());
    }
}
