//! The live view on snapshots of `tests/data/snapshots`: keys and mouse through the real input path, what
//! is drawn against `tests/data/screens`.
//!
//! After a wanted change: `SEQTRACE_BLESS=1 cargo test --test screens`, then look at the diff as at screens.

use std::{sync::Arc, time::Duration};

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind},
    layout::Size,
    text::Span,
};
use seqtrace::{
    aggregate::snapshot::{Figures, Governor, Snapshot},
    tui::{Effect, Input, Options, State},
};

#[path = "screens/cgroups.rs"]
mod cgroups;
#[path = "screens/golden.rs"]
mod golden;
#[path = "screens/hostile.rs"]
mod hostile;
#[path = "screens/keys.rs"]
mod keys;
#[path = "screens/recorded.rs"]
mod recorded;

use golden::golden;
use recorded::{Recorded, recorded};

/// A screen with its terminal.
struct Screen {
    state: State,
    terminal: Terminal<TestBackend>,
    /// What was asked for so far.
    effects: Vec<Effect>,
}

impl Screen {
    /// An empty screen in colours.
    fn new(width: u16, height: u16) -> Self {
        Self::with_colour(width, height, true)
    }

    fn with_colour(width: u16, height: u16, colour: bool) -> Self {
        let options = Options {
            interval: Duration::from_secs(1),
            colour,
            size: Size::new(width, height),
        };
        Self {
            state: State::new(options),
            terminal: Terminal::new(TestBackend::new(width, height)).expect("it has no errors"),
            effects: Vec::new(),
        }
    }

    /// A screen that has seen these snapshots, one after the other.
    fn of(snapshots: &[Arc<Snapshot>], width: u16, height: u16) -> Self {
        let mut screen = Self::new(width, height);
        for snapshot in snapshots {
            screen.see(snapshot);
        }
        screen
    }

    fn see(&mut self, snapshot: &Arc<Snapshot>) {
        self.input(Input::Snapshot(Arc::clone(snapshot)));
    }

    /// As the edge does it: takes the input in, and draws.
    fn input(&mut self, input: Input) {
        self.effects.extend(self.state.update(input));
        self.terminal
            .draw(|frame| self.state.view(frame))
            .expect("it has no errors");
    }

    /// Presses keys: a word between `<` and `>` is the key of that name, all else is typed.
    fn press(&mut self, keys: &str) -> &mut Self {
        for part in keys.split_inclusive('>') {
            let (typed, key) = match part.strip_suffix('>').and_then(|p| p.rsplit_once('<')) {
                Some((typed, name)) => (typed, Some(code(name))),
                None => (part, None),
            };
            for code in typed.chars().map(KeyCode::Char).chain(key) {
                self.input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            }
        }
        self
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) -> &mut Self {
        self.input(Input::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }));
        self
    }

    fn click(&mut self, column: u16, row: u16) -> &mut Self {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row)
    }

    /// Clicks on the first place where `text` stands.
    fn click_on(&mut self, text: &str) -> &mut Self {
        let lines = self.text();
        let found = lines.lines().enumerate().find_map(|(row, line)| {
            let before = line.split_once(text)?.0;
            Some((before.chars().count() as u16, row as u16))
        });
        let (column, row) = found.unwrap_or_else(|| panic!("no {text:?} in\n{lines}"));
        self.click(column, row)
    }

    fn buffer(&self) -> &Buffer {
        self.terminal.backend().buffer()
    }

    /// What is seen, a line for each row, without spaces at the ends.
    fn text(&self) -> String {
        let buffer = self.buffer();
        let rows = buffer.content.chunks(usize::from(buffer.area.width));
        let line = |row: &[ratatui::buffer::Cell]| -> String {
            let mut text = String::new();
            // A character that is two columns wide has an empty cell behind it.
            let mut hidden = 0;
            for cell in row {
                if hidden > 0 {
                    hidden -= 1;
                    continue;
                }
                text.push_str(cell.symbol());
                hidden = Span::raw(cell.symbol()).width().saturating_sub(1);
            }
            text.trim_end().to_owned() + "\n"
        };
        rows.map(line).collect()
    }

    /// The line that is selected: reversed from the left edge on, below the tabs.
    fn selected(&self) -> String {
        let buffer = self.buffer();
        let width = usize::from(buffer.area.width);
        let reversed = |row: usize| {
            let cell = &buffer.content[row * width];
            cell.modifier.contains(ratatui::style::Modifier::REVERSED)
        };
        let rows = usize::from(buffer.area.height);
        let row = (3..rows).find(|row| reversed(*row)).expect("a line");
        self.text().lines().nth(row).unwrap_or_default().to_owned()
    }

    fn assert_has(&self, words: &[&str]) {
        let text = self.text();
        for word in words {
            assert!(text.contains(word), "no {word:?} in\n{text}");
        }
    }

    fn assert_lacks(&self, words: &[&str]) {
        let text = self.text();
        for word in words {
            assert!(!text.contains(word), "{word:?} in\n{text}");
        }
    }
}

fn code(name: &str) -> KeyCode {
    match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "backspace" => KeyCode::Backspace,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "space" => KeyCode::Char(' '),
        other => panic!("no key <{other}>"),
    }
}

/// The sizes that are looked at.
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

#[test]
fn every_tab_in_every_size() {
    let storm = recorded(Recorded::Storm);
    for (width, height) in SIZES {
        let mut screen = Screen::of(&storm, width, height);
        for (key, tab) in [
            ("1", "seqcounts"),
            ("2", "sites"),
            ("3", "tasks"),
            ("4", "blame"),
            ("5", "events"),
            ("6", "coverage"),
        ] {
            screen.press(key);
            golden(&format!("{tab}-{width}x{height}"), &screen.text());
        }
        screen.press("?");
        golden(&format!("help-{width}x{height}"), &screen.text());
    }
}

#[test]
fn pages_that_are_opened_from_others() {
    let storm = recorded(Recorded::Storm);
    for (keys, page) in [
        ("<enter>", "sites-of-seqcount"),
        ("<enter><enter>", "stacks-of-site"),
        ("f<down><enter><down>", "stacks-zoomed"),
        ("3<enter>", "sites-of-task"),
        ("4<enter>", "stacks-of-pair"),
        ("5<enter>", "stacks-of-event"),
    ] {
        for (width, height) in [(80, 24), (120, 40)] {
            let mut screen = Screen::of(&storm, width, height);
            screen.press(keys);
            golden(&format!("{page}-{width}x{height}"), &screen.text());
        }
    }
}

#[test]
fn losses_stand_in_the_header_and_are_set_off() {
    let losses = recorded(Recorded::Losses);
    let screen = Screen::of(&losses, 80, 24);
    golden("losses-80x24", &screen.text());
    let cell = &screen.buffer()[(0, 1)];
    assert!(
        cell.modifier.contains(ratatui::style::Modifier::BOLD),
        "{cell:?}"
    );
}

#[test]
fn what_the_probes_cost_stands_in_the_header_where_there_is_a_budget() {
    let snapshots = recorded(Recorded::Storm);
    Screen::of(&snapshots, 120, 40).assert_lacks(&["allowed"]);
    let mut governed = Snapshot::clone(snapshots.last().expect("some"));
    governed.governor = Some(Governor {
        figures: Figures {
            budget: 0.01,
            now: 0.0042,
            ..Figures::default()
        },
        ..Governor::default()
    });
    Screen::of(&[Arc::new(governed)], 120, 40).assert_has(&["cost 0.42% of 1.00% allowed"]);
}
