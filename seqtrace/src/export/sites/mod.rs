//! A catalog, with its plan where there is one → the tables and the JSON document of
//! `seqtrace sites`.
//!
//! Addresses are distances from the image's base: where a kernel was loaded is nobody's business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::snapshot::{Costs, Coverage},
    discover::catalog::{Catalog, Instance, Only},
    export::{
        account,
        quantity::plural,
        selection::{Kind, Selection, SelectionWords},
    },
    plan::{Place, Plan, Target},
};

mod groups;
mod list;
mod place;

pub use place::{HalfDocument, Image, PlacedDisagreement, PlacedInstance, PlannedSite, Probe};

/// Everything that is known before a probe is attached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sites {
    /// Version of this document's layout: [`Sites::FORMAT`].
    pub format: u32,
    /// Kernel release (`uname -r`); `None` for a file that does not tell.
    pub release: Option<String>,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// What was scanned; counts are of all that is there, whatever is shown.
    pub images: Vec<Image>,
    /// Which sites and instances follow; `None`: all.
    pub selection: Option<SelectionWords>,
    /// The sites, in the order of their image and address.
    pub sites: Vec<PlannedSite>,
    /// The instances, in the order of their image and address.
    pub instances: Vec<PlacedInstance>,
    /// Where debuginfo, if there is any, and the scan say different things; not selected.
    pub disagreements: Vec<PlacedDisagreement>,
    /// What would become of all sites; nothing is refused yet. `None` for a file: what can be
    /// probed depends on the running kernel.
    pub coverage: Option<Coverage>,
    /// What discovering them cost.
    pub costs: Costs,
}

impl Sites {
    /// Version of the layout that this build writes.
    pub const FORMAT: u32 = 1;

    /// Puts together what the stages before attaching know.
    ///
    /// `plan`, where there is one, has every site of `catalog` in its order.
    pub fn new(
        release: Option<&str>,
        catalog: &Catalog,
        plan: Option<(&Plan, Coverage)>,
        selection: &Selection,
        costs: Costs,
    ) -> Self {
        let targets = plan.as_ref().map(|(plan, _)| plan.targets.as_slice());
        let sites = catalog
            .images
            .iter()
            .flat_map(|image| image.sites.iter().map(move |site| (image, site)))
            .enumerate()
            .filter(|(_, (_, site))| selection.takes_site(site))
            .map(|(slot, (image, site))| {
                let target = targets.and_then(|targets| targets.get(slot));
                PlannedSite::new(&image.image, site, target)
            });
        let instances = catalog
            .images
            .iter()
            .flat_map(|image| image.instances.iter().map(move |one| (image, one)))
            .filter(|(_, instance)| selection.takes_instance(instance))
            .map(|(image, instance)| {
                let of_instance = |target: &&Target| is_of(target, &image.image, instance);
                let target = targets.and_then(|targets| targets.iter().find(of_instance));
                PlacedInstance::new(&image.image, instance, target)
            });
        let disagreements = catalog
            .images
            .iter()
            .flat_map(|image| image.disagreements.iter().map(move |one| (image, one)))
            .map(|(image, one)| PlacedDisagreement::new(&image.image, one));
        Self {
            format: Self::FORMAT,
            release: release.map(str::to_owned),
            realtime: catalog.images.iter().any(|image| image.realtime),
            images: catalog.images.iter().map(Image::new).collect(),
            selection: selection.words(),
            sites: sites.collect(),
            instances: instances.collect(),
            disagreements: disagreements.collect(),
            coverage: plan.map(|(_, coverage)| coverage),
            costs,
        }
    }

    /// One JSON document, indented, with a newline at its end.
    pub fn document(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings are its only keys") + "\n"
    }

    /// A line for each seqcount, and the coverage. Lines keep to `width` characters where that is
    /// possible; `None`: as long as need be.
    pub fn summary(&self, width: Option<usize>) -> String {
        self.between_head_and_account(&groups::table(self, width), width)
    }

    /// A line for each site and each instance, by seqcount, and the coverage. Width as for
    /// [`Sites::summary`].
    pub fn listing(&self, width: Option<usize>) -> String {
        self.between_head_and_account(&list::table(self, width), width)
    }

    fn between_head_and_account(&self, table: &str, width: Option<usize>) -> String {
        let mut parts = vec![account::line("seqtrace", &self.headline(), width)];
        if !table.is_empty() {
            parts.push(table.to_owned());
        }
        parts.push(self.account(width));
        parts.join("\n")
    }

    fn headline(&self) -> String {
        let realtime = if self.realtime { " (PREEMPT_RT)" } else { "" };
        let kernel = self.release.as_deref().unwrap_or("a kernel in a file");
        format!(
            "{kernel}{realtime}: {}, {}, {}, {}",
            plural(self.sites.len() as u64, "site"),
            plural(self.instances.len() as u64, "instance"),
            plural(groups::named(self), "named seqcount"),
            plural(self.images.len() as u64, "image"),
        )
    }

    /// Coverage, or that there is none; what is not shown; costs.
    fn account(&self, width: Option<usize>) -> String {
        let mut text = if let Some(coverage) = &self.coverage {
            account::coverage(coverage, width)
        } else {
            let all = self.all(|image| &image.kinds);
            let told = format!("{}{}", all.values().sum::<u64>(), by_kind(&all));
            let no_plan = "no plan: what can be probed depends on the running kernel";
            account::line("sites", &told, width) + &account::line("", no_plan, width)
        };
        let all = self.all(|image| &image.instances);
        let told = plural(all.values().sum(), "instance") + &by_kind(&all);
        text += &account::line("inlined", &told, width);
        text += &self.disagreement(width);
        if self.selection.is_some() {
            let told = format!(
                "{} and {} of them",
                plural(self.sites.len() as u64, "site"),
                plural(self.instances.len() as u64, "instance"),
            );
            text += &account::line("shown", &told, width);
        }
        text + &account::costs(&self.costs, width)
    }

    /// Where debuginfo and the scan differ, in numbers; nothing where they do not.
    fn disagreement(&self, width: Option<usize>) -> String {
        let count = |only| {
            self.disagreements
                .iter()
                .filter(|one| one.only == only)
                .count()
        };
        let (missed, unexplained) = (count(Only::Debuginfo), count(Only::Scan));
        if missed + unexplained == 0 {
            return String::new();
        }
        let told = format!(
            "{} in debuginfo only, {unexplained} in the scan only",
            plural(missed as u64, "instance")
        );
        account::line("differs", &told, width)
    }

    /// Counts of all images added up.
    fn all(&self, counts: fn(&Image) -> &BTreeMap<Kind, u64>) -> BTreeMap<Kind, u64> {
        let mut sums = BTreeMap::new();
        for (&kind, count) in self.images.iter().flat_map(counts) {
            *sums.entry(kind).or_default() += count;
        }
        sums
    }
}

/// `: 74 block, 102 spin`; nothing when there is none.
fn by_kind(counts: &BTreeMap<Kind, u64>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {}", kind.word()))
        .collect();
    if counts.is_empty() {
        String::new()
    } else {
        format!(": {}", counts.join(", "))
    }
}

fn is_of(target: &Target, image: &str, instance: &Instance) -> bool {
    match &target.place {
        Place::Site(_) => false,
        // Debuginfo may have added the inline chain meanwhile.
        Place::Instance(one) => {
            let place = |one: &Instance| (one.image_offset, one.half.word());
            target.image == image && place(one) == place(instance)
        }
    }
}
