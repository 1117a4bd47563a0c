//! Histograms by power of two: dense, sparse, added up, and what can be estimated from them.

use seqtrace_common::counters::HISTOGRAM_BUCKETS;

/// Durations by power of two: (lower bound in nanoseconds, events), ascending, no empty bucket.
pub type Histogram = Vec<(u64, u64)>;

/// The smallest duration in `bucket`, nanoseconds.
fn lower_ns(bucket: usize) -> u64 {
    if bucket == 0 { 0 } else { 1 << bucket }
}

/// The buckets that are not empty.
pub fn sparse(buckets: &[u64; HISTOGRAM_BUCKETS]) -> Histogram {
    buckets
        .iter()
        .enumerate()
        .filter(|&(_, &events)| events > 0)
        .map(|(bucket, &events)| (lower_ns(bucket), events))
        .collect()
}

/// Adds `other` to `sum`.
pub fn merge(sum: &mut Histogram, other: &[(u64, u64)]) {
    for &(lower, events) in other {
        match sum.binary_search_by_key(&lower, |&(lower, _)| lower) {
            Ok(at) => sum[at].1 += events,
            Err(at) => sum.insert(at, (lower, events)),
        }
    }
}

/// Number of events in `histogram`.
pub fn count(histogram: &[(u64, u64)]) -> u64 {
    histogram.iter().map(|&(_, events)| events).sum()
}

/// Estimate of a quantile (0 to 1), nanoseconds; `None` when the histogram is empty.
///
/// The event of rank ⌈quantile × count⌉ certainly lies in the bucket found; inside it the events
/// are taken to lie evenly on a logarithmic scale, so that the estimate is less than a factor of
/// two from the true value. The last bucket ends at `max_ns`, which is exact: the highest quantile
/// is `max_ns` itself, and no estimate is above it.
pub fn quantile(histogram: &[(u64, u64)], max_ns: u64, quantile: f64) -> Option<u64> {
    let count = count(histogram);
    if count == 0 {
        return None;
    }
    let rank = ((quantile * count as f64).ceil() as u64).clamp(1, count);
    if rank == count {
        return Some(max_ns);
    }
    let mut before = 0;
    for &(lower, events) in histogram {
        if rank > before + events {
            before += events;
            continue;
        }
        let rank_inside = (rank - before) as f64;
        let low = lower.max(1) as f64;
        let estimate = if before + events == count {
            let high = (max_ns as f64).max(low);
            low * (high / low).powf(rank_inside / events as f64)
        } else {
            low * ((rank_inside - 0.5) / events as f64).exp2()
        };
        return Some((estimate as u64).min(max_ns));
    }
    None
}

#[cfg(test)]
mod tests {
    use seqtrace_common::counters::bucket;

    use super::*;

    fn histogram_of(durations: &[u64]) -> Histogram {
        let mut buckets = [0; HISTOGRAM_BUCKETS];
        for &duration_ns in durations {
            buckets[bucket(duration_ns)] += 1;
        }
        sparse(&buckets)
    }

    /// Numbers that are the same in every run (xorshift).
    fn durations(seed: u64, number: usize) -> Vec<u64> {
        let mut state = seed;
        (0..number)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Any size from 0 to 2^40 ns.
                (state >> 24) >> (state % 40)
            })
            .collect()
    }

    #[test]
    fn empty_buckets_are_left_out() {
        assert_eq!(
            histogram_of(&[0, 1, 1, 5, 7, 1024]),
            [(0, 3), (4, 2), (1024, 1)]
        );
    }

    #[test]
    fn merge_adds_bucket_by_bucket() {
        let mut sum = histogram_of(&[1, 5, 100]);
        merge(&mut sum, &histogram_of(&[0, 6, 3000]));
        assert_eq!(sum, histogram_of(&[0, 1, 5, 6, 100, 3000]));
    }

    #[test]
    fn an_estimate_is_within_a_factor_of_two_and_never_above_the_maximum() {
        for seed in 1..=200 {
            let mut durations = durations(seed, (seed as usize * 7) % 400 + 1);
            durations.sort_unstable();
            let max_ns = *durations.last().expect("one at least");
            let histogram = histogram_of(&durations);
            let mut previous = 0;
            for percent in [1, 10, 50, 90, 99, 100] {
                let rank = (durations.len() * percent).div_ceil(100).max(1);
                let truth = durations[rank - 1];
                let estimate = quantile(&histogram, max_ns, percent as f64 / 100.0).expect("any");
                assert!(estimate <= max_ns, "seed {seed}, p{percent}");
                assert!(
                    estimate >= previous,
                    "seed {seed}, p{percent}: not monotonous"
                );
                assert_eq!(
                    bucket(estimate),
                    bucket(truth),
                    "seed {seed}, p{percent}: {estimate} for {truth}"
                );
                previous = estimate;
            }
        }
    }

    #[test]
    fn the_estimate_of_a_single_event_is_exact() {
        assert_eq!(quantile(&[(1024, 1)], 1500, 0.5), Some(1500));
        assert_eq!(quantile(&[(0, 1)], 0, 0.99), Some(0));
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(quantile(&[], 0, 0.5), None);
    }
}
