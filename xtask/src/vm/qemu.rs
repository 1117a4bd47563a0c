//! The machine as QEMU's command line. Pure but for finding QEMU.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use clap::ValueEnum;

use guest::{OUT_TAG, SHARE_TAG, port};

use crate::tool;

/// How QEMU runs the guest's code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Accelerator {
    /// Emulated; works everywhere.
    Tcg,
    /// By the host's kernel.
    Kvm,
}

/// How many threads emulate the guest's processors.
///
/// The default is one. With one thread per processor QEMU 7.2 (Debian 12's) crashes guests that arm
/// and disarm kprobes: its threads race with the kernel's patching of text that another processor
/// executes, and the guest dies of `Oops: int3` in a hot function (seen in `sched_clock_cpu` on
/// 6.12-rt). Which release fixes that, if one does, has not been established. One thread costs
/// speed, not concurrency: the processors still interleave at any instruction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Threads {
    /// One host thread takes turns.
    #[default]
    Single,
    /// One host thread for each processor.
    Multi,
}

/// Everything about one machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The kernel image.
    pub(crate) image: PathBuf,
    /// The initramfs.
    pub(crate) initramfs: PathBuf,
    /// The kernel's log shows only warnings: printing all of it takes an emulated guest long.
    pub(crate) quiet: bool,
    /// Appended to the kernel's command line.
    pub(crate) append: String,
    /// Number of processors.
    pub(crate) processors: u32,
    /// Memory in MiB.
    pub(crate) memory_mib: u32,
    /// NUMA nodes that the memory is in, to equal parts; all processors are in the first.
    pub(crate) nodes: u32,
    /// How the code runs.
    pub(crate) accelerator: Accelerator,
    /// How many threads emulate.
    pub(crate) threads: Threads,
    /// The guest's clock is the number of its instructions.
    pub(crate) counts_instructions: bool,
    /// The folder to share.
    pub(crate) share: Option<PathBuf>,
}

/// QEMU itself.
///
/// # Errors
/// When it is missing and cannot be installed.
pub(crate) fn program() -> Result<PathBuf> {
    tool::ensure_program("qemu-system-x86_64", "qemu-system-x86")
}

/// Name of the socket in the run's folder that carries the kernel's log.
pub(crate) const CONSOLE: &str = "console";

impl Machine {
    /// The command that starts it. QEMU connects to a socket in `sockets` for [`CONSOLE`] and each
    /// port.
    ///
    /// # Errors
    /// When QEMU is missing and cannot be installed.
    pub(crate) fn command(&self, sockets: &Path) -> Result<Command> {
        let mut command = Command::new(program()?);
        command.args(self.arguments(sockets));
        Ok(command)
    }

    fn arguments(&self, sockets: &Path) -> Vec<OsString> {
        let Self {
            image,
            initramfs,
            quiet,
            append,
            processors,
            memory_mib,
            nodes,
            accelerator,
            threads,
            counts_instructions,
            share,
        } = self;
        let (accelerator, processor) = match (accelerator, threads) {
            (Accelerator::Kvm, _) => ("kvm", "host"),
            (Accelerator::Tcg, Threads::Single) => ("tcg,thread=single", "max"),
            (Accelerator::Tcg, Threads::Multi) => ("tcg,thread=multi", "max"),
        };
        let mut arguments: Vec<OsString> = Vec::new();
        let mut option = |name: &str, value: &str| arguments.extend([name.into(), value.into()]);
        option("-machine", "q35");
        option("-accel", accelerator);
        option("-cpu", processor);
        if *counts_instructions {
            // An instruction is a nanosecond; while all processors idle, the clock leaps to what they wait for.
            option("-icount", "shift=0,sleep=off");
        }
        option("-smp", &processors.to_string());
        option("-m", &memory_mib.to_string());
        if *nodes > 1 {
            for node in 0..*nodes {
                let size = memory_mib / nodes;
                option(
                    "-object",
                    &format!("memory-backend-ram,id=node{node},size={size}M"),
                );
                let processors = match node {
                    0 => format!(",cpus=0-{}", processors.saturating_sub(1)),
                    _ => String::new(),
                };
                let memory = format!("memdev=node{node}");
                option("-numa", &format!("node,nodeid={node},{memory}{processors}"));
            }
        }
        option("-display", "none");
        option("-monitor", "none");
        option("-kernel", &image.display().to_string());
        option("-initrd", &initramfs.display().to_string());
        // A panicked guest ends at once: reboots are turned into exits below.
        let quiet = if *quiet { "quiet " } else { "" };
        option(
            "-append",
            format!("console=ttyS0 {quiet}panic=-1 {append}").trim_end(),
        );
        let socket = |name: &str| {
            let path = escape(&sockets.join(name));
            format!("socket,id={name},path={path}")
        };
        option("-chardev", &socket(CONSOLE));
        option("-serial", &format!("chardev:{CONSOLE}"));
        option("-device", "virtio-serial-pci");
        for name in port::ALL {
            option("-chardev", &socket(name));
            option(
                "-device",
                &format!("virtserialport,chardev={name},name={name}"),
            );
        }
        if let Some(share) = share {
            let folder = escape(share);
            let out = escape(&share.join("out"));
            let local = "local,security_model=none,multidevs=remap";
            option(
                "-virtfs",
                &format!("{local},mount_tag={SHARE_TAG},readonly=on,path={folder}"),
            );
            option(
                "-virtfs",
                &format!("{local},mount_tag={OUT_TAG},path={out}"),
            );
        }
        arguments.extend(["-nodefaults".into(), "-no-reboot".into()]);
        arguments
    }
}

/// A path as a value in an option list, where QEMU wants commas doubled.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(share: Option<PathBuf>) -> String {
        with_nodes(1, share)
    }

    fn with_nodes(nodes: u32, share: Option<PathBuf>) -> String {
        let machine = Machine {
            image: "vmlinuz".into(),
            initramfs: "initramfs".into(),
            quiet: true,
            append: "nokaslr".into(),
            processors: 2,
            memory_mib: 512,
            nodes,
            accelerator: Accelerator::Tcg,
            threads: Threads::default(),
            counts_instructions: false,
            share,
        };
        let arguments = machine.arguments(Path::new("run"));
        arguments.join(&OsString::from(" ")).into_string().unwrap()
    }

    #[test]
    fn emulation_is_single_threaded_unless_asked() {
        assert!(line(None).contains("-accel tcg,thread=single "));
    }

    #[test]
    fn nodes_share_the_memory_and_the_first_has_the_processors() {
        let line = with_nodes(2, None);
        for part in [
            "memory-backend-ram,id=node1,size=256M ",
            "-numa node,nodeid=0,memdev=node0,cpus=0-1 ",
            "-numa node,nodeid=1,memdev=node1 ",
        ] {
            assert!(line.contains(part), "{line}");
        }
        assert!(!with_nodes(1, None).contains("numa"));
    }

    #[test]
    fn every_port_has_a_socket() {
        let line = line(None);
        for name in port::ALL {
            assert!(
                line.contains(&format!("socket,id={name},path=run/{name} ")),
                "{line}"
            );
        }
        assert!(!line.contains("-virtfs"));
    }

    #[test]
    fn only_the_out_folder_of_a_share_is_writable() {
        let line = line(Some("a,b".into()));
        assert!(
            line.contains("mount_tag=share,readonly=on,path=a,,b "),
            "{line}"
        );
        assert!(line.contains("mount_tag=out,path=a,,b/out "), "{line}");
    }
}
