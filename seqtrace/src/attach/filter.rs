//! Which tasks are counted → what the kernel side is told of it.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{Array, HashMap},
};
use seqtrace_common::filter::{ChosenKey, CommTable, Filter, on};

use crate::plan::TaskFilter;

/// The read-only global of the object.
pub(super) fn global(filter: &TaskFilter) -> Filter {
    let TaskFilter {
        pids,
        tids,
        cpus,
        comms,
        cgroup,
        min_ns,
    } = filter;
    let bits = [
        (on::PIDS, !pids.is_empty()),
        (on::TIDS, !tids.is_empty()),
        (on::CPUS, !cpus.is_empty()),
        (on::COMMS, comms.is_some()),
        (on::CGROUP, cgroup.is_some()),
    ];
    let bits = bits.into_iter().filter(|(_, is_on)| *is_on);
    Filter {
        min_ns: *min_ns,
        cgroup: cgroup.map_or(0, |cgroup| cgroup.id),
        cgroup_level: cgroup.map_or(0, |cgroup| cgroup.level),
        on: bits.fold(0, |all, (bit, _)| all | bit),
    }
}

/// The keys of the map `CHOSEN`.
pub(super) fn chosen(filter: &TaskFilter) -> Vec<ChosenKey> {
    let TaskFilter {
        pids, tids, cpus, ..
    } = filter;
    let kinds = [(on::PIDS, pids), (on::TIDS, tids), (on::CPUS, cpus)];
    let keys = kinds.into_iter().flat_map(|(what, numbers)| {
        let numbers = numbers.iter();
        numbers.map(move |&number| ChosenKey { what, number })
    });
    keys.collect()
}

/// Fills the maps of an object that was loaded with the same filter.
pub(super) fn fill(ebpf: &mut Ebpf, filter: &TaskFilter) -> Result<()> {
    let map = ebpf
        .map_mut("CHOSEN")
        .context("failed to find the map `CHOSEN`")?;
    let mut map: HashMap<_, ChosenKey, u32> = map.try_into()?;
    for key in chosen(filter) {
        map.insert(key, 1, 0)
            .context("failed to fill the map `CHOSEN`")?;
    }
    let Some(comms) = &filter.comms else {
        return Ok(());
    };
    let map = ebpf
        .map_mut("COMMS")
        .context("failed to find the map `COMMS`")?;
    let mut map: Array<_, CommTable> = map.try_into()?;
    map.set(0, **comms, 0)
        .context("failed to fill the map `COMMS`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cgroup;

    #[test]
    fn nothing_is_on_unless_it_is_asked_for() {
        assert_eq!(global(&TaskFilter::default()), Filter::default());
        let filter = TaskFilter {
            pids: [8, 7].into(),
            cpus: [0].into(),
            cgroup: Some(Cgroup { id: 77, level: 2 }),
            min_ns: 5,
            ..TaskFilter::default()
        };
        let expected = Filter {
            min_ns: 5,
            cgroup: 77,
            cgroup_level: 2,
            on: on::PIDS | on::CPUS | on::CGROUP,
        };
        assert_eq!(global(&filter), expected);
        let keys = [(on::PIDS, 7), (on::PIDS, 8), (on::CPUS, 0)];
        let keys = keys.map(|(what, number)| ChosenKey { what, number });
        assert_eq!(chosen(&filter), keys);
    }
}
