//! How a cost grows: measurements at several sizes in, a line or a power of the size out, and whether it grows in line
//! with the size at most. It refuses to judge fewer than three sizes.

use serde::{Deserialize, Serialize};

use super::row::Measured;

/// Sizes below which nothing is said.
const FEWEST: usize = 3;

/// How far a line may lie beside a measurement: so much of it.
const TOLERANCE: f64 = 0.10;

/// A cost that changes by less from the smallest size to the largest does not grow.
const FLAT: f64 = 1.10;

/// Powers of the size that are tried, in hundredths.
const POWERS: std::ops::RangeInclusive<u32> = 10..=300;

/// A cost at several sizes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Curve {
    /// What the size counts: `probes`.
    pub(crate) axis: String,
    /// By size, the smallest first.
    pub(crate) points: Vec<Point>,
}

/// The cost at one size.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Point {
    pub(crate) size: f64,
    pub(crate) measured: Measured,
}

/// What the points come closest to: `fixed + each * size ^ power`, neither part negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) fixed: f64,
    pub(crate) each: f64,
    pub(crate) power: f64,
    /// The largest distance from a point, as a part of it.
    pub(crate) deviation: f64,
}

/// How it grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Growth {
    /// By less than a tenth from the smallest size to the largest.
    Flat,
    /// On a line.
    Linear(Fit),
    /// By a power of the size, below or above one.
    Power(Fit),
    /// Nobody can say.
    Unknown,
}

impl Fit {
    /// The fit at a size.
    pub(crate) fn at(&self, size: f64) -> f64 {
        let Self {
            fixed,
            each,
            power,
            deviation: _,
        } = self;
        fixed + each * size.powf(*power)
    }
}

impl Growth {
    /// Whether twice the size costs twice as much at most.
    pub(crate) fn is_linear_at_most(self) -> bool {
        match self {
            Self::Flat | Self::Linear(_) => true,
            Self::Power(fit) => fit.power <= 1.0,
            Self::Unknown => false,
        }
    }

    /// In words, with the names of the cost's unit and the size's.
    pub(crate) fn words(self, unit: &str, axis: &str) -> String {
        let number = super::table::number;
        match self {
            Self::Flat => format!("does not grow with {axis}: less than a tenth in all"),
            Self::Linear(fit) => format!(
                "is on a line: {} {unit} and {} for each of the {axis}; no point is further from it than {:.0} %",
                number(fit.fixed),
                number(fit.each),
                100.0 * fit.deviation
            ),
            Self::Power(fit) => format!(
                "grows {} than on a line: {} {unit} and a part that grows with the {axis} to the power of {:.2}; no point is \
                 further from it than {:.0} %",
                if fit.power <= 1.0 { "slower" } else { "faster" },
                number(fit.fixed),
                fit.power,
                100.0 * fit.deviation
            ),
            Self::Unknown => format!("has too few sizes of {axis} to say how it grows"),
        }
    }
}

impl Curve {
    /// How it grows. The minima count: what comes between only adds to them.
    pub(crate) fn growth(&self) -> Growth {
        let points: Vec<(f64, f64)> = self
            .points
            .iter()
            .map(|point| (point.size, point.measured.minimum))
            .filter(|(size, cost)| *size > 0.0 && *cost > 0.0)
            .collect();
        if points.len() < FEWEST {
            return Growth::Unknown;
        }
        let costs = points.iter().map(|(_, cost)| *cost);
        let least = costs.clone().fold(f64::INFINITY, f64::min);
        let most = costs.fold(0.0, f64::max);
        if most / least < FLAT {
            return Growth::Flat;
        }
        let line = fit(&points, 1.0);
        if line.deviation <= TOLERANCE {
            return Growth::Linear(line);
        }
        let best = POWERS
            .map(|hundredths| fit(&points, f64::from(hundredths) / 100.0))
            .min_by(|one, other| f64::total_cmp(&error(&points, one), &error(&points, other)));
        best.map_or(Growth::Unknown, Growth::Power)
    }
}

/// The best fit of this power, by the squares of distances as parts of the costs.
fn fit(points: &[(f64, f64)], power: f64) -> Fit {
    // As parts of the cost the points are 1 = fixed * a + each * b.
    let (mut aa, mut ab, mut bb, mut a, mut b) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (size, cost) in points {
        let (one, other) = (1.0 / cost, size.powf(power) / cost);
        aa += one * one;
        ab += one * other;
        bb += other * other;
        a += one;
        b += other;
    }
    let determinant = aa * bb - ab * ab;
    let (mut fixed, mut each) = (
        (a * bb - b * ab) / determinant,
        (b * aa - a * ab) / determinant,
    );
    if fixed < 0.0 || !fixed.is_finite() {
        (fixed, each) = (0.0, b / bb);
    } else if each < 0.0 {
        (fixed, each) = (a / aa, 0.0);
    }
    let mut fit = Fit {
        fixed,
        each,
        power,
        deviation: 0.0,
    };
    let distances = points
        .iter()
        .map(|(size, cost)| (fit.at(*size) / cost - 1.0).abs());
    fit.deviation = distances.fold(0.0, f64::max);
    fit
}

fn error(points: &[(f64, f64)], fit: &Fit) -> f64 {
    points
        .iter()
        .map(|(size, cost)| (fit.at(*size) / cost - 1.0).powi(2))
        .sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn curve(cost: impl Fn(f64) -> f64) -> Curve {
        let point = |size| Point {
            size,
            measured: Measured::from_iter([cost(size)]),
        };
        Curve {
            axis: "probes".to_owned(),
            points: [50.0, 100.0, 200.0, 400.0, 800.0].map(point).to_vec(),
        }
    }

    #[test]
    fn a_line_with_a_fixed_part_is_found() {
        let Growth::Linear(fit) = curve(|size| 300.0 + 2.0 * size).growth() else {
            panic!("no line");
        };
        assert!((fit.fixed - 300.0).abs() < 1e-6, "{fit:?}");
        assert!((fit.each - 2.0).abs() < 1e-6, "{fit:?}");
    }

    #[test]
    fn squares_grow_faster_than_a_line_also_beside_a_fixed_part() {
        for curve in [
            curve(|size| size * size),
            curve(|size| 10_000.0 + size * size),
            curve(|size| 100.0 + 10.0 * size + 0.1 * size * size),
        ] {
            let growth = curve.growth();
            assert!(!growth.is_linear_at_most(), "{growth:?}");
        }
    }

    #[test]
    fn roots_and_what_stays_grow_slower_than_a_line() {
        assert_eq!(curve(|size| 100.0 + size / 1000.0).growth(), Growth::Flat);
        let growth = curve(f64::sqrt).growth();
        assert!(
            matches!(growth, Growth::Power(fit) if fit.power < 0.7),
            "{growth:?}"
        );
        assert!(growth.is_linear_at_most());
    }

    #[test]
    fn two_sizes_say_nothing() {
        let mut curve = curve(|size| size);
        curve.points.truncate(2);
        assert_eq!(curve.growth(), Growth::Unknown);
        assert!(!curve.growth().is_linear_at_most());
    }
}
