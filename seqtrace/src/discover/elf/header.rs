//! The first bytes of a file → which kind of kernel file it is; every other file is refused here.

use anyhow::{Result, bail, ensure};

const HEADER_BYTES: usize = 64;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const X86_64: u16 = 62;

/// What an ELF file of a kernel holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A linked kernel.
    Vmlinux,
    /// A module, which is laid out and relocated when it is loaded.
    Module,
}

/// Whether the bytes begin as an ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Tells the kind of an ELF file.
///
/// # Errors
///
/// When it is none, or none of a 64-bit x86 kernel.
pub fn form(bytes: &[u8]) -> Result<Form> {
    ensure!(!bytes.is_empty(), "it is empty");
    ensure!(is_elf(bytes), "it is no ELF file");
    ensure!(
        bytes.len() >= HEADER_BYTES,
        "it is cut off in its ELF header"
    );
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    ensure!(
        bytes[5] == LITTLE_ENDIAN,
        "it is a big-endian ELF file: only 64-bit x86 kernels can be read"
    );
    let machine = half(18);
    ensure!(
        bytes[4] == CLASS_64,
        "it is a 32-bit ELF file for {}: only 64-bit x86 kernels can be read",
        machine_name(machine)
    );
    ensure!(
        machine == X86_64,
        "it is an ELF file for {}: only 64-bit x86 kernels can be read",
        machine_name(machine)
    );
    // `ET_REL`, `ET_EXEC`, `ET_DYN`, `ET_CORE`.
    match half(16) {
        1 => Ok(Form::Module),
        2 | 3 => Ok(Form::Vmlinux),
        4 => bail!("it is a core dump: give the vmlinux that it was taken of"),
        other => bail!("it is an ELF file of the unknown type {other}"),
    }
}

/// The name of a machine that Linux runs on, by its number (`include/uapi/linux/elf-em.h`).
fn machine_name(machine: u16) -> String {
    match machine {
        3 => "i386",
        8 => "MIPS",
        20 => "PowerPC",
        21 => "64-bit PowerPC",
        22 => "s390",
        40 => "Arm",
        X86_64 => "x86",
        183 => "arm64",
        243 => "RISC-V",
        258 => "LoongArch",
        _ => return format!("machine {machine}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, order: u8, kind: u8, machine: u8) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..4].copy_from_slice(b"\x7fELF");
        (bytes[4], bytes[5], bytes[16], bytes[18]) = (class, order, kind, machine);
        bytes
    }

    #[test]
    fn kernels_and_modules_are_told_apart() {
        let form = |kind| form(&header(2, 1, kind, 62)).expect("of a kernel");
        assert_eq!(
            [form(1), form(2), form(3)],
            [Form::Module, Form::Vmlinux, Form::Vmlinux]
        );
    }

    #[test]
    fn other_files_are_refused_for_what_they_are() {
        for (bytes, part) in [
            (Vec::new(), "empty"),
            (b"#!/bin/sh\n".to_vec(), "no ELF file"),
            (header(2, 1, 2, 62)[..63].to_vec(), "cut off"),
            (header(1, 1, 2, 3), "32-bit ELF file for i386"),
            (header(2, 2, 2, 62), "big-endian"),
            (header(2, 1, 2, 183), "for arm64"),
            (header(2, 1, 4, 62), "core dump"),
            (header(2, 1, 9, 62), "unknown type 9"),
        ] {
            let error = form(&bytes).expect_err("no kernel").to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
