//! Compiles the fixture in all the ways in which kernels carry debuginfo.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

const SOURCE: &str = include_str!("primitives.c");

/// Flags of the kernel's build that shape the code.
const FLAGS: [&str; 7] = [
    "-O2",
    "-ffreestanding",
    "-fno-pic",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-fcf-protection=none",
    "-fno-stack-protector",
];

/// Defines what the fixture calls, as the kernel would.
const STUBS: &str = ".globl _text, rt_spin_lock, rt_spin_unlock\n.text\n_text:\nrt_spin_lock:\n\
                     rt_spin_unlock:\n ret\n.section .note.GNU-stack,\"\",@progbits\n";

/// A folder in which files are made, and the compiler that makes them.
pub(super) struct Workshop {
    folder: tempfile::TempDir,
    compiler: &'static str,
}

impl Workshop {
    pub(super) fn new(compiler: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a place for temporary files");
        Self { folder, compiler }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("it was made before")
    }

    /// Runs a program in the folder.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        let output = command.args(arguments).current_dir(self.folder.path());
        let output = output.output().expect("these tests need a tool chain");
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Compiles one of the two units.
    pub(super) fn object(&self, unit: u8, flags: &[&str]) -> String {
        fs::write(self.path("unit.c"), SOURCE).expect("a writable directory");
        let (define, output) = (format!("-DUNIT={unit}"), format!("{unit}.o"));
        let own = ["-c", "unit.c", &define, "-o", &output];
        self.run(self.compiler, &[&FLAGS, flags, &own].concat());
        output
    }

    /// Both units as one relocatable file, as a module is.
    pub(super) fn module(&self, flags: &[&str]) -> Vec<u8> {
        let (first, second) = (self.object(1, flags), self.object(2, flags));
        self.run(
            "ld",
            &["-r", "--build-id", &first, &second, "-o", "module.ko"],
        );
        self.read("module.ko")
    }

    /// As [`Self::module`], with debug sections compressed.
    pub(super) fn compressed(&self, flags: &[&str], format: &str) -> Vec<u8> {
        self.module(flags);
        let option = format!("--compress-debug-sections={format}");
        self.run("objcopy", &[&option, "module.ko", "compressed.ko"]);
        self.read("compressed.ko")
    }

    /// Both units linked, as vmlinux is.
    pub(super) fn image(&self, flags: &[&str]) -> Vec<u8> {
        let (first, second) = (self.object(1, flags), self.object(2, flags));
        fs::write(self.path("stubs.s"), STUBS).expect("a writable directory");
        let link = [
            "-nostdlib",
            "-static",
            "-no-pie",
            "-O2",
            "-Wl,-Ttext-segment=0xffffffff81000000",
            "-Wl,--entry=_text",
            "-Wl,--build-id=sha1",
            // Else nothing needs them, and link-time optimization drops them.
            "-Wl,--undefined=read_global,--undefined=read_member,--undefined=write_global",
            "-Wl,--undefined=write_latch,--undefined=write_early",
            "stubs.s",
            &first,
            &second,
            "-o",
            "image",
        ];
        self.run(self.compiler, &[&link[..], flags].concat());
        self.read("image")
    }
}

/// Whether a program is there; not all of them are everywhere.
pub(super) fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    let command = command.arg("--version");
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}
