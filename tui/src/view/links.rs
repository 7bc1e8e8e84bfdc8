//! All cables: whether they are whole, and how frames fare on them, each way.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};
use wavetank_sim::net::{CableId, LinkCounters};
use wavetank_sim::world::Snapshot;

use super::{border, is_cut, place, window};
use crate::layout::Pane;
use crate::state::State;
use crate::text;

/// What all counters take beside the cables' names, with the border.
const COUNTERS: u16 = 67;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let cables = snapshot.names.cables();
    let (length, cursor) = (cables.len(), state.cursor(Pane::Links));
    let height = area.height.saturating_sub(3).into();
    let window = window(length, height, cursor);
    let shown: Vec<_> = cables.enumerate().skip(window.start).take(window.len()).collect();
    let longest = shown.iter().map(|(_, (_, name))| name.chars().count()).max().unwrap_or(0) as u16;
    let is_wide = area.width >= longest + COUNTERS;
    let rows = shown.iter().map(|&(index, (cable, name))| {
        let row = row(state, snapshot, cable, name, is_wide);
        if index == cursor { row.style(state.palette.cursor(state.focus == Pane::Links)) } else { row }
    });
    let columns: &[(&str, u16)] = if is_wide {
        &[("→ sent", 7), ("arrived", 7), ("lost", 7), ("", 5), ("← sent", 7), ("arrived", 7), ("lost", 7), ("", 5)]
    } else {
        &[("→ sent", 7), ("lost", 5), ("← sent", 7), ("lost", 5)]
    };
    let mut widths = vec![Constraint::Fill(1), Constraint::Length(3)];
    widths[0] = Constraint::Max(longest.max(5));
    widths.extend(columns.iter().map(|(_, width)| Constraint::Length(*width)));
    let mut head = vec![Cell::new("cable"), Cell::new("")];
    head.extend(columns.iter().map(|(name, _)| Cell::new(Line::from(*name).right_aligned())));
    let head = Row::new(head).style(state.palette.faint());
    let cut = snapshot.cables_cut.iter().filter(|cut| **cut).count();
    let mut right = Line::from(place(length, height, cursor));
    if cut > 0 {
        right = Line::from(Span::styled(format!("{cut} cut {right}").trim_end().to_owned(), state.palette.bad()));
    }
    let block = border(state, Pane::Links, format!("links {length}"), right);
    frame.render_widget(Table::new(rows, widths).header(head).block(block), area);
}

fn row<'a>(state: &State, snapshot: &Snapshot, cable: CableId, name: &'a str, is_wide: bool) -> Row<'a> {
    let (word, style) =
        if is_cut(snapshot, cable.index()) { ("cut", state.palette.bad()) } else { ("up", state.palette.good()) };
    let mut cells = vec![Cell::new(name), Cell::new(Span::styled(word, style))];
    for link in cable.links() {
        let counters = snapshot.links.get(link.index()).copied().unwrap_or_default();
        cells.extend(direction(state, counters, is_wide));
    }
    Row::new(cells)
}

fn direction(state: &State, counters: LinkCounters, is_wide: bool) -> Vec<Cell<'static>> {
    let LinkCounters { sent, delivered, dropped, .. } = counters;
    let loss = if dropped > 0 { state.palette.caution() } else { state.palette.faint() };
    let cell = |text: String, style: Style| Cell::new(Line::from(Span::styled(text, style)).right_aligned());
    let mut cells = vec![cell(text::count(sent), Style::new())];
    if is_wide {
        cells.extend([cell(text::count(delivered), Style::new()), cell(text::count(dropped), loss)]);
    }
    cells.push(cell(text::percent(dropped, sent), loss));
    cells
}
