//! The picture of a state: one pane a file.

mod details;
mod expectations;
mod failures;
mod footer;
mod header;
mod help;
mod links;
mod nodes;
mod trace;

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};
use wavetank_sim::world::Snapshot;

use crate::layout::{Pane, SMALLEST};
use crate::state::State;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State) {
    let Some(arrangement) = state.arrangement() else {
        let text = format!("{SMALLEST} at least, please; q quits").replace('x', " × ");
        return frame.render_widget(Paragraph::new(text).alignment(Alignment::Center), frame.area());
    };
    let Some(snapshot) = &state.snapshot else {
        return frame.render_widget(Paragraph::new("the world is being built"), arrangement.header);
    };
    header::draw(frame, arrangement.header, state, snapshot);
    if let Some(area) = arrangement.tabs {
        tabs(frame, area, state);
    }
    for (pane, area) in arrangement.panes {
        match pane {
            Pane::Nodes => nodes::draw(frame, area, state, snapshot),
            Pane::Details => details::draw(frame, area, state, snapshot),
            Pane::Links => links::draw(frame, area, state, snapshot),
            Pane::Expectations => expectations::draw(frame, area, state, snapshot),
            Pane::Trace => trace::draw(frame, area, state, snapshot),
            Pane::Failures => failures::draw(frame, area, state, snapshot),
        }
    }
    footer::draw(frame, arrangement.footer, state);
    if state.shows_help {
        help::draw(frame, state);
    }
}

/// The names of all panes, for a screen that shows one of them.
fn tabs(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let mut line = Line::default();
    for pane in Pane::ALL.into_iter().filter(|pane| *pane != Pane::Failures || state.length(*pane) > 0) {
        let style = if pane == state.focus { state.palette.accent().reversed() } else { state.palette.faint() };
        line.push_span(Span::styled(format!(" {} ", pane.name()), style));
    }
    frame.render_widget(line, area);
}

/// The border of a pane, with its title on the left and a word on its state on the right.
fn border<'a>(state: &State, pane: Pane, title: impl Into<Line<'a>>, right: impl Into<Line<'a>>) -> Block<'a> {
    let is_focused = state.focus == pane;
    let (kind, style) = if is_focused {
        (BorderType::Thick, state.palette.accent())
    } else {
        (BorderType::Rounded, state.palette.faint())
    };
    let pad = |mut line: Line<'a>| {
        if line.width() > 0 {
            line.spans.insert(0, " ".into());
            line.push_span(" ");
        }
        line.patch_style(ratatui::style::Style::reset())
    };
    Block::bordered()
        .border_type(kind)
        .border_style(style)
        .title(pad(title.into()))
        .title(pad(right.into()).alignment(Alignment::Right))
}

/// Which of `length` lines are in sight if `height` are and the one `at` must be.
fn window(length: usize, height: usize, at: usize) -> Range<usize> {
    let start = at.saturating_sub(height / 2).min(length.saturating_sub(height));
    start..length.min(start + height)
}

/// `3/120`: where the cursor is, if not all lines are in sight.
fn place(length: usize, height: usize, at: usize) -> String {
    if length > height { format!("{}/{length}", at.min(length.saturating_sub(1)) + 1) } else { String::new() }
}

/// What a cable's cut state is called.
fn is_cut(snapshot: &Snapshot, cable: usize) -> bool {
    snapshot.cables_cut.get(cable).copied().unwrap_or(false)
}
