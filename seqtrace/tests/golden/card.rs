//! What `seqtrace sites --disassemble` prints of a card that has one of everything.

use seqtrace::{
    discover::{
        card::{Card, Code, Line, Mark, Place},
        catalog::{CheckClass, Frame, Odd, Role, Source, StartValue, Write},
    },
    export::card,
};

use crate::golden;

fn code(offset: u64, text: &str, marks: Vec<Mark>) -> Line {
    Line::Code(Code {
        offset,
        text: text.to_owned(),
        marks,
        asked_for: false,
        chain: Vec::new(),
    })
}

fn name() -> String {
    "rename_lock".to_owned()
}

fn here(offset: u64) -> Place {
    Place { part: None, offset }
}

fn cold(role: Role) -> Mark {
    Mark::Cold {
        role,
        seqcount: name(),
    }
}

fn begin() -> Vec<Line> {
    let source = |file: &str, line| {
        Some(Source {
            file: file.to_owned(),
            line,
        })
    };
    let chain = [
        ("d_lookup", source("fs/dcache.c", 2269)),
        ("read_seqbegin", source("include/linux/seqlock.h", 837)),
    ];
    let chain = chain.map(|(function, source)| Frame {
        function: function.to_owned(),
        source,
    });
    let load = Mark::Load {
        seqcount: name(),
        odd: Odd::Waits,
    };
    let branch = Mark::Branch {
        odd_to: Place {
            part: Some("d_lookup.cold".to_owned()),
            offset: 0x4,
        },
        waits_by: Some(Role::Block),
    };
    vec![
        Line::Gap,
        Line::Code(Code {
            offset: 0x13,
            text: "mov    <rename_lock>,%r12d".to_owned(),
            marks: vec![load],
            asked_for: true,
            chain: chain.into(),
        }),
        code(0x1a, "test   $0x1,%r12b", vec![Mark::Test]),
        code(0x1e, "jne    <d_lookup.cold+0x4>", vec![branch]),
    ]
}

fn check() -> Vec<Line> {
    let recheck = Mark::Recheck { seqcount: name() };
    let compare = |start| vec![Mark::Compare { start }];
    let decide = |class, failed_to| vec![Mark::Decide { class, failed_to }];
    let below = StartValue::Memory {
        base: 4,
        displacement: -8,
    };
    vec![
        Line::Gap,
        code(0x30, "mov    <rename_lock>,%edx", vec![recheck]),
        code(0x36, "cmp    %r12d,%edx", compare(StartValue::Register(12))),
        code(
            0x39,
            "jne    <d_lookup+0x13>",
            decide(CheckClass::BeginHead, Some(here(0x13))),
        ),
        code(0x44, "cmp    %eax,-0x8(%rsp)", compare(below)),
        code(0x48, "sete   %al", decide(CheckClass::Value, None)),
        code(0x4b, "add    $0x1,<rename_lock>", vec![write(Write::Begin)]),
        code(0x52, "add    $0x1,<rename_lock>", vec![write(Write::End)]),
    ]
}

fn write(write: Write) -> Mark {
    Mark::Write {
        seqcount: name(),
        write,
    }
}

fn cold_part() -> Vec<Line> {
    let reload = Mark::Reload { seqcount: name() };
    vec![
        Line::Part("d_lookup.cold".to_owned()),
        code(0x4, "mov    <rename_lock+0x8>,%rdi", Vec::new()),
        code(0xb, "call   <rt_spin_lock>", vec![cold(Role::Block)]),
        code(
            0x1c,
            "mov    <rename_lock>,%r12d",
            vec![reload, Mark::BlockEnd],
        ),
        code(0x23, "and    $0xfffffffe,%r12d", vec![Mark::Mask]),
        code(0x29, "pause", vec![cold(Role::Spin)]),
        code(0x2b, "inc    %eax", vec![cold(Role::Retry)]),
        code(
            0x2d,
            "lea    <rename_lock+0x10>,%rdi",
            vec![cold(Role::Fallback)],
        ),
        Line::Gap,
    ]
}

#[test]
fn cards() {
    let card = Card {
        image: "vmlinux".to_owned(),
        function: "d_lookup".to_owned(),
        image_offset: 0x1000,
        lines: [begin(), check(), cold_part()].concat(),
    };
    let module = Card {
        image: "nf_conntrack".to_owned(),
        lines: begin(),
        ..card.clone()
    };
    golden(
        "card.txt",
        &(card::text(&card) + "\n" + &card::text(&module)),
    );
}
