//! The filters of the command line → what each stage is asked for.

use anyhow::Result;

use crate::{
    aggregate::narrow::Narrowing,
    cli::KindArgument,
    command::trace::nanoseconds,
    config::Filter,
    kernel::chosen,
    plan::{Cgroup, Kind, SiteFilter, TaskFilter, tasks},
};

/// Which sites are probed.
pub(super) fn sites(filter: &Filter) -> SiteFilter {
    let kinds = filter.kinds.iter().map(|kind| match kind {
        KindArgument::Block => Kind::Block,
        KindArgument::Spin => Kind::Spin,
        KindArgument::Retry => Kind::Retry,
        KindArgument::Fallback => Kind::Fallback,
        KindArgument::Check => Kind::Check,
        KindArgument::Hold => Kind::Write,
    });
    SiteFilter::new(&filter.seqcounts, &filter.sites, kinds)
}

/// Which tasks the kernel side counts.
///
/// # Errors
///
/// When there is no such task, CPU or cgroup, or the patterns for command names are too many.
pub(super) fn tasks(filter: &Filter) -> Result<TaskFilter> {
    let Filter {
        pids,
        tids,
        comms,
        cpus,
        cgroup,
        min,
        seqcounts: _,
        stacks: _,
        sites: _,
        kinds: _,
    } = filter;
    chosen::require_tasks(pids, tids)?;
    chosen::require_cpus(cpus)?;
    let cgroup = cgroup.as_deref().map(chosen::cgroup).transpose()?;
    Ok(TaskFilter {
        pids: pids.clone(),
        tids: tids.clone(),
        cpus: cpus.clone(),
        comms: tasks::comm_table(comms)?,
        cgroup: cgroup.map(|(id, level)| Cgroup { id, level }),
        min_ns: min.map_or(0, nanoseconds),
    })
}

/// What is left out of the numbers of a run: all else has not come in.
pub(super) fn of_run(filter: &Filter) -> Narrowing {
    Narrowing {
        stacks: filter.stacks.clone(),
        ..Narrowing::default()
    }
}

/// What is left out of the numbers of a recording.
pub(super) fn of_recording(filter: &Filter) -> Narrowing {
    Narrowing {
        words: filter.words(),
        sites: sites(filter),
        comms: filter
            .comms
            .iter()
            .map(globset::Glob::compile_matcher)
            .collect(),
        pids: filter.pids.clone(),
        stacks: filter.stacks.clone(),
    }
}
