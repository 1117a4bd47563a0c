//! Rows that are measured in a guest which counts its instructions. Its clock is that count: what is timed in it does
//! not depend on who else uses the host.

mod boot;
mod growth;
mod pace;
mod run;
mod setup;
mod spec;
mod works;

use anyhow::Result;

use super::{Wanted, row::Row};

/// Measures the wanted rows.
///
/// # Errors
///
/// When the guest cannot be started, or does not do what it is told.
pub(crate) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let mut rows = works::rows(wanted)?;
    // The others take minutes each, and the tests could judge none of them.
    if !wanted.quick {
        for source in [run::rows, pace::rows, growth::rows] {
            rows.extend(source(wanted)?);
        }
    }
    Ok(rows)
}

/// Where numbers were taken, and what one is.
fn place(wanted: &Wanted, counted: &str) -> String {
    format!("{}, emulated, {counted}", wanted.kernel.name())
}
