//! An order plan → its probes, and what the kernel side is told of each.

use std::{collections::HashSet, sync::atomic::AtomicBool};

use anyhow::{Context as _, Result};
use aya::{Ebpf, maps::Array};
use seqtrace_common::{
    order::{ContextPlace, OrderEntry, act, proof},
    site::SiteEntry,
};

use super::{
    object::{AttachOptions, TaskLayout},
    progress::Progress,
    refusal::Refusal,
    session::Session,
    table::{ORDER_STEP, ORDER_TRIED, Probe, SlotProbes, SlotWord, Table, entry_of, names},
};
use crate::plan::order::{Act, OrderPlan, OrderTarget, Proof};

/// Where the kernel keeps what tells an interrupt from a task.
pub use seqtrace_common::order::ContextPlace as ContextSource;

/// What the kernel side is told besides the site table.
#[derive(Debug)]
pub(super) struct OrderTable {
    /// Where interrupts are told.
    pub(super) context: ContextPlace,
    /// Number of nodes.
    pub(super) nodes: u32,
    /// By slot.
    entries: Vec<(u32, OrderEntry)>,
}

impl OrderTable {
    /// Tells the kernel side.
    pub(super) fn fill(&self, ebpf: &mut Ebpf) -> Result<()> {
        let map = ebpf.map_mut("ORDER_SITES");
        let map = map.context("failed to find the map `ORDER_SITES`")?;
        let mut map: Array<_, OrderEntry> = map.try_into()?;
        for (slot, entry) in &self.entries {
            map.set(*slot, entry, 0)
                .context("failed to fill the map `ORDER_SITES`")?;
        }
        Ok(())
    }
}

impl Session {
    /// Attaches every target of an order plan that is not skipped.
    ///
    /// # Errors
    ///
    /// As [`Session::attach`].
    pub fn attach_order(
        plan: &OrderPlan,
        text: u64,
        context: ContextPlace,
        on: (&TaskLayout, &AttachOptions),
        stop: &AtomicBool,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self> {
        let table = Table::of_order(plan, text, context);
        Self::begin(&table, plan.targets.len(), on, stop, &mut progress)
    }
}

impl Table {
    /// Lists the probes of all targets that are not skipped; `text` is the address of `_text`.
    pub(super) fn of_order(plan: &OrderPlan, text: u64, context: ContextPlace) -> Self {
        let mut table = Self::default();
        let mut entries = Vec::new();
        let mut taken = HashSet::new();
        for (slot, target) in (0..).zip(&plan.targets) {
            if target.skip.is_some() {
                continue;
            }
            let addresses: Vec<u64> = [target.address]
                .into_iter()
                .chain(target.end_address)
                .collect();
            if addresses.iter().any(|address| taken.contains(address)) {
                table.refusals.push((slot, Refusal::AddressTaken));
                continue;
            }
            taken.extend(addresses);
            table.push_order(slot, target, text);
            entries.push((slot, entry(target)));
        }
        table.order = Some(OrderTable {
            context,
            nodes: plan.nodes.len() as u32,
            entries,
        });
        table
    }

    fn push_order(&mut self, slot: u32, target: &OrderTarget, text: u64) {
        let site = SiteEntry {
            address: target.address,
            slot,
            ..SiteEntry::EMPTY
        };
        let place = (&*target.image, &*target.function);
        let probe = |program, address: u64| {
            let offset = address
                .wrapping_sub(target.address)
                .wrapping_add(target.offset);
            Probe {
                slot,
                program,
                names: names(place, Some(text), offset, address),
            }
        };
        let end = target
            .end_address
            .map(|address| probe(ORDER_TRIED, address));
        let start = probe(ORDER_STEP, target.address);
        let end_site = target
            .end_address
            .map(|address| SiteEntry { address, ..site });
        self.entries.extend([site].into_iter().chain(end_site));
        let on_demand = false;
        self.probes.insert(
            slot,
            SlotProbes {
                start,
                end,
                on_demand,
            },
        );
        self.words.extend(target.word.map(|word| SlotWord {
            slot,
            seqcount: target.node.to_string(),
            waits: false,
            writes: target.act == Act::Writes,
            entry: entry_of(word),
        }));
    }
}

fn entry(target: &OrderTarget) -> OrderEntry {
    let (proof, owner_offset) = match target.proof {
        Proof::Nothing => (proof::NONE, 0),
        Proof::Owner(offset) => (proof::OWNER, offset),
        Proof::Byte => (proof::BYTE, 0),
        Proof::Odd => (proof::ODD, 0),
    };
    OrderEntry {
        act: match target.act {
            Act::Takes => act::TAKE,
            Act::Tries { .. } => act::TRY,
            Act::Drops => act::DROP,
            Act::Writes => act::WRITE,
            Act::Reads => act::READ,
            Act::Blocks => act::BLOCK,
        },
        node: target.node,
        waits_for: target.waits_for.unwrap_or(OrderEntry::NO_NODE),
        proof,
        owner_offset,
        nonzero: u32::from(target.act == Act::Tries { nonzero: true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::order::Node;

    fn target(address: u64, act: Act, end_address: Option<u64>) -> OrderTarget {
        OrderTarget {
            image: "vmlinux".to_owned(),
            function: "holder".to_owned(),
            offset: 0x10,
            image_offset: address - 0x1000,
            address,
            end_address,
            act,
            node: 0,
            waits_for: None,
            word: None,
            proof: Proof::Owner(24),
            skip: None,
        }
    }

    #[test]
    fn an_address_has_one_probe_and_a_try_one_behind_it() {
        let plan = OrderPlan {
            nodes: vec![Node {
                name: "lock".to_owned(),
                is_seqcount: false,
            }],
            targets: vec![
                target(0x1100, Act::Tries { nonzero: true }, Some(0x1105)),
                target(0x1105, Act::Drops, None),
                target(0x1200, Act::Drops, None),
            ],
        };
        let table = Table::of_order(&plan, 0x1000, ContextPlace::default());
        assert_eq!(table.refusals, [(1, Refusal::AddressTaken)]);
        let places: Vec<_> = table
            .initial()
            .map(|probe| {
                (
                    probe.slot,
                    probe.program,
                    &*probe.names[0].0,
                    probe.names[0].1,
                )
            })
            .collect();
        let expected = [
            (0, ORDER_TRIED, "_text", 0x105),
            (0, ORDER_STEP, "_text", 0x100),
            (2, ORDER_STEP, "_text", 0x200),
        ];
        assert_eq!(places, expected);
        let order = table.order.as_ref().expect("an order is followed");
        let (_, entry) = order.entries[0];
        assert_eq!(
            (entry.act, entry.nonzero, entry.owner_offset),
            (act::TRY, 1, 24)
        );
        assert!(table.needs(ORDER_STEP) && !table.needs("check"));
    }
}
