//! A plan → the table and the JSON document of `seqtrace sites`.
//!
//! Addresses are distances from the image's base: where a kernel was loaded is nobody's business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::snapshot::{Costs, Coverage},
    discover::catalog::{Catalog, ImageCatalog, Lockname, Name, Role, Site},
    export::{
        account,
        columns::{self, Column, Overflow},
        quantity::plural,
        table::{lock, module},
    },
    plan::{Plan, Skip, Target},
};

/// Everything that is known before a probe is attached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sites {
    /// Version of this document's layout: [`Sites::FORMAT`].
    pub format: u32,
    /// Kernel release (`uname -r`).
    pub release: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// What was scanned.
    pub images: Vec<Image>,
    /// Every site, in the order of its image and address; the index is the slot.
    pub sites: Vec<PlannedSite>,
    /// What would become of all sites; nothing is refused yet.
    pub coverage: Coverage,
    /// What discovering them cost.
    pub costs: Costs,
}

/// One image that was scanned.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// Build id in hexadecimal; empty when the image has none.
    pub build_id: String,
    /// Functions scanned.
    pub functions: u64,
    /// Bytes of text scanned.
    pub text_bytes: u64,
    /// Sites by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Sites by how sure the name of their seqcount is.
    pub names: BTreeMap<String, u64>,
}

/// One site and what would become of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PlannedSite {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The site: `d_lookup+0x4b`.
    pub site: String,
    /// Distance from the image's base, bytes.
    pub image_offset: u64,
    /// Kind of event.
    pub kind: Role,
    /// Name of the seqcount, as in the rows of a snapshot.
    pub seqcount: String,
    /// How sure the name is: `global`, `member`, `ambiguous`, `unknown`.
    pub name: String,
    /// What serialises its writers, where known.
    pub lockname: Option<Lockname>,
    /// The lock function that is called, for blocks.
    pub lock_function: Option<String>,
    /// Why it is left out; `None`: it would be probed.
    pub skip: Option<Skip>,
}

impl Sites {
    /// Version of the layout that this build writes.
    pub const FORMAT: u32 = 1;

    /// Puts together what the stages before attaching know.
    pub fn new(
        release: &str,
        catalog: &Catalog,
        plan: &Plan,
        coverage: Coverage,
        costs: Costs,
    ) -> Self {
        Self {
            format: Self::FORMAT,
            release: release.to_owned(),
            realtime: catalog.images.iter().any(|image| image.realtime),
            images: catalog.images.iter().map(Image::new).collect(),
            sites: plan.targets.iter().map(PlannedSite::new).collect(),
            coverage,
            costs,
        }
    }

    /// One JSON document, indented, with a newline at its end.
    pub fn document(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings are its only keys") + "\n"
    }

    /// A line for each site, by seqcount, and the coverage. Lines keep to `width` characters where
    /// that is possible; `None`: as long as need be.
    pub fn table(&self, width: Option<usize>) -> String {
        let realtime = if self.realtime { " (PREEMPT_RT)" } else { "" };
        let head = format!(
            "{}{realtime}: {}, {}, {}",
            self.release,
            plural(self.sites.len() as u64, "site"),
            plural(self.seqcounts(), "named seqcount"),
            plural(self.images.len() as u64, "image"),
        );
        let mut parts = vec![account::line("seqtrace", &head, width)];
        if !self.sites.is_empty() {
            parts.push(self.columns(width));
        }
        parts.push(account::coverage(&self.coverage, width) + &account::costs(&self.costs, width));
        parts.join("\n")
    }

    /// Number of seqcounts that are told apart.
    fn seqcounts(&self) -> u64 {
        let sure = self.sites.iter().filter(|site| site.name != "unknown");
        let mut names: Vec<_> = sure.map(|site| &site.seqcount).collect();
        names.sort_unstable();
        names.dedup();
        names.len() as u64
    }

    fn columns(&self, width: Option<usize>) -> String {
        let mut sites: Vec<&PlannedSite> = self.sites.iter().collect();
        // Named ones first. Stable: inside a seqcount the order of the addresses stays.
        sites.sort_by_key(|site| (site.name == "unknown", &site.seqcount, site.lockname));
        let sites = || sites.iter();
        let fate = |site: &PlannedSite| {
            site.skip.map_or_else(
                || "probe".to_owned(),
                |skip| format!("skip: {}", skip.word()),
            )
        };
        let seqcount = Column::text("SEQCOUNT", sites().map(|site| site.seqcount.clone()));
        let site = Column::text("SITE", sites().map(|site| site.site.clone()));
        let values = [
            Column::text("KIND", sites().map(|site| site.kind.word().to_owned())),
            Column::text("PLAN", sites().map(|site| fate(site))),
            Column::text("WRITERS' LOCK", sites().map(|site| lock(site.lockname))),
            Column::text("MODULE", sites().map(|site| module(&site.image))),
        ];
        let values: Vec<&Column> = values.iter().filter(|column| !column.is_blank()).collect();
        if columns::fits(&[&seqcount, &site], &values, width) {
            return columns::render(&[&seqcount, &site], &values, width, Overflow::Continue);
        }
        let headings: Vec<String> = sites().map(|site| site.seqcount.clone()).collect();
        columns::render_grouped(&headings, &site, &values, width)
    }
}

impl Image {
    fn new(catalog: &ImageCatalog) -> Self {
        let ImageCatalog {
            image,
            build_id,
            realtime: _,
            functions,
            text_bytes,
            sites,
            instances: _,
            disagreements: _,
        } = catalog;
        Self {
            image: image.clone(),
            build_id: build_id.clone(),
            functions: *functions,
            text_bytes: *text_bytes,
            kinds: count_by(sites, |site| site.role.word()),
            names: count_by(sites, |site| sureness(&site.seqcount.name)),
        }
    }
}

impl PlannedSite {
    fn new(target: &Target) -> Self {
        let Target {
            image,
            site,
            address: _,
            end_address: _,
            owner_offset: _,
            skip,
        } = target;
        Self {
            image: image.clone(),
            site: site.label(),
            image_offset: site.image_offset,
            kind: site.role,
            seqcount: site.seqcount.label(),
            name: sureness(&site.seqcount.name).to_owned(),
            lockname: site.seqcount.lockname,
            lock_function: site.lock_function.clone(),
            skip: *skip,
        }
    }
}

/// How sure a name is, in a word.
fn sureness(name: &Name) -> &'static str {
    match name {
        Name::Global(_) => "global",
        Name::Member(_) => "member",
        Name::Ambiguous(_) => "ambiguous",
        Name::Unknown => "unknown",
    }
}

fn count_by(sites: &[Site], word: fn(&Site) -> &'static str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for site in sites {
        *counts.entry(word(site).to_owned()).or_default() += 1;
    }
    counts
}
