//! `docs/performance.md`: the tables of all rows between markers; the prose around them stays. The rows lie
//! beside it in `docs/performance.json`, so that a run of some rows replaces these only; so do the pictures of curves.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use super::{plot, row::Row, table};
use crate::{progress, tool};

/// The page and its rows, in the workspace.
const PAGE: &str = "docs/performance.md";
const ROWS: &str = "docs/performance.json";

/// Stands before the table of a group, whose name follows.
const BEGIN: &str = "<!-- rows of ";
const END: &str = "<!-- end of rows -->";

/// Puts `fresh` rows in the place of the older ones of the same name.
///
/// # Errors
///
/// When the page or its rows cannot be read or written, or the page has no place for a group.
pub(crate) fn write(fresh: &[Row]) -> Result<()> {
    let (page, rows) = (tool::workspace().join(PAGE), tool::workspace().join(ROWS));
    let mut all: Vec<Row> = if rows.exists() {
        serde_json::from_slice(&read(&rows)?)
            .with_context(|| format!("failed to parse `{ROWS}`"))?
    } else {
        Vec::new()
    };
    replace(&mut all, fresh);
    let text = String::from_utf8(read(&page)?).with_context(|| format!("`{PAGE}` is no UTF-8"))?;
    let text = fill(&text, &all)?;
    let mut json = serde_json::to_vec_pretty(&all).context("failed to write the rows")?;
    json.push(b'\n');
    for (file, bytes) in [(&page, text.as_bytes()), (&rows, &json)] {
        fs::write(file, bytes).with_context(|| format!("failed to write `{}`", file.display()))?;
        progress::step("Writing", file.display());
    }
    for row in fresh {
        if let Some(curve) = &row.curve {
            let picture = page.with_file_name(table::picture(row));
            fs::write(&picture, plot::svg(row, curve)?)
                .with_context(|| format!("failed to write `{}`", picture.display()))?;
            progress::step("Drawing", picture.display());
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("failed to read `{}`", file.display()))
}

fn replace(all: &mut Vec<Row>, fresh: &[Row]) {
    for row in fresh {
        match all.iter_mut().find(|old| old.name == row.name) {
            Some(old) => {
                // A quick run has none: those that were measured stay.
                let mut peers = std::mem::take(&mut old.peers);
                peers.retain(|peer| peer.result.is_ok());
                let repeated = old.repeated.filter(|_| old.own == row.own);
                *old = row.clone();
                old.repeated = old.repeated.or(repeated);
                if old.peers.is_empty() {
                    old.peers = peers;
                }
            }
            None => all.push(row.clone()),
        }
    }
}

/// The page with the tables of `rows` in their places.
fn fill(page: &str, rows: &[Row]) -> Result<String> {
    let mut text = String::new();
    let mut placed = Vec::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (group, after) = after
            .split_once(" -->")
            .context("a marker of rows in `docs/performance.md` has no end")?;
        let (_, after) = after
            .split_once(END)
            .with_context(|| format!("the rows of `{group}` have no `{END}`"))?;
        let of_group: Vec<&Row> = rows.iter().filter(|row| row.group() == group).collect();
        let table = if of_group.is_empty() {
            String::new()
        } else {
            table::markdown(&of_group)
        };
        let _ = write!(text, "{before}{BEGIN}{group} -->\n{table}{END}");
        placed.push(group);
        rest = after;
    }
    text.push_str(rest);
    for row in rows {
        ensure!(
            placed.contains(&row.group()),
            "`{PAGE}` has no place for `{}`: add `{BEGIN}{} -->` and `{END}`",
            row.name,
            row.group()
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{
        super::row::{Bound, tests::row},
        *,
    };

    const PAGE: &str = "# Speed\n\n<!-- rows of event -->\nold\n<!-- end of rows -->\n\nprose\n";

    #[test]
    fn tables_are_replaced_and_prose_stays() {
        let row = row(12.0, None, &[], Bound::AtMost(20.0));
        let text = fill(PAGE, std::slice::from_ref(&row)).unwrap();
        assert!(
            text.starts_with("# Speed\n\n<!-- rows of event -->\n| row |"),
            "{text}"
        );
        assert!(text.ends_with("<!-- end of rows -->\n\nprose\n"), "{text}");
        assert!(!text.contains("\nold\n"), "{text}");
        assert_eq!(fill(&text, &[row]).unwrap(), text);
    }

    #[test]
    fn a_row_without_a_place_is_refused() {
        let mut row = row(12.0, None, &[], Bound::AtMost(20.0));
        row.name = "read/nothing".to_owned();
        let error = fill(PAGE, &[row]).unwrap_err().to_string();
        assert!(error.contains("rows of read"), "{error}");
    }

    #[test]
    fn a_fresh_row_takes_the_place_of_its_older_self() {
        let mut all = vec![row(1.0, None, &[], Bound::AtMost(2.0))];
        replace(&mut all, &[row(3.0, None, &[5.0], Bound::AtMost(2.0))]);
        replace(&mut all, &[row(3.0, None, &[], Bound::AtMost(2.0))]);
        assert_eq!(all[0].peers.len(), 1, "a quick run measures no peers");
        assert_eq!(all.len(), 1);
        assert!((all[0].own.median - 3.0).abs() < f64::EPSILON);
    }
}
