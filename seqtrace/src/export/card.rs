//! A function's instructions with their roles → a card as a kernel engineer would draw it.

use crate::{
    discover::{
        card::{Card, Code, Line, Mark, Place},
        catalog::{CheckClass, Frame, Odd, Role, StartValue, Write},
    },
    export::sites::list,
};

/// The text of instructions is this wide at most before what is told about them moves right.
const WIDEST_TEXT: usize = 44;

/// The registers in the order of the instruction encoding, as 64 and as 32 bits.
const REGISTERS: [(&str, &str); 16] = [
    ("rax", "eax"),
    ("rcx", "ecx"),
    ("rdx", "edx"),
    ("rbx", "ebx"),
    ("rsp", "esp"),
    ("rbp", "ebp"),
    ("rsi", "esi"),
    ("rdi", "edi"),
    ("r8", "r8d"),
    ("r9", "r9d"),
    ("r10", "r10d"),
    ("r11", "r11d"),
    ("r12", "r12d"),
    ("r13", "r13d"),
    ("r14", "r14d"),
    ("r15", "r15d"),
];

/// The card as text, ending with a newline.
pub fn text(card: &Card) -> String {
    let Card {
        image,
        function,
        image_offset: _,
        lines,
    } = card;
    let mut text = match image.as_str() {
        "vmlinux" => format!("{function}\n"),
        module => format!("{function} [{module}]\n"),
    };
    let width = text_width(lines);
    let mut chain: &[Frame] = &[];
    for line in lines {
        match line {
            Line::Part(name) => text = text + name + "\n",
            Line::Gap => text += "        ...\n",
            Line::Code(code) => {
                if !code.chain.is_empty() && code.chain != chain {
                    chain = &code.chain;
                    text = text + "; " + &list::chain(chain) + "\n";
                }
                text += &code_line(code, width);
            }
        }
    }
    text
}

fn text_width(lines: &[Line]) -> usize {
    let widths = lines.iter().filter_map(|line| match line {
        Line::Code(code) if !code.marks.is_empty() => Some(code.text.chars().count()),
        Line::Code(_) | Line::Part(_) | Line::Gap => None,
    });
    widths.max().unwrap_or(0).min(WIDEST_TEXT)
}

fn code_line(code: &Code, width: usize) -> String {
    let arrow = if code.asked_for { "=>" } else { "  " };
    let marks: Vec<String> = code.marks.iter().map(words).collect();
    let line = format!(
        "{arrow}+{:#06x}  {:width$}  {}",
        code.offset,
        code.text,
        marks.join("; ")
    );
    line.trim_end().to_owned() + "\n"
}

fn words(mark: &Mark) -> String {
    match mark {
        Mark::Load { seqcount, odd } => format!("begin: load of {seqcount}{}", odd_clause(*odd)),
        Mark::Reload { seqcount } => format!("load of {seqcount} again"),
        Mark::Test => "odd?".to_owned(),
        Mark::Mask => "odd becomes even".to_owned(),
        Mark::Branch { odd_to, waits_by } => {
            let by = waits_by.map_or(String::new(), |role| format!(" ({})", role.word()));
            format!("odd: to {}{by}", place(odd_to))
        }
        Mark::Cold { role, seqcount } => cold(*role, seqcount),
        Mark::BlockEnd => "the block ends".to_owned(),
        Mark::Recheck { seqcount } => format!("check: load of {seqcount}"),
        Mark::Compare { start } => format!("compare with the start value{}", start_clause(*start)),
        Mark::Decide { class, failed_to } => decide(*class, failed_to.as_ref()),
        Mark::Write { seqcount, write } => format!("write: {}", write_words(*write, seqcount)),
    }
}

fn odd_clause(odd: Odd) -> &'static str {
    match odd {
        Odd::Waits => "",
        Odd::Masks => ", does not wait",
        Odd::Selects => ", selects the copy to read",
        Odd::PassesOn => ", passed on",
    }
}

fn cold(role: Role, seqcount: &str) -> String {
    let what = match role {
        Role::Block => "takes the writer's lock, drops it",
        Role::Spin => "while odd",
        Role::Retry => "the check has failed",
        Role::Fallback => "the check has failed, the lock is taken",
    };
    format!("*** COLD {}: {what} ({seqcount})", role.word())
}

fn start_clause(start: StartValue) -> String {
    let names = |register: u8| REGISTERS.get(usize::from(register)).copied();
    match start {
        StartValue::Register(register) => {
            names(register).map_or(String::new(), |(_, name)| format!(" in %{name}"))
        }
        StartValue::Memory { base, displacement } => {
            let sign = if displacement < 0 { "-" } else { "" };
            let (name, _) = names(base).unwrap_or_default();
            format!(" at {sign}{:#x}(%{name})", displacement.unsigned_abs())
        }
        StartValue::Unknown => String::new(),
    }
}

fn decide(class: CheckClass, failed_to: Option<&Place>) -> String {
    let why = match class {
        CheckClass::RetryOnly => "retry-only",
        CheckClass::BeginHead => "begin head",
        CheckClass::Shared => "shared block",
        CheckClass::Value => return "*** retry? as a value".to_owned(),
    };
    match failed_to {
        Some(to) => format!("*** retry: to {}, {why}", place(to)),
        None => format!("*** retry: {why}"),
    }
}

fn write_words(write: Write, seqcount: &str) -> String {
    match write {
        Write::Begin => format!("begin, {seqcount} becomes odd"),
        Write::End => format!("end, {seqcount} becomes even"),
        Write::Latch => format!("{seqcount}, readers go to the other copy"),
        Write::Invalidate => format!("{seqcount} by two, readers retry"),
        Write::Unknown => format!("{seqcount}, begin or end"),
    }
}

fn place(place: &Place) -> String {
    let Place { part, offset } = place;
    format!("{}+{offset:#x}", part.as_deref().unwrap_or(""))
}
