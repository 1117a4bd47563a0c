//! Words about writers that are probed on demand.

use std::time::Duration;

use clap::Args;

/// When writers are probed on demand.
#[derive(Args, Debug)]
pub struct BlameArguments {
    /// Probe the writers of a seqcount for a while when its readers lose more than this in a second
    /// (`10ms`), to see who holds it; `off`: never
    #[arg(long, value_name = "TIME", value_parser = threshold, default_value = "off")]
    pub blame_above: Threshold,
    /// For how long; then not again for ten times as long
    #[arg(long, value_name = "TIME", value_parser = super::duration, default_value = "3s")]
    pub blame_for: Duration,
}

/// A time, or never.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Threshold {
    /// Above this.
    Above(Duration),
    /// Never.
    Off,
}

fn threshold(text: &str) -> Result<Threshold, String> {
    match text {
        "off" => Ok(Threshold::Off),
        _ => super::duration_or_zero(text).map(Threshold::Above),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_time_or_off() {
        assert_eq!(threshold("off"), Ok(Threshold::Off));
        let time = Duration::from_millis(5);
        assert_eq!(threshold("5ms"), Ok(Threshold::Above(time)));
        assert!(threshold("never").is_err());
    }
}
