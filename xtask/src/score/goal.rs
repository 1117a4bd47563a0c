//! What a kernel scored → its cells in the table, each with whether the goal is met. Pure.

use super::outcome::{Cost, Outcome, Tally};

/// Least share of the begins of read sections that the scan finds, percent.
const BEGIN_RECALL_PERCENT: f64 = 99.5;
/// Least share of the checks of read sections that the scan finds, percent.
const CHECK_RECALL_PERCENT: f64 = 99.5;
/// Least share of the begins and of the ends of write sections that the scan finds, percent.
const WRITE_RECALL_PERCENT: f64 = 98.0;
/// Instances that the scan may find where debuginfo has none, and that are not open-coded.
const FALSE_DETECTIONS: usize = 0;
/// Least share of the found instances whose seqcount has one name, percent.
const NAMED_PERCENT: f64 = 99.0;
/// Most time of the scan of a vmlinux on two processors, from its bytes to the catalog, seconds.
const SCAN_S: f64 = 0.6;
/// Most memory of the same besides the file's own bytes, MB.
const SCAN_MB: f64 = 100.0;
/// Most time of the pass over the debuginfo of a vmlinux on two processors, seconds.
const DWARF_S: f64 = 0.5;
/// Most memory of the same besides the file's own bytes, MB.
const DWARF_MB: f64 = 60.0;

/// Whether a goal holds on any machine, or only on one that is fast and idle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The same bytes give the same result.
    Exact,
    /// A time.
    Timed,
}

/// One number of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    /// What it is.
    pub(crate) title: &'static str,
    /// The goal, as it is printed; empty where there is none.
    pub(crate) goal: String,
    /// The number, as it is printed.
    pub(crate) text: String,
    /// Whether the goal is met.
    pub(crate) met: bool,
    /// Of what kind the goal is.
    pub(crate) kind: Kind,
}

/// The cells of a kernel, the same ones in the same order for every kernel.
pub(crate) fn cells(outcome: &Outcome) -> Vec<Cell> {
    let Outcome { score, scan, dwarf } = outcome;
    let named = Tally::sum(score.roles.values());
    let mut cells = vec![
        share("begin", score.role("begin").recall(), BEGIN_RECALL_PERCENT),
        share("check", score.role("check").recall(), CHECK_RECALL_PERCENT),
        share(
            "write begin",
            score.role("write_begin").recall(),
            WRITE_RECALL_PERCENT,
        ),
        share(
            "write end",
            score.role("write_end").recall(),
            WRITE_RECALL_PERCENT,
        ),
        Cell {
            title: "false",
            goal: FALSE_DETECTIONS.to_string(),
            text: score.false_detections.len().to_string(),
            met: score.false_detections.len() == FALSE_DETECTIONS,
            kind: Kind::Exact,
        },
        share("named", named.naming(), NAMED_PERCENT),
        Cell {
            title: "blocks",
            goal: "all".to_owned(),
            text: format!("{}/{}", score.blocks.found, score.blocks.expected),
            met: score.blocks.found == score.blocks.expected,
            kind: Kind::Exact,
        },
    ];
    cells.extend(cost("scan", *scan, SCAN_S, SCAN_MB));
    cells.extend(cost("DWARF", *dwarf, DWARF_S, DWARF_MB));
    cells
}

/// A share of which there should be much.
fn share(title: &'static str, percent: f64, goal: f64) -> Cell {
    Cell {
        title,
        goal: format!("≥ {goal} %"),
        // Never rounded up to a goal that is missed.
        text: format!("{:.2} %", (percent * 100.0).floor() / 100.0),
        met: percent >= goal,
        kind: Kind::Exact,
    }
}

/// Time and memory, of which there should be little.
fn cost(stage: &'static str, cost: Cost, most_s: f64, most_mb: f64) -> [Cell; 2] {
    let (time, memory) = match stage {
        "scan" => ("scan time", "scan memory"),
        _ => ("DWARF time", "DWARF memory"),
    };
    let seconds = cost.time_ns as f64 / 1e9;
    let megabytes = cost.peak_bytes as f64 / 1e6;
    [
        Cell {
            title: time,
            goal: format!("≤ {most_s} s"),
            text: format!("{seconds:.2} s"),
            met: seconds <= most_s,
            kind: Kind::Timed,
        },
        Cell {
            title: memory,
            goal: format!("≤ {most_mb} MB"),
            text: format!("{megabytes:.0} MB"),
            met: megabytes <= most_mb,
            kind: Kind::Exact,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::outcome::Score;

    fn outcome(text: &str) -> Outcome {
        Outcome {
            score: serde_json::from_str::<Score>(text).unwrap(),
            scan: Cost {
                time_ns: 590_000_000,
                peak_bytes: 99_000_000,
            },
            dwarf: Cost {
                time_ns: 510_000_000,
                peak_bytes: 61_000_000,
            },
        }
    }

    fn missed(outcome: &Outcome) -> Vec<&'static str> {
        let cells = cells(outcome).into_iter();
        cells
            .filter(|cell| !cell.met)
            .map(|cell| cell.title)
            .collect()
    }

    #[test]
    fn a_goal_is_missed_by_one_instance_in_a_hundred() {
        let outcome = outcome(
            r#"{"roles": {"begin": {"wanted": 100, "found": 99, "named": 99},
                          "check": {"wanted": 100, "found": 100, "named": 99},
                          "write_begin": {"wanted": 100, "found": 98, "named": 98}},
                "blocks": {"expected": 77, "found": 76, "sites": 76},
                "false_detections": [{}]}"#,
        );
        let expected = ["begin", "false", "blocks", "DWARF time", "DWARF memory"];
        assert_eq!(missed(&outcome), expected);
        assert_eq!(cells(&outcome)[0].text, "99.00 %");
    }

    #[test]
    fn a_share_is_not_rounded_up_to_its_goal() {
        let cell = share("begin", 99.499_9, 99.5);
        assert_eq!((cell.text.as_str(), cell.met), ("99.49 %", false));
    }
}
