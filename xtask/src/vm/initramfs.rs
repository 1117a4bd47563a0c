//! Assembles the initramfs of one run: init, programs, modules and the job.

use std::path::Path;

use anyhow::{Context as _, Result};
use guest::{JOB_PATH, Job};

use super::{
    cpio::Archive,
    module_tree::ModuleTree,
    programs::{self, Programs},
};

/// What a guest needs before the ports to the host exist.
const PORT_MODULES: [&str; 2] = ["virtio_pci", "virtio_console"];
/// What it needs to mount folders of the host.
const SHARE_MODULES: [&str; 2] = ["9p", "9pnet_virtio"];

/// The archive for `job`, whose list of modules is filled in: those of the kernel's own that are
/// wanted, and one that was built, if any.
pub(crate) fn assemble(
    mut job: Job,
    extra_modules: &[String],
    built: Option<&Path>,
    tree: &ModuleTree,
    programs: &Programs,
) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in [
        "proc", "sys", "dev", "tmp", "bin", "share", "etc", "root", "run",
    ] {
        archive.folder(folder);
    }
    // Until devtmpfs is mounted, init has nothing else to complain on.
    archive.character_device("dev/console", 5, 1);
    archive.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
    archive.file("etc/group", 0o644, b"root:x:0:\n");
    archive.file(
        "init",
        0o755,
        &programs::read(&programs.path("guest-init"))?,
    );
    for name in ["seqtrace", "workload"] {
        archive.file(
            &format!("bin/{name}"),
            0o755,
            &programs::read(&programs.path(name))?,
        );
    }
    archive.file("bin/busybox", 0o755, &programs::read(&programs.busybox)?);
    for applet in programs
        .applets()?
        .iter()
        .filter(|applet| *applet != "busybox")
    {
        archive.symlink(&format!("bin/{applet}"), "busybox");
    }

    let mut wanted = PORT_MODULES.to_vec();
    if job.share {
        wanted.extend(SHARE_MODULES);
    }
    wanted.extend(extra_modules.iter().map(String::as_str));
    for file in tree.loading_order(&wanted)? {
        let name = file.rsplit('/').next().unwrap_or(&file);
        let inside = format!("/modules/{}", name.split(".ko").next().unwrap_or(name));
        archive.file(&inside, 0o644, &tree.read(&file)?);
        job.modules.push(inside);
    }
    if let Some(module) = built {
        let inside = "/modules/built".to_owned();
        archive.file(&inside, 0o644, &programs::read(module)?);
        job.modules.push(inside);
    }
    let job = serde_json::to_vec(&job).context("failed to write the job")?;
    archive.file(JOB_PATH, 0o644, &job);
    Ok(archive.finish())
}
