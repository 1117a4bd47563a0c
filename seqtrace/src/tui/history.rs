//! Intervals → what each seqcount lost in the last minute, as a line of small bars.

use std::{collections::VecDeque, sync::Arc};

use crate::{aggregate::snapshot::Snapshot, tui::key::Seqcount};

/// How far back the bars go.
const SPAN_NS: u64 = 60_000_000_000;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The intervals of the last minute, oldest first. Copies share them.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    intervals: VecDeque<Arc<Interval>>,
    length_ns: u64,
}

#[derive(Debug)]
struct Interval {
    length_ns: u64,
    seqcounts: Vec<(Seqcount, Lost)>,
}

/// What readers of one seqcount lost.
#[derive(Clone, Copy, Debug, Default)]
struct Lost {
    total_ns: u64,
    events: u64,
}

impl History {
    /// Adds what happened in one interval, and forgets what is older than a minute.
    pub(super) fn add(&mut self, interval: &Snapshot) {
        let seqcounts = interval.seqcounts.iter();
        let seqcounts = seqcounts.filter(|sum| sum.events() > 0).map(|sum| {
            let id = Seqcount {
                name: sum.seqcount.clone(),
                lockname: sum.lockname,
            };
            let lost = Lost {
                total_ns: sum.total_ns,
                events: sum.events(),
            };
            (id, lost)
        });
        self.length_ns += interval.elapsed_ns;
        self.intervals.push_back(Arc::new(Interval {
            length_ns: interval.elapsed_ns,
            seqcounts: seqcounts.collect(),
        }));
        while let Some(oldest) = self.intervals.front()
            && self.length_ns - oldest.length_ns >= SPAN_NS
        {
            self.length_ns -= oldest.length_ns;
            self.intervals.pop_front();
        }
    }

    /// The last minute in `columns` bars, the newest at the right; the highest is the most that was
    /// lost. By time lost, or by events where no time was: retries have none.
    pub(super) fn bars(&self, id: &Seqcount, columns: usize) -> String {
        let lost: Vec<(u64, Lost)> = self
            .intervals
            .iter()
            .map(|interval| (interval.length_ns, interval.lost(id)))
            .collect();
        let has_time = lost.iter().any(|(_, lost)| lost.total_ns > 0);
        let number = |lost: Lost| if has_time { lost.total_ns } else { lost.events };
        let lost = lost
            .iter()
            .map(|(length_ns, lost)| (*length_ns, number(*lost)));
        draw(&spread(lost.rev(), columns))
    }
}

impl Interval {
    fn lost(&self, id: &Seqcount) -> Lost {
        let mut seqcounts = self.seqcounts.iter();
        let found = seqcounts.find(|(other, _)| other == id);
        found.map_or_else(Lost::default, |(_, lost)| *lost)
    }
}

/// Lays intervals (length, number), the newest first, over columns of equal lengths, the newest last. A
/// number is taken to be spread evenly over its interval; `None`: nobody looked then.
fn spread(intervals: impl Iterator<Item = (u64, u64)>, columns: usize) -> Vec<Option<f64>> {
    let column_ns = SPAN_NS as f64 / columns.max(1) as f64;
    let mut sums = vec![None; columns];
    let mut end = 0.0;
    for (length_ns, number) in intervals.filter(|(length_ns, _)| *length_ns > 0) {
        let (begin, length) = (end, length_ns as f64);
        end += length;
        let first = (begin / column_ns) as usize;
        for column in first..columns {
            let from = (column as f64 * column_ns).max(begin);
            let to = ((column + 1) as f64 * column_ns).min(end);
            if to <= from {
                break;
            }
            let share = number as f64 * (to - from) / length;
            *sums[columns - 1 - column].get_or_insert(0.0) += share;
        }
    }
    sums
}

fn draw(columns: &[Option<f64>]) -> String {
    let most = columns.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |column: &Option<f64>| match column {
        None => ' ',
        Some(number) if *number <= 0.0 || most <= 0.0 => '·',
        Some(number) => {
            let height = (number / most * BARS.len() as f64).ceil() as usize;
            BARS[height.clamp(1, BARS.len()) - 1]
        }
    };
    columns.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn bars_end_at_the_right_with_the_newest_and_are_blank_where_nobody_looked() {
        // Newest first: 10 s with 800, 20 s with nothing, 10 s with 100.
        let intervals = [(10 * SECOND, 800), (20 * SECOND, 0), (10 * SECOND, 100)];
        let text = draw(&spread(intervals.into_iter(), 6));
        assert_eq!(text, "  ▁··█");
    }

    #[test]
    fn a_number_is_spread_over_its_interval() {
        let columns = spread([(30 * SECOND, 90)].into_iter(), 6);
        let told: Vec<u64> = columns.iter().flatten().map(|sum| *sum as u64).collect();
        assert_eq!(told, [30, 30, 30]);
        assert_eq!(columns[..3], [None, None, None]);
    }

    #[test]
    fn an_interval_that_is_longer_than_a_minute_fills_all_columns() {
        assert_eq!(draw(&spread([(600 * SECOND, 5)].into_iter(), 3)), "███");
        assert_eq!(draw(&spread([(0, 5)].into_iter(), 3)), "   ");
        assert_eq!(draw(&spread([(SECOND, 5)].into_iter(), 0)), "");
    }
}
