//! The section headers of a module's file → an address for each section that is loaded.
//!
//! As the kernel's loader does it (`layout_sections` in `kernel/module/main.c`): executable
//! sections first, then read-only ones, then data, each group in the order of the headers. What
//! lies before the first symbol of data in the file makes no difference, so a stripped module
//! and its debug file get the same addresses, and offsets from the start of the text are those
//! of the loaded module.

use anyhow::{Context as _, Result};
use object::{Object, ObjectSection, SectionFlags, SectionIndex, elf};
use rustc_hash::FxHashMap;

/// Where the text of a module goes: the first address that the kernel uses for modules
/// (`MODULES_VADDR`, `Documentation/arch/x86/x86_64/mm.rst`).
pub const BASE: u64 = 0xffff_ffff_c000_0000;

/// Where per-CPU variables of a module go. The kernel gives them a place behind its own, which
/// are offsets below this.
const PER_CPU_BASE: u64 = 0x100_0000;

/// The kernel has 1 GiB for all modules together; one that says it is larger than this is damaged.
const LARGEST_MODULE_BYTES: u64 = 256 << 20;

/// Every group starts on a page of its own (`CONFIG_STRICT_MODULE_RWX`).
const PAGE_BYTES: u64 = 4096;

const PER_CPU: &str = ".data..percpu";
/// Their `SHF_ALLOC` is taken away before the layout (`rewrite_section_headers`), or they have it
/// in some builds only.
const NOT_KEPT: [&str; 6] = [
    ".modinfo",
    "__versions",
    "__version_ext_crcs",
    "__version_ext_names",
    ".BTF",
    ".BTF.base",
];
/// What the kernel writes to while it loads the module and not thereafter.
const READ_ONLY_AFTER_INIT: [&str; 2] = ["__jump_table", ".data..ro_after_init"];

/// Groups of sections, in the order of their addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Group {
    Text,
    ReadOnly,
    ReadOnlyAfterInit,
    Data,
    /// Text and data that the kernel drops when the module is initialised.
    Init,
}

impl Group {
    const ALL: [Self; 5] = [
        Self::Text,
        Self::ReadOnly,
        Self::ReadOnlyAfterInit,
        Self::Data,
        Self::Init,
    ];
}

/// Addresses of the sections of one file.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    addresses: FxHashMap<SectionIndex, u64>,
    /// Executable sections that stay, by address.
    text: Vec<SectionIndex>,
    init: Vec<SectionIndex>,
}

impl Layout {
    /// The address of a section; `None` for one that is not loaded.
    pub fn address(&self, section: SectionIndex) -> Option<u64> {
        self.addresses.get(&section).copied()
    }

    /// The executable sections that stay in memory, by address.
    pub fn text(&self) -> &[SectionIndex] {
        &self.text
    }

    /// Whether the section is gone once the module is initialised.
    pub fn is_init(&self, section: SectionIndex) -> bool {
        self.init.contains(&section)
    }
}

/// Lays out the sections of a relocatable file.
///
/// # Errors
///
/// When they are larger than any module.
pub fn layout<'data>(file: &impl Object<'data>) -> Result<Layout> {
    let mut layout = Layout::default();
    let mut next = BASE;
    let mut next_per_cpu = PER_CPU_BASE;
    for group in Group::ALL {
        next = next.next_multiple_of(PAGE_BYTES);
        for section in file.sections() {
            let (index, name) = (section.index(), section.name().unwrap_or_default());
            if group_of(&section, name) != Some(group) {
                continue;
            }
            let place = if name == PER_CPU {
                &mut next_per_cpu
            } else {
                &mut next
            };
            let address = take(place, section.align(), section.size());
            let address = address.with_context(|| {
                format!("section `{name}` is larger than any module: the file is damaged")
            })?;
            layout.addresses.insert(index, address);
            match group {
                Group::Text => layout.text.push(index),
                Group::Init => layout.init.push(index),
                Group::ReadOnly | Group::ReadOnlyAfterInit | Group::Data => {}
            }
        }
    }
    Ok(layout)
}

/// Takes `size` bytes from `next` on; `None` when no module is that large.
fn take(next: &mut u64, align: u64, size: u64) -> Option<u64> {
    let limit = if *next < BASE { PER_CPU_BASE } else { BASE } + LARGEST_MODULE_BYTES;
    let start = next.checked_next_multiple_of(align.max(1))?;
    let end = start.checked_add(size).filter(|&end| end <= limit)?;
    *next = end;
    Some(start)
}

fn group_of<'data>(section: &impl ObjectSection<'data>, name: &str) -> Option<Group> {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
        return None;
    };
    let has = |flag| sh_flags.contains(flag);
    if !has(elf::SHF_ALLOC) || NOT_KEPT.contains(&name) {
        return None;
    }
    // `module_init_section` (`kernel/module/main.c`).
    Some(if name.starts_with(".init") {
        Group::Init
    } else if has(elf::SHF_EXECINSTR) {
        Group::Text
    } else if READ_ONLY_AFTER_INIT.contains(&name) {
        Group::ReadOnlyAfterInit
    } else if has(elf::SHF_WRITE) {
        Group::Data
    } else {
        Group::ReadOnly
    })
}
