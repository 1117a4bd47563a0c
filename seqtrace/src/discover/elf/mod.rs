//! The bytes of an ELF file of a kernel or a module → an image.
//!
//! Whatever a file says of itself is checked against its bytes; what does not fit is an error and
//! never more memory than the file has. Nothing else but a 64-bit x86 kernel is taken.

pub mod header;
mod imports;
mod kallsyms;
pub mod layout;
mod memory;
pub mod modinfo;
mod module;
mod order;
mod relocate;
mod vmlinux;

use object::{
    LittleEndian, Object as _, ObjectSection as _, SectionFlags, elf as format,
    read::elf::{ElfFile64, ElfSection64},
};

pub use self::{
    header::{Form, form},
    layout::{Layout, layout},
    module::module,
    vmlinux::vmlinux,
};
use super::image::Image;

/// Section with the types of a kernel or a module.
const BTF: &str = ".BTF";
const BUILD_ID: &str = ".note.gnu.build-id";
const JUMP_TABLE: &str = "__jump_table";
const BUG_TABLE: &str = "__bug_table";
const EXCEPTION_TABLE: &str = "__ex_table";

/// An ELF file with the byte order of x86.
type File<'data> = ElfFile64<'data, LittleEndian>;

/// What is in the file of a kernel or a module.
#[derive(Debug)]
pub struct Kernel {
    /// Its text, symbols and tables.
    pub image: Image,
    /// The bytes of its types; `None` when it was built without.
    pub btf: Option<Vec<u8>>,
}

/// The bytes of a section; none where there is no such section, or its bytes are not in the file.
fn contents<'data>(file: &File<'data>, name: &str) -> &'data [u8] {
    let section = file.section_by_name(name);
    section
        .and_then(|section| section.data().ok())
        .unwrap_or_default()
}

/// Whether a section holds functions. What can also be written to (`.data` of some kernels can be
/// executed while they boot) holds variables.
fn is_code(section: &ElfSection64<'_, '_, LittleEndian>) -> bool {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
        return false;
    };
    sh_flags.contains(format::SHF_EXECINSTR) && !sh_flags.contains(format::SHF_WRITE)
}
