//! What `seqtrace explain` is asked for.

use std::path::PathBuf;

use anyhow::Result;

use super::{Task, check_writable};
use crate::cli::{ExplainArguments, VerbosityArguments};

/// A log that is to be explained.
#[derive(Debug)]
pub struct Explain {
    /// The log; `None`: standard input.
    pub file: Option<PathBuf>,
    /// What to make of it.
    pub form: ExplainForm,
    /// The kernel that it is of.
    pub image: Option<PathBuf>,
}

/// What to make of an explained log.
#[derive(Debug)]
pub enum ExplainForm {
    /// Text for people.
    Text,
    /// One JSON document.
    Json,
    /// The circles for Graphviz, in a file; `None`: standard output.
    Dot(Option<PathBuf>),
    /// The circles as a drawing, in a file; `None`: standard output.
    Svg(Option<PathBuf>),
}

/// Checks and resolves the options.
///
/// # Errors
///
/// When a file cannot be written.
pub(super) fn task(arguments: ExplainArguments) -> Result<(Task, VerbosityArguments)> {
    let ExplainArguments {
        file,
        json,
        dot,
        svg,
        image,
        verbosity,
    } = arguments;
    let form = match (dot, svg) {
        (Some(file), _) => ExplainForm::Dot(output(file)?),
        (None, Some(file)) => ExplainForm::Svg(output(file)?),
        (None, None) if json => ExplainForm::Json,
        (None, None) => ExplainForm::Text,
    };
    let explain = Explain {
        file: named(file),
        form,
        image,
    };
    Ok((Task::Explain(explain), verbosity))
}

/// `-` is no file.
fn named(file: PathBuf) -> Option<PathBuf> {
    (file.as_os_str() != "-").then_some(file)
}

fn output(file: PathBuf) -> Result<Option<PathBuf>> {
    let file = named(file);
    if let Some(file) = &file {
        check_writable(file)?;
    }
    Ok(file)
}
