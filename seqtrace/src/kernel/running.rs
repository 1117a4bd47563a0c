//! The running kernel as discovery sees it: images to scan, and where they lie.

use std::{cell::OnceCell, collections::BTreeMap, fs, ops::Range, path::Path, sync::Arc};

use anyhow::{Context as _, Result, anyhow, ensure};
use log::{info, warn};

use crate::{
    discover::{
        btf::Btf,
        image::{Image, Segment},
        locate, note, percpu,
        symbols::{Symbol, SymbolKind, Symbols},
    },
    kernel::{
        installed,
        kallsyms::{self, Kallsyms},
        module_list,
        modules::{self, Module},
        offline::Base,
        text::{Choice, Text},
    },
};

/// What `_stext` and the like are called; the running kernel's image.
pub const VMLINUX: &str = "vmlinux";

/// Module text is read to the page behind its last symbol.
const PAGE_BYTES: u64 = 4096;

/// The image of vmlinux goes on this far behind its text at most: read-only data, data, init, bss.
const LARGEST_DATA_BYTES: u64 = 64 << 20;

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
    /// How many more modules there are, whose tables this user cannot find, and why.
    hidden_modules: Option<(usize, String)>,
    text: Text,
    /// Symbols of vmlinux for discovery, as [`Running::discovery_symbols`] makes them.
    pub(super) completed: OnceCell<Arc<Symbols>>,
    /// What modules need of vmlinux where both come from files.
    pub(super) installed_base: OnceCell<Base>,
}

impl Running {
    /// Reads symbols, types and the list of modules (none unless `with_modules`); no text yet,
    /// which will come from `choice`.
    ///
    /// # Errors
    ///
    /// When the kernel hides what is needed, in one line that says what to do.
    pub fn read(with_modules: bool, choice: Choice) -> Result<Self> {
        let (release, build_id) = identity()?;
        let symbols = kallsyms::read()?;
        let btf = Arc::new(read_btf(VMLINUX, None)?);
        let text = Text::open(choice)?;
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
        let hidden_modules = module_list::complete(&mut modules, &symbols.vmlinux, &btf, &text);
        Ok(Self {
            release,
            build_id,
            realtime: symbols.vmlinux.address_of("rt_spin_lock").is_some(),
            btf,
            symbols,
            modules,
            hidden_modules,
            text,
            completed: OnceCell::new(),
            installed_base: OnceCell::new(),
        })
    }

    /// What the text is read from: `/proc/kcore`, `a BPF program`, `the kernel's files`.
    pub fn text_source(&self) -> &'static str {
        self.text.source()
    }

    /// A line on the modules that are left out, if any are.
    pub fn left_out(&self) -> Option<String> {
        let (number, why) = self.hidden_modules.as_ref()?;
        Some(format!(
            "{number} modules are left out: `/sys/module/*/sections` is for root; {why}"
        ))
    }

    /// What reads the kernel's memory.
    pub(super) fn text(&self) -> &Text {
        &self.text
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
        self.symbols.init_text()
    }

    /// Reads the text and tables of an image.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a module has just left.
    pub fn image(&self, name: &str) -> Result<Image> {
        if let Some(no_memory) = self.text.no_memory() {
            return self
                .installed(name)
                .map_err(|error| anyhow!("{no_memory}{error:#}"))
                .with_context(|| format!("failed to read the text of `{name}`"));
        }
        if name == VMLINUX {
            self.vmlinux()
        } else {
            self.module(name)
        }
        .with_context(|| format!("failed to read the text of `{name}`"))
    }

    /// An image from the files that it was installed from.
    fn installed(&self, name: &str) -> Result<Image> {
        let root = Path::new("/");
        let (release, build_id) = (&self.release, &self.build_id);
        if name != VMLINUX && self.installed_base.get().is_none() {
            let vmlinux = installed::vmlinux(root, release, build_id)?;
            let base = vmlinux.base().context("its file is no vmlinux")?;
            let _ = self.installed_base.set(base);
        }
        let (opened, build_id) = if name == VMLINUX {
            (installed::vmlinux(root, release, build_id)?, build_id)
        } else {
            let module = self.modules.get(name).context("the module is not loaded")?;
            let (id, base) = (&module.build_id, self.installed_base.get());
            (installed::module(root, release, name, id, base)?, id)
        };
        // What the running kernel says of itself is the key of the cache.
        Ok(Image {
            name: name.to_owned(),
            build_id: build_id.clone(),
            ..opened.image
        })
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
        let text = self.vmlinux_text()?;
        let [jump_table, bug_table, exception_table] = self.vmlinux_tables(&text)?;
        Ok(Image {
            name: VMLINUX.to_owned(),
            build_id: self.build_id.clone(),
            base: self.vmlinux_symbol("_text")?,
            symbols: self.discovery_symbols(&text),
            text,
            imports: Vec::new(),
            jump_table,
            bug_table,
            exception_table,
            realtime: self.realtime,
        })
    }

    fn vmlinux_text(&self) -> Result<Vec<Segment>> {
        let range = self.vmlinux_symbol("_stext")?..self.vmlinux_symbol("_etext")?;
        let text = self.text.segments(range.clone())?;
        let read: u64 = text.iter().map(|segment| segment.bytes.len() as u64).sum();
        let all = range.end.saturating_sub(range.start);
        ensure!(read > 0, "none of its {all} bytes can be read");
        if read < all {
            warn!(
                "{} of {all} bytes of kernel text cannot be read",
                all - read
            );
        }
        Ok(text)
    }

    /// The tables of vmlinux, by their symbols or else by their contents.
    fn vmlinux_tables(&self, text: &[Segment]) -> Result<[Segment; 3]> {
        let names = ["jump_table", "bug_table", "ex_table"];
        let by_symbol = names.map(|name| {
            let (start, end) = (format!("__start___{name}"), format!("__stop___{name}"));
            self.segment(&start, &end).ok()
        });
        if let [Some(jumps), Some(bugs), Some(exceptions)] = by_symbol {
            return Ok([jumps, bugs, exceptions]);
        }
        let start = self.vmlinux_symbol("_etext")?;
        let memory = self
            .text
            .segments(start..start.saturating_add(LARGEST_DATA_BYTES))?;
        let [jumps, bugs, exceptions] = by_symbol;
        let tables = [
            jumps.unwrap_or_else(|| locate::jump_table(text, &memory)),
            bugs.unwrap_or_else(|| locate::bug_table(text, &memory)),
            exceptions.unwrap_or_else(|| locate::exception_table(text, &memory)),
        ];
        for (name, Segment { address, bytes }) in names.iter().zip(&tables) {
            if bytes.is_empty() {
                warn!("`__{name}` of this kernel was not found: some sites may be missing");
            } else {
                info!("`__{name}`: {} bytes at {address:#x}", bytes.len());
            }
        }
        Ok(tables)
    }

    /// The symbols of vmlinux for discovery. Where kallsyms has functions only, what else is in it
    /// would name variables that it does not know; per-CPU variables are added from BTF.
    fn discovery_symbols(&self, text: &[Segment]) -> Arc<Symbols> {
        let symbols = &self.symbols.vmlinux;
        if self.symbols.has_variables() {
            return Arc::clone(symbols);
        }
        let complete = || {
            let per_cpu = percpu::variables(text, &self.btf);
            info!(
                "`/proc/kallsyms` has functions only (no CONFIG_KALLSYMS_ALL): globals stay \
                 unnamed, {} per-CPU variables are known from BTF",
                per_cpu.len()
            );
            let end = self.symbols.text().map_or(0, |text| text.end);
            // Behind the text nothing has a name, least of all that of the last function.
            let unnamed = Symbol {
                address: end,
                name: "",
                kind: SymbolKind::Data,
            };
            let functions = symbols.iter().filter(|symbol| symbol.address < end);
            let functions = functions.chain([unnamed]);
            Arc::new(Symbols::new(functions.chain(per_cpu)))
        };
        Arc::clone(self.completed.get_or_init(complete))
    }

    fn module(&self, name: &str) -> Result<Image> {
        let module = self.modules.get(name).context("the module is not loaded")?;
        let range = module_text(&self.symbols, name).context("it has no symbols")?;
        let text = self.text.segments(range)?;
        ensure!(!text.is_empty(), "none of it can be read");
        Ok(Image {
            name: name.to_owned(),
            build_id: module.build_id.clone(),
            base: self.base(name)?,
            text,
            symbols: Arc::clone(&self.symbols.modules[name]),
            imports: vec![self.imports()?],
            jump_table: self.table(module, "__jump_table")?,
            bug_table: self.table(module, "__bug_table")?,
            exception_table: self.table(module, "__ex_table")?,
            realtime: self.realtime,
        })
    }

    /// The symbols of vmlinux, for a module.
    fn imports(&self) -> Result<Arc<Symbols>> {
        if let Some(completed) = self.completed.get() {
            return Ok(Arc::clone(completed));
        }
        if self.symbols.has_variables() {
            return Ok(Arc::clone(&self.symbols.vmlinux));
        }
        Ok(self.discovery_symbols(&self.vmlinux_text()?))
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
            bytes: self.text.read(address, bytes)?,
        })
    }

    fn segment(&self, start: &str, end: &str) -> Result<Segment> {
        let (address, end) = (self.vmlinux_symbol(start)?, self.vmlinux_symbol(end)?);
        Ok(Segment {
            address,
            bytes: self.text.read(address, end.saturating_sub(address))?,
        })
    }

    fn vmlinux_symbol(&self, name: &str) -> Result<u64> {
        self.symbols.vmlinux.address_of(name).with_context(|| {
            format!("`/proc/kallsyms` has no `{name}`, without which nothing can be placed")
        })
    }
}

/// Release and build id of the running kernel; the latter is empty when the kernel has none.
///
/// # Errors
///
/// When `/proc` is not mounted.
pub fn identity() -> Result<(String, String)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("failed to read the kernel's release: mount `/proc`")?;
    let notes = fs::read("/sys/kernel/notes").unwrap_or_default();
    let build_id = note::build_id(&notes).unwrap_or_default();
    Ok((release.trim().to_owned(), build_id))
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
