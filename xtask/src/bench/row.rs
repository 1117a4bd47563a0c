//! One comparison: the same work done by us, by what people would use instead, and as cheaply as it can be done.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::curve::Curve;

/// What was measured of one piece of work.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Row {
    /// `GROUP/WORK`, by which it is chosen.
    pub(crate) name: String,
    /// Of all numbers of the row: `instructions`, `ms`, `MiB`.
    pub(crate) unit: String,
    /// The work, and what one number means, for people.
    pub(crate) what: String,
    /// Where it ran: the kernel, how many processors, emulated or not.
    pub(crate) place: String,
    /// As cheap as it can be, and what that is.
    pub(crate) limit: Option<Limit>,
    /// Ours.
    pub(crate) own: Measured,
    /// What people would use instead.
    pub(crate) peers: Vec<Peer>,
    /// What ours may be at most; without one the row cannot fail.
    pub(crate) bound: Option<Bound>,
    /// Ours at several sizes, of which `own` is the largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) curve: Option<Curve>,
    /// Our median in another boot of the guest, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repeated: Option<f64>,
}

/// The cheapest way.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Limit {
    /// What it is: `an empty program`.
    pub(crate) what: String,
    /// What it takes.
    pub(crate) measured: Measured,
}

/// Another tool.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Peer {
    /// Its name and how it was used: `bpftrace, count()`.
    pub(crate) name: String,
    /// What it takes, or why that is not known.
    pub(crate) result: Result<Measured, String>,
}

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Measured {
    pub(crate) minimum: f64,
    pub(crate) median: f64,
    pub(crate) maximum: f64,
}

impl FromIterator<f64> for Measured {
    /// # Panics
    ///
    /// Without a number there is no measurement.
    fn from_iter<T: IntoIterator<Item = f64>>(samples: T) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let middle = samples.len() / 2;
        let median = if samples.len().is_multiple_of(2) {
            f64::midpoint(samples[middle - 1], samples[middle])
        } else {
            samples[middle]
        };
        Self {
            minimum: samples[0],
            median,
            maximum: samples[samples.len() - 1],
        }
    }
}

/// What our median may be at most. Only ratios and counts of instructions: times differ from machine to machine.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Bound {
    /// So many times the limit's.
    TimesLimit(f64),
    /// So much more than the limit's, in the row's unit. Here the minima count: what comes between the
    /// instructions of a work only adds to them.
    AboveLimit(f64),
    /// So many times that of each peer that was measured.
    TimesPeers(f64),
    /// So many times that of the first peer, if it was measured; the others stand beside it.
    TimesFirstPeer(f64),
    /// So much, in the row's unit.
    AtMost(f64),
    /// Twice the size costs twice as much.
    Linear,
}

impl Row {
    /// A row of ours alone, without a bound.
    pub(crate) fn of(name: &str, unit: &str, what: &str, place: &str, own: Measured) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            what: what.to_owned(),
            place: place.to_owned(),
            limit: None,
            own,
            peers: Vec::new(),
            bound: None,
            curve: None,
            repeated: None,
        }
    }

    /// The same, of a cost at several sizes that is to grow on a line at most.
    ///
    /// # Errors
    ///
    /// Without a size there is no row.
    pub(crate) fn grown(self, curve: Curve) -> Result<Self> {
        let largest = curve.points.last().context("nothing was measured")?;
        Ok(Self {
            own: largest.measured,
            bound: Some(Bound::Linear),
            curve: Some(curve),
            ..self
        })
    }

    /// Whether the row is within its bound. What the bound speaks of and was not measured fails too.
    pub(crate) fn holds(&self) -> bool {
        let own = self.own.median;
        let limit = self.limit.as_ref().map(|limit| limit.measured.median);
        match self.bound {
            None => true,
            Some(Bound::TimesLimit(times)) => limit.is_some_and(|limit| own <= times * limit),
            Some(Bound::AboveLimit(more)) => self
                .limit
                .as_ref()
                .is_some_and(|limit| self.own.minimum <= limit.measured.minimum + more),
            Some(Bound::TimesFirstPeer(times)) => {
                let first = self.peers.first();
                let first = first.and_then(|peer| peer.result.as_ref().ok());
                first.is_some_and(|peer| own <= times * peer.median)
            }
            Some(Bound::TimesPeers(times)) => {
                let mut peers = self
                    .peers
                    .iter()
                    .filter_map(|peer| peer.result.as_ref().ok());
                let all = peers.clone().all(|peer| own <= times * peer.median);
                peers.next().is_some() && all
            }
            Some(Bound::AtMost(most)) => own <= most,
            Some(Bound::Linear) => self
                .curve
                .as_ref()
                .is_some_and(|curve| curve.growth().is_linear_at_most()),
        }
    }

    /// The group in its name.
    pub(crate) fn group(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

impl Bound {
    /// In words, with the unit of its row.
    pub(crate) fn words(self, unit: &str) -> String {
        match self {
            Self::TimesLimit(times) => format!("at most {times} × the limit"),
            Self::AboveLimit(more) => format!("at most {more} {unit} above the limit"),
            Self::TimesPeers(times) => format!("at most {times} × each peer"),
            Self::TimesFirstPeer(times) => format!("at most {times} × the first peer"),
            Self::AtMost(most) => format!("at most {most} {unit}"),
            Self::Linear => "grows on a line at most".to_owned(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(own: f64, limit: Option<f64>, peers: &[f64], bound: Bound) -> Row {
        Row {
            name: "event/block".to_owned(),
            unit: "instructions".to_owned(),
            what: "one block".to_owned(),
            place: "6.12-rt".to_owned(),
            limit: limit.map(|limit| Limit {
                what: "an empty program".to_owned(),
                measured: Measured::from_iter([limit]),
            }),
            own: Measured::from_iter([own]),
            peers: peers
                .iter()
                .map(|&peer| Peer {
                    name: "bpftrace".to_owned(),
                    result: Ok(Measured::from_iter([peer])),
                })
                .collect(),
            bound: Some(bound),
            curve: None,
            repeated: None,
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        let measured = Measured::from_iter([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(
            (measured.minimum, measured.median, measured.maximum),
            (1.0, 2.5, 4.0)
        );
    }

    #[test]
    fn a_row_holds_up_to_its_bound() {
        assert!(row(12.0, Some(10.0), &[], Bound::TimesLimit(1.2)).holds());
        assert!(!row(12.1, Some(10.0), &[], Bound::TimesLimit(1.2)).holds());
        assert!(row(10.0, Some(10.0), &[], Bound::AboveLimit(0.0)).holds());
        assert!(!row(11.0, Some(10.0), &[], Bound::AboveLimit(0.5)).holds());
        assert!(row(2.0, None, &[3.0, 2.0], Bound::TimesPeers(1.0)).holds());
        assert!(!row(2.0, None, &[3.0, 1.0], Bound::TimesPeers(1.0)).holds());
        assert!(row(2.0, None, &[3.0, 1.0], Bound::TimesFirstPeer(1.0)).holds());
        assert!(!row(2.0, None, &[1.0, 3.0], Bound::TimesFirstPeer(1.0)).holds());
        assert!(!row(2.0, None, &[], Bound::AtMost(1.0)).holds());
    }

    #[test]
    fn a_bound_on_what_was_not_measured_fails() {
        assert!(!row(1.0, None, &[], Bound::TimesLimit(2.0)).holds());
        assert!(!row(1.0, None, &[], Bound::TimesPeers(2.0)).holds());
        assert!(!row(1.0, None, &[], Bound::TimesFirstPeer(2.0)).holds());
    }
}
