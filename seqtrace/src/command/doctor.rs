//! `seqtrace doctor`: what this kernel and this user can do, each line with a fix.

use std::io::{self, Write as _};

use anyhow::{Result, bail};

use crate::{
    command::backends,
    kernel::feature::{self, Answer, Check},
};

/// Prints every question with its answer.
///
/// # Errors
///
/// When something is missing without which nothing can be traced, after everything is printed.
pub fn doctor() -> Result<()> {
    let mut checks = feature::discover_checks();
    checks.extend(feature::text_checks());
    checks.extend(probe_checks());
    checks.extend(feature::other_checks());
    let mut out = io::stdout().lock();
    for check in &checks {
        write!(out, "{}", line(check))?;
    }
    writeln!(out, "\nbackends")?;
    for check in &backends::checks() {
        write!(out, "{}", line(check))?;
    }
    writeln!(out)?;
    let failures = checks
        .iter()
        .filter(|check| check.failure().is_some())
        .count();
    match failures {
        0 => writeln!(
            out,
            "seqtrace can trace this kernel; a run uses {}",
            backends::in_use()
        )?,
        1 => bail!("one thing that tracing needs is missing; its fix stands above"),
        n => bail!("{n} things that tracing needs are missing; their fixes stand above"),
    }
    Ok(())
}

/// kprobes are the best backend and not the only one: a kernel without them can be traced.
fn probe_checks() -> Vec<Check> {
    let mut checks = feature::probe_checks();
    if !feature::has_kprobes() {
        for check in &mut checks {
            check.needed = false;
        }
    }
    checks
}

fn line(check: &Check) -> String {
    let name = check.name;
    match &check.answer {
        Answer::Yes(detail) => format!("ok       {name:<24}{detail}\n"),
        Answer::Unknown(why) => format!("unknown  {name:<24}{why}\n"),
        Answer::No { why, fix } => {
            let word = if check.needed { "MISSING" } else { "no" };
            format!("{word:<9}{name:<24}{why}\n{:33}fix: {fix}\n", "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_shown_with_its_fix() {
        let check = Check {
            name: "BTF",
            needed: true,
            answer: Answer::No {
                why: "this kernel has no BTF".to_owned(),
                fix: "use another".to_owned(),
            },
        };
        assert_eq!(
            line(&check),
            "MISSING  BTF                     this kernel has no BTF\n\
             \x20                                fix: use another\n"
        );
    }
}
