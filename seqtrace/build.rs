//! The sources of discovery → a hash, by which a cached catalog is known to be of other code.
//!
//! Versions of the package do not change with every commit, and what is found does. The hash
//! depends on names and bytes of files and on nothing else, so that builds are reproducible.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Everything that a catalog depends on beside the kernel.
const SOURCES: &str = "src/discover";

/// Below it, what is only compiled for tests.
const TESTS: &str = "tests";

fn main() -> io::Result<()> {
    let package = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let sources = Path::new(&package).join(SOURCES);
    let mut files = Vec::new();
    collect(&sources, &mut files)?;
    files.sort();
    let mut hash = Fnv::default();
    for file in files {
        let name = file.strip_prefix(&sources).map_err(io::Error::other)?;
        hash.add(name.to_string_lossy().as_bytes());
        hash.add(&fs::read(&file)?);
    }
    let Fnv(hash) = hash;
    let output = [
        format!("cargo::rerun-if-changed={SOURCES}"),
        format!("cargo::rustc-env=SEQTRACE_DISCOVERY={hash:016x}"),
    ];
    io::Write::write_all(&mut io::stdout(), (output.join("\n") + "\n").as_bytes())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with(TESTS) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a, 64 bits: the same on every host and with every version of Rust. A collision would need
/// two commits in 10¹⁹.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds bytes and their number, so that moving some from one file to the next shows.
    fn add(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in bytes.iter().chain(&length) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
