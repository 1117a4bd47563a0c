//! The second ring: the real binary on files of kernels, and on everything that is none: one line
//! each, which says what, where and what to do.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

/// No bad file may take longer, on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// A directory for the files of one test.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a place for temporary files"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("a writable directory");
        path
    }
}

fn sites(file: &Path) -> Output {
    // With little address space, so that a lying size shows as a crash.
    Command::new("sh")
        .args([
            "-c",
            "ulimit -v 4000000; exec \"$0\" sites --quiet --image \"$1\"",
        ])
        .arg(env!("CARGO_BIN_EXE_seqtrace"))
        .arg(file)
        .output()
        .expect("the binary runs")
}

/// Status 1, and one line with these parts.
fn assert_refused(file: &Path, parts: &[&str]) {
    let since = Instant::now();
    let Output {
        status,
        stdout,
        stderr,
    } = sites(file);
    let told = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{}: {told}", file.display());
    assert!(stdout.is_empty(), "{}", file.display());
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains(&file.display().to_string()), "{told}");
    for part in parts {
        assert!(told.contains(part), "no `{part}` in: {told}");
    }
    assert!(since.elapsed() < LONGEST, "{:?}: {told}", since.elapsed());
}

fn assert_has_sites(file: &Path) {
    let output = sites(file);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {told}", file.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("SEQCOUNT"), "{}: {text}", file.display());
}

fn vmlinux() -> Vec<u8> {
    fixture::vmlinux(fixture::READERS, &[]).expect("these tests need a C compiler called `cc`")
}

fn module() -> Vec<u8> {
    fixture::object(fixture::READERS, &[]).expect("these tests need a C compiler called `cc`")
}

/// Packed with a program of the machine, which the compiler's packages bring along.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let place = Place::new();
    let path = place.write("file", bytes);
    let output = Command::new("gzip").arg("-c").arg(path).output();
    output.expect("these tests need `gzip`").stdout
}

/// A boot image of protocol 2.15.
fn boot_image(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    image.extend(payload);
    image
}

/// The header of an ELF file with one byte changed.
fn with(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = vmlinux();
    bytes[at] = byte;
    bytes
}

#[test]
fn kernels_are_taken_however_they_are_packed() {
    let place = Place::new();
    for (name, bytes) in [
        ("vmlinux", vmlinux()),
        ("vmlinux.gz", gzip(&vmlinux())),
        ("vmlinuz", boot_image(&gzip(&vmlinux()))),
        ("readers.ko", module()),
        ("readers.ko.gz", gzip(&module())),
    ] {
        assert_has_sites(&place.write(name, &bytes));
    }
}

#[test]
fn files_of_other_machines_are_refused_for_what_they_are() {
    let place = Place::new();
    for (name, at, byte, part) in [
        ("32-bit", 4, 1, "it is a 32-bit ELF file"),
        ("big-endian", 5, 2, "it is a big-endian ELF file"),
        ("arm64", 18, 183, "it is an ELF file for arm64"),
        ("core", 16, 4, "it is a core dump"),
    ] {
        assert_refused(&place.write(name, &with(at, byte)), &[part]);
    }
}

#[test]
fn what_is_no_kernel_is_refused() {
    let place = Place::new();
    let no_kernel = boot_image(&gzip(b"#!/bin/sh\n"));
    for (name, bytes, part) in [
        ("empty", &b""[..], "it is empty"),
        ("script", b"#!/bin/sh\n", "neither an ELF file"),
        ("script.gz", &gzip(b"#!/bin/sh\n"), "neither an ELF file"),
        ("no-kernel", &no_kernel, "neither an ELF file"),
        (
            "unknown",
            &boot_image(b"what?"),
            "compressed in an unknown way",
        ),
    ] {
        assert_refused(&place.write(name, bytes), &[part]);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_seqtrace"));
    assert_refused(
        program,
        &["it has no symbol `_text`: it is no Linux kernel"],
    );
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let place = Place::new();
    let pipe = place.0.path().join("pipe");
    let status = Command::new("mkfifo").arg(&pipe).status();
    assert!(status.expect("coreutils").success());
    assert_refused(&pipe, &["it is no regular file"]);
    assert_refused(place.0.path(), &["it is a directory: give a file"]);
    assert_refused(&place.0.path().join("missing"), &["cannot be opened"]);
}

#[test]
fn a_huge_file_takes_neither_time_nor_memory() {
    let place = Place::new();
    for (name, head, part) in [
        ("zeros", Vec::new(), "neither an ELF file"),
        ("vmlinux", vmlinux(), "it is larger than 2048 MiB"),
        ("vmlinuz", boot_image(&[]), "it is larger than 256 MiB"),
    ] {
        let path = place.write(name, &head);
        let file = File::options().write(true).open(&path).expect("there");
        file.set_len((2 << 30) + 4096).expect("a sparse file");
        assert_refused(&path, &[part]);
    }
}

#[test]
fn a_stripped_kernel_says_what_to_give_instead() {
    let place = Place::new();
    for (name, bytes) in [("vmlinux", vmlinux()), ("readers.ko", module())] {
        let path = place.write(name, &bytes);
        let status = Command::new("strip").arg("--strip-all").arg(&path).status();
        assert!(status.expect("these tests need `strip`").success());
        assert_refused(&path, &["it has no symbols", "give the"]);
    }
}

#[test]
fn kernels_cut_off_are_refused() {
    let place = Place::new();
    let (kernel, image) = (vmlinux(), boot_image(&gzip(&vmlinux())));
    for parts in 1..8 {
        let cut = |bytes: &[u8]| bytes[..bytes.len() * parts / 8].to_vec();
        assert_refused(&place.write("vmlinux", &cut(&kernel)), &["it "]);
        assert_refused(&place.write("vmlinuz", &cut(&image)), &["it "]);
    }
}

#[test]
fn a_header_that_lies_about_sizes_is_refused() {
    let place = Place::new();
    // Place and number of section headers.
    for (name, at, bytes) in [
        ("offset", 40, &[0xff; 8][..]),
        ("number", 60, &[0xff; 2]),
        ("names", 62, &[0xff; 2]),
    ] {
        let mut lying = vmlinux();
        lying[at..at + bytes.len()].copy_from_slice(bytes);
        assert_refused(&place.write(name, &lying), &["it "]);
    }
}
