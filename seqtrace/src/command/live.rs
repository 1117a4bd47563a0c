//! `top`: the numbers of the running system, renewed each interval.

use std::{
    io::{self, Write as _},
    mem,
    sync::{Arc, mpsc},
    time::Duration,
};

use anyhow::Result;
use log::warn;
use tokio::sync::watch;

use crate::{
    aggregate::snapshot::Snapshot,
    cli::Colour,
    command::{
        interrupt::Interrupt,
        observe::Observer,
        report::{finish, print, size},
        save,
        screen::{Controls, Screen},
        terminal,
        trace::{self, Outcome, Request},
    },
    config::{Span, Trace},
    export::{live, table},
};

/// How the numbers are shown.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Time between two looks at them.
    pub interval: Duration,
    /// When to stop; `None`: on a signal, or when the user quits.
    pub duration: Option<Duration>,
    /// Whether the screen has colours.
    pub colour: Colour,
    /// Show progress on stderr.
    pub progress: bool,
}

/// A screen on a terminal, else a table each interval; the totals at the end.
///
/// # Errors
///
/// When the run cannot be done, or its output cannot be written.
pub async fn top(view: View, trace: &Trace) -> Result<u8> {
    let interrupt = Interrupt::listen()?;
    if !terminal::is_usable() {
        let outcome = lines(view, trace, &interrupt).await?;
        print(&table::closing(&outcome.snapshot, size().0))?;
        return finish(&outcome, trace);
    }
    // The screen opens them.
    let trace = &Trace {
        stacks: true,
        ..trace.clone()
    };
    let (failed, failures) = mpsc::channel();
    let outcome = screen(view, trace, &interrupt, failed).await?;
    print(&table::closing(&outcome.snapshot, size().0))?;
    match failures.try_recv() {
        Ok(error) => Err(error),
        Err(_) => finish(&outcome, trace),
    }
}

/// A run with a screen, from the first numbers to the end of counting.
async fn screen(
    view: View,
    trace: &Trace,
    interrupt: &Interrupt,
    failed: mpsc::Sender<anyhow::Error>,
) -> Result<Outcome> {
    let (interval, chosen) = watch::channel(view.interval);
    let span = span(view);
    let request = Request {
        chosen: Some(chosen),
        ..request(view, trace, &span)
    };
    let controls = Controls {
        interrupt: interrupt.clone(),
        interval,
        recorded: None,
    };
    let mut shown = Shown {
        colour: is_colourful(view.colour),
        controls,
        failed,
        screen: None,
        is_due: false,
    };
    trace::observed(&request, interrupt, &mut shown).await
}

/// A screen, from the first numbers on.
struct Shown {
    colour: bool,
    controls: Controls,
    failed: mpsc::Sender<anyhow::Error>,
    screen: Option<Screen>,
    /// Whether a wait came since the last numbers for which they are to be saved.
    is_due: bool,
}

impl Observer for Shown {
    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<()> {
        let screen = match &mut self.screen {
            Some(screen) => screen,
            None => self.screen.insert(Screen::open(
                self.colour,
                self.controls.clone(),
                self.failed.clone(),
            )?),
        };
        screen.show(snapshot);
        if mem::take(&mut self.is_due) {
            let told = saved(snapshot);
            warn!("--on-wait: {told}");
            screen.tell(&told);
        }
        Ok(())
    }

    fn told(&mut self, line: &str) {
        if let Some(screen) = &self.screen {
            screen.tell(line);
        }
    }

    fn save(&mut self) {
        self.is_due = true;
    }

    fn over(&mut self) {
        // It has the terminal, and what follows is told there.
        self.screen = None;
    }
}

/// Whether the screen has colours.
pub(super) fn is_colourful(colour: Colour) -> bool {
    match colour {
        Colour::Auto => !terminal::is_colourless(),
        Colour::Always => true,
        Colour::Never => false,
    }
}

/// A run with a table each interval.
async fn lines(view: View, trace: &Trace, interrupt: &Interrupt) -> Result<Outcome> {
    let span = span(view);
    let mut lines = Lines::default();
    trace::observed(&request(view, trace, &span), interrupt, &mut lines).await
}

/// Tables, one below the other.
#[derive(Default)]
struct Lines {
    before: Option<Arc<Snapshot>>,
    /// As [`Shown::is_due`].
    is_due: bool,
}

impl Observer for Lines {
    fn snapshot(&mut self, now: &Arc<Snapshot>) -> Result<()> {
        let change = match &self.before {
            Some(before) => now.since(before),
            None => now.since_start(),
        };
        let (width, height) = size();
        let mut out = io::stdout().lock();
        writeln!(out, "{}", live::screen(now, &change, width, height))?;
        out.flush()?;
        self.before = Some(Arc::clone(now));
        if mem::take(&mut self.is_due) {
            warn!("--on-wait: {}", saved(now));
        }
        Ok(())
    }

    fn save(&mut self) {
        self.is_due = true;
    }
}

/// Saves as the key does; says what was saved, or why nothing was.
fn saved(snapshot: &Snapshot) -> String {
    save::save(snapshot, None).unwrap_or_else(|error| format!("{error:#}"))
}

fn span(view: View) -> Span {
    Span {
        duration: view.duration,
        run: Vec::new(),
        repeat: 1,
    }
}

fn request<'a>(view: View, trace: &'a Trace, span: &'a Span) -> Request<'a> {
    Request {
        trace,
        span,
        interval: Some(view.interval),
        chosen: None,
        progress: view.progress,
    }
}
