//! One static key for several seqcounts: kernels in which `seqcount_LOCKNAME_init` was a function.
//!
//! e4e9ab3f9f91 made it one (5.9-rc1), and the `static struct lock_class_key` in it was then one for
//! each compilation unit; 267580db047e made it a macro again. Since 1909760f5fc3, only in linux-next of
//! that week without the repair, `seqlock_t` went the same way.

use std::collections::BTreeMap;

use super::super::{
    cycle::Edge,
    identify::{self, Object},
    known::{self, Side},
    release::Release,
    report::{Report, StackRole},
    verdict::{Confidence, Judgement, Rule, Verdict},
};

/// What lockdep calls a class that was named after the parameter of the function.
const CLASS: &str = "&s->seqcount";

/// linux-next from e4e9ab3f9f91 to 267580db047e, and from 1909760f5fc3.
const NEXT_FIRST: u32 = 20_200_730;
const NEXT_SEQLOCKS: u32 = 20_200_910;
const NEXT_LAST: u32 = 20_200_917;

/// Which seqcounts of a compilation unit share a class in a kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Merged {
    /// None.
    Nothing,
    /// `seqcount_LOCKNAME_t`.
    Seqcounts,
    /// `seqlock_t` too.
    Seqlocks,
}

/// The verdict on a report about a merged class, if it is one and its stacks show that it is.
pub(super) fn judge(report: &Report, edges: &[Edge]) -> Option<Verdict> {
    let release = report.release.as_ref()?;
    let merged = merged(release);
    if merged == Merged::Nothing {
        return None;
    }
    let (first, second) = two_objects(&shown(report, edges))?;
    let (names, unit) = same_unit(&first, &second)?;
    let has_seqlock = names.iter().any(|name| known::is_seqlock(name));
    if has_seqlock && merged != Merged::Seqlocks {
        return None;
    }
    let verdict = verdict(report, release, (&first, &second), unit, has_seqlock);
    Some(match super::order_command(edges) {
        Some(command) => verdict.test(format!(
            "seen on a running kernel, without lockdep: `{command}` shows the arrows, each with its seqcount"
        )),
        None => verdict,
    })
}

/// Whether a class may be a merged one, whatever the stacks show.
pub(super) fn is_possible(report: &Report, class: &str) -> bool {
    let is_merged = |release: &Release| merged(release) != Merged::Nothing;
    class == CLASS && report.release.as_ref().is_some_and(is_merged)
}

fn merged(release: &Release) -> Merged {
    match release.next {
        Some(NEXT_SEQLOCKS..=NEXT_LAST) => Merged::Seqlocks,
        Some(NEXT_FIRST..NEXT_SEQLOCKS) => Merged::Seqcounts,
        None if (release.major, release.minor, release.patch) == (5, 9, 0) => Merged::Seqcounts,
        // Later 5.9.y have the repair.
        Some(_) | None => Merged::Nothing,
    }
}

/// Every seqcount that the stacks show under the merged class.
fn shown(report: &Report, edges: &[Edge]) -> Vec<Object> {
    let mut objects = Vec::new();
    let is_merged = |class: &str| class.split(['#', '/']).next() == Some(CLASS);
    for end in edges.iter().flat_map(|edge| [&edge.held, &edge.taken]) {
        if is_merged(&end.class) {
            objects.extend(end.object.clone());
        }
    }
    let acquiring = report.acquiring.as_ref();
    if edges.is_empty() && acquiring.is_some_and(|lock| is_merged(&lock.class)) {
        objects.extend(identify::taken(report.current()));
        let registered = report.stack(StackRole::Registered);
        objects.extend(registered.and_then(|stack| identify::taken(&stack.frames)));
    }
    objects
}

/// Two that cannot be the same.
fn two_objects(objects: &[Object]) -> Option<(Object, Object)> {
    let by_name: BTreeMap<&str, &Object> = objects
        .iter()
        .rev()
        .filter_map(|object| Some((object.name()?, object)))
        .collect();
    let mut different = by_name.into_values();
    Some((different.next()?.clone(), different.next()?.clone()))
}

fn same_unit<'a>(first: &'a Object, second: &'a Object) -> Option<([&'a str; 2], &'static str)> {
    let names = [first.name()?, second.name()?];
    let unit = known::unit(names[0])?;
    (known::unit(names[1]) == Some(unit)).then_some((names, unit))
}

fn verdict(
    report: &Report,
    release: &Release,
    (first, second): (&Object, &Object),
    unit: &str,
    has_seqlock: bool,
) -> Verdict {
    let name = |object: &Object| object.names.join("|");
    let (first_name, second_name) = (name(first), name(second));
    let read = if first.side == Side::Reader {
        &first_name
    } else {
        &second_name
    };
    let statement = format!(
        "The class `{CLASS}` stands for two seqcounts here: {first_name} (its {}) and {second_name} (its {}). \
         Both are initialised in {unit}, and in this kernel `seqcount_LOCKNAME_init()` is a function, whose \
         static key all of a compilation unit share. The arrows of the report belong to different seqcounts and \
         close no circle.",
        first.side.word(),
        second.side.word()
    );
    let mut verdict = Verdict::new(
        Judgement::FalsePositive,
        Rule::MergedClass,
        Confidence::Strong,
        statement,
    );
    for (object, name) in [(first, &first_name), (second, &second_name)] {
        let what = format!(
            "`{}` is a {} of {name}",
            object.function,
            object.side.word()
        );
        verdict = verdict.because(object.line, what);
    }
    let class_line = report
        .acquiring
        .as_ref()
        .map_or(report.first_line, |lock| lock.line);
    verdict = verdict
        .because(class_line, format!("`{CLASS}` is named after the parameter of an initialiser, not after a member"))
        .because(report.release_line, format!("{} has e4e9ab3f9f91 and lacks 267580db047e", release.text))
        .next("take 267580db047e (\"seqlock: Unbreak lockdep\"), in 5.10, 5.9.y and linux-next after 2020-09-17");
    if has_seqlock {
        verdict = verdict.next(
            "leave the series \"seqlock: Introduce PREEMPT_RT support\" (6dd699b13d53..1909760f5fc3) in: reverting it \
             hides the report only because 1909760f5fc3 lets `seqlock_init()` go through the same function, which \
             brings seqlock_t into the merged class; the fault is e4e9ab3f9f91's",
        );
    }
    verdict
        .test("confirmed if the report is gone with 267580db047e alone")
        .test(format!(
            "refuted if a writer of {read} can be inside while it waits for a lock of this circle: `{}` shows \
             who writes",
            super::stat_command(read)
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_merged_from_5_9_rc1_to_the_repair_and_not_in_other_kernels() {
        for (text, expected) in [
            ("5.9.0-rc5-next-20200914", Merged::Seqlocks),
            ("5.9.0-rc4-next-20200904", Merged::Seqcounts),
            ("5.9.0-rc5-next-20200918", Merged::Nothing),
            ("5.8.0-next-20200729", Merged::Nothing),
            ("5.9.0-rc1", Merged::Seqcounts),
            ("5.9.0", Merged::Seqcounts),
            ("5.9.16", Merged::Nothing),
            ("5.8.0", Merged::Nothing),
            ("5.10.0-rc1", Merged::Nothing),
        ] {
            let release = Release::parse(text).expect(text);
            assert_eq!(merged(&release), expected, "{text}");
        }
    }
}
