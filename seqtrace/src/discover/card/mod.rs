//! A function and what the catalog says about it → its instructions with their roles, as a card
//! for people.
//!
//! Shows, does not search: an address has a role here because it is a site or part of an instance
//! of the catalog. Only what a begin does with an odd value is followed in the text, for the
//! catalog has the outcome and not the instructions. Instructions in between that tell nothing are
//! left out.

use std::collections::BTreeSet;

use self::drawing::Drawing;
use super::{
    callee::Callees,
    catalog::{CheckClass, Frame, ImageCatalog, Odd, Role, StartValue, Write},
    function::{self, Function, Functions},
    graph::Flow,
    image::Image,
};

mod context;
mod drawing;
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
                .filter(|drawing| drawing.has(named.start))
                .map(|drawing| drawing.card(asked_for))
                .filter(|card| !card.lines.is_empty()),
        );
    }
    cards
}
