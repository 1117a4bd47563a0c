//! One function → its card: marks at instructions, and the lines to show.

use std::collections::BTreeMap;

use iced_x86::Instruction;
use rustc_hash::FxHashMap;

use super::{Card, Code, Line, Mark, Place, context, parity, text};
use crate::discover::{
    catalog::{Frame, Half, ImageCatalog, Instance, Role, Site},
    function::Function,
    graph::{Flow, Graph},
};

/// A card in the making.
pub(super) struct Drawing<'a> {
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
    pub(super) fn new(
        flow: &'a Flow<'a>,
        catalog: &'a ImageCatalog,
        function: Function<'a>,
    ) -> Option<Self> {
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

    /// Whether one of the instructions is at the address.
    pub(super) fn has(&self, address: u64) -> bool {
        self.index.contains_key(&address)
    }

    pub(super) fn card(&self, asked_for: Option<u64>) -> Card {
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
