//! What is asked of a traced run.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use globset::Glob;

use super::{Filter, Limits, Sources, limits, sources};
use crate::cli::{
    Action, BackendArgument, BlameArguments, BudgetArguments, ConvergeArguments, OnWait,
    OnWaitArguments, RetryArguments, Threshold, TraceArguments, VerbosityArguments,
};

/// What to trace.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Which events are counted.
    pub filter: Filter,
    /// Single events that lasted at least this long are recorded.
    pub threshold: Duration,
    /// What is probed beyond the cold sites.
    pub request: RequestWords,
    /// A read section that has been retrying for longer does not converge.
    pub converge_within: Duration,
    /// When writers are probed on demand; `None`: never.
    pub blame: Option<Blame>,
    /// Whether the readers' stacks are walked and counted.
    pub stacks: bool,
    /// The part of the time of all CPUs that the probes may cost; `None`: no limit.
    pub budget: Option<f64>,
    /// What may count.
    pub backends: Choice,
    /// Debuginfo of vmlinux for inlined calls in stacks; `None`: the installed one, if any.
    pub debuginfo: Option<PathBuf>,
    /// How much room there is, and when it ends.
    pub limits: Limits,
    /// What long waits set off.
    pub on_wait: Vec<OnWait>,
    /// Where sites come from.
    pub sources: Sources,
}

/// When writers are probed on demand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Blame {
    /// Readers of one seqcount lose more than this in a second.
    pub above: Duration,
    /// For how long.
    pub lasting: Duration,
}

/// What is probed beyond the cold sites.
#[derive(Clone, Debug, Default)]
pub struct RequestWords {
    /// Patterns for seqcounts of which every retry is counted.
    pub retries: Vec<Glob>,
    /// Patterns for seqcounts of which every hold is counted.
    pub writers: Vec<Glob>,
}

/// The backends that were asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// Whatever the kernel has.
    Auto,
    /// These.
    Only {
        /// kprobes.
        probe: bool,
        /// The tracepoints of contended locks.
        contention: bool,
        /// Samples of the CPU clock.
        sample: bool,
    },
}

pub(super) fn resolve_trace(
    arguments: TraceArguments,
    stacks: bool,
) -> Result<(Trace, VerbosityArguments)> {
    let TraceArguments {
        threshold,
        filter,
        converge,
        blame,
        budget: BudgetArguments { budget },
        backend,
        debuginfo,
        limits,
        discover,
    } = arguments;
    let ConvergeArguments {
        retries,
        converge_within,
    } = converge;
    let (sources, verbosity) = sources(&discover);
    let filter = Filter::new(filter);
    let trace = Trace {
        threshold,
        request: request(retries),
        converge_within,
        blame: on_demand(&blame),
        stacks: stacks || !filter.stacks.is_empty(),
        filter,
        budget: budget.part(),
        backends: choice(&backend),
        debuginfo,
        limits: limits::resolve(limits)?,
        on_wait: Vec::new(),
        sources,
    };
    Ok((trace, verbosity))
}

impl Trace {
    /// Has long waits set something off. Shorter events are not told one by one.
    pub(super) fn watch_for(&mut self, arguments: OnWaitArguments) {
        let OnWaitArguments { on_wait } = arguments;
        let shortest = on_wait.iter().map(|on_wait| on_wait.least).min();
        self.threshold = shortest.map_or(self.threshold, |least| self.threshold.min(least));
        self.on_wait = on_wait;
    }

    /// Whether a long wait has something saved.
    pub(super) fn saves(&self) -> bool {
        let mut actions = self.on_wait.iter().map(|on_wait| &on_wait.action);
        actions.any(|action| *action == Action::Save)
    }
}

/// Refuses to save where nothing is recorded.
pub(super) fn require_unsaved(trace: &Trace) -> Result<()> {
    ensure!(
        !trace.saves(),
        "`--on-wait` saves recordings: use `seqtrace record --last 10s`"
    );
    Ok(())
}

pub(super) fn request(arguments: RetryArguments) -> RequestWords {
    let RetryArguments { retries, writers } = arguments;
    RequestWords { retries, writers }
}

fn on_demand(arguments: &BlameArguments) -> Option<Blame> {
    match arguments.blame_above {
        Threshold::Off => None,
        Threshold::Above(above) => Some(Blame {
            above,
            lasting: arguments.blame_for,
        }),
    }
}

/// `auto` among others is for all that there is.
fn choice(asked: &[BackendArgument]) -> Choice {
    if asked.contains(&BackendArgument::Auto) {
        return Choice::Auto;
    }
    Choice::Only {
        probe: asked.contains(&BackendArgument::Probe),
        contention: asked.contains(&BackendArgument::Contention),
        sample: asked.contains(&BackendArgument::Sample),
    }
}
