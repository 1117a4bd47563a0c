//! What processors do: soft and hard lockups (`kernel/watchdog.c`), stalls of RCU
//! (`kernel/rcu/tree_stall.h`), NMI backtraces (`lib/nmi_backtrace.c`).

use std::collections::BTreeMap;

use super::{
    super::{
        clean::Line,
        report::{Cpu, Frame, Quote, Report},
    },
    frame::{self, Entry},
    registers,
    stack::{self, Collector},
    task,
};

/// What stands before the function that a processor executes.
const PLACES: [&str; 8] = [
    "RIP: ",
    "EIP: ",
    "pc : ",
    "PC is at ",
    "NIP [",
    "NIP: ",
    "epc : ",
    "Krnl PSW : ",
];

/// Reads the lines of one or several such reports, the story of one incident.
pub(super) fn read(lines: &[Line], report: &mut Report) {
    report.complaint = lines.first().map(|first| Quote {
        line: first.number,
        text: first.text.clone(),
    });
    let mut reader = Reader {
        report,
        collector: Collector::default(),
        in_trace: false,
    };
    for line in lines {
        reader.line(&line.text, line.number);
    }
    report.cpus.retain(Cpu::is_seen);
    join_same(&mut report.cpus);
    if report.cpus.is_empty() {
        report.missing.push("what the processors do".to_owned());
    }
}

struct Reader<'a> {
    report: &'a mut Report,
    collector: Collector,
    in_trace: bool,
}

impl Reader<'_> {
    fn line(&mut self, text: &str, number: u64) {
        if let Some(cpu) = begin(text, number) {
            self.report.cpus.push(cpu);
            self.in_trace = false;
            return;
        }
        if text.starts_with("CPU: ") {
            self.cpu_line(text, number);
            return;
        }
        let Some(cpu) = self.report.cpus.last_mut() else {
            return;
        };
        if text.starts_with("Call Trace")
            || text.starts_with("Call trace")
            || text.starts_with("Backtrace")
        {
            self.in_trace = true;
            return;
        }
        if self.in_trace && self.collector.add(text, number, &mut cpu.frames) {
            return;
        }
        if !self.in_trace && cpu.code.is_none() && note_about(&mut cpu.place, text, number) {
            return;
        }
        if let Some(place) = place(text, number) {
            // The registers of user space follow those of the kernel.
            cpu.place.get_or_insert(place);
        }
        if let Some(code) = registers::code(text, number) {
            cpu.code.get_or_insert(code);
        } else if !self.in_trace {
            cpu.registers.extend(registers::registers(text));
        }
        // Registers in the middle of a stack are those of who was interrupted; those of user space
        // come last.
        if text.starts_with("RIP: 0033:") {
            self.in_trace = true;
        }
    }

    /// `CPU: 3 PID: 913 Comm: udevd Not tainted 5.10.0 #1`: of the processor that was named, or of one
    /// that nobody named.
    fn cpu_line(&mut self, text: &str, number: u64) {
        self.report.find_release(text, number);
        let (seen, task) = (task::cpu_of(text), task::task_of(text));
        match self.report.cpus.last_mut() {
            Some(cpu) if cpu.number.is_none() || cpu.number == seen => {
                cpu.number = cpu.number.or(seen);
                cpu.task = task.or(cpu.task.take());
            }
            Some(_) | None => self.report.cpus.push(Cpu {
                number: seen,
                task,
                line: number,
                ..Cpu::default()
            }),
        }
        self.in_trace = false;
    }
}

/// A line after which another processor is shown.
fn begin(text: &str, line: u64) -> Option<Cpu> {
    let number_after = |words: &str| -> Option<u32> {
        let (_, rest) = text.split_once(words)?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end].parse().ok()
    };
    if text.contains("soft lockup - CPU#") {
        let stuck = text
            .split_once(" stuck for ")
            .and_then(|(_, rest)| rest.split_once('s'));
        let task = text
            .rsplit_once('[')
            .and_then(|(_, rest)| rest.strip_suffix(']'));
        let task = task.and_then(|task| task.rsplit_once(':'));
        return Some(Cpu {
            number: number_after("soft lockup - CPU#"),
            stuck_s: stuck.and_then(|(seconds, _)| seconds.parse().ok()),
            task: task.map(|(name, pid)| format!("{name}/{pid}")),
            line,
            ..Cpu::default()
        });
    }
    let words = [
        "NMI backtrace for cpu ",
        "Task dump for CPU ",
        "hard LOCKUP on cpu ",
        "watchdog: CPU ",
    ];
    let number = words.into_iter().find_map(number_after)?;
    (!text.contains("skipped")).then(|| Cpu {
        number: Some(number),
        line,
        ..Cpu::default()
    })
}

fn place(text: &str, line: u64) -> Option<Frame> {
    let rest = PLACES.iter().find_map(|word| text.strip_prefix(word))?;
    let word = rest
        .split([' ', ':', '(', ')'])
        .find(|word| word.contains("+0x"))?;
    frame::frame(word, line)
}

/// Adds what a decoder put under the line with the instruction.
fn note_about(place: &mut Option<Frame>, text: &str, line: u64) -> bool {
    match (place, frame::entry(text, line)) {
        (Some(place), Some(Entry::Below(inlined))) => {
            stack::below(place, inlined);
            true
        }
        _ => false,
    }
}

impl Cpu {
    /// Whether anything is known about it.
    fn is_seen(&self) -> bool {
        self.place.is_some() || !self.frames.is_empty()
    }
}

/// A processor that was shown twice is kept as it was seen first with its instruction: the incident is the
/// same.
fn join_same(cpus: &mut Vec<Cpu>) {
    let mut kept: Vec<Cpu> = Vec::new();
    let mut by_number: BTreeMap<u32, usize> = BTreeMap::new();
    for cpu in cpus.drain(..) {
        let known = cpu.number.and_then(|number| by_number.get(&number));
        match known.and_then(|&at| kept.get_mut(at)) {
            Some(known) if known.place.is_none() && cpu.place.is_some() => *known = cpu,
            Some(_) => {}
            None => {
                by_number.extend(cpu.number.map(|number| (number, kept.len())));
                kept.push(cpu);
            }
        }
    }
    *cpus = kept;
}
