//! Rules that leave a site out, each with its reason.

use crate::{kernel::hazards::Hazards, plan::Skip};

/// Functions that run for every event inside the probe itself. A probe in one of them would fire
/// while another is being handled, and the kernel would drop it as a recursion.
///
/// `bpf_ktime_get_ns` reads the clock through `ktime_get_mono_fast_ns` (`kernel/bpf/helpers.c`);
/// the stack walk asks `mod_find` and `bpf_ksym_find` for foreign text
/// (`kernel/module/tree_lookup.c`, `kernel/bpf/core.c`); the clock itself goes through the
/// clocksource's read function, on Hyper-V one that reads a sequence itself
/// (`drivers/clocksource/hyperv_timer.c`). Locks of maps that are waited for read the same clock since
/// 6.15 (`kernel/bpf/rqspinlock.c`). `ktime_get` and its kin are not among them: nothing here reads
/// `tk_core`. Maps take locks of their own (`kernel/bpf/hashtab.c`, `percpu_freelist.c`, `ringbuf.c`).
const USED_BY_TRACER: [&str; 20] = [
    "__bpf_ringbuf_reserve",
    "___pcpu_freelist_push",
    "__pcpu_freelist_pop",
    "__pcpu_freelist_push",
    "bpf_ksym_find",
    "cyc2ns_read_begin",
    "__cyc2ns_read",
    "htab_map_delete_elem",
    "htab_map_update_elem",
    "ktime_get_mono_fast_ns",
    "ktime_get_raw_fast_ns",
    "mod_find",
    "native_sched_clock",
    "pcpu_freelist_pop",
    "pcpu_freelist_push",
    "pvclock_clocksource_read",
    "pvclock_clocksource_read_nowd",
    "read_hv_clock_tsc",
    "read_hv_clock_tsc_cs",
    "read_hv_sched_clock_tsc",
];

/// Why no probe may be at `address`, which lies in `function`, or `None`.
pub fn hazard(function: &str, address: u64, hazards: &Hazards) -> Option<Skip> {
    let stem = function.split('.').next().unwrap_or(function);
    if hazards.is_init(address) {
        Some(Skip::InitText)
    } else if USED_BY_TRACER.contains(&stem) {
        Some(Skip::UsedByTracer)
    } else if hazards.is_blacklisted(address) {
        Some(Skip::Blacklisted)
    } else if hazards.is_notrace(function) {
        Some(Skip::Notrace)
    } else {
        None
    }
}

impl Skip {
    /// The reason as a word of the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Notrace => "notrace",
            Self::Blacklisted => "blacklisted",
            Self::InitText => "init_text",
            Self::UsedByTracer => "used_by_tracer",
            Self::CountedAtCheck => "counted_at_check",
            Self::CountedAtRetry => "counted_at_retry",
            Self::CountedAtFallback => "counted_at_fallback",
            Self::UnknownWord => "unknown_word",
            Self::OtherCondition => "other_condition",
            Self::NoBackend => "no_backend",
            Self::Filtered => "filtered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hazard_has_its_reason() {
        let hazards = Hazards {
            traceable: Some(["d_lookup".to_owned(), "mod_find".to_owned()].into()),
            blacklist: vec![0x2000..0x2010, 0x5000..0x5010],
            init_text: Some(0x3000..0x4000),
            unknown: None,
        };
        let reason = |function, address| hazard(function, address, &hazards);
        assert_eq!(reason("d_lookup", 0x1000), None);
        assert_eq!(reason("d_lookup", 0x2008), Some(Skip::Blacklisted));
        assert_eq!(reason("d_lookup", 0x3000), Some(Skip::InitText));
        assert_eq!(reason("mod_find", 0x1000), Some(Skip::UsedByTracer));
        assert_eq!(reason("getcwd", 0x1000), Some(Skip::Notrace));
    }
}
