//! Reports of lockdep (`kernel/locking/lockdep.c`, the `print_*` functions).

use super::{
    super::{
        clean::Line,
        identify,
        kind::Kind,
        report::{Frame, Link, Lock, Quote, Report, Stack, StackRole, Usage, plain},
    },
    lock,
    stack::Collector,
};

/// What the next lines belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Nothing that is kept.
    Nowhere,
    /// The next lock is the one that is taken.
    Acquiring,
    /// The next lock is the one that is held.
    Holding,
    /// The next lock is the unsafe one.
    Other,
    /// The stack of the last link of the chain.
    Chain,
    /// The last of the other stacks.
    Stack,
    /// Locks that are held.
    Held,
}

/// Reads the lines of a report into it.
pub(super) fn read(lines: &[Line], report: &mut Report) {
    let mut reader = Reader {
        report,
        place: Place::Nowhere,
        collector: Collector::default(),
        seen: Seen::default(),
    };
    for line in lines {
        reader.line(line);
    }
    let seen = reader.seen;
    report.missing = missing(report, seen);
}

/// Titles that every report has.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    backtrace: bool,
    other_info: bool,
}

struct Reader<'a> {
    report: &'a mut Report,
    place: Place,
    collector: Collector,
    seen: Seen,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line) {
        let text = line.text.as_str();
        if self.frame(text, line.number) || self.title(text, line.number) {
            return;
        }
        if let Some(lock) = lock::lock(text, line.number) {
            self.lock(text, lock);
            return;
        }
        self.word(text, line.number);
    }

    fn frame(&mut self, text: &str, number: u64) -> bool {
        let frames: &mut Vec<Frame> = match self.place {
            Place::Chain => match self.report.chain.last_mut() {
                Some(link) => &mut link.frames,
                None => return false,
            },
            Place::Stack => match self.report.stacks.last_mut() {
                Some(stack) => &mut stack.frames,
                None => return false,
            },
            // Notes about the `at:` of held locks are not needed, and are no locks.
            Place::Nowhere | Place::Acquiring | Place::Holding | Place::Other | Place::Held => {
                return false;
            }
        };
        self.collector.add(text, number, frames)
    }

    /// A line that says what comes next.
    fn title(&mut self, text: &str, number: u64) -> bool {
        if let Some(place) = task_line(text) {
            if self.report.task.is_none() {
                self.report.task = task_name(text).map(str::to_owned);
                self.report.context = text
                    .split_once(" [")
                    .and_then(|(_, rest)| rest.split_once("] "))
                    .map(|(context, _)| context.to_owned());
            }
            self.place = place;
            // `… is trying to release lock (name) at:`
            if self.report.kind == Kind::UnlockBalance {
                self.released(text, number);
            }
        } else if text.contains("already holding") {
            self.place = Place::Holding;
        } else if text.ends_with("lock in the past:") || is_unsafe_lock(text) {
            self.place = Place::Other;
        } else if let Some(role) = stack_title(text) {
            self.seen.backtrace |= role == StackRole::Current;
            self.begin_stack(role, number);
        } else if text == "other info that might help us debug this:" {
            self.seen.other_info = true;
            self.place = Place::Nowhere;
        } else if text.contains("held by ") && (text.contains("lock") || text.contains("locks")) {
            self.place = Place::Held;
        } else if text.contains("Possible ") && text.ends_with("locking scenario:") {
            self.place = Place::Nowhere;
        } else {
            return false;
        }
        true
    }

    fn begin_stack(&mut self, role: StackRole, line: u64) {
        self.report.stacks.push(Stack {
            role,
            line,
            frames: Vec::new(),
        });
        self.place = Place::Stack;
    }

    fn lock(&mut self, text: &str, lock: Lock) {
        if let Some(index) = link_index(text) {
            self.report.chain.push(Link {
                index,
                lock,
                frames: Vec::new(),
            });
            self.place = Place::Chain;
            return;
        }
        if text.starts_with('#') {
            self.report.held.push(lock);
            self.place = Place::Held;
            return;
        }
        let slot = match self.place {
            Place::Acquiring => &mut self.report.acquiring,
            Place::Holding => &mut self.report.holding,
            Place::Other => &mut self.report.other,
            Place::Nowhere | Place::Chain | Place::Stack | Place::Held => return,
        };
        // Robots print a lock once for each inlined call; the last is where it really is.
        let is_same = |known: &Lock| known.class == lock.class && known.line + 1 == lock.line;
        if slot.as_ref().is_none_or(is_same) {
            *slot = Some(lock);
        }
    }

    /// A line that says something by itself.
    fn word(&mut self, text: &str, number: u64) {
        let report = &mut *self.report;
        let is_release =
            text.starts_with(|first: char| first.is_ascii_digit()) || text.starts_with("CPU:");
        if report.release.is_none() && is_release {
            report.find_release(text, number);
        } else if let Some(usage) = usage(text, number) {
            report.usage.get_or_insert(usage);
        } else if let Some(context) = text.strip_prefix("context-") {
            report.context.get_or_insert(context.to_owned());
        } else if text.starts_with("... key") {
            report
                .keys
                .extend(text.rsplit(' ').next().map(str::to_owned));
        } else if is_complaint(text) && report.complaint.is_none() {
            report.complaint = Some(Quote {
                line: number,
                text: text.to_owned(),
            });
        }
        if !text.starts_with("Call ")
            && !text.starts_with("CPU:")
            && !text.starts_with("Hardware name")
            && self.place == Place::Stack
            && !report
                .stacks
                .last()
                .is_some_and(|stack| stack.frames.is_empty())
        {
            self.place = Place::Nowhere;
        }
    }

    /// The class of an unlock comes without usage: `comm/7 is trying to release lock (name) at:`.
    fn released(&mut self, text: &str, number: u64) {
        let class = text
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(')'));
        if let Some((class, _)) = class {
            self.report.acquiring = Some(Lock {
                class: class.to_owned(),
                line: number,
                ..Lock::default()
            });
        }
    }
}

fn task_line(text: &str) -> Option<Place> {
    let is_acquiring = [
        " is trying to acquire",
        " is trying to lock:",
        " is trying to release lock (",
        " is freeing memory ",
        " just changed the state of lock:",
        "] takes:",
        " is leaving the kernel with locks still held!",
    ];
    let found = is_acquiring.iter().any(|words| text.contains(words));
    found.then_some(Place::Acquiring)
}

/// `rs:main Q:Reg/902` of `rs:main Q:Reg/902 [HC0[0]:SC0[0]:HE1:SE1] takes:`; names have blanks.
fn task_name(text: &str) -> Option<&str> {
    let ends = [" is ", " just ", " [HC"]
        .iter()
        .filter_map(|word| text.find(word));
    ends.min().map(|end| &text[..end])
}

/// `to a SOFTIRQ-irq-unsafe lock:`.
fn is_unsafe_lock(text: &str) -> bool {
    text.starts_with("to a ") && text.contains("-unsafe lock:")
}

fn stack_title(text: &str) -> Option<StackRole> {
    if text == "stack backtrace:" {
        Some(StackRole::Current)
    } else if text.ends_with("state was registered at:") {
        Some(StackRole::Registered)
    } else if text.contains("which became") && text.ends_with("-safe at:") {
        Some(StackRole::Safe)
    } else if text.contains("which became") && text.ends_with("-unsafe at:") {
        Some(StackRole::Unsafe)
    } else {
        let is_usage = text.ends_with(" at:") && !text.contains('(') && text.len() < 60;
        is_usage.then_some(StackRole::Other)
    }
}

/// `-> #1 (pidmap_lock){....}-{2:2}:` → 1.
fn link_index(text: &str) -> Option<u32> {
    let (index, _) = text.strip_prefix("-> #")?.split_once(' ')?;
    index.parse().ok()
}

/// `inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.`
fn usage(text: &str, line: u64) -> Option<Usage> {
    let rest = text.strip_prefix("inconsistent {")?;
    let (from, rest) = rest.split_once("} -> {")?;
    let (to, _) = rest.split_once('}')?;
    Some(Usage {
        from: from.to_owned(),
        to: to.to_owned(),
        line,
    })
}

fn is_complaint(text: &str) -> bool {
    text.contains(" suspicious rcu_")
        || text.ends_with(" usage!")
        || text.starts_with("but there are no more locks to release!")
        || text.contains("with a lock still held there!")
}

/// What a report of its kind must have and this one has not.
fn missing(report: &Report, seen: Seen) -> Vec<String> {
    let mut missing = Vec::new();
    let mut need = |is_there: bool, what: &str| {
        if !is_there {
            missing.push(what.to_owned());
        }
    };
    let taken = report.acquiring.is_some();
    match report.kind {
        Kind::Headless => need(false, "the first lines"),
        Kind::Circular => {
            need(taken, "the lock that is taken");
            need(report.holding.is_some(), "the lock that is held");
            need(is_whole(&report.chain), "a part of the dependency chain");
            need(seen.other_info, "the end of the dependency chain");
            need(agrees(report), "a part of a stack of the task");
        }
        Kind::InconsistentState => {
            need(report.usage.is_some(), "the two states");
            need(taken, "the lock that is taken");
            need(seen.other_info, "the stack of the first state");
        }
        Kind::UnsafeOrder | Kind::Recursive => {
            need(taken, "the lock that is taken");
            need(report.holding.is_some(), "the lock that is held");
            need(seen.other_info, "the locks that are held");
        }
        Kind::IrqInversion => {
            need(taken, "the lock whose state changed");
            need(report.other.is_some(), "the other lock");
        }
        Kind::WaitContext | Kind::UnlockBalance | Kind::HeldFreed => need(taken, "the lock"),
        Kind::ReturnToUser => need(!report.held.is_empty(), "the locks that are held"),
        Kind::RcuUsage => need(report.complaint.is_some(), "the line that was executed"),
        Kind::WriterAssert
        | Kind::SoftLockup
        | Kind::HardLockup
        | Kind::RcuStall
        | Kind::NmiBacktrace
        | Kind::HungTask => {}
    }
    let has_backtrace = seen.backtrace || report.kind == Kind::ReturnToUser;
    need(has_backtrace, "the stack of the task");
    missing
}

/// Whether a chain has each of its numbers, down to `#0`, with a stack that shows who takes the lock.
fn is_whole(chain: &[Link]) -> bool {
    let mut numbers: Vec<u32> = chain.iter().map(|link| link.index).collect();
    numbers.sort_unstable();
    let is_dense = numbers.iter().copied().eq(0..numbers.len() as u32);
    numbers.len() > 1 && is_dense && chain.iter().all(shows_taker)
}

/// Whether the stack of a link goes from lockdep, which saved it, to who takes the lock.
fn shows_taker(link: &Link) -> bool {
    let has = |name| {
        link.frames
            .iter()
            .any(|frame| plain(&frame.function) == name)
    };
    let first = link.frames.first();
    let begins = first.is_some_and(|frame| {
        frame
            .calls()
            .any(|call| identify::is_primitive(call.function))
    });
    // What calls `__lock_acquire` is `lock_acquire`.
    let is_joined = has("lock_acquire") || !(has("__lock_acquire") || has("check_prevs_add"));
    begins && is_joined && identify::taker_frame(&link.frames).is_some()
}

/// Whether the stack of `#0` and the backtrace, which are of the same moment, name the same taker.
fn agrees(report: &Report) -> bool {
    let newest = report.chain.iter().find(|link| link.index == 0);
    let (Some(newest), Some(current)) = (newest, report.stack(StackRole::Current)) else {
        return true;
    };
    let taker = |frames| identify::taker_frame(frames).map(Frame::place);
    taker(&newest.frames) == taker(&current.frames)
}
