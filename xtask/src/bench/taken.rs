//! What a reader of the ring took while records came at a pace, as `pace` tells it.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// What `pace` prints.
#[derive(Debug, Deserialize)]
pub(crate) struct Taken {
    sent: u64,
    lost: u64,
    wall_ns: u64,
    cpu_ns: u64,
    resident_bytes: u64,
}

impl Taken {
    /// Reads what `pace` printed when `wanted` records were to be written.
    ///
    /// # Errors
    ///
    /// When some were lost, or clearly fewer written: it would be another pace.
    pub(crate) fn read(text: &str, wanted: u64) -> Result<Self> {
        let taken: Self =
            serde_json::from_str(text).with_context(|| format!("failed to read `{text}`"))?;
        let Self { sent, lost, .. } = taken;
        ensure!(lost == 0, "{lost} records found no room, {sent} did");
        ensure!(
            sent >= wanted * 9 / 10,
            "{sent} records of {wanted} were written: the machine is too busy"
        );
        Ok(taken)
    }

    /// Its share of a processor.
    pub(crate) fn percent(&self) -> f64 {
        100.0 * self.cpu_ns as f64 / self.wall_ns as f64
    }

    /// Its memory at the end.
    pub(crate) fn mebibytes(&self) -> f64 {
        self.resident_bytes as f64 / f64::from(1 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sent: u64, lost: u64) -> String {
        format!(
            r#"{{"sent": {sent}, "lost": {lost}, "wall_ns": 2000, "cpu_ns": 30, "resident_bytes": 3145728}}"#
        )
    }

    #[test]
    fn shares_are_of_the_time_that_records_came() {
        let taken = Taken::read(&text(1000, 0), 1000).unwrap();
        assert!((taken.percent() - 1.5).abs() < 1e-9);
        assert!((taken.mebibytes() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn another_pace_is_refused() {
        assert!(Taken::read(&text(1000, 1), 1000).is_err());
        assert!(Taken::read(&text(899, 0), 1000).is_err());
    }
}
