//! Colours, where they are wanted. Nothing is said by colour alone.

use ratatui::style::{Color, Modifier, Style};

/// The looks of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    pub(crate) has_colours: bool,
}

impl Palette {
    /// Colours, unless the environment says `NO_COLOR` (<https://no-color.org>).
    pub(crate) fn from_env() -> Self {
        Self { has_colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    pub(crate) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(crate) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn caution(self) -> Style {
        self.coloured(Color::Yellow)
    }

    pub(crate) fn accent(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// What matters less.
    pub(crate) fn faint(self) -> Style {
        if self.has_colours { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The line that the cursor is on.
    pub(crate) fn cursor(self, is_focused: bool) -> Style {
        Style::new().add_modifier(if is_focused { Modifier::REVERSED } else { Modifier::BOLD })
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }
}
