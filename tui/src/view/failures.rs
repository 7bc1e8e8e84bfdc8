//! What went wrong besides broken expectations.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use wavetank_sim::world::Snapshot;

use super::{border, place};
use crate::layout::Pane;
use crate::state::State;
use crate::text;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let failures = &snapshot.failures;
    let height = usize::from(area.height.saturating_sub(2));
    let cursor = state.cursor(Pane::Failures).min(failures.len().saturating_sub(1));
    let lines: Vec<_> = failures
        .iter()
        .skip(cursor)
        .take(height)
        .map(|failure| Line::from(text::one_line(&failure.to_string())))
        .collect();
    let title = Line::styled(format!("failures {}", failures.len()), state.palette.bad());
    let block = border(state, Pane::Failures, title, place(failures.len(), height, cursor));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).block(block), area);
}
