//! Blame: at the begin of a wait who holds the sequence odd; at its end the credit to that writer.
//!
//! Keeps, for blocks and spins, `count = waits with a writer + unblamed, by reason + blames_full`.

use core::hint::black_box;

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_get_current_task, programs::ProbeContext};
use seqtrace_common::{
    blame::{BlameKey, BlameValue, Edge, Wait, reason, state},
    counters::SiteCounters,
    loss,
    recent::RecentBlame,
    settings::NO_MEMBER,
    site::SiteEntry,
    wait::{BlockState, SpinState},
};

use crate::{
    complete::credit_task,
    maps::{BLAMES, HOLDS, WORDS, add, barrier, lose_many, setting},
    task::{self, words},
    word,
};

/// Finds out who owns the lock at `lock`, whose owner pointer lies `offset` bytes from it, for a reader
/// that calls it.
#[inline]
pub(crate) fn find_owner(lock: u64, offset: i32, edge: &mut Edge) {
    let owner = task::owner(lock, offset);
    if owner == 0 {
        edge.verdict = reason::WRITER_GONE;
        return;
    }
    let task = task::describe(owner);
    edge.tid = task.tid;
    edge.tgid = task.tgid;
    edge.comm = task.comm;
    edge.owned = 1;
    edge.verdict = state(owner);
}

/// Bytes among which all can be read or none, at least: a page.
const PAGE_BYTES: u64 = 4096;

/// Finds out who holds the sequence, for a reader that calls the lock, whose owner, if it has one, `block` has already.
/// With an owner, and where no holds are followed, only the sequence's address is missing: that of a variable can be read,
/// and so can one in the same page as the owner, which was.
#[inline]
pub(crate) fn find_held(ctx: &ProbeContext, site: &SiteEntry, block: &mut BlockState) {
    let Some(word) = WORDS.get(site.slot) else {
        return;
    };
    let address = word::address_by(ctx, word);
    if setting!(follows) == 0
        && block.edge.owned != 0
        && let Some(address) = address
    {
        let owner = block.lock.wrapping_add_signed(i64::from(site.owner_offset));
        if word.is_variable() || (address ^ owner) < PAGE_BYTES {
            block.edge.word = address;
            return;
        }
    }
    let address = address.unwrap_or_default();
    find_at(site.slot, address, SpinState::NO_SEQUENCE, &mut block.edge);
}

/// Finds out who holds the sequence of the site at `slot`, for a reader that begins to wait.
///
/// `sequence` is the odd value that the reader saw, all ones when it is not known. An owner of the
/// lock, which `edge` has then, goes before the hold, which adds what it knows where it is by the same
/// task.
#[inline]
pub(crate) fn find(ctx: &ProbeContext, slot: u32, sequence: u64, edge: &mut Edge) {
    let address = word::address(ctx, slot).unwrap_or_default();
    find_at(slot, address, sequence, edge);
}

/// As [`find`], of the sequence at `address`; zero, which is not read, when that is not known.
#[inline(never)]
fn find_at(slot: u32, address: u64, sequence: u64, edge: &mut Edge) {
    let value = task::read::<u32>(address);
    let odd = value.filter(|value| {
        value & 1 != 0 && (sequence == SpinState::NO_SEQUENCE || sequence == u64::from(*value))
    });
    if value.is_some() {
        edge.word = address;
    }
    if edge.owned != 0 {
        if let Some(odd) = odd {
            follow(address, odd, edge);
        }
        return;
    }
    let Some(odd) = odd else {
        if value.is_some() {
            edge.verdict = reason::WRITER_GONE;
        }
        return;
    };
    let task = follow(address, odd, edge);
    edge.verdict = if task != 0 {
        state(task)
    } else if WORDS.get(slot).is_some_and(|word| word.followed != 0) {
        reason::NOT_FOLLOWED
    } else {
        reason::NOT_PROBED
    };
}

/// Takes over the hold that made the sequence at `address` the odd value that it has, if it is by the
/// lock's owner, where that is known. Returns the writer's `task_struct`, zero when there is no such hold.
#[inline]
fn follow(address: u64, sequence: u32, edge: &mut Edge) -> u64 {
    if setting!(follows) == 0 {
        return 0;
    }
    // SAFETY: what is read is used only if the hold was not over meanwhile.
    let Some(hold) = (unsafe { HOLDS.get(address) }) else {
        return 0;
    };
    let (start_ns, task) = (hold.start_ns, hold.task);
    if hold.sequence != sequence || (edge.owned != 0 && edge.tid != hold.tid) {
        return 0;
    }
    let (slot, stack) = (hold.slot, hold.stack);
    let (thread, process) = (hold.tid, hold.tgid);
    let comm = words(&hold.comm);
    // The writer on another CPU may end it while it is read, and its element become another's.
    // SAFETY: the value is only compared.
    if unsafe { HOLDS.get(address) }.is_none_or(|now| now.start_ns != start_ns) {
        return 0;
    }
    edge.slot = slot;
    edge.stack = stack;
    edge.tid = thread;
    edge.tgid = process;
    edge.comm = task::bytes(comm);
    edge.hold_ns = start_ns;
    task
}

/// What a task is doing now. `on_cpu` is set from before the task is switched to until after it is
/// switched away from (`kernel/sched/core.c`, `prepare_task`, `finish_task`). It is 0 or 1 in an `int`, since 7.3 in a
/// byte with others behind it: the first byte says it either way.
#[inline]
fn state(task: u64) -> u32 {
    let (task_on_cpu, task_state) = (setting!(task_on_cpu), setting!(task_state));
    if task_on_cpu == NO_MEMBER || task_state == NO_MEMBER {
        return state::UNKNOWN;
    }
    let Some((on_cpu, asleep)) = schedule(task, task_on_cpu, task_state) else {
        return state::UNKNOWN;
    };
    if on_cpu == 0 {
        return if asleep == 0 {
            state::PREEMPTED
        } else {
            state::SLEEPING
        };
    }
    // SAFETY: the helper takes nothing.
    if task == unsafe { bpf_get_current_task() } {
        state::INTERRUPTED
    } else {
        state::RUNNING
    }
}

/// What `on_cpu` and `__state` of a task are. Where they lie close together they are read by one call.
#[inline]
fn schedule(task: u64, on_cpu: u32, asleep: u32) -> Option<(u8, u32)> {
    const BYTES: u32 = 32;
    let distance = on_cpu.wrapping_sub(asleep);
    if distance >= BYTES {
        let on_cpu = task::read::<u8>(task + u64::from(on_cpu))?;
        return Some((on_cpu, task::read::<u32>(task + u64::from(asleep))?));
    }
    // In words: bytes the compiler would copy one after the other.
    let both = task::read::<[u64; BYTES as usize / 8]>(task + u64::from(asleep))?;
    let word = both[(distance / 8) as usize & (both.len() - 1)];
    Some(((word >> (8 * (distance % 8))) as u8, both[0] as u32))
}

/// A wait that is over, of the reader that came last to the site.
pub(crate) struct LastWait {
    /// When it ended, `bpf_ktime_get_ns`.
    pub(crate) end_ns: u64,
    /// How long the reader waited, nanoseconds.
    pub(crate) duration_ns: u64,
    /// Slot of the reader's site.
    pub(crate) slot: u32,
    /// Key of the reader's stack in the `STACKS` map, or a negative errno.
    pub(crate) stack: i32,
    /// Reader's thread id.
    pub(crate) tid: u32,
}

/// Credits a wait that is over to its writer, or counts why there is none. The reader's account is settled before: it is the
/// reader that came last.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call takes as much as the comparison"
)]
pub(crate) fn credit(counters: &mut SiteCounters, wait: &LastWait, edge: &Edge) {
    if let Some(reason) = edge.reason() {
        // The compiler knows the bound and would drop the mask; the verifier cannot find it out.
        counters.unblamed[black_box(reason) & (reason::COUNT - 1)] += 1;
        return;
    }
    let (reader, recent) = (&counters.recent, &mut counters.blame);
    if recent.reader != reader.moves || recent.value.count == 0 || !is_same(&recent.key, wait, edge)
    {
        recent.moves += 1;
        barrier();
        if recent.value.count != 0 {
            settle(recent);
        }
        recent.reader = reader.moves;
        recent.key = edge.key(&Wait {
            end_ns: wait.end_ns,
            duration_ns: wait.duration_ns,
            slot: wait.slot,
            stack: wait.stack,
            tid: wait.tid,
            tgid: reader.key.tgid,
            comm: task::bytes(words(&reader.key.comm)),
        });
        recent.value.tid = wait.tid;
        recent.value.writer_tid = edge.tid;
        barrier();
        recent.moves += 1;
    }
    recent.value.count += 1;
    recent.value.wait_ns += wait.duration_ns;
    if edge.hold_ns != 0 {
        let began_ns = wait.end_ns.saturating_sub(wait.duration_ns);
        recent.value.held_ns += began_ns.saturating_sub(edge.hold_ns);
    }
}

/// Whether a wait of the reader of `key` is for its writer. Member by member: a key on the stack would be one too many in
/// this chain of calls.
#[inline]
fn is_same(key: &BlameKey, wait: &LastWait, edge: &Edge) -> bool {
    let (writer_comm, own_writer) = (words(&edge.comm), words(&key.writer_comm));
    key.word == edge.word
        && key.writer_slot == edge.slot
        && key.writer_tgid == edge.tgid
        && key.state == edge.verdict
        && key.owned == edge.owned
        && key.stack == wait.stack
        && key.writer_stack == edge.stack
        && own_writer[0] == writer_comm[0]
        && own_writer[1] == writer_comm[1]
}

/// Credits who waited last, and for whom, with all that they did: others have come.
#[inline(never)]
fn settle(recent: &mut RecentBlame) {
    let (key, value) = (&recent.key, &recent.value);
    // Another CPU may have put the key there meanwhile; else the map is full.
    if !add_to(key, value)
        && BLAMES.insert(key, value, u64::from(BPF_NOEXIST)).is_err()
        && !add_to(key, value)
    {
        lose_many(loss::BLAMES_FULL, value.count);
    }
    if let Some((key, value)) = recent.owner() {
        credit_task(&key, &value);
    }
    recent.value.count = 0;
    recent.value.wait_ns = 0;
    recent.value.held_ns = 0;
}

#[inline]
fn add_to(key: &BlameKey, more: &BlameValue) -> bool {
    let Some(value) = BLAMES.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: nothing is ever removed from the map, so the element stays this key's.
    unsafe {
        add(&raw mut (*value).count, more.count);
        add(&raw mut (*value).wait_ns, more.wait_ns);
        add(&raw mut (*value).held_ns, more.held_ns);
    }
    true
}
