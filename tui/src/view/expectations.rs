//! What must hold, and what has become of it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use wavetank_sim::check::{Verdict, VerdictReport};
use wavetank_sim::world::Snapshot;

use super::{border, place, window};
use crate::layout::Pane;
use crate::state::State;
use crate::text;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let reports = &snapshot.expectations;
    let height = area.height.saturating_sub(2).into();
    let cursor = state.cursor(Pane::Expectations);
    let window = window(reports.len(), height, cursor);
    let is_all_in_sight = reports.len() <= height;
    let shown = reports[window.clone()].iter().zip(window);
    let lines: Vec<_> = shown
        .map(|(report, index)| {
            let line = line(state, report);
            if index == cursor && !is_all_in_sight && state.focus == Pane::Expectations {
                line.style(state.palette.cursor(true))
            } else {
                line
            }
        })
        .collect();
    let block = border(state, Pane::Expectations, title(state, reports), place(reports.len(), height, cursor));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn title(state: &State, reports: &[VerdictReport]) -> Line<'static> {
    let mut line = Line::from("expectations");
    for verdict in [Verdict::Broken, Verdict::Held, Verdict::Open, Verdict::Unseen] {
        let count = reports.iter().filter(|report| report.verdict == verdict).count();
        if count > 0 {
            let (_, word, style) = looks(state, verdict);
            line.push_span(Span::styled(format!(" {count} {word}"), style));
        }
    }
    line
}

fn line(state: &State, report: &VerdictReport) -> Line<'static> {
    let (mark, word, style) = looks(state, report.verdict);
    // What is open while the run goes on has not been decided at any time.
    let is_decided = report.verdict != Verdict::Open || state.run.is_over();
    let at = if is_decided { text::seconds(report.at) } else { String::new() };
    let mut line = Line::from(vec![
        Span::styled(format!("{mark} {word:<6}"), style),
        Span::styled(format!(" {at:>9}  "), state.palette.faint()),
        Span::raw(report.name.clone()),
    ]);
    if let Some(detail) = &report.detail {
        line.push_span(Span::styled(format!("  {detail}"), state.palette.faint()));
    }
    line
}

fn looks(state: &State, verdict: Verdict) -> (&'static str, &'static str, ratatui::style::Style) {
    match verdict {
        Verdict::Held => ("✓", "held", state.palette.good()),
        Verdict::Broken => ("✗", "broken", state.palette.bad()),
        Verdict::Open => ("…", "open", state.palette.faint()),
        Verdict::Unseen => ("…", "unseen", state.palette.faint()),
    }
}
