//! Builds the eBPF object the same way everywhere, byte for byte: `cargo xtask build-ebpf`.
//!
//! The object is committed, so that users need stable Rust and nothing else. It depends on the
//! pinned rustc, bpf-linker and `Cargo.lock`, and on nothing of the machine.
#![expect(clippy::print_stderr, reason = "progress of a developer's tool")]

mod linker;
mod sources;
mod toolchain;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::{
    sources::{Origin, Sources},
    toolchain::{Toolchain, run},
};
use crate::{cache, tool};

/// Options of `cargo xtask build-ebpf`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Compares with the committed object instead of replacing it
    #[arg(long)]
    check: bool,
    /// Leaves DWARF in the object
    #[arg(long, conflicts_with = "check", requires = "out")]
    keep_debug: bool,
    /// Writes or compares this file instead of the committed object
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the source of the standard library comes from
    #[arg(long, value_enum, default_value_t)]
    rust_src: Origin,
}

/// Builds the object and writes it, or compares it with what is there.
pub(crate) fn build_ebpf(options: Options) -> Result<()> {
    let Options {
        check,
        keep_debug,
        out,
        rust_src,
    } = options;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("failed to find the workspace above the xtask")?;
    let path = out.unwrap_or_else(|| root.join("seqtrace/prebuilt/seqtrace.bpf.o"));
    let built = build(root, rust_src, keep_debug)?;
    if check {
        return compare(&path, &built);
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("failed to make `{}`", directory.display()))?;
    }
    fs::write(&path, &built).with_context(|| format!("failed to write `{}`", path.display()))?;
    progress(&format!(
        "wrote `{}`, {} bytes",
        path.display(),
        built.len()
    ));
    Ok(())
}

/// Whether the committed object is what the sources build.
///
/// # Errors
/// When it is not, or the sources do not build.
pub(crate) fn check() -> Result<()> {
    build_ebpf(Options {
        check: true,
        keep_debug: false,
        out: None,
        rust_src: Origin::Any,
    })
}

/// The lints of the programs, which the workspace's own run sees as an empty crate.
///
/// # Errors
/// When there is a finding.
pub(crate) fn clippy() -> Result<()> {
    let toolchain = Toolchain::installed()?;
    let cache = cache::directory()?;
    let linker = linker::install(&cache, &toolchain)?;
    let sources = Sources::find(&cache, &toolchain, Origin::Any)?;
    let root = tool::workspace();
    let target = root.join("target/ebpf-clippy");
    run(cargo(root, "clippy", &target, &linker, &sources)?.args(["--", "-D", "warnings"]))
}

/// Installs the linker and nothing else.
pub(crate) fn install_bpf_linker() -> Result<()> {
    let directory = linker::install(&cache::directory()?, &Toolchain::installed()?)?;
    progress(&format!("bpf-linker is in `{}`", directory.display()));
    Ok(())
}

fn compare(path: &Path, built: &[u8]) -> Result<()> {
    let now = fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    if now != built {
        bail!(
            "`{}` ({} bytes) is not what the source builds ({} bytes), run `cargo xtask build-ebpf`",
            path.display(),
            now.len(),
            built.len()
        );
    }
    progress(&format!(
        "`{}` is what the source builds, {} bytes",
        path.display(),
        now.len()
    ));
    Ok(())
}

fn build(root: &Path, origin: Origin, keep_debug: bool) -> Result<Vec<u8>> {
    let toolchain = Toolchain::installed()?;
    let cache = cache::directory()?;
    let linker = linker::install(&cache, &toolchain)?;
    let sources = Sources::find(&cache, &toolchain, origin)?;
    let target = root.join("target/ebpf");
    progress("building the eBPF object");
    run(&mut cargo(root, "build", &target, &linker, &sources)?)?;
    let object = target.join("bpfel-unknown-none/release/seqtrace-bpf");
    let finished = if keep_debug {
        object
    } else {
        strip(&toolchain, &object)?
    };
    fs::read(&finished).with_context(|| format!("failed to read `{}`", finished.display()))
}

/// The cargo command that builds or lints the object. `RUSTC_BOOTSTRAP` opens what stable closes:
/// `-Z build-std` and aya-ebpf's inline assembly.
fn cargo(
    root: &Path,
    verb: &str,
    target: &Path,
    linker: &Path,
    sources: &Sources,
) -> Result<Command> {
    let Sources { library, rustc } = sources;
    let mut path = vec![linker.to_owned()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new("cargo");
    command
        .current_dir(root)
        .args([
            verb,
            "--quiet",
            "--locked",
            "--package",
            "seqtrace-ebpf",
            "--bins",
        ])
        .args([
            "--release",
            "--target",
            "bpfel-unknown-none",
            "-Z",
            "build-std=core",
        ])
        .arg("--target-dir")
        .arg(target)
        .env(
            "PATH",
            env::join_paths(path).context("failed to extend PATH")?,
        )
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(root, library)?.join("\x1f"),
        )
        .env("CARGO_INCREMENTAL", "0");
    if let Some(rustc) = rustc {
        command.env("RUSTC", rustc);
    }
    Ok(command)
}

/// Compiler flags. Paths are mapped because BTF's line information keeps file names; the new names
/// must not exist, or LLVM puts the text of the source lines into BTF.
fn flags(root: &Path, library: &Path) -> Result<[String; 9]> {
    let map = |from: &Path, to| format!("--remap-path-prefix={}={to}", from.display());
    let real = fs::canonicalize(library)
        .with_context(|| format!("failed to resolve `{}`", library.display()))?;
    Ok([
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // With jumps and arithmetic of 32 bits, which Linux has since 5.1.
        "-Ctarget-cpu=v3".to_owned(),
        // Without it LLVM makes a loop by bytes of each value that is set to zero.
        "-Clink-arg=--disable-expand-memcpy-in-order".to_owned(),
        // The last match wins.
        map(root, "/seqtrace"),
        map(&cargo_home()?, "/cargo"),
        map(library, "/rust/library"),
        map(&real, "/rust/library"),
    ])
}

fn cargo_home() -> Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
        .context("failed to find cargo's home, set `CARGO_HOME`")
}

/// Strips DWARF with rustc's own objcopy, which knows BPF; `.BTF` and `.BTF.ext` stay.
fn strip(toolchain: &Toolchain, object: &Path) -> Result<PathBuf> {
    let Toolchain { sysroot, host, .. } = toolchain;
    let stripped = object.with_extension("stripped.o");
    run(Command::new(
        sysroot
            .join("lib/rustlib")
            .join(host)
            .join("bin/rust-objcopy"),
    )
    .arg("--strip-debug")
    .args([object, &stripped])
    .env("LD_LIBRARY_PATH", sysroot.join("lib")))?;
    Ok(stripped)
}

/// Says on stderr what is going on.
fn progress(text: &str) {
    eprintln!("xtask: {text}");
}
