//! What seqtrace tells about one reader of the module: the rows of one function, added up.

use ::seqtrace::{aggregate::snapshot::Snapshot, plan::Kind as Role};

use super::module::{Kind, Reader};

/// Sums over the sites of a function.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) blocks: u64,
    pub(crate) slept: u64,
    /// Blocks whose lock had an owner.
    pub(crate) owned: u64,
    pub(crate) spins: u64,
    pub(crate) retries: u64,
    pub(crate) fallbacks: u64,
    /// Runs by length; `None` where they are not followed.
    pub(crate) runs: Option<Vec<(u64, u64)>>,
}

/// What the snapshot tells about `reader`; panics where a row names another seqcount.
pub(crate) fn told(snapshot: &Snapshot, kind: &Kind, reader: &Reader) -> Told {
    let mut told = Told::default();
    let start = format!("{}+", reader.function);
    for row in &snapshot.rows {
        if row.image != "seqstress" || !row.site.starts_with(&start) {
            continue;
        }
        assert_eq!(row.seqcount, kind.seqcount, "at {}", row.site);
        match row.kind {
            Role::Block => {
                told.blocks += row.count;
                told.slept += row.slept;
                told.owned += row.owned;
            }
            Role::Spin => {
                told.spins += row.count;
            }
            Role::Retry => told.retries += row.count,
            Role::Fallback => told.fallbacks += row.count,
            Role::Check => {
                told.retries += row.count;
                told.runs = row.runs.as_ref().map(|runs| runs.lengths.clone());
            }
            Role::Write => {}
        }
    }
    told
}

/// Number of the holds of a kind: the truth, and what the snapshot tells.
pub(crate) fn holds(snapshot: &Snapshot, kind: &Kind) -> (u64, u64) {
    let truth = kind.holders.iter().map(|holder| holder.holds).sum();
    let rows = snapshot.rows.iter();
    let rows = rows.filter(|row| row.kind == Role::Write && row.seqcount == kind.seqcount);
    (truth, rows.map(|row| row.count).sum())
}
