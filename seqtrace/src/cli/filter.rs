//! Words about which events are wanted, with the letters of `perf lock` where it has them.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum};
use globset::Glob;

/// A CPU above that is a slip of the hand.
const MOST_CPUS: u32 = 1 << 16;

/// Which events are counted.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub struct FilterArguments {
    /// Those that can be applied to a recording as well.
    #[command(flatten)]
    pub rows: RowFilterArguments,
    /// Only threads with these ids
    #[arg(short, long, value_name = "TID", value_delimiter = ',')]
    pub tid: Vec<u32>,
    /// Only on these CPUs (`0-2,5`)
    #[arg(short = 'C', long, value_name = "CPUS")]
    pub cpu: Vec<CpuList>,
    /// Only tasks in this cgroup or below it: a path below /sys/fs/cgroup
    #[arg(short = 'G', long, value_name = "CGROUP")]
    pub cgroup: Option<PathBuf>,
    /// Only blocks, spins and holds that lasted at least this long (`50us`); retries and fallbacks have no
    /// duration and are counted all the same
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    pub min_ns: Option<Duration>,
}

/// Filters of which a recording has enough to be applied afterwards.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub struct RowFilterArguments {
    /// Only these processes, by id: the readers, of holds the writers
    #[arg(short, long, value_name = "PID", value_delimiter = ',')]
    pub pid: Vec<u32>,
    /// Only tasks with such a command name
    #[arg(long, value_name = "GLOB", value_parser = super::glob)]
    pub comm: Vec<Glob>,
    /// Only sites of seqcounts with such a name (`rename_lock`, `dentry.*`); `unknown` for those that have
    /// none
    #[arg(short = 'l', long, value_name = "GLOB", value_parser = super::glob)]
    pub seqcount: Vec<Glob>,
    /// Only events in whose stack a function's name has this in it
    #[arg(short = 'S', long, value_name = "SUBSTRING")]
    pub stack: Vec<String>,
    /// Only such sites: the name of the function, or all of it (`d_lookup+0x4b`)
    #[arg(long, value_name = "GLOB", value_parser = super::glob)]
    pub site: Vec<Glob>,
    /// Only events of these kinds
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    pub kind: Vec<KindArgument>,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum KindArgument {
    /// A reader takes and drops the writer's lock (PREEMPT_RT)
    Block,
    /// A reader pauses while the sequence is odd
    Spin,
    /// A read section is run again, wherever that is counted
    Retry,
    /// A reader gives up and takes the lock
    Fallback,
    /// Only the retries that --retries counts at checks
    Check,
    /// A write section (--writers)
    Hold,
}

/// CPUs by number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CpuList(pub Vec<u32>);

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| match text.parse::<u32>() {
                Ok(cpu) if cpu < MOST_CPUS => Ok(cpu),
                Ok(_) | Err(_) => Err(format!(
                    "`{part}` names no CPU: write them as `3`, `0-2` or `0-2,5`"
                )),
            };
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("`{part}` is empty: the smaller number goes first"));
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_numbers_and_ranges_with_commas_between() {
        let parsed = |text: &str| text.parse::<CpuList>().map(|list| list.0);
        assert_eq!(parsed("3"), Ok(vec![3]));
        assert_eq!(parsed("0-2,5"), Ok(vec![0, 1, 2, 5]));
        for bad in ["", "0-", "-1", "2-0", "a", "0,,1", "0-99999999", "1-2-3"] {
            assert!(parsed(bad).is_err(), "{bad} was taken");
        }
    }
}
