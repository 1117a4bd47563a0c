//! Modules to load before anything else: names in, decompressed files in loading order out.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::tool;

/// What `modules.dep` and `modules.builtin` say about a kernel's modules.
#[derive(Debug, Default)]
pub(crate) struct ModuleTree {
    root: PathBuf,
    /// Path and direct and indirect dependencies, by name.
    dependencies: BTreeMap<String, (String, Vec<String>)>,
    builtin: Vec<String>,
}

impl ModuleTree {
    /// Reads the indexes of `/lib/modules/RELEASE` or a folder like it.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let read = |name| {
            let path = root.join(name);
            fs::read_to_string(&path)
                .with_context(|| format!("failed to read `{}`", path.display()))
        };
        Ok(Self {
            root: root.to_owned(),
            ..Self::parse(&read("modules.dep")?, &read("modules.builtin")?)
        })
    }

    fn parse(modules_dep: &str, modules_builtin: &str) -> Self {
        let dependencies = modules_dep
            .lines()
            .filter_map(|line| {
                let (path, needed) = line.split_once(':')?;
                let needed = needed.split_whitespace().map(str::to_owned).collect();
                Some((module_name(path), (path.to_owned(), needed)))
            })
            .collect();
        let builtin = modules_builtin.lines().map(module_name).collect();
        Self {
            root: PathBuf::new(),
            dependencies,
            builtin,
        }
    }

    /// The files to load for `names`, dependencies first, each once; built-in ones need none.
    ///
    /// # Errors
    /// When the kernel has no such module.
    pub(crate) fn loading_order(&self, names: &[&str]) -> Result<Vec<String>> {
        let mut order = Vec::new();
        for name in names {
            let name = module_name(name);
            if self.builtin.contains(&name) {
                continue;
            }
            let Some((path, needed)) = self.dependencies.get(&name) else {
                bail!(
                    "the kernel has no module `{name}` in `{}`",
                    self.root.display()
                );
            };
            // modules.dep lists what must be loaded first last.
            for path in needed.iter().rev().chain([path]) {
                if !order.contains(path) {
                    order.push(path.clone());
                }
            }
        }
        Ok(order)
    }

    /// The module in one of the files, decompressed.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.root.join(path);
        let decompress = |program: &str, package: &str| {
            let program = tool::ensure_program(program, package)?;
            tool::output(Command::new(program).args(["-d", "-c", "-q"]).arg(&file))
        };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => decompress("xz", "xz-utils"),
            Some("zst") => decompress("zstd", "zstd"),
            Some("gz") => decompress("gzip", "gzip"),
            _ => fs::read(&file).with_context(|| format!("failed to read `{}`", file.display())),
        }
    }
}

/// The kernel's name of a module: no folder, no extension, `_` for `-`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio_ring.ko.xz:
kernel/drivers/virtio/virtio-pci.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/char/virtio_console.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
";

    fn tree() -> ModuleTree {
        ModuleTree::parse(DEP, "kernel/fs/netfs/netfs.ko\n")
    }

    #[test]
    fn dependencies_come_first_and_once() {
        assert_eq!(
            tree()
                .loading_order(&["virtio_pci", "virtio-console"])
                .unwrap(),
            [
                "kernel/drivers/virtio/virtio_ring.ko.xz",
                "kernel/drivers/virtio/virtio.ko.xz",
                "kernel/drivers/virtio/virtio-pci.ko.xz",
                "kernel/drivers/char/virtio_console.ko.xz",
            ]
        );
    }

    #[test]
    fn builtin_modules_need_no_file() {
        assert!(tree().loading_order(&["netfs"]).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_module_is_an_error() {
        assert!(tree().loading_order(&["virtio_net"]).is_err());
    }
}
