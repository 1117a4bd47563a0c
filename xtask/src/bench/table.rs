//! Rows as tables: for a terminal and for a page. Each row has a line for each who did its work.

use std::fmt::Write as _;

use super::{
    curve::{Curve, Point},
    row::{Measured, Row},
};

/// A line of a row: who, the measurement or why there is none, and the ratio in words.
struct Line {
    who: String,
    result: Result<Measured, String>,
    ratio: String,
}

/// First ours, then the limit with ours as its multiple, then peers as multiples of ours.
fn lines(row: &Row) -> Vec<Line> {
    let own = row.own.median;
    let mut lines = vec![Line {
        who: "seqtrace".to_owned(),
        result: Ok(row.own),
        ratio: String::new(),
    }];
    if let Some(limit) = &row.limit {
        lines.push(Line {
            who: format!("limit: {}", limit.what),
            result: Ok(limit.measured),
            ratio: ratio(own, limit.measured.median, "seqtrace takes", "of it"),
        });
    }
    for peer in &row.peers {
        let theirs = peer.result.as_ref().map(|peer| peer.median);
        lines.push(Line {
            who: peer.name.clone(),
            result: peer.result.clone(),
            ratio: theirs.map_or(String::new(), |theirs| {
                ratio(theirs, own, "takes", "of seqtrace")
            }),
        });
    }
    lines
}

fn ratio(value: f64, base: f64, before: &str, after: &str) -> String {
    if base > 0.0 {
        format!("{before} {} {after}", times(value / base))
    } else {
        String::new()
    }
}

/// Three decimals near one, where they are what counts.
fn times(ratio: f64) -> String {
    if (0.9..1.1).contains(&ratio) {
        format!("{ratio:.3} ×")
    } else {
        format!("{} ×", number(ratio))
    }
}

/// A number with three digits at least, and no more decimals than it takes.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value.fract() == 0.0 || magnitude >= 1000.0 {
        format!("{value:.0}")
    } else if magnitude >= 100.0 {
        format!("{value:.1}")
    } else if magnitude >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

fn verdict(row: &Row) -> String {
    row.bound.map_or(String::new(), |bound| {
        let verdict = if row.holds() { "holds" } else { "EXCEEDED" };
        format!("{}: {verdict}", bound.words(&row.unit))
    })
}

/// What another boot brought.
fn twice(row: &Row) -> String {
    let repeated = row.repeated.map(number);
    repeated.map_or(String::new(), |repeated| {
        format!("; two boots: {} and {repeated}", number(row.own.median))
    })
}

/// For a terminal.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let Row {
            name,
            unit,
            what,
            place,
            ..
        } = row;
        let _ = writeln!(text, "{name} ({unit}; {place})\n  {what}");
        let bound = verdict(row);
        if !bound.is_empty() {
            let _ = writeln!(text, "  {bound}");
        }
        if row.repeated.is_some() {
            let _ = writeln!(text, "  {}", twice(row).trim_start_matches("; "));
        }
        if let Some(curve) = &row.curve {
            curve_text(&mut text, row, curve);
            continue;
        }
        for Line { who, result, ratio } in lines(row) {
            let _ = match result {
                Ok(Measured {
                    minimum,
                    median,
                    maximum,
                }) => {
                    let [minimum, median, maximum] = [minimum, median, maximum].map(number);
                    writeln!(
                        text,
                        "    {who:<36} {minimum:>12} {median:>12} {maximum:>12}  {ratio}"
                    )
                }
                Err(reason) => writeln!(text, "    {who:<36} not measured: {reason}"),
            };
        }
    }
    text
}

/// The sizes of a curve, and how it grows.
fn curve_text(text: &mut String, row: &Row, curve: &Curve) {
    for Point { size, measured } in &curve.points {
        let Measured {
            minimum,
            median,
            maximum,
        } = *measured;
        let size = format!("{} {}", number(*size), curve.axis);
        let [minimum, median, maximum] = [minimum, median, maximum].map(number);
        let _ = writeln!(
            text,
            "    {size:<36} {minimum:>12} {median:>12} {maximum:>12}"
        );
    }
    let growth = curve.growth().words(&row.unit, &curve.axis);
    let _ = writeln!(text, "    {growth}");
}

/// For a page: a table for the curves of a group, and one for what else it has.
pub(crate) fn markdown(rows: &[&Row]) -> String {
    let (curves, others): (Vec<&Row>, Vec<&Row>) =
        rows.iter().copied().partition(|row| row.curve.is_some());
    let mut text = String::new();
    if !curves.is_empty() {
        text.push_str(&curves_markdown(&curves));
    }
    if !others.is_empty() {
        text.push_str(&rows_markdown(&others));
    }
    text
}

/// The name of the picture of a row, beside the page.
pub(crate) fn picture(row: &Row) -> String {
    format!("{}.svg", row.name.replace('/', "-"))
}

fn curves_markdown(rows: &[&Row]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| row | size | minimum | median | maximum |\n|---|--:|--:|--:|--:|"
    );
    let curves = rows
        .iter()
        .filter_map(|row| Some((row, row.curve.as_ref()?)));
    for (row, curve) in curves.clone() {
        for (index, Point { size, measured }) in curve.points.iter().enumerate() {
            let name = match index {
                0 => format!("`{}`, {}", row.name, row.unit),
                1 => verdict(row),
                _ => String::new(),
            };
            let Measured {
                minimum,
                median,
                maximum,
            } = *measured;
            let [minimum, median, maximum] = [minimum, median, maximum].map(number);
            let (size, axis) = (number(*size), &curve.axis);
            let _ = writeln!(
                text,
                "| {name} | {size} {axis} | {minimum} | {median} | {maximum} |"
            );
        }
    }
    text.push('\n');
    for (row, curve) in curves {
        let Row {
            name, what, place, ..
        } = row;
        let growth = curve.growth().words(&row.unit, &curve.axis);
        let _ = writeln!(
            text,
            "* `{name}`: {what} ({place}). It {growth}.\n\n  ![{name}]({})",
            picture(row)
        );
    }
    text
}

/// A table with a line for each who did the work.
fn rows_markdown(rows: &[&Row]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| row | who | minimum | median | maximum | ratio |\n|---|---|--:|--:|--:|---|"
    );
    for row in rows {
        for (index, Line { who, result, ratio }) in lines(row).into_iter().enumerate() {
            let first = index == 0;
            let name = if first {
                format!("`{}`, {}", row.name, row.unit)
            } else {
                String::new()
            };
            let ratio = if first { verdict(row) } else { ratio };
            let _ = match result {
                Ok(Measured {
                    minimum,
                    median,
                    maximum,
                }) => {
                    let [minimum, median, maximum] = [minimum, median, maximum].map(number);
                    writeln!(
                        text,
                        "| {name} | {who} | {minimum} | {median} | {maximum} | {ratio} |"
                    )
                }
                Err(reason) => {
                    writeln!(
                        text,
                        "| {name} | {who} | - | - | - | not measured: {reason} |"
                    )
                }
            };
        }
    }
    text.push('\n');
    for row in rows {
        let twice = twice(row);
        let _ = writeln!(
            text,
            "* `{}`: {} ({}){twice}",
            row.name, row.what, row.place
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            curve::tests::curve,
            row::{Bound, Peer, tests::row},
        },
        *,
    };

    #[test]
    fn ratios_are_ours_to_the_limit_and_the_peers_to_ours() {
        let mut row = row(12.0, Some(10.0), &[36.0], Bound::TimesLimit(1.1));
        row.peers.push(Peer {
            name: "SystemTap".to_owned(),
            result: Err("no build".to_owned()),
        });
        let text = text(std::slice::from_ref(&row));
        assert!(text.contains("at most 1.1 × the limit: EXCEEDED"), "{text}");
        assert!(text.contains("seqtrace takes 1.20 × of it"), "{text}");
        assert!(text.contains("takes 3 × of seqtrace"), "{text}");
        assert!(text.contains("not measured: no build"), "{text}");
        let page = markdown(&[&row]);
        assert!(page.contains("| `event/block`, instructions | seqtrace | 12 | 12 | 12 |"));
        assert!(page.contains("|  | bpftrace | 36 | 36 | 36 | takes 3 × of seqtrace |"));
    }

    #[test]
    fn a_curve_has_a_line_for_each_size_and_says_how_it_grows() {
        let mut row = row(1900.0, None, &[], Bound::Linear);
        row.curve = Some(curve(|size| 300.0 + 2.0 * size));
        let text = text(std::slice::from_ref(&row));
        assert!(text.contains("grows on a line at most: holds"), "{text}");
        assert!(text.contains("800 probes"), "{text}");
        let page = markdown(&[&row]);
        assert!(
            page.contains("| `event/block`, instructions | 50 probes | 400 | 400 | 400 |"),
            "{page}"
        );
        assert!(page.contains("It is on a line: 300"), "{page}");
        assert!(page.contains("(event-block.svg)"), "{page}");
    }

    #[test]
    fn another_boot_is_told_beside_the_first() {
        let mut row = row(12.0, None, &[], Bound::AtMost(20.0));
        row.repeated = Some(12.5);
        assert!(markdown(&[&row]).contains("; two boots: 12 and 12.50"));
    }

    #[test]
    fn nothing_is_a_multiple_of_zero() {
        assert_eq!(ratio(3.0, 0.0, "takes", "of it"), "");
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.0, 0.00123, 1.5, 123.45, 12345.6].map(number);
        assert_eq!(shown, ["0", "0.0012", "1.50", "123.5", "12346"]);
    }
}
