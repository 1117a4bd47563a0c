//! A function and what the catalog says about it → its instructions with their roles, as a card
//! for people.
//!
//! Shows, does not search: an address has a role here because it is a site or part of an instance
//! of the catalog. Only what a begin does with an odd value is followed in the text, for the
//! catalog has the outcome and not the instructions. Instructions in between that tell nothing are
//! left out.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::Instruction;
use rustc_hash::FxHashMap;

use super::{
    callee::Callees,
    catalog::{
        CheckClass, Frame, Half, ImageCatalog, Instance, Odd, Role, Site, StartValue, Write,
    },
    function::{self, Function, Functions},
    graph::{Flow, Graph},
    image::Image,
};

mod context;
mod parity;
mod text;

/// What a function does with seqcounts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Card {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The function, as kallsyms names it.
    pub function: String,
    /// Distance of the function from the image's base, bytes.
    pub image_offset: u64,
    /// Its lines by address; parts that the compiler laid elsewhere behind each other.
    pub lines: Vec<Line>,
}

/// A line of a card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// From here on it is another part of the function: `d_lookup.cold`.
    Part(String),
    /// Instructions are left out.
    Gap,
    /// An instruction.
    Code(Code),
}

/// One instruction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Code {
    /// Distance from the symbol of its part, bytes.
    pub offset: u64,
    /// In AT&T syntax, with symbols in angle brackets.
    pub text: String,
    /// What it is for; empty: it leads to the next that has a role.
    pub marks: Vec<Mark>,
    /// Whether it is the address that was asked for.
    pub asked_for: bool,
    /// The calls that were inlined here, outermost first; empty without debuginfo.
    pub chain: Vec<Frame>,
}

/// What an instruction is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mark {
    /// The load of a begin.
    Load {
        /// Name of the seqcount.
        seqcount: String,
        /// What becomes of an odd value.
        odd: Odd,
    },
    /// A further load of the same begin.
    Reload {
        /// Name of the seqcount.
        seqcount: String,
    },
    /// Bit 0 of the loaded value is tested.
    Test,
    /// Bit 0 of the loaded value is taken away.
    Mask,
    /// The branch on bit 0.
    Branch {
        /// Where an odd value goes.
        odd_to: Place,
        /// What waits for it there, if the next site on the way is plain.
        waits_by: Option<Role>,
    },
    /// A site: only waiting or retrying readers come here.
    Cold {
        /// Which.
        role: Role,
        /// Name of the seqcount.
        seqcount: String,
    },
    /// Where a block ends.
    BlockEnd,
    /// The re-load of a check.
    Recheck {
        /// Name of the seqcount.
        seqcount: String,
    },
    /// The comparison of a check.
    Compare {
        /// Where the start value is.
        start: StartValue,
    },
    /// What uses the result of the comparison.
    Decide {
        /// Where a failed check goes.
        class: CheckClass,
        /// The address, for a branch.
        failed_to: Option<Place>,
    },
    /// An increment.
    Write {
        /// Name of the seqcount.
        seqcount: String,
        /// Which one.
        write: Write,
    },
}

/// An address in the function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The part it lies in, where that is another than the instruction's.
    pub part: Option<String>,
    /// Distance from the symbol of its part, bytes.
    pub offset: u64,
}

impl Card {
    /// Whether the address that was asked for is on it.
    pub fn has_what_was_asked_for(&self) -> bool {
        self.lines
            .iter()
            .any(|line| matches!(line, Line::Code(code) if code.asked_for))
    }
}

/// The functions with sites or instances that a name may mean: those of just that name, else
/// those that have it before a suffix of the compiler (`.constprop.0`). Without cold parts.
pub fn functions<'a>(catalog: &'a ImageCatalog, name: &str) -> Vec<&'a str> {
    let sites = catalog.sites.iter().map(|site| site.function.as_str());
    let instances = catalog.instances.iter().map(|one| one.function.as_str());
    let all: BTreeSet<&str> = sites.chain(instances).map(without_cold).collect();
    let exact = all.get(without_cold(name)).copied();
    let by_stem = || all.iter().filter(|one| one.split('.').next() == Some(name));
    exact.map_or_else(|| by_stem().copied().collect(), |exact| vec![exact])
}

fn without_cold(name: &str) -> &str {
    name.strip_suffix(function::COLD_SUFFIX).unwrap_or(name)
}

/// The cards of all functions of an image with a name: several where static functions share it.
/// `offset` is the distance from the symbol that was asked for, bytes.
///
/// Empty when the image has no such function, or the catalog says nothing about it.
pub fn cards(
    image: &Image,
    catalog: &ImageCatalog,
    function: &str,
    offset: Option<u64>,
) -> Vec<Card> {
    let functions = Functions::new(image);
    let callees = Callees::new(image, None);
    let flow = Flow::new(image, &functions, &callees);
    let alias = image.symbols.address_of(function);
    let all = functions.as_slice();
    let named = all
        .iter()
        .filter(|one| one.name == function || Some(one.start) == alias);
    let mut cards = Vec::new();
    for named in named {
        let asked_for = offset.map(|offset| named.start.wrapping_add(offset));
        // A cold part is shown with its function; several static ones may have its name.
        let is_whole = |one: &&Function<'_>| match named.parent_name() {
            Some(parent) => one.name == parent,
            None => one.start == named.start,
        };
        cards.extend(
            all.iter()
                .filter(is_whole)
                .filter_map(|&one| Drawing::new(&flow, catalog, one))
                .filter(|drawing| drawing.index.contains_key(&named.start))
                .map(|drawing| drawing.card(asked_for))
                .filter(|card| !card.lines.is_empty()),
        );
    }
    cards
}

/// A card in the making.
struct Drawing<'a> {
    flow: &'a Flow<'a>,
    catalog: &'a ImageCatalog,
    function: Function<'a>,
    graph: Graph,
    /// Index of the instruction at an address.
    index: FxHashMap<u64, usize>,
}

/// Marks and chains by index of the instruction.
#[derive(Default)]
struct Marked {
    marks: BTreeMap<usize, Vec<Mark>>,
    chains: BTreeMap<usize, Vec<Frame>>,
}

impl<'a> Drawing<'a> {
    fn new(flow: &'a Flow<'a>, catalog: &'a ImageCatalog, function: Function<'a>) -> Option<Self> {
        let graph = flow.graph(function)?;
        let addresses = graph.instructions.iter().map(Instruction::ip);
        let index = addresses.enumerate().map(|(at, address)| (address, at));
        let index = index.collect();
        Some(Self {
            flow,
            catalog,
            function,
            graph,
            index,
        })
    }

    fn card(&self, asked_for: Option<u64>) -> Card {
        let marked = self.marked();
        let mut shown = context::shown(&self.graph, &marked.marks);
        if shown.is_empty() {
            return self.titled(Vec::new());
        }
        let asked_for = asked_for.and_then(|address| self.index.get(&address).copied());
        shown.extend(asked_for);
        let mut lines = Vec::new();
        let mut part = self.function.name;
        let mut formatter = text::Formatter::new(self.flow.image);
        let mut previous = None;
        for &at in &shown {
            let instruction = &self.graph.instructions[at];
            let (name, offset) = self.name(instruction.ip());
            let left_out = previous.map_or(at > 0, |previous| at > previous + 1);
            if name != part {
                lines.push(Line::Part(name.to_owned()));
                part = name;
            } else if left_out {
                lines.push(Line::Gap);
            }
            previous = Some(at);
            lines.push(Line::Code(Code {
                offset,
                text: formatter.format(instruction),
                marks: marked.marks.get(&at).cloned().unwrap_or_default(),
                asked_for: asked_for == Some(at),
                chain: marked.chains.get(&at).cloned().unwrap_or_default(),
            }));
        }
        let last = previous.and_then(|at| Some((at, self.graph.instructions.get(at + 1)?)));
        if last.is_some_and(|(_, next)| self.name(next.ip()).0 == part) {
            lines.push(Line::Gap);
        }
        self.titled(lines)
    }

    fn titled(&self, lines: Vec<Line>) -> Card {
        Card {
            image: self.flow.image.name.clone(),
            function: self.function.name.to_owned(),
            image_offset: self.function.start.wrapping_sub(self.flow.image.base),
            lines,
        }
    }

    /// The part of the function an address lies in, and the distance from its symbol.
    fn name(&self, address: u64) -> (&'a str, u64) {
        let part = self.flow.functions.at(address);
        part.map_or((self.function.name, address), |part| {
            (part.name, address - part.start)
        })
    }

    fn place(&self, address: u64, from: u64) -> Place {
        let (part, offset) = self.name(address);
        let is_here = part == self.name(from).0;
        Place {
            part: (!is_here).then(|| part.to_owned()),
            offset,
        }
    }

    fn at(&self, image_offset: u64) -> Option<usize> {
        let address = self.flow.image.base.wrapping_add(image_offset);
        self.index.get(&address).copied()
    }

    fn marked(&self) -> Marked {
        let mut marked = Marked::default();
        for instance in &self.catalog.instances {
            if let Some(at) = self.at(instance.image_offset) {
                self.mark_instance(&mut marked, at, instance);
            }
        }
        for site in &self.catalog.sites {
            if let Some(at) = self.at(site.image_offset) {
                self.mark_site(&mut marked, at, site);
            }
        }
        for marks in marked.marks.values_mut() {
            marks.dedup();
        }
        marked
    }

    fn mark_site(&self, marked: &mut Marked, at: usize, site: &Site) {
        let seqcount = site.seqcount.label();
        marked.add(
            at,
            Mark::Cold {
                role: site.role,
                seqcount,
            },
            &site.chain,
        );
        if let Some(end) = site.end.and_then(|end| self.at(end.image_offset)) {
            marked.add(end, Mark::BlockEnd, &[]);
        }
    }

    fn mark_instance(&self, marked: &mut Marked, at: usize, instance: &Instance) {
        let seqcount = instance.seqcount.label();
        let chain = &instance.chain;
        match &instance.half {
            Half::Begin { odd, reloads } => {
                let load = Mark::Load {
                    seqcount: seqcount.clone(),
                    odd: *odd,
                };
                marked.add(at, load, chain);
                self.mark_parity(marked, at);
                for reload in reloads.iter().filter_map(|&reload| self.at(reload)) {
                    let seqcount = seqcount.clone();
                    marked.add(reload, Mark::Reload { seqcount }, chain);
                    self.mark_parity(marked, reload);
                }
            }
            Half::Check(check) => {
                marked.add(at, Mark::Recheck { seqcount }, chain);
                if let Some(compare) = self.at(check.compare) {
                    marked.add(compare, Mark::Compare { start: check.start }, &[]);
                }
                if let Some(decides) = self.at(check.decides) {
                    let decide = Mark::Decide {
                        class: check.class,
                        failed_to: self.failed_to(decides),
                    };
                    marked.add(decides, decide, &[]);
                }
            }
            Half::Write(write) => {
                let write = Mark::Write {
                    seqcount,
                    write: *write,
                };
                marked.add(at, write, chain);
            }
        }
    }

    /// Where control goes when the values differ; `None` for an instruction that is no branch.
    fn failed_to(&self, decides: usize) -> Option<Place> {
        let branch = &self.graph.instructions[decides];
        let to = parity::goes_to(branch, parity::Flag::NotZero)?;
        Some(self.place(to, branch.ip()))
    }

    fn mark_parity(&self, marked: &mut Marked, load: usize) {
        let found = parity::follow(&self.graph, &self.index, load);
        if let Some((at, mask)) = found.looked_at {
            let mark = match mask {
                parity::Look::Test => Mark::Test,
                parity::Look::Mask => Mark::Mask,
            };
            marked.add(at, mark, &[]);
        }
        if let Some((at, odd_to)) = found.branch {
            let branch = Mark::Branch {
                odd_to: self.place(odd_to, self.graph.instructions[at].ip()),
                waits_by: self.next_site(odd_to),
            };
            marked.add(at, branch, &[]);
        }
        for at in found.kept {
            marked.marks.entry(at).or_default();
        }
    }

    /// The first site on the straight way from an address.
    fn next_site(&self, from: u64) -> Option<Role> {
        const STEPS: usize = 8;
        let base = self.flow.image.base;
        let mut address = from;
        for _ in 0..STEPS {
            let site = self
                .catalog
                .sites
                .binary_search_by_key(&address.wrapping_sub(base), |site| site.image_offset);
            if let Ok(site) = site {
                return Some(self.catalog.sites[site].role);
            }
            let instruction = &self.graph.instructions[*self.index.get(&address)?];
            address = parity::only_successor(instruction)?;
        }
        None
    }
}

impl Marked {
    fn add(&mut self, at: usize, mark: Mark, chain: &[Frame]) {
        let marks = self.marks.entry(at).or_default();
        if !marks.contains(&mark) {
            marks.push(mark);
        }
        if !chain.is_empty() {
            self.chains.entry(at).or_insert_with(|| chain.to_vec());
        }
    }
}
