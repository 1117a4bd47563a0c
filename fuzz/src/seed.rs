//! Small real files that the fuzzer starts from: our own C, compiled as a kernel is.

use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use seqtrace::{
    aggregate::{SiteLabel, occurrence::Occurrence},
    discover::{btf::Btf, dwarf::Debuginfo, elf, image::Image},
    export::json,
    recording::{FORMAT, Header, Writer},
};

use crate::{btf, scan};

macro_rules! log {
    ($name:literal) => {
        include_bytes!(concat!("../../seqtrace/tests/data/explain/", $name, ".txt"))
    };
}

/// A snapshot of a real run, as the tests of seqtrace have it.
const REALTIME: &[u8] = include_bytes!("../../seqtrace/tests/data/snapshots/realtime.json");

/// Logs with reports of several kinds, as the tests of seqtrace have them.
const LOGS: [(&str, &[u8]); 6] = [
    ("circular", log!("merged-class-ppc64")),
    ("robot", log!("circular-robot-x86-64")),
    ("state", log!("nmi-reader-mems-allowed-x86-64")),
    ("order", log!("unsafe-order-nr-sects-arm")),
    ("lockup", log!("lockup-rename-lock-x86-64")),
    ("stall", log!("rcu-stall-tk-core-arm64")),
];

/// What compresses, with how it is told to write standard output as the kernel's build has it.
/// Not every machine has them all.
const PACKERS: [(&str, &[&str]); 7] = [
    ("gzip", &["-9n"]),
    ("xz", &["--check=crc32", "--x86", "--lzma2=dict=1MiB"]),
    ("lzma", &["-9"]),
    ("bzip2", &["-9"]),
    ("lz4", &["-l", "-9"]),
    ("zstd", &["-19"]),
    ("lzop", &["-9"]),
];

/// What the seeds are compiled from, and whether for PREEMPT_RT.
const KERNELS: [(&str, &str, bool); 5] = [
    ("readers", fixture::READERS, false),
    ("readers-realtime", fixture::READERS, true),
    ("writers", fixture::WRITERS, false),
    ("writers-realtime", fixture::WRITERS, true),
    ("lookalikes", fixture::LOOKALIKES, false),
];

/// Forms of debuginfo.
const DEBUGINFO: [(&str, &[&str]); 3] = [
    ("version-5", &[fixture::DWARF]),
    ("version-4", &[fixture::DWARF, "-gdwarf-4"]),
    ("compressed", &[fixture::DWARF, "-gz=zlib"]),
];

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
    for (name, source, realtime) in KERNELS {
        let flags = flags(realtime);
        let file = fixture::vmlinux(source, &flags)?;
        let kernel = elf::vmlinux(&file).context("failed to read a seed")?;
        let types = kernel.btf.unwrap_or_default();
        add("btf", name, btf::encode(&types, &types));
        add("scan", name, scan::encode(&kernel.image, &types));
        let untyped = scan::encode(&kernel.image, &[]);
        add("scan", &format!("{name}-untyped"), untyped);
        for (packer, words) in PACKERS {
            if let Some(packed) = fixture::packed(&file, packer, words)? {
                let image = boot_image(&packed);
                add("unpack", &format!("{name}-boot-{packer}"), image);
                add("unpack", &format!("{name}-{packer}"), packed);
            }
        }
        add("elf", name, file);
        let module = fixture::object(source, &flags)?;
        add("elf", &format!("{name}-module"), module);
    }
    for (name, flags) in DEBUGINFO {
        let flags = [flags, &["-DUNIT=1"]].concat();
        let file = fixture::vmlinux(fixture::PRIMITIVES, &flags)?;
        let found = Debuginfo::parse(&file, None).context("failed to read a seed")?;
        ensure!(!found.inlined.is_empty(), "a seed has no primitive");
        add("dwarf", name, file);
        let module = fixture::object(fixture::PRIMITIVES, &flags)?;
        add("dwarf", &format!("{name}-module"), module);
    }
    let recording = recording()?;
    for (name, bytes) in [("whole", recording.as_slice()), ("cut", &recording[..500])] {
        let lines = unpacked(bytes);
        add("recording", name, bytes.to_vec());
        add("recording", &format!("{name}-lines"), lines);
    }
    for (name, log) in LOGS {
        add("explain", name, log.to_vec());
    }
    Ok(seeds)
}

/// Events and a snapshot.
fn recording() -> Result<Vec<u8>> {
    let snapshot = json::read(REALTIME)?;
    let header = Header {
        format: FORMAT,
        ..Header::default()
    };
    let mut writer = Writer::begin(Vec::new(), &header)?;
    for (row, number) in snapshot.rows.iter().zip(0..) {
        let event = Occurrence {
            time_ns: 1_000_000 * u64::from(number),
            duration_ns: row.max_ns,
            site: row.slot,
            stack: Some(number),
            ..Occurrence::default()
        };
        let label = || SiteLabel {
            seqcount: row.seqcount.clone(),
            lockname: row.lockname,
            image: row.image.clone(),
            site: row.site.clone(),
            kind: row.kind,
            backend: row.backend,
        };
        writer.event(&event, label, || vec![row.site.clone()])?;
    }
    writer.snapshot(&snapshot, true)?;
    Ok(writer.finish()?)
}

/// The lines of a recording, as far as it goes.
fn unpacked(recording: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    let decoder = zstd::Decoder::new(recording);
    // One that is cut off ends with an error; the lines up to there are what is wanted.
    let _cut = decoder.and_then(|mut decoder| decoder.read_to_end(&mut lines));
    lines
}

/// A boot image around a compressed kernel (`Documentation/arch/x86/boot.rst`): protocol 2.15,
/// one sector of set-up.
fn boot_image(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    let length = u32::try_from(payload.len()).expect("seeds are small");
    image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
    image.extend(payload);
    image
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
