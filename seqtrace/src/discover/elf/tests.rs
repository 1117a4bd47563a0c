//! Modules that the machine's own compiler makes, and damage to them.

use std::sync::Arc;

use object::{LittleEndian, Object as _, ObjectSection as _, read::elf::ElfFile64};

use super::{Kernel, Layout, layout, module, vmlinux};
use crate::discover::symbols::{Symbol, SymbolKind, Symbols};

const SOURCE: &str = r#"
extern int imported_variable;
extern void imported(int *);
__attribute__((section(".init.text"))) void at_start(void) { imported(0); }
__attribute__((section(".text.unlikely"))) void rarely(void) { imported(&imported_variable); }
int variable = 1;
void often(void) { imported(&variable); }
__attribute__((section(".modinfo"), used)) static const char info[] =
    "name=of_test\0vermagic=6.12-rt SMP preempt_rt ";
"#;

/// The source as a module, compiled with flags beside the kernel's.
fn object(flags: &[&str]) -> Vec<u8> {
    let flags: Vec<&str> = [&["-ffunction-sections"], flags].concat();
    fixture::object(SOURCE, &flags).expect("these tests need a C compiler called `cc`")
}

fn opened(bytes: &[u8], vmlinux: Option<Symbols>) -> Kernel {
    module(bytes, vmlinux.map(Arc::new)).expect("a module")
}

/// The address that the call in a function goes to.
fn callee(kernel: &Kernel, function: &str) -> u64 {
    let image = &kernel.image;
    let start = image.symbols.address_of(function).expect("its symbol");
    let text = image.segment_of(start).expect("in text");
    let code = text.slice(start, text.end()).expect("in the segment");
    let at = code.iter().position(|byte| matches!(byte, 0xe8 | 0xe9));
    let at = at.expect("a call or a jump");
    let distance = i32::from_le_bytes(*code[at + 1..].first_chunk().expect("its operand"));
    (start + at as u64 + 5).wrapping_add_signed(distance.into())
}

#[test]
fn a_module_tells_what_it_is() {
    let Kernel { image, release, .. } = opened(&object(&[]), None);
    assert_eq!(image.name, "of_test");
    assert_eq!(release.as_deref(), Some("6.12-rt"));
    assert!(image.realtime);
}

#[test]
fn calls_go_to_vmlinux_or_to_an_address_with_the_name() {
    let alone = opened(&object(&[]), None);
    assert_eq!(
        alone.image.name_at(callee(&alone, "often")),
        Some("imported")
    );
    let address = 0xffff_ffff_8123_4560;
    let known = Symbol {
        address,
        name: "imported",
        kind: SymbolKind::Text,
    };
    let on_top = opened(&object(&[]), Some(Symbols::new([known])));
    assert_eq!(callee(&on_top, "often"), address);
    assert_eq!(callee(&on_top, "rarely"), address);
    assert!(on_top.image.resolve("imported_variable").is_some());
}

#[test]
fn init_text_is_left_out() {
    let Kernel { image, .. } = opened(&object(&[]), None);
    assert_eq!(image.symbols.address_of("at_start"), None);
    assert!(image.symbols.address_of("often").is_some());
    assert!(
        image
            .segment_of(image.symbols.address_of("variable").expect("data"))
            .is_none()
    );
}

#[test]
fn a_module_and_its_debug_file_are_laid_out_alike() {
    let addresses = |bytes: &[u8]| -> Vec<(String, u64)> {
        let file = ElfFile64::<LittleEndian>::parse(bytes).expect("an object file");
        let layout: Layout = layout(&file).expect("small");
        let sections = file.sections().filter_map(|section| {
            let address = layout.address(section.index())?;
            Some((section.name().expect("a name").to_owned(), address))
        });
        sections.collect()
    };
    let plain = addresses(&object(&[]));
    assert!(
        plain.iter().any(|(name, _)| name == ".text.often"),
        "{plain:?}"
    );
    assert_eq!(addresses(&object(&["-g"])), plain);
}

#[test]
fn files_cut_off_anywhere_never_panic() {
    let whole = object(&["-g"]);
    for length in (0..whole.len()).step_by(13) {
        let cut = &whole[..length];
        assert!(module(cut, None).is_err(), "{length} of {}", whole.len());
        assert!(vmlinux(cut).is_err());
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let whole = object(&[]);
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let _ = module(&damaged, None);
            // As a linked file too.
            damaged[16] = 2;
            let _ = vmlinux(&damaged);
        }
    }
}

#[test]
fn a_section_that_says_it_is_huge_is_refused() {
    let mut damaged = object(&[]);
    let word = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(*bytes[at..].first_chunk().expect("whole")) as usize
    };
    let (table, name) = (word(&damaged, 40), ".bss");
    let file = ElfFile64::<LittleEndian>::parse(&*damaged).expect("an object file");
    let index = file.section_by_name(name).expect("always there").index();
    let size = table + index.0 * 64 + 32;
    damaged[size..size + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let error = module(&damaged, None).expect_err("damaged").to_string();
    assert!(
        error.contains("`.bss` is larger than any module"),
        "{error}"
    );
}
