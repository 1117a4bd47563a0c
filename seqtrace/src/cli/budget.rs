//! Words about what tracing may cost.

use std::str::FromStr;

use clap::Args;

/// What it may cost.
#[derive(Args, Debug)]
pub struct BudgetArguments {
    /// Part of the time of all CPUs that the probes may cost; above it the dearest are turned down.
    /// `off`: no limit
    #[arg(long, value_name = "PERCENT", default_value = "1")]
    pub budget: Budget,
}

/// A part of the time of all CPUs, or no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget(Option<f64>);

impl Budget {
    /// The part; `None`: no limit.
    pub fn part(self) -> Option<f64> {
        self.0
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let number = text.strip_suffix('%').unwrap_or(text);
        let percent: f64 = number
            .parse()
            .map_err(|_| "it is no number: write `1`, `0.5` or `off`".to_owned())?;
        if percent > 0.0 && percent <= 100.0 {
            Ok(Self(Some(percent / 100.0)))
        } else {
            Err("it must be above 0 and at most 100; `off`: no limit".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_percentage_or_off() {
        let part = |text: &str| text.parse().map(Budget::part);
        assert_eq!(part("1"), Ok(Some(0.01)));
        assert_eq!(part("0.5%"), Ok(Some(0.005)));
        assert_eq!(part("off"), Ok(None));
        for bad in ["0", "-1", "101", "NaN", "inf", "", "%", "much"] {
            assert!(part(bad).is_err(), "{bad} was taken");
        }
    }
}
