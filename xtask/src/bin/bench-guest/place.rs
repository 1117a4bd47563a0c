//! Places by the sites that seqtrace found: a text with `{FUNCTION:KIND#INDEX}` in, the same with `SYMBOL+OFFSET`
//! out. A block has two, its begin and its end. `{*:PLAN#0}` is all places of sites of which this is planned,
//! `{*:PLAN#20}` those of 20 sites in vmlinux from first to last, and `{--site:PLAN#20}` the words by which seqtrace takes these.

use std::{collections::HashSet, fmt::Write as _, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The text in `file`, with places by the document of `seqtrace sites --json` in `sites`.
///
/// # Errors
///
/// When there is no such place.
pub(crate) fn fill(sites: &str, file: &str) -> Result<String> {
    let document = fs::read(sites).with_context(|| format!("failed to read `{sites}`"))?;
    let sites: Value =
        serde_json::from_slice(&document).with_context(|| format!("failed to parse `{sites}`"))?;
    let text = fs::read_to_string(file).with_context(|| format!("failed to read `{file}`"))?;
    filled(&sites, &text, &ambiguous()?)
}

/// Names that several functions have: the kernel takes no probe by them.
fn ambiguous() -> Result<HashSet<String>> {
    let symbols = "/proc/kallsyms";
    let symbols =
        fs::read_to_string(symbols).with_context(|| format!("failed to read `{symbols}`"))?;
    let (mut known, mut twice) = (HashSet::new(), HashSet::new());
    for name in symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
    {
        if !known.insert(name) {
            twice.insert(name.to_owned());
        }
    }
    Ok(twice)
}

fn filled(sites: &Value, text: &str, ambiguous: &HashSet<String>) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (inside, behind) = after.split_once('}').unwrap_or((after, ""));
        // Programs have braces too.
        if let Some((function, kind, index)) = parse(inside) {
            if let "*" | "--site" = function {
                let chosen = chosen(sites, kind, index, ambiguous)?;
                let words = if function == "*" {
                    places(&chosen, index == 0)?
                } else {
                    chosen.iter().map(|site| filter(site)).collect()
                };
                out.push_str(&words.join(" "));
                rest = behind;
                continue;
            }
            let places = of(sites, function, kind)?;
            let offset = places
                .get(index)
                .with_context(|| format!("no {kind} number {index} in `{function}`"))?;
            let _ = write!(out, "{function}+{offset}");
            rest = behind;
        } else {
            out.push('{');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The sites and instances of a plan, or so many of them unless that is 0: from the first to the last in vmlinux, since
/// not every tool finds those in modules, and none whose function has no name of its own.
fn chosen<'a>(
    document: &'a Value,
    plan: &str,
    most: usize,
    ambiguous: &HashSet<String>,
) -> Result<Vec<&'a Value>> {
    let mut planned: Vec<&Value> = Vec::new();
    for list in ["sites", "instances"] {
        let list = document[list].as_array().context("a list is missing")?;
        planned.extend(list.iter().filter(|site| site["plan"] == plan));
    }
    if most == 0 {
        return Ok(planned);
    }
    let is_unique = |site: &&Value| {
        let function = name(site).split('+').next().unwrap_or_default();
        site["image"] == "vmlinux" && !ambiguous.contains(function)
    };
    planned.retain(is_unique);
    ensure!(
        planned.len() >= most,
        "only {} sites are planned as `{plan}`",
        planned.len()
    );
    Ok((0..most)
        .map(|index| planned[index * planned.len() / most])
        .collect())
}

fn name(site: &Value) -> &str {
    let name = site["site"].as_str().or_else(|| site["instance"].as_str());
    name.unwrap_or_default()
}

/// The words that have seqtrace take a site.
fn filter(site: &Value) -> String {
    format!("--site {}", name(site))
}

/// All places of these sites. With all of them there are functions whose name another has as well: then those in
/// vmlinux are counted `from_the_begin`, as not every tool can.
fn places(sites: &[&Value], from_the_begin: bool) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for site in sites {
        let number = |member: &str| site[member].as_u64();
        let begin = number("image_offset").context("a site without a place")?;
        let (symbol, offset) = name(site)
            .rsplit_once("+0x")
            .context("a site without a name")?;
        let offset = u64::from_str_radix(offset, 16).context("a site without an offset")?;
        for at in [Some(begin), number("end_image_offset")]
            .into_iter()
            .flatten()
        {
            places.push(if from_the_begin && site["image"] == "vmlinux" {
                format!("_text+{at}")
            } else {
                format!("{symbol}+{}", offset + at - begin)
            });
        }
    }
    places.dedup();
    Ok(places)
}

fn parse(word: &str) -> Option<(&str, &str, usize)> {
    let (function, rest) = word.split_once(':')?;
    let (kind, index) = rest.split_once('#')?;
    if function.contains(['{', ' ']) {
        return None;
    }
    Some((function, kind, index.parse().ok()?))
}

/// Offsets in a function, in the order of the addresses of their sites.
fn of(sites: &Value, function: &str, kind: &str) -> Result<Vec<u64>> {
    let mut places = Vec::new();
    for (list, name) in [("sites", "site"), ("instances", "instance")] {
        let all = sites[list]
            .as_array()
            .with_context(|| format!("no `{list}`"))?;
        for one in all {
            if one["function"] != function || one["kind"] != kind {
                continue;
            }
            let name = one[name].as_str().unwrap_or_default();
            let offset = name
                .rsplit_once("+0x")
                .and_then(|(_, offset)| u64::from_str_radix(offset, 16).ok())
                .with_context(|| format!("`{name}` has no offset"))?;
            let at = |image_offset: &Value| {
                let base = one["image_offset"].as_u64()?;
                Some(offset + image_offset.as_u64()? - base)
            };
            let offsets = match kind {
                "block" => vec![Some(offset), at(&one["end_image_offset"])],
                // A check is where its result is used.
                "check" => vec![at(&one["decides"]).or(Some(offset))],
                _ => vec![Some(offset)],
            };
            for offset in offsets {
                let offset = offset.with_context(|| format!("`{name}` has no end"))?;
                places.push(offset);
            }
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_two_places_and_a_check_the_one_that_decides() {
        let sites = serde_json::json!({
            "sites": [
                {"site": "f+0x10", "function": "f", "kind": "block", "image_offset": 116, "end_image_offset": 130,
                 "image": "vmlinux", "plan": "probe"},
                {"site": "g+0x10", "function": "g", "kind": "block", "image_offset": 1, "end_image_offset": 2,
                 "image": "module", "plan": "probe"},
                {"site": "h+0x10", "function": "h", "kind": "spin", "image_offset": 300, "end_image_offset": null,
                 "image": "vmlinux", "plan": "probe"},
                {"site": "k+0x10", "function": "k", "kind": "spin", "image_offset": 400, "end_image_offset": null,
                 "image": "vmlinux", "plan": "probe"},
            ],
            "instances": [
                {"instance": "f+0x20", "function": "f", "kind": "check", "image_offset": 132, "decides": 135},
            ],
        });
        assert_eq!(of(&sites, "f", "block").unwrap(), [16, 30]);
        assert_eq!(of(&sites, "f", "check").unwrap(), [35]);
        assert!(of(&sites, "f", "spin").unwrap().is_empty());
        let twice = HashSet::from(["k".to_owned()]);
        let filled = |text: &str| filled(&sites, text, &twice);
        let text = filled("x { {f:block#1} } {y").unwrap();
        assert_eq!(text, "x { f+30 } {y");
        assert!(filled("{f:block#2}").is_err());
        assert_eq!(
            filled("{*:probe#0}").unwrap(),
            "_text+116 _text+130 g+16 g+17 _text+300 _text+400"
        );
        assert_eq!(filled("{*:probe#1}").unwrap(), "f+16 f+30");
        assert_eq!(
            filled("{--site:probe#2}").unwrap(),
            "--site f+0x10 --site h+0x10"
        );
        assert!(filled("{--site:probe#3}").is_err());
    }
}
