//! What seqtrace tells about one reader of the module: the rows of one function, added up.

use ::seqtrace::{
    aggregate::snapshot::{Row, Snapshot},
    plan::Kind as Role,
};

use super::module::{Kind, Reader};

/// Sums over the sites of a function.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) blocks: u64,
    pub(crate) blocks_ns: u64,
    pub(crate) slept: u64,
    /// Blocks whose lock had an owner.
    pub(crate) owned: u64,
    pub(crate) spins: u64,
    pub(crate) spins_ns: u64,
    pub(crate) retries: u64,
    pub(crate) fallbacks: u64,
    /// Time of the runs that are over.
    pub(crate) runs_ns: u64,
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
                told.blocks_ns += row.total_ns;
                told.slept += row.slept;
                told.owned += row.owned;
            }
            Role::Spin => {
                told.spins += row.count;
                told.spins_ns += row.total_ns;
            }
            Role::Retry => told.retries += row.count,
            Role::Fallback => told.fallbacks += row.count,
            Role::Check => {
                told.retries += row.count;
                told.runs_ns += row.total_ns;
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
    (truth, writes(snapshot, kind).map(|row| row.count).sum())
}

/// Time of the holds of a kind, as in [`holds`].
pub(crate) fn holds_ns(snapshot: &Snapshot, kind: &Kind) -> (u64, u64) {
    let truth = kind.holders.iter().map(|holder| holder.hold_ns).sum();
    (truth, writes(snapshot, kind).map(|row| row.total_ns).sum())
}

fn writes<'a>(snapshot: &'a Snapshot, kind: &Kind) -> impl Iterator<Item = &'a Row> {
    let rows = snapshot.rows.iter();
    rows.filter(move |row| row.kind == Role::Write && row.seqcount == kind.seqcount)
}
