//! Readings of one sequence word → a verdict.
//!
//! One reading says nothing: it may have met a writer inside. Two equal odd readings may have met
//! one long hold. So an odd value counts as a rest only when it stood for longer than a hold may
//! last, and only what contradicts every sound history is called wrong.

use super::{Reading, Verdict};

/// A value that stood for so long is at rest, nanoseconds. Holds last microseconds; a preempted
/// writer (PREEMPT_RT) may be kept out for some scheduler ticks of up to 10 ms.
pub const REST_NS: u64 = 250_000_000;

/// The verdict on readings in the order of time; `latch`: odd values are as good as even ones.
///
/// Fewer than two readings are sound: nothing can be said.
pub fn judge(readings: &[Reading], latch: bool) -> Verdict {
    if let Some(step) = readings
        .windows(2)
        .find(|pair| is_backwards(pair[0].value, pair[1].value))
    {
        return Verdict::Backwards {
            from: step[0].value,
            to: step[1].value,
        };
    }
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else {
        return Verdict::Sound;
    };
    if latch {
        return Verdict::Sound;
    }
    let at_least_ns = last.time_ns - first.time_ns;
    if readings.iter().all(|reading| reading.value == first.value) {
        return if is_odd(first.value) && at_least_ns >= REST_NS {
            Verdict::StuckOdd {
                value: first.value,
                at_least_ns,
            }
        } else {
            Verdict::Sound
        };
    }
    odd_at_rest(readings)
}

/// A hold that is merely long ends on the even value behind it. Only resting on two different odd
/// values with no even one read in between shows that the parity is shifted.
fn odd_at_rest(readings: &[Reading]) -> Verdict {
    let mut rested: Option<u32> = None;
    let mut longest_ns = 0;
    for run in readings.chunk_by(|a, b| a.value == b.value) {
        let value = run[0].value;
        let rest_ns = run[run.len() - 1].time_ns - run[0].time_ns;
        if !is_odd(value) {
            rested = None;
            longest_ns = 0;
        } else if rest_ns >= REST_NS {
            longest_ns = longest_ns.max(rest_ns);
            match rested {
                Some(value) => {
                    return Verdict::OddAtRest {
                        value,
                        rest_ns: longest_ns,
                    };
                }
                None => rested = Some(value),
            }
        }
    }
    Verdict::Sound
}

fn is_odd(value: u32) -> bool {
    value & 1 != 0
}

/// Whether a sequence that only grows, and wraps, cannot have gone from one value to the other: it
/// would have had to grow by more than half of its range between two readings.
fn is_backwards(from: u32, to: u32) -> bool {
    to.wrapping_sub(from).cast_signed() < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings 100 ms apart.
    fn readings(values: &[u32]) -> Vec<Reading> {
        let times = (0..).step_by(100_000_000);
        let reading = |(time_ns, &value)| Reading { time_ns, value };
        times.zip(values).map(reading).collect()
    }

    fn verdict(values: &[u32]) -> Verdict {
        judge(&readings(values), false)
    }

    #[test]
    fn a_counter_that_grows_and_rests_even_is_sound() {
        assert_eq!(verdict(&[]), Verdict::Sound);
        assert_eq!(verdict(&[7]), Verdict::Sound, "one reading tells nothing");
        assert_eq!(verdict(&[4, 4, 6, 9, 10, 10]), Verdict::Sound);
        assert_eq!(verdict(&[5, 7, 9, 11, 13]), Verdict::Sound, "busy writers");
        assert_eq!(verdict(&[5, 5]), Verdict::Sound, "a hold of 100 ms");
    }

    #[test]
    fn a_long_hold_that_ends_is_sound() {
        assert_eq!(verdict(&[4, 5, 5, 5, 5, 6, 6]), Verdict::Sound);
        assert_eq!(verdict(&[5, 5, 5, 5, 6, 7, 7, 7, 7, 8]), Verdict::Sound);
    }

    #[test]
    fn odd_from_the_first_reading_to_the_last_is_stuck() {
        assert_eq!(
            verdict(&[9, 9, 9, 9]),
            Verdict::StuckOdd {
                value: 9,
                at_least_ns: 300_000_000
            }
        );
    }

    #[test]
    fn resting_on_odd_values_only_is_told() {
        assert_eq!(
            verdict(&[4, 6, 7, 7, 7, 7, 9, 9, 9, 9, 9, 11]),
            Verdict::OddAtRest {
                value: 7,
                rest_ns: 400_000_000
            }
        );
    }

    #[test]
    fn going_down_is_told_and_wrapping_is_not() {
        assert_eq!(
            verdict(&[4, 100, 2]),
            Verdict::Backwards { from: 100, to: 2 }
        );
        assert_eq!(verdict(&[u32::MAX - 1, 2]), Verdict::Sound);
    }

    #[test]
    fn a_latch_may_be_odd_but_not_go_down() {
        assert_eq!(judge(&readings(&[9, 9, 9, 9]), true), Verdict::Sound);
        assert_eq!(
            judge(&readings(&[9, 8]), true),
            Verdict::Backwards { from: 9, to: 8 }
        );
    }
}
