//! Processors of a lockup → which of them spin on an odd sequence, and who is inside the write section.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    known::{self, Side},
    report::{Cpu, Frame, Report},
};

/// A reader that waits for a sequence to become even.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Spin {
    /// Its processor.
    pub cpu: Option<u32>,
    /// Its task.
    pub task: Option<String>,
    /// Where it spins: `path_init+0x2b2`.
    pub place: String,
    /// What it reads: one name, or several that are not told apart.
    pub seqcounts: Vec<String>,
    /// The odd sequence and the register that has it.
    pub sequence: Option<(String, u64)>,
    /// Whether the bytes at the instruction are those of a pause.
    pub pauses: bool,
    /// What says that this is a place where readers wait.
    pub site: SiteCheck,
    /// The line of the log that shows where it is.
    pub line: u64,
    /// Who is inside the write section.
    pub writer: Option<Writer>,
}

/// What is known of a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteCheck {
    /// The kernel's image was given and has a spin site there.
    Confirmed,
    /// The image was given and has no such site.
    Refuted,
    /// No image was given, or it is of another kernel.
    NotChecked,
}

/// A processor that is inside a write section.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Writer {
    /// Its number.
    pub cpu: Option<u32>,
    /// Its task.
    pub task: Option<String>,
    /// The function that writes.
    pub function: String,
    /// Whether all of the function lies in the write section; if not, it may be before or behind.
    pub inside: bool,
    /// Whether an interrupt or an exception came in the function.
    pub interrupted: bool,
    /// The line of the log.
    pub line: u64,
}

/// A spin site of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    /// The seqcount, as seqtrace calls it.
    pub seqcount: String,
    /// The register that has the odd value, if one does: `RAX`.
    pub register: Option<String>,
}

/// What may know the spin sites of the kernel of a report.
pub trait Sites {
    /// The spin site at an address or right before it, `None` if there is none.
    fn spin_at(&self, function: &str, offset: u64) -> Option<Site>;
}

/// How far before the instruction the `pause` of a loop may be: bytes on x86, words on arm64.
const PAUSE_BYTES: usize = 24;
const PAUSE_WORDS: usize = 6;

/// Functions through which interrupts and exceptions come in.
const ENTRIES: [&str; 14] = [
    "asm_sysvec_",
    "asm_common_interrupt",
    "asm_exc_",
    "apic_timer_interrupt",
    "common_interrupt",
    "el1h_64_irq",
    "el1_irq",
    "__irq_svc",
    "hardware_interrupt_common",
    "decrementer_common",
    "do_ext_irq",
    "ext_int_handler",
    "call_on_irq_stack",
    "handle_exception",
];

/// The readers that spin.
pub(super) fn spins(report: &Report, sites: Option<&dyn Sites>) -> Vec<Spin> {
    let spinning: Vec<(&Cpu, Spin)> = report
        .cpus
        .iter()
        .filter_map(|cpu| Some((cpu, spin(cpu, sites)?)))
        .collect();
    let common = common_sequence(&spinning);
    let mut spins: Vec<Spin> = spinning.into_iter().map(|(_, spin)| spin).collect();
    if let Some(registers) = common {
        for (spin, register) in spins.iter_mut().zip(registers) {
            spin.sequence.get_or_insert(register);
        }
    }
    for spin in &mut spins {
        let others = report.cpus.iter().filter(|cpu| cpu.number != spin.cpu);
        let mut writers = others.filter_map(|cpu| writer(cpu, &spin.seqcounts));
        if let Some((name, writer)) = writers.next() {
            spin.writer = Some(writer);
            if spin.site != SiteCheck::Confirmed {
                spin.seqcounts = vec![name];
            }
        }
    }
    spins
}

fn spin(cpu: &Cpu, sites: Option<&dyn Sites>) -> Option<Spin> {
    let place = cpu.place.as_ref()?;
    let pauses = pauses(cpu);
    let readers = known::by_function(&place.function, Side::Reader);
    let site = sites.and_then(|sites| sites.spin_at(&place.function, place.offset?));
    let (seqcounts, check) = match (&site, sites) {
        (Some(site), _) => (vec![site.seqcount.clone()], SiteCheck::Confirmed),
        (None, Some(_)) => (owned(&readers), SiteCheck::Refuted),
        (None, None) => (owned(&readers), SiteCheck::NotChecked),
    };
    let is_spin = match check {
        SiteCheck::Confirmed => true,
        SiteCheck::Refuted => false,
        SiteCheck::NotChecked => pauses && !seqcounts.is_empty(),
    };
    is_spin.then(|| Spin {
        cpu: cpu.number,
        task: cpu.task.clone(),
        place: place.place(),
        seqcounts,
        sequence: sequence(cpu, site.and_then(|site| site.register)),
        pauses,
        site: check,
        line: place.line,
        writer: None,
    })
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Whether the instruction, or one shortly before it, is `pause` (x86) or `yield` (arm64): the loop is
/// short.
fn pauses(cpu: &Cpu) -> bool {
    let Some(code) = &cpu.code else { return false };
    let near = |units: usize| code.at.saturating_sub(units)..(code.at + 2).min(code.units.len());
    let is_pause = |pair: &[String]| pair[0] == "f3" && pair[1] == "90";
    code.units[near(PAUSE_BYTES)].windows(2).any(is_pause)
        || code.units[near(PAUSE_WORDS)]
            .iter()
            .any(|unit| unit == "d503203f")
}

/// The odd value, in the register that the site names, or in the only one that can have it.
fn sequence(cpu: &Cpu, register: Option<String>) -> Option<(String, u64)> {
    if let Some(name) = register {
        let found = cpu
            .registers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name));
        return found.filter(|(_, value)| value & 1 == 1).cloned();
    }
    match odd_registers(cpu).as_slice() {
        [only] => Some((*only).clone()),
        _ => None,
    }
}

/// Registers that may hold a sequence which a reader found odd.
fn odd_registers(cpu: &Cpu) -> Vec<&(String, u64)> {
    let may_be = |value: u64| value & 1 == 1 && value > 1 && u32::try_from(value).is_ok();
    let registers = cpu.registers.iter();
    registers
        .filter(|(name, value)| is_general(name) && may_be(*value))
        .collect()
}

/// The register of each spinning reader that holds a value which all of them hold, if there is only one
/// such value and more than one reader: the sequence is the same for all.
fn common_sequence(spinning: &[(&Cpu, Spin)]) -> Option<Vec<(String, u64)>> {
    let odd: Vec<Vec<&(String, u64)>> =
        spinning.iter().map(|(cpu, _)| odd_registers(cpu)).collect();
    let (first, others) = odd.split_first()?;
    let has = |odd: &Vec<&(String, u64)>, value| odd.iter().any(|(_, other)| *other == value);
    let values: BTreeSet<u64> = first.iter().map(|(_, value)| *value).collect();
    let mut common = values
        .into_iter()
        .filter(|value| others.iter().all(|odd| has(odd, *value)));
    let value = common.next()?;
    if others.is_empty() || common.next().is_some() {
        return None;
    }
    let register = |odd: &Vec<&(String, u64)>| {
        let found = odd.iter().find(|(_, other)| *other == value)?;
        Some((*found).clone())
    };
    odd.iter().map(register).collect()
}

/// Whether a register may hold what a program computes.
fn is_general(name: &str) -> bool {
    let special = [
        "CR", "DR", "EFLAGS", "ORIG", "CS", "GS", "FS", "RSP", "ESP", "PKRU", "pstate", "psr",
        "sp", "CFAR", "MSR", "LR", "CTR", "DAR",
    ];
    !special.iter().any(|word| name.starts_with(word))
}

fn writer(cpu: &Cpu, seqcounts: &[String]) -> Option<(String, Writer)> {
    let frames = cpu.place.iter().chain(&cpu.frames);
    let frames: Vec<&Frame> = frames.filter(|frame| !frame.unreliable).collect();
    let calls = frames
        .iter()
        .enumerate()
        .flat_map(|(at, frame)| frame.calls().map(move |call| (at, call)));
    for (at, call) in calls {
        let written = known::by_function(call.function, Side::Writer);
        let Some(name) = written
            .iter()
            .find(|name| seqcounts.iter().any(|known| known == *name))
        else {
            continue;
        };
        let is_entry = |frame: &&Frame| {
            ENTRIES
                .iter()
                .any(|entry| frame.function.starts_with(entry))
        };
        let writer = Writer {
            cpu: cpu.number,
            task: cpu.task.clone(),
            function: call.function.to_owned(),
            inside: known::is_inside(call.function),
            interrupted: frames[..at].iter().any(is_entry),
            line: call.line,
        };
        return Some(((*name).to_owned(), writer));
    }
    None
}
