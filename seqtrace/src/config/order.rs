//! What is asked of `seqtrace order`.

use globset::Glob;

use super::{Sources, Span, Task, sources};
use crate::cli::{BudgetArguments, OrderArguments, VerbosityArguments};

/// Which locks and seqcounts are followed, and for how long.
#[derive(Debug)]
pub struct Order {
    /// Patterns for seqcounts.
    pub seqcounts: Vec<Glob>,
    /// Patterns for locks.
    pub locks: Vec<Glob>,
    /// Whether a stack is printed for each edge.
    pub stacks: bool,
    /// One JSON document instead of the table.
    pub json: bool,
    /// When to stop.
    pub span: Span,
    /// The part of the time of all CPUs that the probes may cost; `None`: no limit.
    pub budget: Option<f64>,
    /// Where sites come from.
    pub sources: Sources,
}

pub(super) fn task(arguments: OrderArguments) -> (Task, VerbosityArguments) {
    let OrderArguments {
        seqcounts,
        locks,
        stacks,
        duration,
        json,
        budget: BudgetArguments { budget },
        discover,
        run,
    } = arguments;
    let (sources, verbosity) = sources(&discover);
    let order = Order {
        seqcounts,
        locks,
        stacks,
        json,
        span: Span {
            duration,
            run,
            repeat: 1,
        },
        budget: budget.part(),
        sources,
    };
    (Task::Order(order), verbosity)
}
