//! An audit → a table for people: what is wrong first, with who waits for it.

use super::{
    columns::{self, Column, Overflow},
    quantity::{duration_inline, plural},
};
use crate::audit::{Audit, Finding, Unread, Verdict};

/// The audit in lines of at most `width` characters where that is possible.
pub fn text(audit: &Audit, width: Option<usize>) -> String {
    let mut text = format!(
        "seqtrace audit {}, looked for {}\n\n",
        audit.release,
        duration_inline(audit.elapsed_ns)
    );
    if !audit.findings.is_empty() {
        text += &table(&audit.findings, width);
        text += "\n";
    }
    for finding in audit.wrong() {
        text += &explanation(finding);
        text += "\n";
    }
    text + &account(audit)
}

fn table(findings: &[Finding], width: Option<usize>) -> String {
    let findings = || findings.iter();
    let name = Column::text("SEQCOUNT", findings().map(|f| f.seqcount.clone()));
    let values = [
        Column::text("VERDICT", findings().map(|f| f.verdict.word().to_owned())),
        Column::number("MOVED", findings().map(|f| f.moved.to_string())),
        Column::number("READINGS", findings().map(|f| f.readings.to_string())),
        Column::number("READERS", findings().map(|f| f.readers.len().to_string())),
    ];
    let values: Vec<&Column> = values.iter().collect();
    columns::render(&[&name], &values, width, Overflow::Continue)
}

/// What the verdict means, who is hit, and what to do.
fn explanation(finding: &Finding) -> String {
    let name = &finding.seqcount;
    let (what, hint) = match finding.verdict {
        Verdict::Sound => return String::new(),
        Verdict::StuckOdd { value, at_least_ns } => (
            format!(
                "has been {value:#x}, odd, for {} at least: its readers wait",
                duration_inline(at_least_ns)
            ),
            "a writer that is stuck inside or left without its second increment; \
             `cat /proc/*/stack` shows where tasks are",
        ),
        Verdict::OddAtRest { value, rest_ns } => (
            format!(
                "rests on odd values ({value:#x} first, for up to {}): an increment was lost",
                duration_inline(rest_ns)
            ),
            "writers that nothing serialises, or that were preempted by each other; \
             a kernel with CONFIG_PROVE_LOCKING names them",
        ),
        Verdict::Backwards { from, to } => (
            format!("went from {from:#x} back to {to:#x}"),
            "it was initialised anew while in use, or memory was overwritten",
        ),
    };
    let mut text = format!("{name} {what}\n  cause:    {hint}\n");
    text += &list("readers:", &finding.readers);
    text += &list("waits in:", &finding.waits);
    let cpus = match &finding.spinning_cpus {
        None => "unknown".to_owned(),
        Some(cpus) if cpus.is_empty() => "none seen".to_owned(),
        Some(cpus) => cpus
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(" "),
    };
    text + &format!("  spinning: CPU {cpus}\n")
}

fn list(heading: &str, places: &[String]) -> String {
    if places.is_empty() {
        return String::new();
    }
    format!("  {heading:<9} {}\n", places.join(" "))
}

/// Every counter is in one of the three sums.
fn account(audit: &Audit) -> String {
    let all = audit.findings.len() + audit.unread.len();
    let wrong = audit.wrong().count();
    let sums = format!(
        "{} = {} sound + {wrong} wrong + {} not read\n",
        plural(all as u64, "global counter"),
        audit.findings.len() - wrong,
        audit.unread.len()
    );
    let unread = audit.unread.iter();
    let unread =
        unread.map(|Unread { seqcount, reason }| format!("  not read: {seqcount}: {reason}\n"));
    unread.fold(sums, |text, line| text + &line)
}

/// The audit as one JSON document, indented, with a newline at its end.
pub fn document(audit: &Audit) -> String {
    serde_json::to_string_pretty(audit).expect("strings are its only keys") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(seqcount: &str, verdict: Verdict) -> Finding {
        Finding {
            seqcount: seqcount.to_owned(),
            verdict,
            readings: 200,
            moved: 14,
            readers: vec!["d_lookup+0x13".to_owned(), "is_subdir+0x20".to_owned()],
            waits: vec!["d_lookup+0x4b".to_owned()],
            spinning_cpus: (verdict != Verdict::Sound).then(|| vec![0, 3]),
        }
    }

    #[test]
    fn what_is_wrong_is_explained_and_the_sums_add_up() {
        let stuck = Verdict::StuckOdd {
            value: 0x39d,
            at_least_ns: 2_000_000_000,
        };
        let audit = Audit {
            format: Audit::FORMAT,
            release: "6.12.1-rt".to_owned(),
            elapsed_ns: 2_000_000_000,
            findings: vec![
                finding("rename_lock", stuck),
                finding("mount_lock", Verdict::Sound),
            ],
            unread: vec![Unread {
                seqcount: "xt_recseq".to_owned(),
                reason: "it has no address".to_owned(),
            }],
        };
        let expected = "\
seqtrace audit 6.12.1-rt, looked for 2.00 s

SEQCOUNT     VERDICT    MOVED  READINGS  READERS
rename_lock  stuck odd     14       200        2
mount_lock   sound         14       200        2

rename_lock has been 0x39d, odd, for 2.00 s at least: its readers wait
  cause:    a writer that is stuck inside or left without its second increment; \
`cat /proc/*/stack` shows where tasks are
  readers:  d_lookup+0x13 is_subdir+0x20
  waits in: d_lookup+0x4b
  spinning: CPU 0 3

3 global counters = 1 sound + 1 wrong + 1 not read
  not read: xt_recseq: it has no address
";
        assert_eq!(text(&audit, None), expected);
    }
}
