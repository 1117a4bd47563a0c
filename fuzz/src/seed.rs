//! Small real files that the fuzzer starts from: our own C, compiled as a kernel is.

use anyhow::{Context as _, Result};
use seqtrace::discover::{btf::Btf, elf, image::Image};

use crate::{btf, scan};

/// One input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seed {
    /// The target that it is for.
    pub target: &'static str,
    /// What it is, as a file name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All seeds.
///
/// # Errors
///
/// When there is no C compiler.
pub fn all() -> Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    let mut add = |target, name: &str, bytes| {
        let name = name.to_owned();
        seeds.push(Seed {
            target,
            name,
            bytes,
        });
    };
    for (name, realtime) in [("plain", false), ("realtime", true)] {
        let flags = flags(realtime);
        let file = fixture::vmlinux(fixture::READERS, &flags)?;
        let kernel = elf::vmlinux(&file).context("failed to read a seed")?;
        let types = kernel.btf.unwrap_or_default();
        add("btf", name, btf::encode(&types, &types));
        add("scan", name, scan::encode(&kernel.image, &types));
        add(
            "scan",
            &format!("{name}-no-types"),
            scan::encode(&kernel.image, &[]),
        );
        add("elf", name, file);
    }
    Ok(seeds)
}

/// The readers as a kernel, with its types.
///
/// # Errors
///
/// When there is no C compiler.
pub fn kernel(realtime: bool) -> Result<(Image, Btf)> {
    let file = fixture::vmlinux(fixture::READERS, &flags(realtime))?;
    let kernel = elf::vmlinux(&file).context("failed to read a seed")?;
    let types = Btf::parse(kernel.btf.context("a seed has no types")?, None)?;
    Ok((kernel.image, types))
}

fn flags(realtime: bool) -> Vec<&'static str> {
    let mut flags = vec![fixture::BTF];
    if realtime {
        flags.push(fixture::REALTIME);
    }
    flags
}
