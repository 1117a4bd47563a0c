//! The eBPF object. Built for the host (`cargo build --workspace`, clippy, tests) it is an empty
//! program, so that the workspace needs no special cases.
//!
//! One program for each role of a probed address. A program finds the site by the address it was
//! called from, adds to the counters, and tells of every failure under its name. It does not log: the
//! reader under observation is waiting. Where it is asked to, it notes now and then who met a failure.
//! One more program, which is never attached, copies kernel text out for discovery.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod blame;
#[cfg(target_arch = "bpf")]
mod block;
#[cfg(target_arch = "bpf")]
mod check;
#[cfg(target_arch = "bpf")]
mod command;
#[cfg(target_arch = "bpf")]
mod complete;
#[cfg(target_arch = "bpf")]
mod context;
#[cfg(target_arch = "bpf")]
mod contention;
#[cfg(target_arch = "bpf")]
mod filter;
#[cfg(target_arch = "bpf")]
mod hold;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod note;
#[cfg(target_arch = "bpf")]
mod order;
#[cfg(target_arch = "bpf")]
mod retry;
#[cfg(target_arch = "bpf")]
mod sample;
#[cfg(target_arch = "bpf")]
mod site;
#[cfg(target_arch = "bpf")]
mod spin;
#[cfg(target_arch = "bpf")]
mod task;
#[cfg(target_arch = "bpf")]
mod text;
#[cfg(target_arch = "bpf")]
mod watch;
#[cfg(target_arch = "bpf")]
mod word;

#[cfg(target_arch = "bpf")]
mod programs {
    #![expect(
        clippy::needless_pass_by_value,
        reason = "the macro hands the context over by value"
    )]

    use core::panic::PanicInfo;

    use aya_ebpf::{
        macros::{kprobe, perf_event, raw_tracepoint},
        programs::{PerfEventContext, ProbeContext, RawTracePointContext},
    };

    use crate::{
        block, check, command, contention, hold, order, retry, sample::sample as clock_sample,
        spin, text, watch,
    };

    /// A reader calls the writer's lock.
    #[kprobe]
    fn lock_call(ctx: ProbeContext) -> u32 {
        block::begin(&ctx);
        0
    }

    /// A reader has taken and dropped the writer's lock.
    #[kprobe]
    fn lock_end(ctx: ProbeContext) -> u32 {
        block::end(&ctx);
        0
    }

    /// A reader has met an odd sequence and will look again.
    #[kprobe]
    fn pause(ctx: ProbeContext) -> u32 {
        spin::pause(&ctx);
        0
    }

    /// A read section has failed its check.
    #[kprobe]
    fn retry(ctx: ProbeContext) -> u32 {
        retry::retry(&ctx);
        0
    }

    /// A read section is checked.
    #[kprobe]
    fn check(ctx: ProbeContext) -> u32 {
        check::check(&ctx);
        0
    }

    /// The CPU clock strikes.
    #[perf_event]
    fn sample(ctx: PerfEventContext) -> u32 {
        clock_sample(&ctx);
        0
    }

    /// A watched word was written.
    #[perf_event]
    fn write(ctx: PerfEventContext) -> u32 {
        watch::write(&ctx);
        0
    }

    /// A writer is about to increment a sequence.
    #[kprobe]
    fn increment(ctx: ProbeContext) -> u32 {
        hold::write(&ctx);
        0
    }

    /// A followed lock is taken or dropped, or a followed seqcount read or written.
    #[kprobe]
    fn order_step(ctx: ProbeContext) -> u32 {
        order::step(&ctx);
        0
    }

    /// A function that may have failed to take a followed lock has returned.
    #[kprobe]
    fn order_tried(ctx: ProbeContext) -> u32 {
        order::tried(&ctx);
        0
    }

    /// A task begins to wait for a lock.
    #[raw_tracepoint]
    fn contention_begin(ctx: RawTracePointContext) -> i32 {
        contention::begin(&ctx);
        0
    }

    /// A task has waited for a lock.
    #[raw_tracepoint]
    fn contention_end(ctx: RawTracePointContext) -> i32 {
        contention::end(&ctx);
        0
    }

    /// A task has made another.
    #[raw_tracepoint]
    fn process_fork(ctx: RawTracePointContext) -> i32 {
        command::fork(&ctx);
        0
    }

    /// User space asks for a stretch of kernel memory.
    #[raw_tracepoint]
    fn read_text(ctx: RawTracePointContext) -> i32 {
        text::copy(ctx.arg(0)) as i32
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        // The verifier refuses an object in which this can be reached.
        loop {}
    }

    /// Tracing helpers are offered to GPL-compatible programs only.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
