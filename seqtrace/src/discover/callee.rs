//! The functions whose calls mean something to discovery, by address.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    btf::{Btf, Kind},
    catalog::Lockname,
    image::Image,
    instruction::{self, RegisterNumber},
    symbols::PADDING_PREFIX,
};

/// A function that takes a lock, or drops one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct LockFunction {
    /// Its name.
    pub(super) name: &'static str,
    /// Takes (true) or drops.
    pub(super) takes: bool,
    /// LOCKNAMEs whose readers call it to wait for the writer on PREEMPT_RT; empty for functions
    /// that only a reader which gives up calls.
    pub(super) waits_for: &'static [Lockname],
}

const SPINLOCK: &[Lockname] = &[Lockname::Spinlock, Lockname::Seqlock];
const RWLOCK: &[Lockname] = &[Lockname::Rwlock];
const MUTEX: &[Lockname] = &[Lockname::Mutex];

/// `include/linux/seqlock.h`, `__SEQ_LOCK`: what `__seqprop_##lockname##_sequence` calls, and the
/// forms of `spin_lock` that `read_seqlock_excl` uses.
const LOCK_FUNCTIONS: [LockFunction; 14] = [
    LockFunction {
        name: "rt_spin_lock",
        takes: true,
        waits_for: SPINLOCK,
    },
    LockFunction {
        name: "rt_spin_unlock",
        takes: false,
        waits_for: SPINLOCK,
    },
    LockFunction {
        name: "rt_read_lock",
        takes: true,
        waits_for: RWLOCK,
    },
    LockFunction {
        name: "rt_read_unlock",
        takes: false,
        waits_for: RWLOCK,
    },
    LockFunction {
        name: "mutex_lock",
        takes: true,
        waits_for: MUTEX,
    },
    LockFunction {
        name: "mutex_unlock",
        takes: false,
        waits_for: MUTEX,
    },
    LockFunction {
        name: "ww_mutex_lock",
        takes: true,
        waits_for: MUTEX,
    },
    LockFunction {
        name: "ww_mutex_unlock",
        takes: false,
        waits_for: MUTEX,
    },
    LockFunction {
        name: "_raw_spin_lock",
        takes: true,
        waits_for: &[],
    },
    LockFunction {
        name: "_raw_spin_lock_irqsave",
        takes: true,
        waits_for: &[],
    },
    LockFunction {
        name: "_raw_spin_lock_irq",
        takes: true,
        waits_for: &[],
    },
    LockFunction {
        name: "_raw_spin_lock_bh",
        takes: true,
        waits_for: &[],
    },
    LockFunction {
        name: "_raw_spin_unlock",
        takes: false,
        waits_for: &[],
    },
    LockFunction {
        name: "_raw_spin_unlock_irqrestore",
        takes: false,
        waits_for: &[],
    },
];

/// Other functions by which writers take a lock and drop it, with whether they take it;
/// `include/linux/rwsem.h`, `rwlock_api_smp.h`, `spinlock_api_smp.h`, `mutex.h`.
const WRITER_LOCK_FUNCTIONS: [(&str, bool); 22] = [
    ("_raw_spin_lock_irq_disable", true),
    ("_raw_spin_lock_nested", true),
    ("_raw_spin_unlock_bh", false),
    ("_raw_spin_unlock_irq", false),
    ("_raw_spin_unlock_irq_enable", false),
    ("_raw_write_lock", true),
    ("_raw_write_lock_bh", true),
    ("_raw_write_lock_irq", true),
    ("_raw_write_lock_irqsave", true),
    ("_raw_write_unlock", false),
    ("_raw_write_unlock_bh", false),
    ("_raw_write_unlock_irq", false),
    ("_raw_write_unlock_irqrestore", false),
    ("down_write", true),
    ("down_write_killable", true),
    ("down_write_nested", true),
    ("downgrade_write", false),
    ("mutex_lock_interruptible", true),
    ("mutex_lock_killable", true),
    ("rt_write_lock", true),
    ("rt_write_unlock", false),
    ("up_write", false),
];

/// Functions that do not return, from `tools/objtool/noreturns.h`. gcc lays code behind such a
/// call that is not its continuation.
const NO_RETURN: [&str; 44] = [
    "__fortify_panic",
    "__ia32_sys_exit",
    "__ia32_sys_exit_group",
    "__module_put_and_kthread_exit",
    "__stack_chk_fail",
    "__tdx_hypercall_failed",
    "__ubsan_handle_builtin_unreachable",
    "__x64_sys_exit",
    "__x64_sys_exit_group",
    "arch_cpu_idle_dead",
    "cpu_bringup_and_idle",
    "cpu_startup_entry",
    "do_exit",
    "do_group_exit",
    "do_task_dead",
    "ex_handler_msr_mce",
    "hlt_play_dead",
    "hv_ghcb_terminate",
    "kthread_complete_and_exit",
    "kthread_exit",
    "machine_real_restart",
    "make_task_dead",
    "mpt_halt_firmware",
    "mwait_play_dead",
    "nmi_panic_self_stop",
    "panic",
    "panic_smp_self_stop",
    "play_dead",
    "rest_init",
    "rewind_stack_and_make_dead",
    "rust_begin_unwind",
    "rust_helper_BUG",
    "sev_es_terminate",
    "snp_abort",
    "soft_restart_cpu",
    "start_kernel",
    "stop_this_cpu",
    "usercopy_abort",
    "vpanic",
    "x86_64_start_kernel",
    "x86_64_start_reservations",
    "xen_cpu_bringup_again",
    "xen_play_dead",
    "xen_start_kernel",
];

/// Calls at the start of a function that change no register the function sees.
const TRACING: [&str; 4] = [
    "__fentry__",
    "mcount",
    "ftrace_caller",
    "ftrace_regs_caller",
];

/// Names of the thunks through which indirect jumps go, without their register
/// (`CONFIG_RETPOLINE`; `arch/x86/lib/retpoline.S`).
const THUNKS: [&str; 2] = ["__x86_indirect_thunk_", "__x86_indirect_jump_thunk_"];
const THUNK_REGISTERS: [&str; 15] = [
    "rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];

/// How the names of the thunks end through which functions return (`CONFIG_MITIGATION_RETHUNK`;
/// `arch/x86/lib/retpoline.S`), of which the kernel chooses one when it boots.
const RETURN_THUNK: &str = "_return_thunk";

/// What is known about the functions an image calls.
#[derive(Debug)]
pub(super) struct Callees<'a> {
    image: &'a Image,
    btf: Option<&'a Btf>,
    locks: FxHashMap<u64, LockFunction>,
    no_return: FxHashSet<u64>,
    tracing: FxHashSet<u64>,
    /// Thunks of indirect jumps.
    thunks: FxHashSet<u64>,
}

impl<'a> Callees<'a> {
    pub(super) fn new(image: &'a Image, btf: Option<&'a Btf>) -> Self {
        let entries = |name| entry_points(image, name);
        Self {
            image,
            btf,
            locks: LOCK_FUNCTIONS
                .iter()
                .copied()
                .chain(writer_locks())
                .flat_map(|lock| entries(lock.name).map(move |address| (address, lock)))
                .collect(),
            no_return: NO_RETURN.iter().copied().flat_map(entries).collect(),
            tracing: TRACING.iter().copied().flat_map(entries).collect(),
            thunks: THUNKS
                .iter()
                .flat_map(|prefix| THUNK_REGISTERS.map(|register| format!("{prefix}{register}")))
                .filter_map(|name| image.resolve(&name))
                .collect(),
        }
    }

    /// Whether a jump to the address returns to the caller.
    pub(super) fn returns(&self, address: u64) -> bool {
        let name = self.image.name_at(address);
        name.is_some_and(|name| name.ends_with(RETURN_THUNK))
    }

    /// Whether a jump to the address is an indirect one.
    pub(super) fn jumps_anywhere(&self, address: u64) -> bool {
        self.thunks.contains(&address)
    }

    /// The lock function at the address.
    pub(super) fn lock(&self, address: u64) -> Option<LockFunction> {
        self.locks.get(&address).copied()
    }

    /// How many bytes a function may write of an object that it is given the address of in a
    /// register, by its types; `None` when they do not tell.
    pub(super) fn written_bytes(&self, address: u64, register: RegisterNumber) -> Option<u64> {
        let btf = self.btf?;
        let prototype = btf.function(self.image.name_at(address)?)?;
        let Some(parameter) = btf.parameter_in(prototype, instruction::argument_index(register)?)
        else {
            // A register that holds no parameter is left over.
            return (!btf.is_variadic(prototype)).then_some(0);
        };
        match btf.kind(btf.resolve(parameter)) {
            Kind::Pointer(to) if btf.is_constant(to) => Some(0),
            Kind::Pointer(to) => Some(btf.size_bytes(to)).filter(|&bytes| bytes > 0),
            _ => None,
        }
    }

    /// Whether a call of the address never comes back.
    pub(super) fn never_returns(&self, address: u64) -> bool {
        self.no_return.contains(&address)
    }

    /// Whether a symbol starts at the address; trampolines made at run time have none.
    pub(super) fn is_known(&self, address: u64) -> bool {
        self.image.name_at(address).is_some()
    }

    /// Whether a call of the address changes nothing that the caller sees.
    pub(super) fn changes_nothing(&self, address: u64) -> bool {
        self.tracing.contains(&address)
    }
}

fn writer_locks() -> impl Iterator<Item = LockFunction> {
    let locks = WRITER_LOCK_FUNCTIONS.iter();
    locks.map(|&(name, takes)| LockFunction {
        name,
        takes,
        waits_for: &[],
    })
}

/// Addresses that mean a call of the function: its first, and those of the padding in front of
/// it, into which call depth tracking (`retbleed=stuff`) redirects calls.
pub(super) fn entry_points(image: &Image, name: &str) -> impl Iterator<Item = u64> + use<> {
    let start = image.resolve(name);
    let padding = image.resolve(&format!("{PADDING_PREFIX}{name}"));
    let first = match (padding, start) {
        (Some(padding), Some(start)) if start.wrapping_sub(padding) <= 16 => padding,
        _ => start.unwrap_or(0),
    };
    (first..=start.unwrap_or(0)).filter(move |_| start.is_some())
}
