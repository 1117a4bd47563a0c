//! The running kernel as discovery sees it: images to scan, and where they lie.

use std::{collections::BTreeMap, fs, ops::Range, path::Path, sync::Arc};

use anyhow::{Context as _, Result};

use crate::{
    discover::{
        btf::Btf,
        image::{Image, Segment},
        note,
        symbols::{SymbolKind, Symbols},
    },
    kernel::{
        kallsyms::{self, Kallsyms},
        kcore::Kcore,
        modules::{self, Module},
    },
};

/// What `_stext` and the like are called; the running kernel's image.
pub const VMLINUX: &str = "vmlinux";

/// Module text is read to the page behind its last symbol.
const PAGE_BYTES: u64 = 4096;

/// No module has larger tables: 4096 static branches.
const LARGEST_TABLE_BYTES: u64 = 64 << 10;

/// The running kernel.
#[derive(Debug)]
pub struct Running {
    /// `uname -r`.
    pub release: String,
    /// Build id of vmlinux, hexadecimal; empty when the kernel has none.
    pub build_id: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// Types of vmlinux.
    pub btf: Arc<Btf>,
    /// All symbols.
    pub symbols: Kallsyms,
    /// Loaded modules by name.
    pub modules: BTreeMap<String, Module>,
    kcore: Kcore,
}

impl Running {
    /// Reads symbols, types and the list of modules (none unless `with_modules`); no text yet.
    ///
    /// # Errors
    ///
    /// When the kernel hides what is needed, in one line that says what to do.
    pub fn read(with_modules: bool) -> Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")
            .context("failed to read the kernel's release: mount `/proc`")?;
        let notes = fs::read("/sys/kernel/notes").unwrap_or_default();
        let symbols = kallsyms::read()?;
        let mut modules = BTreeMap::new();
        let names = if with_modules {
            modules::names()?
        } else {
            Vec::new()
        };
        for name in names {
            // A module of data only (`nls_ucs2_utils`) has nothing to scan.
            let has_text = module_text(&symbols, &name).is_some();
            if has_text && let Some(module) = modules::read(&name)? {
                modules.insert(name, module);
            }
        }
        Ok(Self {
            release: release.trim().to_owned(),
            build_id: note::build_id(&notes).unwrap_or_default(),
            realtime: symbols.vmlinux.address_of("rt_spin_lock").is_some(),
            btf: Arc::new(read_btf(VMLINUX, None)?),
            symbols,
            modules,
            kcore: Kcore::open()?,
        })
    }

    /// Names of the images that can be scanned with their build ids, vmlinux first, then modules
    /// by name.
    pub fn images(&self) -> impl Iterator<Item = (&str, &str)> {
        let modules = self
            .modules
            .values()
            .map(|m| (m.name.as_str(), m.build_id.as_str()));
        std::iter::once((VMLINUX, self.build_id.as_str())).chain(modules)
    }

    /// The address that offsets in the catalog of an image count from.
    ///
    /// # Errors
    ///
    /// When the image is not there.
    pub fn base(&self, image: &str) -> Result<u64> {
        if image == VMLINUX {
            return self.vmlinux_symbol("_text");
        }
        let module = self
            .modules
            .get(image)
            .context("the module is not loaded")?;
        module
            .sections
            .get(".text")
            .copied()
            .or_else(|| module_text(&self.symbols, image).map(|range| range.start))
            .with_context(|| format!("module `{image}` has no text"))
    }

    /// Init text of vmlinux.
    pub fn init_text(&self) -> Option<Range<u64>> {
        let symbols = &self.symbols.vmlinux;
        Some(symbols.address_of("_sinittext")?..symbols.address_of("_einittext")?)
    }

    /// Reads the text and tables of an image.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a module has just left.
    pub fn image(&self, name: &str) -> Result<Image> {
        if name == VMLINUX {
            self.vmlinux()
        } else {
            self.module(name)
        }
        .with_context(|| format!("failed to read the text of `{name}`"))
    }

    /// Types of an image: those of vmlinux, with a module's own where it has any.
    pub fn types(&self, name: &str) -> Arc<Btf> {
        if name == VMLINUX {
            return Arc::clone(&self.btf);
        }
        match read_btf(name, Some(Arc::clone(&self.btf))) {
            Ok(types) => Arc::new(types),
            // A module built without BTF is scanned with the kernel's types alone.
            Err(_) => Arc::clone(&self.btf),
        }
    }

    fn vmlinux(&self) -> Result<Image> {
        let text = self.segment("_stext", "_etext")?;
        let table = |start, end| self.segment(start, end).unwrap_or_default();
        Ok(Image {
            name: VMLINUX.to_owned(),
            build_id: self.build_id.clone(),
            base: self.vmlinux_symbol("_text")?,
            text: vec![text],
            symbols: Arc::clone(&self.symbols.vmlinux),
            imports: Vec::new(),
            jump_table: table("__start___jump_table", "__stop___jump_table"),
            bug_table: table("__start___bug_table", "__stop___bug_table"),
            exception_table: table("__start___ex_table", "__stop___ex_table"),
            realtime: self.realtime,
        })
    }

    fn module(&self, name: &str) -> Result<Image> {
        let module = self.modules.get(name).context("the module is not loaded")?;
        let range = module_text(&self.symbols, name).context("it has no symbols")?;
        let text = Segment {
            address: range.start,
            bytes: self.kcore.read(range.start, range.end - range.start)?,
        };
        Ok(Image {
            name: name.to_owned(),
            build_id: module.build_id.clone(),
            base: self.base(name)?,
            text: vec![text],
            symbols: Arc::clone(&self.symbols.modules[name]),
            imports: vec![Arc::clone(&self.symbols.vmlinux)],
            jump_table: self.table(module, "__jump_table")?,
            bug_table: self.table(module, "__bug_table")?,
            exception_table: self.table(module, "__ex_table")?,
            realtime: self.realtime,
        })
    }

    /// A table of a module; its end is the next section, or the end of the page.
    fn table(&self, module: &Module, section: &str) -> Result<Segment> {
        let Some((address, next)) = module.extent(section) else {
            return Ok(Segment::default());
        };
        let end = next.unwrap_or_else(|| (address + 1).next_multiple_of(PAGE_BYTES));
        let bytes = (end - address).min(LARGEST_TABLE_BYTES);
        Ok(Segment {
            address,
            bytes: self.kcore.read(address, bytes)?,
        })
    }

    fn segment(&self, start: &str, end: &str) -> Result<Segment> {
        let (address, end) = (self.vmlinux_symbol(start)?, self.vmlinux_symbol(end)?);
        Ok(Segment {
            address,
            bytes: self.kcore.read(address, end.saturating_sub(address))?,
        })
    }

    fn vmlinux_symbol(&self, name: &str) -> Result<u64> {
        self.symbols.vmlinux.address_of(name).with_context(|| {
            format!("`/proc/kallsyms` has no `{name}`: use a kernel with CONFIG_KALLSYMS_ALL")
        })
    }
}

fn read_btf(name: &str, base: Option<Arc<Btf>>) -> Result<Btf> {
    let path = Path::new("/sys/kernel/btf").join(name);
    let bytes = fs::read(&path).with_context(|| {
        format!(
            "failed to read `{}`: use a kernel with CONFIG_DEBUG_INFO_BTF",
            path.display()
        )
    })?;
    Btf::parse(bytes, base).with_context(|| format!("failed to parse `{}`", path.display()))
}

/// From the first to behind the last text symbol of a module; the end of its last function is
/// not written down anywhere, so the page behind is taken too.
fn module_text(symbols: &Kallsyms, name: &str) -> Option<Range<u64>> {
    let symbols: &Symbols = symbols.modules.get(name)?;
    let text = || {
        symbols
            .iter()
            .filter(|symbol| symbol.kind == SymbolKind::Text)
    };
    let start = text().map(|symbol| symbol.address).min()?;
    let last = text().map(|symbol| symbol.address).max()?;
    let end = last.next_multiple_of(PAGE_BYTES) + PAGE_BYTES;
    Some(start..end)
}
