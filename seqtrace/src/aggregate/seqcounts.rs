//! Rows of sites → rows of seqcounts.

use std::{cmp::Reverse, collections::HashMap};

use crate::{
    aggregate::{
        histogram,
        snapshot::{Row, SeqcountRow},
    },
    plan::{Backend, Kind},
};

/// Adds `rows` up by seqcount, most time lost first, then most events, then by name.
pub(super) fn seqcounts(rows: &[Row]) -> Vec<SeqcountRow> {
    let mut sums: Vec<SeqcountRow> = Vec::new();
    let mut index = HashMap::new();
    // Holds are no events of readers.
    for row in rows.iter().filter(|row| row.kind != Kind::Write) {
        let at = *index
            .entry((&row.seqcount, row.lockname))
            .or_insert_with(|| {
                sums.push(SeqcountRow {
                    seqcount: row.seqcount.clone(),
                    lockname: row.lockname,
                    sites: 0,
                    samples: 0,
                    blocks: 0,
                    slept: 0,
                    spins: 0,
                    retries: 0,
                    fallbacks: 0,
                    total_ns: 0,
                    max_ns: 0,
                    run_ns: 0,
                    histogram: Vec::new(),
                });
                sums.len() - 1
            });
        add(&mut sums[at], row);
    }
    sums.sort_by_cached_key(|sum| {
        (
            Reverse(sum.total_ns),
            Reverse(sum.events()),
            sum.seqcount.clone(),
            sum.lockname,
        )
    });
    sums
}

fn add(sum: &mut SeqcountRow, row: &Row) {
    sum.sites += 1;
    *match row.kind {
        _ if row.backend == Backend::Sample => &mut sum.samples,
        Kind::Block => &mut sum.blocks,
        Kind::Spin => &mut sum.spins,
        Kind::Retry | Kind::Check => &mut sum.retries,
        Kind::Fallback => &mut sum.fallbacks,
        Kind::Write => return,
    } += row.count;
    if row.kind == Kind::Check {
        sum.run_ns = sum.run_ns.saturating_add(row.total_ns);
        return;
    }
    sum.slept += row.slept;
    sum.total_ns = sum.total_ns.saturating_add(row.total_ns);
    sum.max_ns = sum.max_ns.max(row.max_ns);
    histogram::merge(&mut sum.histogram, &row.histogram);
}

impl SeqcountRow {
    /// Events of all kinds, samples among them.
    pub fn events(&self) -> u64 {
        self.samples + self.blocks + self.spins + self.retries + self.fallbacks
    }
}
