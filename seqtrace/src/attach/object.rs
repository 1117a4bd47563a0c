//! Loads the eBPF object: sizes its maps, gives it its settings, fills its site table.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, HashMap},
    programs::Program,
};
use seqtrace_common::{
    hold::WordEntry,
    settings::{NO_MEMBER, SAMPLE_NS, Settings},
    site::{ReturnBits, SiteEntry},
    wait::OpenBlocks,
};

use super::{
    command::PROGRAM,
    contention, filter, sample,
    table::{Places, Table},
};
use crate::{
    kernel::{
        cgroups,
        object::{OBJECT, refused},
    },
    plan::TaskFilter,
};

/// What the kernel side is to do besides counting.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// Write events that lasted at least this long, in nanoseconds, to the ring; `None`: none.
    /// Retries and fallbacks, which have no duration, are written if it is zero.
    pub threshold_ns: Option<u64>,
    /// A run of failed checks that lasts for longer, in nanoseconds, does not converge; `None`: there
    /// is no such limit.
    pub converge_ns: Option<u64>,
    /// Walk the readers' stacks and count by stack.
    pub stacks: bool,
    /// Note who met a loss, for one loss on one CPU this often at most, in nanoseconds; `None`: never.
    pub notes_ns: Option<u64>,
    /// Write holds that lasted for the threshold at least to the ring too.
    pub holds: bool,
    /// Follow so many processes of a command that is run, those that are over included
    /// ([`super::Session::command`]); `None`: there is none.
    pub command: Option<u32>,
    /// Measure what the probes cost ([`super::Meter`]).
    pub meter: bool,
    /// Which tasks are counted.
    pub filter: TaskFilter,
    /// Sizes of the maps.
    pub sizes: MapSizes,
}

/// Sizes of the maps: entries, except the ring. What does not fit is lost, under its name.
#[derive(Clone, Copy, Debug)]
pub struct MapSizes {
    /// Readers inside a lock call at one time; as many again that wait for a contended lock.
    pub blocks: u32,
    /// Readers that spin, or spun and have been quiet for less than a second.
    pub spins: u32,
    /// Readers whose last check failed, at one time.
    pub runs: u32,
    /// Holds that are not over at one time; used only where increments are probed.
    pub holds: u32,
    /// Readers that waited for one writer, by site, processes and stacks.
    pub blames: u32,
    /// For the order of locks: edges by site and stack, and as many tasks that hold something.
    pub edges: u32,
    /// Pairs of site and task.
    pub tasks: u32,
    /// Different kernel stacks; used only with stacks on, about a kilobyte each.
    pub stacks: u32,
    /// Pairs of site and stack; used only with stacks on.
    pub stack_counts: u32,
    /// Bytes of the ring, a power of two and at least a page; used only with a threshold.
    pub ring_bytes: u32,
}

impl Default for MapSizes {
    fn default() -> Self {
        Self {
            blocks: 8192,
            spins: 16384,
            runs: 8192,
            holds: 16384,
            blames: 8192,
            edges: 16384,
            tasks: 16384,
            stacks: 8192,
            stack_counts: 16384,
            ring_bytes: 1 << 20,
        }
    }
}

/// Byte offsets of members of `task_struct`, from the kernel's BTF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TaskLayout {
    /// `pid`, the thread id.
    pub pid: u32,
    /// `tgid`, the process id.
    pub tgid: u32,
    /// `comm`, the command name.
    pub comm: u32,
    /// `nvcsw`, the voluntary context switches.
    pub nvcsw: u32,
    /// `on_cpu`, whether it runs; `None` where the kernel has no such member.
    pub on_cpu: Option<u32>,
    /// `__state`, zero for a task that is ready to run; `None` as above.
    pub state: Option<u32>,
}

/// Loads the object for `slots` sites, with the programs that the table needs.
pub(super) fn load(
    slots: usize,
    table: &Table,
    places: &Places,
    layout: &TaskLayout,
    options: &AttachOptions,
) -> Result<Ebpf> {
    let AttachOptions {
        threshold_ns,
        converge_ns: _,
        stacks,
        meter: _,
        notes_ns: _,
        holds: _,
        command,
        filter,
        sizes,
    } = options;
    let MapSizes {
        blocks,
        spins,
        runs,
        holds,
        blames,
        edges,
        tasks,
        stacks: stack_ids,
        stack_counts,
        ring_bytes,
    } = *sizes;
    let used = |wanted: bool, size| if wanted { size } else { 1 };
    let has_words = !table.words.is_empty();
    let cells = open_cells(blocks);
    let settings = settings(layout, options, table.has_increments(), cells);
    let order = table.order.as_ref();
    let context = order.map(|order| order.context).unwrap_or_default();
    let order_entries = used(order.is_some(), edges);
    let mut ebpf = EbpfLoader::new()
        // For relocations against kernel types, which a Rust object does not have.
        .btf(None)
        .override_global("SETTINGS", &settings, true)
        .override_global("FILTER", &filter::global(filter), true)
        .override_global("CONTEXT_PLACE", &context, true)
        .map_max_entries(
            "ORDER_SITES",
            used(order.is_some(), slots.max(1).try_into()?),
        )
        .map_max_entries(
            "ORDER_COUNTERS",
            order.map_or(1, |order| order.nodes.max(1)),
        )
        .map_max_entries("HELD", order_entries)
        .map_max_entries("TRIES", order_entries)
        .map_max_entries("EDGES", order_entries)
        .map_max_entries("CHOSEN", filter::chosen(filter).len().max(1).try_into()?)
        .override_global("SITE_PLACES", &places.layout, true)
        .map_max_entries("SITES", places.size())
        .map_max_entries("COLD", table.cold.len().max(1).try_into()?)
        .map_max_entries("RETURNS", table.returns.len().max(1).try_into()?)
        .map_max_entries("CONTENTIONS", used(!table.returns.is_empty(), blocks))
        .map_max_entries("COUNTERS", slots.max(1).try_into()?)
        .map_max_entries("BLOCKS", blocks.saturating_sub(cells).max(1))
        .map_max_entries("SPINS", spins)
        .map_max_entries("RUNS", used(!table.runs.is_empty(), runs))
        .map_max_entries("OPEN_RUNS", table.runs.len().max(1).try_into()?)
        .map_max_entries("RUN_COUNTERS", table.runs.len().max(1).try_into()?)
        .map_max_entries("WORDS", used(has_words, slots.max(1).try_into()?))
        .map_max_entries("HOLDS", used(table.has_increments(), holds))
        .map_max_entries("BLAMES", blames)
        .map_max_entries("TASKS", tasks)
        .map_max_entries("COMMANDS", command.unwrap_or(1))
        .map_max_entries("STACKS", used(*stacks, stack_ids))
        .map_max_entries("STACK_COUNTS", used(*stacks, stack_counts))
        .map_max_entries(
            "EVENTS",
            if threshold_ns.is_some() {
                ring_bytes
            } else {
                4096
            },
        )
        .load(OBJECT)
        .context("failed to create the maps of the eBPF object")?;
    describe(&mut ebpf, places, &table.entries)?;
    filter::fill(&mut ebpf, filter)?;
    fill(&mut ebpf, "COLD", &table.cold)?;
    fill(&mut ebpf, "RETURNS", &table.returns)?;
    mark_returns(&mut ebpf, table)?;
    place_words(&mut ebpf, &table.initial_words())?;
    if let Some(order) = order {
        order.fill(&mut ebpf)?;
    }
    for (name, program) in ebpf.programs_mut() {
        match program {
            Program::KProbe(program) if table.needs(name) => program.load(),
            Program::PerfEvent(program) if name == sample::PROGRAM && !table.cold.is_empty() => {
                program.load()
            }
            Program::RawTracePoint(program) if needs_tracepoint(name, table, options) => {
                program.load()
            }
            // The one that reads text is for discovery.
            _ => continue,
        }
        .map_err(|error| refused(name, error))?;
    }
    Ok(ebpf)
}

/// Whether the program at a tracepoint is needed: that of the contended locks, or of new processes.
fn needs_tracepoint(name: &str, table: &Table, options: &AttachOptions) -> bool {
    (contention::PROGRAMS.contains(&name) && !table.returns.is_empty())
        || (name == PROGRAM && options.command.is_some())
}

/// Says how the keys of `RETURNS` are told from most other words.
fn mark_returns(ebpf: &mut Ebpf, table: &Table) -> Result<()> {
    let mut bits = ReturnBits::NONE;
    for (address, _) in &table.returns {
        bits.add(*address);
    }
    let map = ebpf
        .map_mut("RETURN_BITS")
        .context("failed to find the map `RETURN_BITS`")?;
    let mut map: Array<_, ReturnBits> = map.try_into()?;
    map.set(0, bits, 0)
        .context("failed to fill the map `RETURN_BITS`")
}

/// Writes entries into the site table. Where there is one already, what is the same in the new one can be read
/// meanwhile.
pub(super) fn describe(ebpf: &mut Ebpf, places: &Places, entries: &[SiteEntry]) -> Result<()> {
    let map = ebpf
        .map_mut("SITES")
        .context("failed to find the map `SITES`")?;
    let mut map: Array<_, SiteEntry> = map.try_into()?;
    for entry in entries {
        let place = places
            .of(entry.address)
            .with_context(|| format!("failed to find the place of {:#x}", entry.address))?;
        map.set(place, entry, 0)
            .context("failed to fill the map `SITES`")?;
    }
    Ok(())
}

/// Says how sequences are reached.
pub(super) fn place_words(ebpf: &mut Ebpf, words: &[(u32, WordEntry)]) -> Result<()> {
    let map = ebpf
        .map_mut("WORDS")
        .context("failed to find the map `WORDS`")?;
    let mut map: Array<_, WordEntry> = map.try_into()?;
    for (slot, entry) in words {
        map.set(*slot, entry, 0)
            .context("failed to fill the map `WORDS`")?;
    }
    Ok(())
}

fn fill<V: Pod>(ebpf: &mut Ebpf, name: &str, entries: &[(u64, V)]) -> Result<()> {
    let map = ebpf
        .map_mut(name)
        .with_context(|| format!("failed to find the map `{name}`"))?;
    let mut map: HashMap<_, u64, V> = map.try_into()?;
    for (address, value) in entries {
        map.insert(address, value, 0)
            .with_context(|| format!("failed to fill the map `{name}`"))?;
    }
    Ok(())
}

/// How many of the readers that may be inside a lock call at one time have a place by their thread id: a power of two, and
/// no more than half, as two may have the same.
fn open_cells(blocks: u32) -> u32 {
    let half = (blocks / 2).clamp(1, OpenBlocks::CELLS as u32);
    1 << half.ilog2()
}

fn settings(
    layout: &TaskLayout,
    options: &AttachOptions,
    follows: bool,
    open_cells: u32,
) -> Settings {
    let TaskLayout {
        pid,
        tgid,
        comm,
        nvcsw,
        on_cpu,
        state,
    } = *layout;
    Settings {
        threshold_ns: options.threshold_ns.unwrap_or(u64::MAX),
        converge_ns: options.converge_ns.unwrap_or(u64::MAX),
        notes_ns: options
            .notes_ns
            .filter(|_| options.threshold_ns.is_some())
            .unwrap_or(0),
        sample_ns: SAMPLE_NS,
        stacks: u32::from(options.stacks),
        events: u32::from(options.threshold_ns.is_some()),
        holds: u32::from(options.holds && options.threshold_ns.is_some()),
        cgroups: u32::from(cgroups::are_there()),
        command: u32::from(options.command.is_some()),
        follows: u32::from(follows),
        cells: open_cells - 1,
        reserved: 0,
        task_pid: pid,
        task_tgid: tgid,
        task_comm: comm,
        task_nvcsw: nvcsw,
        task_on_cpu: on_cpu.unwrap_or(NO_MEMBER),
        task_state: state.unwrap_or(NO_MEMBER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_threshold_turns_events_off() {
        let layout = TaskLayout {
            pid: 1,
            tgid: 2,
            comm: 3,
            nvcsw: 4,
            on_cpu: Some(5),
            state: None,
        };
        let off = settings(&layout, &AttachOptions::default(), false, 1);
        assert_eq!((off.events, off.stacks), (0, 0));
        assert_eq!((off.follows, off.cells), (0, 0));
        let options = AttachOptions {
            threshold_ns: Some(0),
            ..AttachOptions::default()
        };
        let all = settings(&layout, &options, true, 8);
        assert_eq!((all.events, all.threshold_ns), (1, 0));
        assert_eq!((all.follows, all.cells), (1, 7));
        assert_eq!((all.task_pid, all.task_nvcsw), (1, 4));
        assert_eq!((all.task_on_cpu, all.task_state), (5, NO_MEMBER));
    }

    #[test]
    fn no_more_than_half_of_the_blocks_have_a_place_by_their_thread() {
        let sizes = [1, 2, 16, 500, 8192];
        assert_eq!(sizes.map(open_cells), [1, 1, 8, 128, 256]);
    }
}
