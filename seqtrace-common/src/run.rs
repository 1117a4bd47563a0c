//! Runs: checks of one read section that fail in a row, until one passes. Followed only where the
//! section is a loop, so that the check that passes is always seen.

/// Lengths that are told apart: `lengths[n]` has the runs of `n + 1` failed checks, the last one
/// those of [`LENGTHS`] and more.
pub const LENGTHS: usize = 32;

/// Key of the map `RUNS`: a reader in a read section.
///
/// The stack pointer tells apart what one thread does and what interrupts do on top of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RunKey {
    /// Thread id; for the idle tasks [`crate::wait::WaitKey::IDLE`] plus the CPU.
    pub tid: u32,
    /// Slot of the check.
    pub slot: u32,
    /// Stack pointer at the check.
    pub stack_pointer: u64,
    /// [`crate::site::SiteEntry::generation`], so that no run goes on behind a time without probe.
    pub generation: u32,
    /// Zero; keeps the size a multiple of eight.
    pub reserved: u32,
}

const _: () = assert!(size_of::<RunKey>() == 24);

/// A run that is not over. Value of the map `RUNS`; removed by the check that passes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RunState {
    /// Checks that failed so far.
    pub length: u64,
    /// When the first one failed, `bpf_ktime_get_ns`.
    pub first_ns: u64,
    /// 1 once it has been counted as not converging.
    pub unconverged: u64,
}

const _: () = assert!(size_of::<RunState>() == 24);

/// What the runs of one check were on one CPU. Value of the per-CPU array `RUN_COUNTERS`, indexed by
/// `SiteEntry::run`.
///
/// When the probes are gone, these hold exactly, added up over the CPUs: `runs` is the sum of
/// `lengths`, and the counter `count` of all followed checks is the sum of `retries`, of the lengths
/// in `RUNS`, and of the loss `runs_full`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RunCounters {
    /// Runs that are over.
    pub runs: u64,
    /// Failed checks in these.
    pub retries: u64,
    /// Failed checks in the longest of these.
    pub longest: u64,
    /// Runs that lasted for longer than the limit, those that are not over included.
    pub unconverged: u64,
    /// Runs that are over by length, see [`LENGTHS`].
    pub lengths: [u64; LENGTHS],
}

const _: () = assert!(size_of::<RunCounters>() == 8 * (4 + LENGTHS));

impl RunCounters {
    /// Nothing has happened.
    pub const ZERO: Self = Self {
        runs: 0,
        retries: 0,
        longest: 0,
        unconverged: 0,
        lengths: [0; LENGTHS],
    };

    /// Counts a run that is over. A length of zero is none.
    #[inline]
    pub fn finish(&mut self, length: u64) {
        self.runs += 1;
        self.retries += length;
        self.longest = self.longest.max(length);
        let index = length.wrapping_sub(1).min(LENGTHS as u64 - 1);
        self.lengths[core::hint::black_box(index as usize) & (LENGTHS - 1)] += 1;
    }

    /// Adds what another CPU counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            runs,
            retries,
            longest,
            unconverged,
            lengths,
        } = other;
        self.runs += runs;
        self.retries += retries;
        self.longest = self.longest.max(*longest);
        self.unconverged += unconverged;
        for (sum, more) in self.lengths.iter_mut().zip(lengths) {
            *sum += more;
        }
    }
}

#[cfg(feature = "user")]
mod pod {
    use super::{RunCounters, RunKey, RunState};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for RunKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for RunState {}
    // SAFETY: as above.
    unsafe impl aya::Pod for RunCounters {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_by_their_exact_length_up_to_the_last_bucket() {
        let mut one = RunCounters::ZERO;
        for length in [1, 1, 2, 31, 32, 33, 1000] {
            one.finish(length);
        }
        assert_eq!((one.runs, one.retries, one.longest), (7, 1100, 1000));
        assert_eq!((one.lengths[0], one.lengths[1]), (2, 1));
        assert_eq!((one.lengths[30], one.lengths[31]), (1, 3));
        let mut both = one;
        both.add(&one);
        assert_eq!((both.runs, both.retries, both.longest), (14, 2200, 1000));
        assert_eq!(both.lengths.iter().sum::<u64>(), both.runs);
    }
}
