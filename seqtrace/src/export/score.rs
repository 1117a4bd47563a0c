//! A score → a table and a JSON document.

use std::fmt::Write as _;

use crate::{
    discover::{
        catalog::Frame,
        score::{Disputed, Listed, Score, Scored, Tally},
    },
    export::{
        columns::{self, Column, Overflow},
        quantity::plural,
    },
};

/// One JSON document, indented, with a newline at its end.
pub fn document(score: &Score) -> String {
    serde_json::to_string_pretty(score).expect("names are its only keys") + "\n"
}

/// The tallies by what primitives do and by primitive, then everything that is missed or wrong.
/// Lines keep to `width` characters where that is possible; `None`: as long as need be.
pub fn table(score: &Score, width: Option<usize>) -> String {
    let mut parts = vec![head(score)];
    let roles = Scored::ALL.map(|role| (role.word().to_owned(), score.of(role)));
    parts.push(tallies("WHAT IT DOES", &roles, width));
    let primitives: Vec<(String, Tally)> = score
        .primitives
        .iter()
        .map(|(name, &tally)| (name.clone(), tally))
        .collect();
    if !primitives.is_empty() {
        parts.push(tallies("PRIMITIVE", &primitives, width));
    }
    parts.push(counts(score));
    let lists = [
        ("missed", lines(&score.missed, listed)),
        ("false detections", lines(&score.false_detections, listed)),
        ("wrong halves", lines(&score.wrong_halves, disputed)),
        ("wrong names", lines(&score.wrong_names, disputed)),
        ("wrong locknames", lines(&score.wrong_locknames, disputed)),
        (
            "marked as open-coded, but primitives",
            lines(&score.wrongly_open_coded, listed),
        ),
        ("open-coded", lines(&score.open_coded, listed)),
    ];
    for (title, lines) in lists {
        if !lines.is_empty() {
            parts.push(format!("{title}:\n{}", lines.concat()));
        }
    }
    parts.join("\n")
}

fn head(score: &Score) -> String {
    let Score { images, .. } = score;
    let what = match images.as_slice() {
        [image] => format!("{} {}", image.image, image.build_id),
        images => plural(images.len() as u64, "image"),
    };
    let units = images.iter().map(|image| image.units).sum();
    let skipped: u64 = images.iter().map(|image| image.skipped_units).sum();
    let skipped = match skipped {
        0 => String::new(),
        skipped => format!(", {skipped} more could not be read"),
    };
    format!(
        "{}: the scan compared with {} of debuginfo{skipped}\n",
        what.trim_end(),
        plural(units, "unit")
    )
}

/// What is counted but no tally.
fn counts(score: &Score) -> String {
    let Score { blocks, init, .. } = score;
    let mut text = format!(
        "false detections: {}\nopen-coded: {}\n",
        score.false_detections.len(),
        score.open_coded.len()
    );
    if blocks.expected > 0 || blocks.sites > 0 {
        let _ = writeln!(
            text,
            "blocks: {} of {} begins with a call of a lock; {} in all",
            blocks.found, blocks.expected, blocks.sites
        );
    }
    if *init > 0 {
        let _ = writeln!(
            text,
            "not wanted: {init} in text that is dropped after boot or loading"
        );
    }
    text
}

fn tallies(title: &'static str, rows: &[(String, Tally)], width: Option<usize>) -> String {
    let name = Column::text(title, rows.iter().map(|(name, _)| name.clone()));
    let number = |title: &'static str, value: fn(&Tally) -> u64| {
        Column::number(
            title,
            rows.iter().map(|(_, tally)| value(tally).to_string()),
        )
    };
    let share = |title: &'static str, value: fn(&Tally) -> f64| {
        let shares = rows
            .iter()
            .map(|(_, tally)| format!("{:.2}%", value(tally)));
        Column::number(title, shares)
    };
    let values = [
        number("WANTED", |tally| tally.wanted),
        number("FOUND", |tally| tally.found),
        number("MISSED", Tally::missed),
        share("RECALL", Tally::recall),
        number("NAMED", |tally| tally.named),
        share("NAMING", Tally::naming),
        number("AMBIGUOUS", |tally| tally.ambiguous),
        number("UNKNOWN", |tally| tally.unknown),
    ];
    let values: Vec<&Column> = values.iter().collect();
    columns::render(&[&name], &values, width, Overflow::Continue)
}

/// A line for each, whatever a name holds.
fn lines<T>(list: &[T], line: fn(&T) -> String) -> Vec<String> {
    let line = |one| line(one).replace(char::is_control, " ");
    list.iter()
        .map(|one| format!("  {}\n", line(one)))
        .collect()
}

fn listed(one: &Listed) -> String {
    let Listed {
        image,
        function,
        offset,
        what,
        seqcount,
        chain,
    } = one;
    let mut text = format!("{function}+{offset:#x} {what}");
    if image != "vmlinux" {
        let _ = write!(text, " [{image}]");
    }
    if !seqcount.is_empty() {
        let _ = write!(text, " {seqcount}");
    }
    if !chain.is_empty() {
        let _ = write!(text, ": {}", path(chain));
    }
    text
}

fn disputed(one: &Disputed) -> String {
    let Disputed {
        instance,
        scan,
        debuginfo,
    } = one;
    format!("{scan}, by debuginfo {debuginfo}: {}", listed(instance))
}

/// A chain, outermost first, each call with its line: `f (a.c:10) > g (a.h:3)`.
fn path(chain: &[Frame]) -> String {
    let frame = |frame: &Frame| match &frame.source {
        Some(source) => format!("{} ({}:{})", frame.function, source.file, source.line),
        None => frame.function.clone(),
    };
    chain.iter().map(frame).collect::<Vec<_>>().join(" > ")
}
