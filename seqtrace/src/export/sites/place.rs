//! Images, sites and instances of a catalog → what is written about each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    discover::catalog::{
        BlockEnd, Check, Disagreement, Frame, Half, ImageCatalog, Instance, Lockname, Name, Odd,
        Only, Role, Site, Write,
    },
    export::selection::Kind,
    plan::{Backend, Skip, Target},
};

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
    pub kinds: BTreeMap<Kind, u64>,
    /// Instances by kind.
    pub instances: BTreeMap<Kind, u64>,
    /// Sites by how sure the name of their seqcount is.
    pub names: BTreeMap<String, u64>,
}

/// Whether a site would be probed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// It would.
    Probe,
    /// No; the tracepoints of contended locks would tell of it.
    Contention,
    /// No; it would be sampled.
    Sample,
    /// It would not, for this reason.
    Skip(Skip),
}

impl Probe {
    fn of(target: &Target) -> Self {
        match (target.skip, target.backend) {
            (Some(skip), _) => Self::Skip(skip),
            (None, Backend::Contention) => Self::Contention,
            (None, Backend::Sample) => Self::Sample,
            (None, Backend::Probe | Backend::Watch) => Self::Probe,
        }
    }
}

/// One site and what would become of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PlannedSite {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The site: `d_lookup+0x4b`.
    pub site: String,
    /// The function it lies in, as kallsyms names it.
    pub function: String,
    /// Distance from the image's base, bytes. Tells apart sites whose printed names are equal:
    /// static functions of the same name.
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
    /// Where a block ends, distance from the image's base, bytes.
    pub end_image_offset: Option<u64>,
    /// The calls that were inlined here, outermost first; empty without debuginfo.
    pub chain: Vec<Frame>,
    /// Whether it would be probed; `None` where there is no running kernel to ask.
    pub plan: Option<Probe>,
}

/// One inlined instance of a primitive.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PlacedInstance {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The instance: `d_lookup+0x13`.
    pub instance: String,
    /// The function it lies in, as kallsyms names it.
    pub function: String,
    /// Distance from the image's base, bytes.
    pub image_offset: u64,
    /// Which half of a section it is.
    #[serde(flatten)]
    pub half: HalfDocument,
    /// Name of the seqcount, as in the rows of a snapshot.
    pub seqcount: String,
    /// How sure the name is: `global`, `member`, `ambiguous`, `unknown`.
    pub name: String,
    /// What serialises its writers, where known.
    pub lockname: Option<Lockname>,
    /// Whether it does the same as a primitive without being one.
    pub open_coded: bool,
    /// The sites that belong to it, distances from the image's base, bytes.
    pub sites: Vec<u64>,
    /// The calls that were inlined here, outermost first; empty without debuginfo.
    pub chain: Vec<Frame>,
    /// What would become of it; `None` where nothing asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Probe>,
}

/// An instance that only one of debuginfo and the scan has.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PlacedDisagreement {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The address: `d_lookup+0x13`.
    pub instance: String,
    /// Distance from the image's base, bytes.
    pub image_offset: u64,
    /// Which of the two has it.
    pub only: Only,
    /// The calls that were inlined here, outermost first; empty where only the scan has it.
    pub chain: Vec<Frame>,
}

/// A [`Half`] whose kind stands beside its properties.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HalfDocument {
    /// The load of the start value.
    Begin {
        /// What becomes of an odd value.
        odd: Odd,
        /// Further loads of the same begin, distances from the image's base, bytes.
        reloads: Vec<u64>,
    },
    /// The comparison at the end of a read section.
    Check(Check),
    /// An increment of the sequence.
    Write {
        /// Which one.
        write: Write,
    },
}

impl Image {
    pub(super) fn new(catalog: &ImageCatalog) -> Self {
        let ImageCatalog {
            image,
            build_id,
            realtime: _,
            functions,
            text_bytes,
            sites,
            instances,
            inferred: _,
            disagreements: _,
        } = catalog;
        let names = sites.iter().map(|site| &site.seqcount.name);
        Self {
            image: image.clone(),
            build_id: build_id.clone(),
            functions: *functions,
            text_bytes: *text_bytes,
            kinds: count(sites.iter().map(Kind::of_site)),
            instances: count(instances.iter().map(Kind::of_instance)),
            names: count(names.map(|name| sureness(name).to_owned())),
        }
    }
}

impl PlannedSite {
    pub(super) fn new(image: &str, site: &Site, target: Option<&Target>) -> Self {
        let label = site.label();
        let Site {
            function,
            offset: _,
            image_offset,
            role,
            seqcount,
            end,
            lock_function,
            sequence_register: _,
            location: _,
            cold: _,
            chain,
        } = site;
        Self {
            image: image.to_owned(),
            site: label,
            function: function.clone(),
            image_offset: *image_offset,
            kind: *role,
            seqcount: seqcount.label(),
            name: sureness(&seqcount.name).to_owned(),
            lockname: seqcount.lockname,
            lock_function: lock_function.clone(),
            end_image_offset: end.map(|BlockEnd { image_offset, .. }| image_offset),
            chain: chain.clone(),
            plan: target.map(Probe::of),
        }
    }
}

impl PlacedInstance {
    pub(super) fn new(image: &str, instance: &Instance, target: Option<&Target>) -> Self {
        let label = instance.label();
        let Instance {
            function,
            offset: _,
            image_offset,
            half,
            seqcount,
            open_coded,
            sites,
            location: _,
            chain,
        } = instance;
        Self {
            image: image.to_owned(),
            instance: label,
            function: function.clone(),
            image_offset: *image_offset,
            half: HalfDocument::new(half),
            seqcount: seqcount.label(),
            name: sureness(&seqcount.name).to_owned(),
            lockname: seqcount.lockname,
            open_coded: *open_coded,
            sites: sites.clone(),
            chain: chain.clone(),
            plan: target.map(|target| target.skip.map_or(Probe::Probe, Probe::Skip)),
        }
    }
}

impl PlacedDisagreement {
    pub(super) fn new(image: &str, disagreement: &Disagreement) -> Self {
        let Disagreement {
            function,
            offset,
            image_offset,
            only,
            chain,
        } = disagreement;
        Self {
            image: image.to_owned(),
            instance: format!("{function}+{offset:#x}"),
            image_offset: *image_offset,
            only: *only,
            chain: chain.clone(),
        }
    }
}

impl HalfDocument {
    fn new(half: &Half) -> Self {
        match half {
            Half::Begin { odd, reloads } => Self::Begin {
                odd: *odd,
                reloads: reloads.clone(),
            },
            Half::Check(check) => Self::Check(check.clone()),
            Half::Write(write) => Self::Write { write: *write },
        }
    }

    /// The kind of instance.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Begin { .. } => Kind::Begin,
            Self::Check(_) => Kind::Check,
            Self::Write { .. } => Kind::Write,
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

fn count<T: Ord>(words: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}
