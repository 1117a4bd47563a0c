//! Rows as tables: for a terminal and for a page. Each row has a line for each who did its work.

use std::fmt::Write as _;

use super::row::{Measured, Row};

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

/// For a page: a table for each group.
pub(crate) fn markdown(rows: &[&Row]) -> String {
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
        let _ = writeln!(text, "* `{}`: {} ({})", row.name, row.what, row.place);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        super::row::{Bound, Peer, tests::row},
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
    fn nothing_is_a_multiple_of_zero() {
        assert_eq!(ratio(3.0, 0.0, "takes", "of it"), "");
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.0, 0.00123, 1.5, 123.45, 12345.6].map(number);
        assert_eq!(shown, ["0", "0.0012", "1.50", "123.5", "12346"]);
    }
}
