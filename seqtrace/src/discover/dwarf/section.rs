//! The bytes of an ELF file → its debug sections, decompressed and relocated.

use std::{borrow::Cow, ops::Range};

use anyhow::{Context as _, Result, bail, ensure};
use gimli::SectionId;
use object::{
    CompressionFormat, Endianness, Object as _, ObjectKind, ObjectSection as _, elf,
    read::elf::ElfFile64,
};

use super::{
    super::{
        elf::layout::{Layout, layout},
        note,
    },
    relocation,
};

/// No section grows by more than this when it is decompressed: deflate cannot do better, and zstd
/// does not on debuginfo.
const LARGEST_GROWTH: u64 = 1100;

/// Sections that are asked for but make no difference to inlined functions.
const UNUSED: [SectionId; 6] = [
    SectionId::DebugAranges,
    SectionId::DebugMacinfo,
    SectionId::DebugMacro,
    SectionId::DebugNames,
    SectionId::DebugTypes,
    SectionId::DebugCuIndex,
];

/// The file another one keeps some of its debuginfo in (`dwz -m`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Supplement {
    /// Where it is; relative to the folder of the file that refers to it, unless absolute.
    pub path: String,
    /// Its build id in hexadecimal.
    pub build_id: String,
}

/// An ELF file whose debug sections can be asked for.
pub(super) struct DebugFile<'data> {
    /// The file.
    pub(super) elf: ElfFile64<'data, Endianness>,
    /// Where sections lie, if the file is relocatable.
    layout: Option<Layout>,
}

impl<'data> DebugFile<'data> {
    pub(super) fn parse(bytes: &'data [u8]) -> Result<Self> {
        let elf = ElfFile64::<Endianness>::parse(bytes).context("it is no 64-bit ELF file")?;
        ensure!(
            elf.endian() == Endianness::Little,
            "it is an ELF file of a big-endian machine"
        );
        let layout = (elf.kind() == ObjectKind::Relocatable)
            .then(|| layout(&elf))
            .transpose()?;
        Ok(Self { elf, layout })
    }

    /// Build id in hexadecimal; empty where there is none.
    pub(super) fn build_id(&self) -> String {
        let id = self.elf.build_id().ok().flatten().unwrap_or_default();
        note::hexadecimal(id)
    }

    /// The address of a section; `None` for one that is not loaded.
    pub(super) fn address_of(&self, index: object::SectionIndex) -> Option<u64> {
        match &self.layout {
            Some(layout) => layout.address(index),
            None => Some(self.elf.section_by_index(index).ok()?.address()),
        }
    }

    /// Where executable sections lie whose text is dropped after boot or loading, and never runs
    /// again.
    pub(super) fn init_text(&self) -> Vec<Range<u64>> {
        let sections = self.elf.sections().filter(|section| {
            let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                return false;
            };
            let name = section.name().unwrap_or_default();
            sh_flags.contains(elf::SHF_EXECINSTR)
                && (name.starts_with(".init") || name.starts_with(".exit"))
        });
        sections
            .filter_map(|section| {
                let start = self.address_of(section.index())?;
                Some(start..start.checked_add(section.size())?)
            })
            .collect()
    }

    /// The bytes of a debug section, empty where the file has none.
    pub(super) fn debug_section(&self, id: SectionId) -> Result<Cow<'data, [u8]>> {
        if UNUSED.contains(&id) {
            return Ok(Cow::default());
        }
        let Some(section) = self.elf.section_by_name(id.name()) else {
            return Ok(Cow::default());
        };
        let name = id.name();
        let read = || -> Result<Cow<'data, [u8]>> {
            let data = section.compressed_data()?;
            if data.format == CompressionFormat::None {
                return Ok(Cow::Borrowed(data.data));
            }
            let limit = (data.data.len() as u64).saturating_mul(LARGEST_GROWTH);
            ensure!(
                data.uncompressed_size <= limit,
                "it says that it is {} bytes when decompressed, from {}",
                data.uncompressed_size,
                data.data.len()
            );
            Ok(data.decompress()?)
        };
        let mut bytes = read().with_context(|| format!("failed to read section `{name}`"))?;
        if self.layout.is_some() {
            relocation::apply(self, section.index(), &mut bytes)
                .with_context(|| format!("failed to relocate section `{name}`"))?;
        }
        Ok(bytes)
    }

    /// The file that this one keeps some of its debuginfo in.
    pub(super) fn supplement(&self) -> Result<Option<Supplement>> {
        let link = self.elf.gnu_debugaltlink();
        if let Some((path, build_id)) = link.context("failed to read `.gnu_debugaltlink`")? {
            return Ok(Some(Supplement {
                path: String::from_utf8_lossy(path).into_owned(),
                build_id: note::hexadecimal(build_id),
            }));
        }
        let Some(section) = self.elf.section_by_name(".debug_sup") else {
            return Ok(None);
        };
        let data = section.data().context("failed to read `.debug_sup`")?;
        match debug_sup(data) {
            Some((false, supplement)) => Ok(Some(supplement)),
            Some((true, _)) => Ok(None),
            None => bail!("failed to read `.debug_sup`: it is damaged"),
        }
    }
}

/// Whether the file is a supplement itself, else the one it refers to (DWARF 5, section 7.3.6).
fn debug_sup(data: &[u8]) -> Option<(bool, Supplement)> {
    let (version, rest) = data.split_first_chunk::<2>()?;
    let (is_supplement, rest) = rest.split_first()?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    let (path, rest) = (&rest[..end], &rest[end + 1..]);
    let (&id_bytes, rest) = rest.split_first()?;
    let id = rest.get(..usize::from(id_bytes))?;
    (u16::from_le_bytes(*version) == 5 && id_bytes < 0x80).then(|| {
        let supplement = Supplement {
            path: String::from_utf8_lossy(path).into_owned(),
            build_id: note::hexadecimal(id),
        };
        (*is_supplement != 0, supplement)
    })
}
