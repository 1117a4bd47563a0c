//! Circles of locks.

use super::{
    super::{
        cycle::{Edge, End},
        known::{self, Side},
        report::Report,
        verdict::{Confidence, Judgement, Rule, Verdict},
    },
    merged, order_command, stat_command,
};

/// The verdict on a circle.
pub(super) fn judge(report: &Report, edges: &[Edge]) -> Verdict {
    if let Some(verdict) = merged::judge(report, edges) {
        return verdict;
    }
    let seqcounts = || {
        edges
            .iter()
            .flat_map(|edge| [&edge.held, &edge.taken])
            .filter(|end| end.seqcount)
    };
    if seqcounts().next().is_none() {
        return of_locks(report, edges);
    }
    let possibly_merged = seqcounts().find(|end| {
        let base = end.class.split(['#', '/']).next().unwrap_or_default();
        merged::is_possible(report, base)
    });
    if let Some(end) = possibly_merged {
        return unnamed(report, edges, end);
    }
    with_seqcount(report, edges)
}

/// A class that may stand for several seqcounts, and stacks that do not show which.
fn unnamed(report: &Report, edges: &[Edge], end: &End) -> Verdict {
    let statement = format!(
        "The class `{}` may stand for every seqcount_LOCKNAME_t that one compilation unit initialises (this kernel \
         has e4e9ab3f9f91, and may lack 267580db047e). The stacks do not show which seqcounts these are, so a merged \
         class and a real circle look the same.",
        end.class
    );
    let mut verdict = Verdict::new(
        Judgement::Unknown,
        Rule::UnnamedSeqcount,
        Confidence::Weak,
        statement,
    )
    .because(
        report.release_line,
        "the kernel is one whose classes may be merged",
    );
    for edge in edges {
        verdict = verdict.because(edge.lines.0, arrow(edge));
    }
    verdict
        .next("decode the stacks (`scripts/decode_stacktrace.sh vmlinux < log`) and explain them again")
        .next("take 267580db047e (\"seqlock: Unbreak lockdep\") and see whether the report comes back")
        .test("a false positive if the arrows turn out to be of different seqcounts, real if they are of one")
}

/// A circle of which a seqcount is a part.
fn with_seqcount(report: &Report, edges: &[Edge]) -> Verdict {
    let reader = edges
        .iter()
        .find(|edge| edge.taken.seqcount && side(&edge.taken) == Some(Side::Reader));
    let name = reader.map(|edge| name(&edge.taken));
    let statement = match (&name, reader) {
        (Some(name), Some(edge)) => format!(
            "A reader of {name} waits for its writer while it holds `{}`, and the writer waits, directly or through \
             other locks of the circle, for `{}`: both spin for ever.{}",
            edge.held.class,
            edge.held.class,
            on_realtime(&edge.taken)
        ),
        _ => "A seqcount takes part in a circle of locks. Where a reader waits in it for a writer that waits for the \
              reader's lock, both spin for ever; the stacks do not show who reads and who writes."
            .to_owned(),
    };
    let is_named = edges
        .iter()
        .any(|edge| edge.taken.object.is_some() || edge.held.object.is_some());
    let confidence = if is_named {
        Confidence::Moderate
    } else {
        Confidence::Weak
    };
    let mut verdict = Verdict::new(Judgement::Real, Rule::Inversion, confidence, statement);
    for edge in edges {
        verdict = verdict.because(edge.lines.0, arrow(edge));
    }
    if let Some(name) = edges
        .iter()
        .flat_map(|edge| [&edge.taken, &edge.held])
        .find_map(known_name)
    {
        verdict = verdict.next(format!(
            "see who writes while it is read: `{}`",
            stat_command(name)
        ));
        if let Some(command) = order_command(edges) {
            verdict = verdict.next(format!(
                "see the arrows on a running kernel, without lockdep: `{command}`"
            ));
        }
    } else {
        verdict = verdict.next(
            "decode the stacks (`scripts/decode_stacktrace.sh vmlinux < log`) to name the seqcount",
        );
    }
    common(report, verdict)
}

/// What PREEMPT_RT changes.
fn on_realtime(end: &End) -> &'static str {
    match known_name(end) {
        Some(name) if known::blocks(name) => {
            " On PREEMPT_RT the reader takes the writers' lock and drops it (lock-unlock): there the circle is one of \
             sleeping locks."
        }
        Some(_) => " PREEMPT_RT changes nothing: the writers hold no lock that sleeps there.",
        None => {
            " On PREEMPT_RT, if the writers' lock sleeps there, the reader takes it and drops it (lock-unlock): the circle \
             stays one."
        }
    }
}

/// A circle of locks only.
fn of_locks(report: &Report, edges: &[Edge]) -> Verdict {
    let statement = format!(
        "{} take these locks in an order that, together, is a circle; if they run at the same time on the same \
         instances, each waits for the next. No seqcount takes part.",
        if edges.len() == 2 {
            "Two paths".to_owned()
        } else {
            format!("{} paths", edges.len())
        }
    );
    let mut verdict = Verdict::new(
        Judgement::Real,
        Rule::Inversion,
        Confidence::Moderate,
        statement,
    );
    for edge in edges {
        verdict = verdict.because(edge.lines.0, arrow(edge));
    }
    common(report, verdict)
}

fn common(report: &Report, verdict: Verdict) -> Verdict {
    let has_reads = report
        .release
        .as_ref()
        .is_none_or(|release| !release.at_least(5, 10));
    let verdict = verdict
        .next("break the arrow that is easiest to break: take the inner lock first, or drop the outer one before")
        .test("refuted if the paths can never meet on the same instances; then give the instances classes of their own (`lockdep_set_class`, `*_nested`)");
    if has_reads {
        verdict.test(
            "before 5.10 lockdep tells readers that may nest from writers only in part: look whether an arrow is a `read_lock`",
        )
    } else {
        verdict
    }
}

/// `pidmap_lock is taken in free_pid+0x5c while &s->seqcount#2 is held`.
fn arrow(edge: &Edge) -> String {
    let place = edge
        .place
        .as_ref()
        .map_or(String::new(), |place| format!(" in {place}"));
    let verb = match side(&edge.taken) {
        Some(Side::Reader) => "is read",
        Some(Side::Writer) => "is written",
        None if edge.taken.seqcount => "is entered",
        None => "is taken",
    };
    format!(
        "`{}` {verb}{place} while `{}` is held",
        edge.taken.class, edge.held.class
    )
}

fn side(end: &End) -> Option<Side> {
    end.object.as_ref().map(|object| object.side)
}

fn known_name(end: &End) -> Option<&str> {
    end.object.as_ref()?.name()
}

fn name(end: &End) -> String {
    match &end.object {
        Some(object) => object.names.join(" or "),
        None => format!("`{}`", end.class),
    }
}
