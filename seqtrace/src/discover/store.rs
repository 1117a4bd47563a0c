//! An image's catalog as the text of a file, and back.
//!
//! JSON lines: a head, then a line for each site and each instance by address. The same catalog
//! gives the same bytes. `docs/sites.md` has the format.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::catalog::{Disagreement, ImageCatalog, Instance, Site};

/// Version of the file's layout.
const FORMAT: u32 = 2;

/// Another version of the tool may find other sites in the same image.
const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// So may another build of the same version: a hash of the sources of discovery (`build.rs`).
const DISCOVERY: &str = env!("SEQTRACE_DISCOVERY");

/// Who wrote a file; all versions begin with it.
#[derive(Deserialize)]
struct Writer {
    format: u32,
    tool_version: String,
    #[serde(default)]
    discovery: String,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    tool_version: String,
    discovery: String,
    image: String,
    build_id: String,
    realtime: bool,
    functions: u64,
    text_bytes: u64,
    /// As in the catalog.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inferred: BTreeMap<String, u64>,
    /// Number of lines of sites, by which a file that was cut off is known.
    sites: usize,
    /// Number of lines of instances.
    instances: usize,
    /// Number of lines of disagreements.
    disagreements: usize,
}

/// Any other line, to be written.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    Site(&'a Site),
    Instance(&'a Instance),
    Disagreement(&'a Disagreement),
}

/// Any other line, as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Read {
    Site(Site),
    Instance(Instance),
    Disagreement(Disagreement),
}

/// The text of the file.
pub fn encode(catalog: &ImageCatalog) -> Vec<u8> {
    let ImageCatalog {
        image,
        build_id,
        realtime,
        functions,
        text_bytes,
        sites,
        instances,
        inferred,
        disagreements,
    } = catalog;
    let head = Head {
        format: FORMAT,
        tool_version: TOOL_VERSION.to_owned(),
        discovery: DISCOVERY.to_owned(),
        image: image.clone(),
        build_id: build_id.clone(),
        realtime: *realtime,
        functions: *functions,
        text_bytes: *text_bytes,
        inferred: inferred.clone(),
        sites: sites.len(),
        instances: instances.len(),
        disagreements: disagreements.len(),
    };
    let sites = sites
        .iter()
        .map(|one| (one.image_offset, Written::Site(one)));
    let instances = instances
        .iter()
        .map(|one| (one.image_offset, Written::Instance(one)));
    let disagreements = disagreements
        .iter()
        .map(|one| (one.image_offset, Written::Disagreement(one)));
    let mut lines: Vec<(u64, Written<'_>)> = sites.chain(instances).chain(disagreements).collect();
    // Stable: sites before instances at one address.
    lines.sort_by_key(|&(image_offset, _)| image_offset);
    let mut text = Vec::new();
    push_line(&mut text, &head);
    for (_, line) in &lines {
        push_line(&mut text, line);
    }
    text
}

fn push_line(text: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *text, line).expect("strings, numbers and lists are JSON");
    text.push(b'\n');
}

/// The catalog of `image` with `build_id` in the text of a file; `None` when other code wrote it:
/// another version of the tool, or another build of this one.
///
/// # Errors
///
/// When the text is damaged, or of another image.
pub fn decode(bytes: &[u8], image: &str, build_id: &str) -> Result<Option<ImageCatalog>> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    // That first: the rest of a file of another one need not have our layout.
    let writer: Writer = serde_json::from_slice(first).context("it is damaged in line 1")?;
    let ours = (FORMAT, TOOL_VERSION, DISCOVERY);
    if (
        writer.format,
        writer.tool_version.as_str(),
        writer.discovery.as_str(),
    ) != ours
    {
        return Ok(None);
    }
    let head: Head = serde_json::from_slice(first).context("it is damaged in line 1")?;
    ensure!(
        head.image == image && head.build_id == build_id,
        "it is of `{}` with build id {}",
        head.image,
        head.build_id
    );
    let mut catalog = ImageCatalog {
        image: head.image,
        build_id: head.build_id,
        realtime: head.realtime,
        functions: head.functions,
        text_bytes: head.text_bytes,
        sites: Vec::new(),
        instances: Vec::new(),
        inferred: head.inferred,
        disagreements: Vec::new(),
    };
    // The last line ends with a newline too.
    for (index, line) in lines.filter(|line| !line.is_empty()).enumerate() {
        let line = serde_json::from_slice(line)
            .with_context(|| format!("it is damaged in line {}", index + 2))?;
        match line {
            Read::Site(site) => catalog.sites.push(site),
            Read::Instance(instance) => catalog.instances.push(instance),
            Read::Disagreement(one) => catalog.disagreements.push(one),
        }
    }
    let found = [
        catalog.sites.len(),
        catalog.instances.len(),
        catalog.disagreements.len(),
    ];
    let told = [head.sites, head.instances, head.disagreements];
    ensure!(
        found == told,
        "it is damaged: its lines are {found:?} in number, not {told:?}"
    );
    Ok(Some(catalog))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::catalog::{
        Frame, Half, Lockname, Name, Odd, Only, Role, Seqcount, Source, Stretch, Write,
    };

    fn seqcount() -> Seqcount {
        Seqcount {
            name: Name::Global("rename_lock".to_owned()),
            lockname: Some(Lockname::Seqlock),
            lock: None,
        }
    }

    fn instance(image_offset: u64, half: Half) -> Instance {
        let source = Source {
            file: "fs/dcache.c".to_owned(),
            line: 2269,
        };
        Instance {
            function: "d_lookup".to_owned(),
            offset: image_offset & 0xff,
            image_offset,
            half,
            seqcount: seqcount(),
            open_coded: false,
            sites: vec![0x1020],
            location: None,
            chain: vec![Frame {
                function: "d_lookup".to_owned(),
                source: Some(source),
            }],
        }
    }

    fn catalog() -> ImageCatalog {
        let begin = Half::Begin {
            odd: Odd::Waits,
            reloads: vec![0x1022],
        };
        ImageCatalog {
            image: "vmlinux".to_owned(),
            build_id: "ab01".to_owned(),
            realtime: true,
            functions: 3,
            text_bytes: 100,
            sites: vec![Site {
                function: "d_lookup".to_owned(),
                offset: 0x20,
                image_offset: 0x1020,
                role: Role::Spin,
                seqcount: seqcount(),
                end: None,
                lock_function: None,
                sequence_register: Some(3),
                location: None,
                cold: vec![Stretch {
                    image_offset: 0x1020,
                    bytes: 4,
                }],
                chain: Vec::new(),
            }],
            instances: vec![
                instance(0x1010, begin),
                instance(0x1040, Half::Write(Write::End)),
            ],
            inferred: BTreeMap::from([("rename_lock".to_owned(), 0xff_0000)]),
            disagreements: vec![Disagreement {
                function: "d_walk".to_owned(),
                offset: 0x11,
                image_offset: 0x2011,
                only: Only::Debuginfo,
                chain: Vec::new(),
            }],
        }
    }

    fn text() -> String {
        String::from_utf8(encode(&catalog())).expect("text")
    }

    #[test]
    fn a_catalog_comes_back_as_it_was() {
        let back = decode(text().as_bytes(), "vmlinux", "ab01").expect("whole");
        assert_eq!(back, Some(catalog()));
    }

    #[test]
    fn the_file_is_a_head_and_a_line_for_each_address_in_order() {
        let text = text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("{\"format\":2,\"tool_version\":\""),
            "{}",
            lines[0]
        );
        let starts = |line: &str, start| assert!(line.starts_with(start), "{line}");
        starts(
            lines[1],
            "{\"instance\":{\"function\":\"d_lookup\",\"offset\":16,",
        );
        starts(
            lines[2],
            "{\"site\":{\"function\":\"d_lookup\",\"offset\":32,",
        );
        starts(
            lines[3],
            "{\"instance\":{\"function\":\"d_lookup\",\"offset\":64,",
        );
        starts(
            lines[4],
            "{\"disagreement\":{\"function\":\"d_walk\",\"offset\":17,",
        );
        assert_eq!(lines.len(), 5);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn what_other_code_wrote_is_no_catalog_and_no_error() {
        let text = text();
        let other_format = text.replacen("\"format\":2", "\"format\":9", 1);
        let other_version = text.replacen(TOOL_VERSION, "0.0.1", 1);
        let other_build = text.replacen(DISCOVERY, "0123456789abcdef", 1);
        let first_format = "{\"format\":1,\"tool_version\":\"0.1.0\",\"catalog\":{}}";
        for other in [&other_format, &other_version, &other_build, first_format] {
            let read = decode(other.as_bytes(), "vmlinux", "ab01").expect("not damaged");
            assert_eq!(read, None, "{other}");
        }
    }

    #[test]
    fn another_image_and_damage_are_refused() {
        let refused = |text: &str, id| {
            let error = decode(text.as_bytes(), "vmlinux", id).expect_err("not ours");
            format!("{error:#}")
        };
        let text = text();
        assert!(refused(&text, "ab02").contains("build id ab01"));
        assert!(refused("", "ab01").starts_with("it is damaged in line 1"));
        assert!(refused(&text[..text.len() - 5], "ab01").starts_with("it is damaged in line 5"));
        let without_last = text.trim_end().rsplit_once('\n').expect("lines").0;
        assert!(
            refused(without_last, "ab01")
                .contains("its lines are [1, 2, 0] in number, not [1, 2, 1]")
        );
    }
}
