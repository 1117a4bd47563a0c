//! How things are set off. Colours are the terminal's own, so that they suit its background, and say
//! nothing that is not also said in words, bold or reversed: there may be none.

use ratatui::style::{Color, Modifier, Style};

pub(super) const PLAIN: Style = Style::new();
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// The styles that have colours, with colours or without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    colour: bool,
}

/// The grounds of calls in a flame graph.
const FLAMES: [Color; 4] = [
    Color::Yellow,
    Color::LightRed,
    Color::LightYellow,
    Color::Red,
];

impl Theme {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn coloured(self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }

    /// Something was lost, or is not as usual.
    pub(super) fn alarm(self) -> Style {
        self.coloured(STRONG, Color::Red)
    }

    /// The names of columns.
    pub(super) fn head(self) -> Style {
        self.coloured(STRONG, Color::Blue)
    }

    /// The name of the column that is sorted by.
    pub(super) fn sorted(self) -> Style {
        self.head().add_modifier(Modifier::UNDERLINED)
    }

    pub(super) fn bars(self) -> Style {
        self.coloured(Style::new(), Color::Green)
    }

    /// A call in a flame graph. Its text is black on a colour of its own, which can be read whatever the
    /// terminal's background is.
    pub(super) fn call(self, name: &str) -> Style {
        if !self.colour {
            return Style::new();
        }
        let sum = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31) + usize::from(byte)
        });
        Style::new().fg(Color::Black).bg(FLAMES[sum % FLAMES.len()])
    }
}
