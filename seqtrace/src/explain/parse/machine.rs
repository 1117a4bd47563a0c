//! The lines of a report → the machine that it is of.

use super::super::{clean::Line, report::Architecture};

/// Words that only one machine prints, in the order that they are asked for.
const WORDS: [(&str, Architecture); 36] = [
    ("RIP: 0010:", Architecture::X8664),
    ("RSP: 0018:", Architecture::X8664),
    ("entry_SYSCALL_64", Architecture::X8664),
    ("x86_64_start_kernel", Architecture::X8664),
    ("do_syscall_64", Architecture::X8664),
    ("ret_from_fork_asm", Architecture::X8664),
    ("EIP: ", Architecture::X86),
    ("entry_SYSENTER_32", Architecture::X86),
    ("entry_INT80_32", Architecture::X86),
    ("pstate: ", Architecture::Arm64),
    ("el0_svc", Architecture::Arm64),
    ("el0t_64_sync", Architecture::Arm64),
    ("el1h_64_irq", Architecture::Arm64),
    ("el1_irq", Architecture::Arm64),
    ("dump_backtrace+0x0/0x", Architecture::Arm64),
    ("ret_fast_syscall", Architecture::Arm),
    ("__irq_svc", Architecture::Arm),
    ("PC is at ", Architecture::Arm),
    (") from [<", Architecture::Arm),
    ("unwind_backtrace from ", Architecture::Arm),
    ("system_call_exception", Architecture::Ppc64),
    ("system_call_vectored_common", Architecture::Ppc64),
    ("ret_from_kernel_thread", Architecture::Ppc64),
    ("ret_from_kernel_user_thread", Architecture::Ppc64),
    ("[c000000", Architecture::Ppc64),
    ("NIP [c000", Architecture::Ppc64),
    ("Krnl PSW", Architecture::S390),
    ("__do_syscall+0x", Architecture::S390),
    ("do_ext_irq", Architecture::S390),
    ("ext_int_handler", Architecture::S390),
    ("epc : ", Architecture::Riscv64),
    ("handle_exception+0x", Architecture::Riscv64),
    ("do_trap_ecall_u", Architecture::Riscv64),
    ("riscv_intc_irq", Architecture::Riscv64),
    ("ret_from_syscall+0x", Architecture::Riscv64),
    ("do_irq_riscv", Architecture::Riscv64),
];

/// Addresses that are likely on one machine; asked for where no word is found.
const ADDRESSES: [(&str, Architecture); 6] = [
    ("ffff888", Architecture::X8664),
    ("[<ffffffff8", Architecture::X8664),
    ("ffff0000", Architecture::Arm64),
    ("ffff8000", Architecture::Arm64),
    ("ff60000", Architecture::Riscv64),
    ("c0000000", Architecture::Ppc64),
];

/// The machine, by the first word that gives it away; `None` if there is none.
pub(super) fn of(lines: &[Line]) -> Option<Architecture> {
    let find = |words: &[(&str, Architecture)]| {
        lines.iter().find_map(|line| {
            let found = words.iter().find(|(word, _)| line.text.contains(word));
            found.map(|(_, architecture)| *architecture)
        })
    };
    find(&WORDS).or_else(|| find(&ADDRESSES))
}
