//! The maps and the settings, all sized and filled by user space before the object is loaded, and
//! the count of what gets lost.

use core::{arch::asm, ptr::read_volatile};

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf, StackTrace},
};
use seqtrace_common::{
    blame::{BlameKey, BlameValue},
    counters::{SiteCounters, StackKey, StackValue, TaskKey, TaskValue},
    hold::{HoldState, WordEntry},
    loss,
    run::{RunCounters, RunKey, RunState},
    settings::Settings,
    site::{ReturnEntry, SiteEntry, SitePlaces},
    wait::{BlockState, Contention, OpenBlocks, SpinState, WaitKey},
};

use crate::note;

/// The sites of probed instructions, each at one of the places that `SITE_PLACES` has for its address.
#[map]
pub(crate) static SITES: Array<SiteEntry> = Array::with_max_entries(1, 0);

/// Run-time address in code that only waiting readers execute → the slot of its site.
#[map]
pub(crate) static COLD: HashMap<u64, u32> = HashMap::with_max_entries(1, 0);

/// Samples of the CPU clock that hit no site.
#[map]
pub(crate) static ELSEWHERE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// What each site did, by slot.
#[map]
pub(crate) static COUNTERS: PerCpuArray<SiteCounters> = PerCpuArray::with_max_entries(1, 0);

/// Readers inside a lock call, each at the place for its thread.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.blocks")]
pub(crate) static mut OPEN_BLOCKS: OpenBlocks = OpenBlocks::NONE;

/// Readers inside a lock call whose place in `OPEN_BLOCKS` is another's.
#[map]
pub(crate) static BLOCKS: HashMap<WaitKey, BlockState> = HashMap::with_max_entries(1, 0);

/// Run-time address behind a lock call → its site, for the sites that the tracepoints of contended
/// locks tell of.
#[map]
pub(crate) static RETURNS: HashMap<u64, ReturnEntry> = HashMap::with_max_entries(1, 0);

/// Readers that wait for a contended lock, by thread id.
#[map]
pub(crate) static CONTENTIONS: HashMap<u32, Contention> = HashMap::with_max_entries(1, 0);

/// Readers that spin or spun.
#[map]
pub(crate) static SPINS: HashMap<WaitKey, SpinState> = HashMap::with_max_entries(1, 0);

/// The spin that begins or ends on this CPU just now: too large for the stack. Programs at kprobes do not
/// nest on a CPU, so nobody else uses it meanwhile.
#[map]
pub(crate) static SPIN: PerCpuArray<SpinState> = PerCpuArray::with_max_entries(1, 0);

/// Runs of failed checks that are not over.
#[map]
pub(crate) static RUNS: HashMap<RunKey, RunState> = HashMap::with_max_entries(1, 0);

/// How many runs of each followed check are in `RUNS`, by `SiteEntry::run`; shared by all CPUs, added
/// to atomically. While it is zero, a check that passes has nothing to look up.
#[map]
pub(crate) static OPEN_RUNS: Array<u64> = Array::with_max_entries(1, 0);

/// What the runs of each followed check were, by `SiteEntry::run`.
#[map]
pub(crate) static RUN_COUNTERS: PerCpuArray<RunCounters> = PerCpuArray::with_max_entries(1, 0);

/// How sequences are reached, by the slot of the increment or of the reader's site.
#[map]
pub(crate) static WORDS: Array<WordEntry> = Array::with_max_entries(1, 0);

/// Holds that are not over, by the address of the sequence.
#[map]
pub(crate) static HOLDS: HashMap<u64, HoldState> = HashMap::with_max_entries(1, 0);

/// Completed waits whose writer is known.
#[map]
pub(crate) static BLAMES: HashMap<BlameKey, BlameValue> = HashMap::with_max_entries(1, 0);

/// Completed events by task.
#[map]
pub(crate) static TASKS: HashMap<TaskKey, TaskValue> = HashMap::with_max_entries(1, 0);

/// Kernel stacks by id.
#[map]
pub(crate) static STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

/// Completed events by stack.
#[map]
pub(crate) static STACK_COUNTS: HashMap<StackKey, StackValue> = HashMap::with_max_entries(1, 0);

/// Events over the threshold.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

/// What was lost, by index (`seqtrace_common::loss`).
#[map]
pub(crate) static LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::COUNT, 0);

/// 1 while events are counted: from the last probe on to the first one off, so that all sites are
/// counted for the same time. Probes come and go one by one.
///
/// A variable in a section, and so a map, of its own: each program looks at it first, and a look into an array takes four
/// times as many instructions.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.window")]
static mut WINDOW: u32 = 0;

/// Whether events are counted now.
#[inline]
pub(crate) fn counting() -> bool {
    // SAFETY: user space writes to it in one piece. Volatile, as nobody here does.
    unsafe { read_volatile(&raw const WINDOW) != 0 }
}

/// What user space set.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = Settings {
    threshold_ns: 0,
    converge_ns: 0,
    notes_ns: 0,
    sample_ns: 0,
    stacks: 0,
    events: 0,
    holds: 0,
    cgroups: 0,
    command: 0,
    follows: 0,
    cells: 0,
    reserved: 0,
    task_pid: 0,
    task_tgid: 0,
    task_comm: 0,
    task_nvcsw: 0,
    task_on_cpu: 0,
    task_state: 0,
};

/// Where sites lie in `SITES`.
#[unsafe(no_mangle)]
pub(crate) static SITE_PLACES: SitePlaces = SitePlaces {
    multiplier: 0,
    shift: 0,
    reserved: 0,
};

/// One member of a global that user space sets before the object is loaded, by default of [`SETTINGS`]. The verifier knows
/// the values and drops what they turn off. Member by member: of a whole one each load would be done.
macro_rules! setting {
    ($member:ident) => {
        $crate::maps::setting!($crate::maps::SETTINGS, $member)
    };
    ($global:path, $member:ident) => {
        // SAFETY: a member of a static. Volatile, or the compiler would take the value that is written here.
        unsafe { core::ptr::read_volatile(&raw const $global.$member) }
    };
}
pub(crate) use setting;

/// Counts one loss. The index is one of the constants of `loss`.
///
/// Programs at kprobes and perf events do not nest on a CPU (`bpf_prog_active`,
/// `kernel/trace/bpf_trace.c`), but nest with those at raw tracepoints: hence atomic.
#[inline]
pub(crate) fn lose(index: u32) {
    lose_many(index, 1);
}

/// As [`lose`], for so many at once.
#[inline]
pub(crate) fn lose_many(index: u32, number: u64) {
    if let Some(count) = LOSSES.get_ptr_mut(index) {
        // SAFETY: the pointer is this CPU's element.
        unsafe { add(count, number) };
    }
    if setting!(notes_ns) != 0 {
        note::note(index);
    }
}

/// This CPU's counters of the runs of a check.
#[inline]
pub(crate) fn run_counters(run: u32) -> Option<&'static mut RunCounters> {
    // SAFETY: as in `lose`; the reference does not outlive the program's run.
    RUN_COUNTERS
        .get_ptr_mut(run)
        .map(|counters| unsafe { &mut *counters })
}

/// Adds to a number that others may add to at the same time.
///
/// # Safety
///
/// `sum` must point into a live map element.
#[inline]
pub(crate) unsafe fn add(sum: *mut u64, more: u64) {
    // SAFETY: the caller's promise; map values are aligned to eight bytes. Core has no atomic
    // arithmetic for this target, the instruction set has.
    unsafe { asm!("lock *(u64 *)({sum} + 0) += {more}", sum = in(reg) sum, more = in(reg) more) };
}

/// Writes `new` where `old` is, and returns what was there.
///
/// # Safety
///
/// `at` must point into a live map element.
#[inline]
pub(crate) unsafe fn compare_exchange(at: *mut u64, old: u64, new: u64) -> u64 {
    let before;
    // SAFETY: as in `add`.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({at} + 0, r0, {new})",
            at = in(reg) at,
            new = in(reg) new,
            inout("r0") old => before,
        );
    }
    before
}

/// Keeps the compiler from moving what is written before it behind it, or back; the processor keeps the order of what it
/// writes.
#[inline]
pub(crate) fn barrier() {
    // SAFETY: no instruction.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

/// This CPU's counters of a site.
#[inline]
pub(crate) fn counters(slot: u32) -> Option<&'static mut SiteCounters> {
    // SAFETY: as in `lose`; the reference does not outlive the program's run.
    COUNTERS
        .get_ptr_mut(slot)
        .map(|counters| unsafe { &mut *counters })
}
