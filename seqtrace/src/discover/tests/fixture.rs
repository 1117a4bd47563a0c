//! Compiles C at test time and loads the object file as the kernel loads a module.

use std::{fs, process::Command};

use crate::discover::{
    elf::{self, Kernel},
    image::Image,
};

/// Flags of the kernel's build that shape the code.
const FLAGS: [&str; 9] = [
    "-O2",
    "-c",
    "-ffreestanding",
    "-fno-pic",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-fcf-protection=none",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
];

/// Compiles a source text and loads the result.
pub(super) fn build(source: &str, realtime: bool) -> Image {
    let more: &[&str] = if realtime { &["-DREALTIME"] } else { &[] };
    let object = compile(source, more);
    let Kernel { image, btf: _ } = elf::module(&object, None).expect("an object file");
    Image {
        name: "fixture".to_owned(),
        realtime,
        ..image
    }
}

/// Compiles a source text with more flags to an object file.
pub(super) fn compile(source: &str, more: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let (input, output) = (
        directory.path().join("fixture.c"),
        directory.path().join("fixture.o"),
    );
    fs::write(&input, source).expect("a writable directory");
    let mut compiler = Command::new("cc");
    compiler.args(FLAGS).args(more);
    compiler.arg(&input).arg("-o").arg(&output);
    let status = compiler
        .status()
        .expect("these tests need a C compiler called `cc`");
    assert!(status.success(), "the fixture does not compile");
    fs::read(&output).expect("the compiler wrote it")
}
