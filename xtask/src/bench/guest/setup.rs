//! How works are run: with seqtrace, and with other tools from their own root.

/// How the work is run in each setup but that of nothing and of empty programs. `RUN` is the command that does it.
pub(super) const SETUPS: [(&str, &str); 14] = [
    ("default", "seqtrace stat -q -- RUN"),
    (
        "counters",
        "seqtrace stat -q --budget off --backend probe --threshold 1h -- RUN",
    ),
    (
        "stacks",
        "seqtrace flame -q --budget off --backend probe --threshold 0s -o /tmp/flame.folded -- RUN",
    ),
    (
        "hot",
        "seqtrace stat -q --budget off --threshold 1h --retries seqstress_raw_spinlock -- RUN",
    ),
    (
        "contention",
        "seqtrace stat -q --budget off --threshold 1h --backend contention -- RUN",
    ),
    (
        "least-block",
        "/share/bench-guest least begin={spinlock_begin:block#0} end={spinlock_begin:block#1} -- RUN",
    ),
    (
        "least-block-stack",
        "/share/bench-guest least begin={spinlock_begin:block#0} end-stack={spinlock_begin:block#1} -- RUN",
    ),
    (
        "least-retry",
        "/share/bench-guest least name={raw_spinlock_begin:retry#0} -- RUN",
    ),
    (
        "least-retry-stack",
        "/share/bench-guest least stack={raw_spinlock_begin:retry#0} -- RUN",
    ),
    ("bpftrace", BPFTRACE),
    ("bpftrace-stack", BPFTRACE_STACK),
    ("bpftrace-contention", BPFTRACE_CONTENTION),
    ("perf", PERF),
    (
        "perf-contention",
        "chroot /share/peers perf lock contention -a -b -- RUN",
    ),
];

const BPFTRACE: &str = "\
cat > /tmp/peer.bt << 'END'
kprobe:{ktime_get_real_ts64:begin#0}, kprobe:{getrusage:begin#0}, kprobe:{path_init:begin#0}, kprobe:{d_lookup:begin#0}, \
kprobe:{raw_spinlock_begin:retry#0}, kprobe:{raw_spinlock_begin_loop:check#0} { @hits[probe, comm] = count(); }
kprobe:{spinlock_begin:block#0} { @since[tid] = nsecs; }
kprobe:{spinlock_begin:block#1} /@since[tid]/ { @ns[comm] = hist(nsecs - @since[tid]); delete(@since[tid]); }
END
chroot /share/peers bpftrace --unsafe -c 'RUN' /tmp/peer.bt";

const BPFTRACE_STACK: &str = "\
cat > /tmp/peer.bt << 'END'
kprobe:{raw_spinlock_begin:retry#0} { @stacks[kstack, comm] = count(); printf(\"%d %s\\n\", tid, comm); }
kprobe:{spinlock_begin:block#0} { @since[tid] = nsecs; }
kprobe:{spinlock_begin:block#1} /@since[tid]/ {
  $ns = nsecs - @since[tid]; @stacks[kstack, comm] = count(); printf(\"%d %s %d\\n\", tid, comm, $ns); delete(@since[tid]);
}
END
chroot /share/peers bpftrace --unsafe -c 'RUN' /tmp/peer.bt > /dev/null";

const BPFTRACE_CONTENTION: &str = "\
cat > /tmp/peer.bt << 'END'
tracepoint:lock:contention_begin { @since[tid] = nsecs; @stack[tid] = kstack(8); }
tracepoint:lock:contention_end /@since[tid]/ {
  @ns[@stack[tid]] = hist(nsecs - @since[tid]); delete(@since[tid]); delete(@stack[tid]);
}
END
chroot /share/peers bpftrace -c 'RUN' /tmp/peer.bt";

const PERF: &str = "\
for place in {ktime_get_real_ts64:begin#0} {getrusage:begin#0} {path_init:begin#0} {d_lookup:begin#0}; do
  chroot /share/peers perf probe --quiet --add \"bench_${place%+*}=$place\"
done
chroot /share/peers perf stat -e 'probe:bench_*' -- RUN
chroot /share/peers perf probe --quiet --del 'bench_*'";

/// Finds the sites by the options that stand for `SITES`, for the boot that stands for `BOOT`, with a catalog that an earlier guest has kept, and does the rest with their places.
pub(super) const PREPARE: &str = "\
set -e
mkdir -p /var/cache/seqtrace /share/out/cache
cp /share/out/cache/* /var/cache/seqtrace/ 2> /dev/null || true
seqtrace sites -q --json SITES > /share/out/BOOT/all.sites
cp /var/cache/seqtrace/* /share/out/cache/
if [ -d /share/peers ]; then
  for folder in proc sys dev tmp; do mount --bind /$folder /share/peers/$folder; done
  mount --bind /share /share/peers/share
  mount --bind /share/out /share/peers/share/out
  mount --bind /sys/kernel/debug /share/peers/sys/kernel/debug
  mount --bind /sys/kernel/tracing /share/peers/sys/kernel/tracing
fi
/share/bench-guest fill /share/out/BOOT/all.sites /share/BOOT.script > /tmp/script
sh -e /tmp/script
";
