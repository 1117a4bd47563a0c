//! What one report says, as it was read: locks, stacks, processors. Nothing here is concluded.

use serde::Serialize;

use super::{kind::Kind, release::Release};

/// One report of a log.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it reports.
    pub kind: Kind,
    /// Its first line in the log, counted from 1.
    pub first_line: u64,
    /// Its last line.
    pub last_line: u64,
    /// When it was printed: time since boot, microseconds; `None` if the log has no times.
    pub time_us: Option<u64>,
    /// The kernel.
    pub release: Option<Release>,
    /// The line that names the kernel; 0 if none does.
    #[serde(skip)]
    pub release_line: u64,
    /// The machine.
    pub architecture: Option<Architecture>,
    /// The task that the report is about, as printed: `runc:[1:CHILD]/7867`.
    pub task: Option<String>,
    /// Contexts of that task: `HC0[0]:SC1[1]:HE1:SE0`, `context-{5:5}`.
    pub context: Option<String>,
    /// The lock that is being taken, released or freed.
    pub acquiring: Option<Lock>,
    /// The lock that is held already.
    pub holding: Option<Lock>,
    /// The other lock of the report, by name only: the unsafe one of an inversion.
    pub other: Option<Lock>,
    /// The dependency chain, `#0` last: each lock with the stack that took it while holding the one of
    /// the next lower number, and `#0` while holding the highest.
    pub chain: Vec<Link>,
    /// A change of usage: `{HARDIRQ-ON-W}` and `{IN-HARDIRQ-W}`.
    pub usage: Option<Usage>,
    /// Locks that the task holds.
    pub held: Vec<Lock>,
    /// Stacks other than those of the chain, each with what it is of.
    pub stacks: Vec<Stack>,
    /// Addresses of keys, with the names that the kernel gave: `__key.12`.
    pub keys: Vec<String>,
    /// Processors of a lockup or a stall.
    pub cpus: Vec<Cpu>,
    /// The line that says what is wrong, of reports that are no more than that.
    pub complaint: Option<Quote>,
    /// What shows that text is missing.
    pub missing: Vec<String>,
}

/// A line of the log.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Quote {
    /// Its number, counted from 1.
    pub line: u64,
    /// Its text without prefix.
    pub text: String,
}

/// One use of a lock, as lockdep prints it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Lock {
    /// The class with `#N` and `/N`: `&s->seqcount#2`.
    pub class: String,
    /// The address of the instance, hexadecimal, as printed.
    pub address: Option<String>,
    /// The usage string: `+.+.`.
    pub usage: String,
    /// Outer and inner wait type, of kernels since 5.8.
    pub wait: Option<(u8, u8)>,
    /// Where lockdep says it was taken.
    pub at: Option<Frame>,
    /// The line of the log.
    pub line: u64,
}

/// One lock of a dependency chain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Link {
    /// Its number in the chain.
    pub index: u32,
    /// The lock.
    pub lock: Lock,
    /// The stack that took it, innermost first.
    pub frames: Vec<Frame>,
}

/// A stack with a title.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Stack {
    /// What it is of.
    pub role: StackRole,
    /// The line of its title.
    pub line: u64,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// What a stack is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StackRole {
    /// Where the first of two usages was seen.
    Registered,
    /// Where a lock became safe: was taken in an interrupt.
    Safe,
    /// Where a lock became unsafe: was taken with interrupts on.
    Unsafe,
    /// The task that reports.
    Current,
    /// Any other.
    Other,
}

/// One line of a stack.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Frame {
    /// The function, with suffixes such as `.isra.0`.
    pub function: String,
    /// Distance of the return address from its start, bytes.
    pub offset: Option<u64>,
    /// The module, if not vmlinux.
    pub module: Option<String>,
    /// File and line, where the log was decoded.
    pub source: Option<String>,
    /// The unwinder does not vouch for it (`?`).
    pub unreliable: bool,
    /// Calls that were inlined there, innermost first, as far as the log was decoded.
    pub inlined: Vec<Inlined>,
    /// The line of the log.
    pub line: u64,
}

/// A call that was inlined into a frame.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Inlined {
    /// The function; empty where only its source is known.
    pub function: String,
    /// File and line.
    pub source: String,
    /// The line of the log.
    pub line: u64,
}

/// A lock was used one way, and now another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Usage {
    /// As before: `HARDIRQ-ON-W`.
    pub from: String,
    /// As now: `IN-HARDIRQ-W`.
    pub to: String,
    /// The line of the log.
    pub line: u64,
}

/// What one processor did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cpu {
    /// Its number.
    pub number: Option<u32>,
    /// Its task: `udevd/913`.
    pub task: Option<String>,
    /// Seconds for which it is stuck, where the report says so.
    pub stuck_s: Option<u64>,
    /// Where it is.
    pub place: Option<Frame>,
    /// The bytes around the instruction, and which of them it begins with.
    pub code: Option<Code>,
    /// Registers, in the order printed.
    pub registers: Vec<(String, u64)>,
    /// Its stack, innermost first.
    pub frames: Vec<Frame>,
    /// The line that names it.
    pub line: u64,
}

/// The bytes of a `Code:` line.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Code {
    /// The bytes, or words of four on machines of fixed width.
    pub units: Vec<String>,
    /// Index of the unit that was about to be executed.
    pub at: usize,
    /// The line of the log.
    pub line: u64,
}

/// The machine that a log is of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86-64")]
    X8664,
    /// 32-bit x86.
    #[serde(rename = "x86")]
    X86,
    /// 64-bit ARM.
    #[serde(rename = "arm64")]
    Arm64,
    /// 32-bit ARM.
    #[serde(rename = "arm")]
    Arm,
    /// 64-bit POWER.
    #[serde(rename = "ppc64")]
    Ppc64,
    /// IBM Z.
    #[serde(rename = "s390")]
    S390,
    /// 64-bit RISC-V.
    #[serde(rename = "riscv64")]
    Riscv64,
}

impl Architecture {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::X8664 => "x86-64",
            Self::X86 => "x86",
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
            Self::Ppc64 => "ppc64",
            Self::S390 => "s390",
            Self::Riscv64 => "riscv64",
        }
    }
}

/// One function of a stack, inlined or not.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The function without suffixes such as `.isra.0`.
    pub function: &'a str,
    /// File and line.
    pub source: Option<&'a str>,
    /// The line of the log.
    pub line: u64,
}

impl Frame {
    /// The functions at this frame, innermost first, the frame's own last.
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let inlined = self.inlined.iter().map(|inlined| Call {
            function: plain(&inlined.function),
            source: Some(&inlined.source),
            line: inlined.line,
        });
        let own = Call {
            function: plain(&self.function),
            source: self.source.as_deref(),
            line: self.line,
        };
        let last = self.inlined.last();
        let is_named = last.is_none_or(|last| plain(&last.function) != own.function);
        inlined.chain(is_named.then_some(own))
    }

    /// `free_pid+0x5c`.
    pub fn place(&self) -> String {
        match self.offset {
            Some(offset) => format!("{}+{offset:#x}", self.function),
            None => self.function.clone(),
        }
    }
}

impl Lock {
    /// The class without `#N`, `/N` and `*N`.
    pub fn base(&self) -> &str {
        let mut base = self.class.as_str();
        while let Some(at) = base.rfind(['#', '/', '*']) {
            let number = &base[at + 1..];
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                break;
            }
            base = &base[..at];
        }
        base
    }
}

impl Report {
    /// Takes the kernel from a line that may name it, unless it is known.
    pub(super) fn find_release(&mut self, text: &str, line: u64) {
        if self.release.is_none() {
            self.release = Release::find(text);
            self.release_line = line;
        }
    }

    /// The stack with a role, if it was printed.
    pub fn stack(&self, role: StackRole) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.role == role)
    }

    /// The frames of the task that reports: those of its backtrace, else of `#0`.
    pub fn current(&self) -> &[Frame] {
        if let Some(stack) = self.stack(StackRole::Current) {
            return &stack.frames;
        }
        let newest = self.chain.iter().find(|link| link.index == 0);
        newest.map_or(&[], |link| &link.frames)
    }
}

/// A function's name without what the compiler added.
pub fn plain(function: &str) -> &str {
    let at = function.get(1..).and_then(|rest| rest.find('.'));
    at.map_or(function, |at| &function[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_classes_are_taken_off_and_names_stay() {
        for (class, base) in [
            ("&s->seqcount#2", "&s->seqcount"),
            ("&sb->s_type->i_mutex_key#3/1", "&sb->s_type->i_mutex_key"),
            ("&p->lock/1", "&p->lock"),
            ("rename_lock", "rename_lock"),
            ("&dev->a*b", "&dev->a*b"),
        ] {
            let lock = Lock {
                class: class.to_owned(),
                ..Lock::default()
            };
            assert_eq!(lock.base(), base);
        }
    }
}
