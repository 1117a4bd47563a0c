//! The live view's edge: a thread of its own reads the keys and draws, so that a slow terminal keeps
//! nobody from collecting.

use std::{
    io,
    sync::{Arc, mpsc as channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::event::{self, Event},
};
use tokio::{
    runtime,
    sync::{mpsc, watch},
};

use crate::{
    aggregate::snapshot::Snapshot,
    command::{interrupt::Interrupt, save, terminal},
    recording::Header,
    tui::{Effect, Input, Options, State},
};

/// So long is a screen that does not end waited for: its terminal may take nothing any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a screen may ask of the run that it shows.
#[derive(Clone, Debug)]
pub struct Controls {
    /// Ends the run.
    pub interrupt: Interrupt,
    /// Takes other times between two snapshots.
    pub interval: watch::Sender<Duration>,
    /// The recording that is shown; `None`: what happens now.
    pub recorded: Option<Header>,
}

/// A screen; dropping it gives the terminal back.
#[derive(Debug)]
pub struct Screen {
    snapshots: Option<watch::Sender<Option<Arc<Snapshot>>>>,
    lines: watch::Sender<String>,
    ended: channel::Receiver<()>,
}

impl Screen {
    /// Takes the terminal. Why the screen ended, if not as it was asked to, goes to `failed`.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn open(
        colour: bool,
        controls: Controls,
        failed: channel::Sender<anyhow::Error>,
    ) -> Result<Self> {
        let (snapshots, newest) = watch::channel(None);
        let (lines, told) = watch::channel(String::new());
        let (end, ended) = channel::channel();
        let work = move || {
            // Dropped last: whoever waits for it finds the terminal as it was.
            let _end: channel::Sender<()> = end;
            let _stop = StopAtEnd(controls.interrupt.clone());
            if let Err(error) = show(colour, &controls, newest, told) {
                // Nobody listens when the run is over.
                let _unheard = failed.send(error);
            }
        };
        thread::Builder::new()
            .name("screen".to_owned())
            .spawn(work)
            .context("failed to start the thread of the screen")?;
        Ok(Self {
            snapshots: Some(snapshots),
            lines,
            ended,
        })
    }

    /// Shows `line` at the foot until a key is pressed or another comes.
    pub fn tell(&self, line: &str) {
        self.lines.send_replace(line.to_owned());
    }

    /// Shows `snapshot` as soon as it can be, in place of those that have not been shown yet.
    pub fn show(&self, snapshot: &Arc<Snapshot>) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.send_replace(Some(Arc::clone(snapshot)));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The thread ends when nothing can come any more.
        self.snapshots = None;
        let _ended_or_stuck = self.ended.recv_timeout(PATIENCE);
    }
}

/// Without its screen a run would go on with nobody to end it.
struct StopAtEnd(Interrupt);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The thread of the screen.
fn show(
    colour: bool,
    controls: &Controls,
    mut newest: watch::Receiver<Option<Arc<Snapshot>>>,
    mut told: watch::Receiver<String>,
) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .build()
        .context("failed to start the runtime of the screen")?;
    let _taken = terminal::take()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))
        .context("failed to set up the screen")?;
    let options = Options {
        interval: *controls.interval.borrow(),
        colour,
        size: terminal
            .size()
            .context("failed to read the screen's size")?,
    };
    let mut state = State::new(options);
    let mut events = read_events()?;
    loop {
        let size = terminal
            .size()
            .context("failed to read the screen's size")?;
        state.update(Input::Resize(size));
        terminal
            .draw(|frame| state.view(frame))
            .context("failed to draw the screen")?;
        let happened = runtime.block_on(async {
            tokio::select! {
                biased;
                event = events.recv() => Happened::Event(event),
                // The last one stays to be seen when nothing comes any more.
                Ok(()) = told.changed() => Happened::Told,
                changed = newest.changed() => match changed {
                    Ok(()) => Happened::Snapshot,
                    Err(_) => Happened::Over,
                },
            }
        });
        let inputs = match happened {
            Happened::Over => return Ok(()),
            Happened::Snapshot => {
                let snapshot = newest.borrow_and_update().clone();
                snapshot.map(Input::Snapshot).into_iter().collect()
            }
            Happened::Told => vec![Input::Told(told.borrow_and_update().clone())],
            Happened::Event(event) => inputs(event, &mut events)?,
        };
        for input in inputs {
            let effect = state.update(input);
            if effect.is_some_and(|effect| has_quit(effect, &mut state, controls)) {
                return Ok(());
            }
        }
    }
}

/// What a screen waits for.
enum Happened {
    Event(Option<io::Result<Event>>),
    Snapshot,
    /// A line is to be shown.
    Told,
    /// Nothing more is to be shown.
    Over,
}

/// Does what the screen asks for; whether that is to end.
fn has_quit(effect: Effect, state: &mut State, controls: &Controls) -> bool {
    match effect {
        Effect::Quit => return true,
        Effect::Interval(interval) => {
            controls.interval.send_replace(interval);
        }
        Effect::Save(snapshot) => {
            let told = save::save(&snapshot, controls.recorded.as_ref())
                .unwrap_or_else(|error| format!("{error:#}"));
            state.update(Input::Told(told));
        }
    }
    false
}

/// `first` and what else has been typed: it is drawn once.
fn inputs(
    first: Option<io::Result<Event>>,
    events: &mut mpsc::UnboundedReceiver<io::Result<Event>>,
) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    let mut next = Some(first.ok_or_else(|| anyhow!("the terminal's input has ended"))?);
    while let Some(event) = next {
        match event.context("failed to read the terminal")? {
            Event::Key(key) => inputs.push(Input::Key(key)),
            Event::Mouse(mouse) => inputs.push(Input::Mouse(mouse)),
            // The size is looked at before each drawing.
            Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Paste(_) => {}
        }
        next = events.try_recv().ok();
    }
    Ok(inputs)
}

/// Reads keys in a thread of its own, which sleeps until one is pressed and ends with the process.
fn read_events() -> Result<mpsc::UnboundedReceiver<io::Result<Event>>> {
    let (sender, events) = mpsc::unbounded_channel();
    let work = move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.send(event).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(work)
        .context("failed to start the thread that reads keys")?;
    Ok(events)
}
