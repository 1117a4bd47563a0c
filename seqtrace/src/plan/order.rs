//! What is followed to see the order in which locks and seqcounts are taken → nodes and targets. Pure.
//!
//! Refuses patterns that name nothing, and leaves out, with the reason, what cannot be probed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::{OwnerOffsets, SeqcountNames, Skip, Word, hazard};
use crate::{
    discover::{
        catalog::{Catalog, Half, ImageCatalog, Location, Role, Write},
        locks::{Action, Form, LockCall},
    },
    kernel::hazards::Hazards,
};

/// What is followed.
#[derive(Clone, Debug, Default)]
pub struct OrderPlan {
    /// Locks and seqcounts; the index of one is its number.
    pub nodes: Vec<Node>,
    /// Where they are taken, dropped and read; the index of one is its slot.
    pub targets: Vec<OrderTarget>,
}

/// A lock or a seqcount; one for all objects that have such a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// `pidmap_lock`, `task_struct.mems_allowed_seq`.
    pub name: String,
    /// Whether it is a seqcount: it is held while its sequence is odd.
    pub is_seqcount: bool,
}

/// One address, and what it means.
#[derive(Clone, Debug)]
pub struct OrderTarget {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// Function it lies in, as kallsyms names it.
    pub function: String,
    /// Distance from the function's symbol, bytes.
    pub offset: u64,
    /// Distance from the image's base, bytes.
    pub image_offset: u64,
    /// Run-time address.
    pub address: u64,
    /// For [`Act::Tries`]: run-time address that the call returns to.
    pub end_address: Option<u64>,
    /// What it means.
    pub act: Act,
    /// The node that it is done to.
    pub node: u32,
    /// The seqcount for whose readers a lock is taken and dropped here.
    pub waits_for: Option<u32>,
    /// How the sequence is reached; needed for writes.
    pub word: Option<Word>,
    /// How it is told that a lock that is taken here is held still.
    pub proof: Proof,
    /// Why it is left out; `None`: it is to be probed.
    pub skip: Option<Skip>,
}

/// What executing a followed address means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    /// A lock is taken.
    Takes,
    /// A lock may be taken.
    Tries {
        /// Whether a result other than zero means that it was.
        nonzero: bool,
    },
    /// A lock is dropped.
    Drops,
    /// A sequence is incremented.
    Writes,
    /// A read section begins.
    Reads,
    /// A reader takes the writer's lock, to drop it at once.
    Blocks,
}

/// How it is told that a lock is held by a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// Nothing tells.
    Nothing,
    /// The owner at this distance from the lock, bytes, is the task.
    Owner(i32),
    /// The first byte of the lock is not zero.
    Byte,
    /// The sequence is odd.
    Odd,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct OrderRequest {
    /// Seqcounts whose reads and writes are followed.
    pub seqcounts: SeqcountNames,
    /// The owner's place in each kind of lock; of a mutex also without PREEMPT_RT.
    pub owners: OwnerOffsets,
}

/// Decides what is probed: `calls` has the calls of lock functions by image, `bases` the run-time base
/// address of each image.
///
/// # Errors
///
/// When a pattern matches no seqcount of the catalog, or an image has no base.
pub fn order_plan(
    catalog: &Catalog,
    calls: &BTreeMap<String, Vec<LockCall>>,
    bases: &BTreeMap<String, u64>,
    hazards: &Hazards,
    request: &OrderRequest,
    variable: &dyn Fn(&Location) -> Option<u64>,
) -> Result<OrderPlan> {
    require_matches(catalog, &request.seqcounts)?;
    let mut maker = Maker {
        plan: OrderPlan::default(),
        hazards,
        request,
        variable,
    };
    for image in &catalog.images {
        let name = &image.image;
        let base = *bases
            .get(name)
            .with_context(|| format!("`{name}` is not loaded in this kernel"))?;
        for call in calls.get(name).into_iter().flatten() {
            maker.add_call(name, base, call);
        }
        maker.add_seqcounts(image, base);
    }
    Ok(maker.plan)
}

fn require_matches(catalog: &Catalog, names: &SeqcountNames) -> Result<()> {
    let images = catalog.images.iter();
    let seqcounts: Vec<_> = images
        .flat_map(|image| {
            let sites = image.sites.iter().map(|site| &site.seqcount);
            sites.chain(image.instances.iter().map(|instance| &instance.seqcount))
        })
        .collect();
    if let Some(glob) = names.unmatched(&seqcounts) {
        bail!(
            "no seqcount called `{glob}` is found: `seqtrace sites --role begin,write` lists those \
             there are"
        );
    }
    Ok(())
}

struct Maker<'a> {
    plan: OrderPlan,
    hazards: &'a Hazards,
    request: &'a OrderRequest,
    variable: &'a dyn Fn(&Location) -> Option<u64>,
}

impl Maker<'_> {
    /// The number of a node.
    fn node(&mut self, name: &str, is_seqcount: bool) -> u32 {
        let nodes = &mut self.plan.nodes;
        let known = nodes
            .iter()
            .position(|node| node.name == name && node.is_seqcount == is_seqcount);
        let index = known.unwrap_or_else(|| {
            nodes.push(Node {
                name: name.to_owned(),
                is_seqcount,
            });
            nodes.len() - 1
        });
        index as u32
    }

    fn add_call(&mut self, image: &str, base: u64, call: &LockCall) {
        let LockCall {
            function,
            offset,
            image_offset,
            returns_behind,
            lock,
            lock_function: _,
            action,
            form,
        } = call;
        let address = base.wrapping_add(*image_offset);
        // A function that is jumped to returns to the caller's caller: what it does there is not seen.
        let act = match (action, returns_behind) {
            (Action::Takes, _) => Act::Takes,
            (Action::Tries { nonzero }, Some(_)) => Act::Tries { nonzero: *nonzero },
            (Action::Tries { .. }, None) => return,
            (Action::Drops, _) => Act::Drops,
        };
        let end = returns_behind.filter(|_| matches!(act, Act::Tries { .. }));
        let node = self.node(lock, false);
        self.push(OrderTarget {
            image: image.to_owned(),
            function: function.clone(),
            offset: *offset,
            image_offset: *image_offset,
            address,
            end_address: end.map(|behind| address.wrapping_add(behind)),
            act,
            node,
            waits_for: None,
            word: None,
            proof: self.proof(*form),
            skip: None,
        });
    }

    fn proof(&self, form: Form) -> Proof {
        let OwnerOffsets {
            spinlock,
            rwlock,
            mutex,
        } = self.request.owners;
        let owner = |offset: Option<i32>| offset.map_or(Proof::Nothing, Proof::Owner);
        match form {
            Form::RealtimeSpinlock => owner(spinlock),
            Form::RealtimeRwlock => owner(rwlock),
            Form::Mutex => owner(mutex),
            Form::Queued => Proof::Byte,
            Form::Shared => Proof::Nothing,
        }
    }

    fn add_seqcounts(&mut self, image: &ImageCatalog, base: u64) {
        let wanted = |act, function: &str, offset, image_offset, node| OrderTarget {
            image: image.image.clone(),
            function: function.to_owned(),
            offset,
            image_offset,
            address: base.wrapping_add(image_offset),
            end_address: None,
            act,
            node,
            waits_for: None,
            word: None,
            proof: Proof::Odd,
            skip: None,
        };
        for instance in &image.instances {
            if !self.request.seqcounts.take(&instance.seqcount) {
                continue;
            }
            let act = match &instance.half {
                Half::Begin { .. } => Act::Reads,
                Half::Write(Write::Begin | Write::End | Write::Unknown) => Act::Writes,
                // Whoever writes a latch or invalidates a sequence keeps no reader out.
                Half::Write(Write::Latch | Write::Invalidate) | Half::Check(_) => continue,
            };
            let node = self.node(&instance.seqcount.label(), true);
            let (function, offset) = (&instance.function, instance.offset);
            let target = wanted(act, function, offset, instance.image_offset, node);
            let place = instance.location.as_ref();
            let word = place.and_then(|place| Word::new(place, &self.variable));
            let is_lost = act == Act::Writes && word.is_none();
            let skip = is_lost.then_some(Skip::UnknownWord);
            self.push(OrderTarget {
                word,
                skip,
                ..target
            });
        }
        for site in &image.sites {
            if site.role != Role::Block || !self.request.seqcounts.take(&site.seqcount) {
                continue;
            }
            let node = self.node(&site.seqcount.label(), true);
            let (function, offset) = (&site.function, site.offset);
            let target = wanted(Act::Blocks, function, offset, site.image_offset, node);
            self.push(target);
        }
    }

    /// A lock that a reader takes and drops may be followed itself: its call then stands for both.
    fn push(&mut self, target: OrderTarget) {
        let known = self.plan.targets.iter_mut();
        let same = known.rev().find(|other| other.address == target.address);
        if let (Some(call), Act::Blocks) = (same, target.act) {
            call.waits_for = Some(target.node);
            return;
        }
        let hazard = hazard::hazard(&target.function, target.address, self.hazards);
        self.plan.targets.push(OrderTarget {
            skip: target.skip.or(hazard),
            ..target
        });
    }
}

impl OrderTarget {
    /// As it is printed: `alloc_pid+0x1a3`.
    pub fn label(&self) -> String {
        format!("{}+{:#x}", self.function, self.offset)
    }
}

impl OrderPlan {
    /// The first of the patterns that names no lock that is taken anywhere.
    pub fn unmatched<'a>(&self, patterns: &[(&'a str, globset::GlobMatcher)]) -> Option<&'a str> {
        let locks = || self.nodes.iter().filter(|node| !node.is_seqcount);
        let found = patterns
            .iter()
            .find(|(_, glob)| !locks().any(|node| glob.is_match(&node.name)));
        found.map(|(text, _)| *text)
    }
}

#[cfg(test)]
mod tests;
