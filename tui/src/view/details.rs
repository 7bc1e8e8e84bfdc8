//! The selected node: its interfaces and all its metrics.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use wavetank_sim::net::LinkId;
use wavetank_sim::world::{NodeState, Snapshot};

use super::{border, is_cut, nodes};
use crate::layout::Pane;
use crate::state::State;
use crate::text;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let Some(node) = state.selected_node() else {
        let block = border(state, Pane::Details, "no node", "");
        return frame.render_widget(block, area);
    };
    let width = area.width.saturating_sub(2).into();
    let mut lines = vec![doing(state, snapshot.nodes[node.index()])];
    lines.extend(state.uplinks(node).iter().map(|(_, uplink)| interface(state, snapshot, *uplink)));
    let metrics = state.metrics(node).iter();
    lines.extend(metrics.map(|metric| spread(state, &metric.name, &grouped(metric.value), width)));
    let height = area.height.saturating_sub(2).into();
    let hidden = lines.len().saturating_sub(height);
    let start = state.cursor(Pane::Details).min(hidden);
    let more = if hidden > start { format!("{} more below", hidden - start) } else { String::new() };
    let block = border(state, Pane::Details, snapshot.names.node(node), more);
    let lines: Vec<_> = lines.into_iter().skip(start).take(height).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn doing(state: &State, doing: NodeState) -> Line<'static> {
    let (mark, style) = nodes::mark(state, doing);
    let text = match doing {
        NodeState::Running => "running",
        NodeState::Paused => "held by a fault",
        NodeState::Off => "off: without power or program",
    };
    Line::from(vec![Span::styled(format!("{mark} "), style), Span::raw(text)])
}

/// A cable as the node sees it.
fn interface(state: &State, snapshot: &Snapshot, uplink: LinkId) -> Line<'static> {
    let counters = |link: LinkId| snapshot.links.get(link.index()).copied().unwrap_or_default();
    let (out, into) = (counters(uplink), counters(uplink.reverse()));
    let cut = if is_cut(snapshot, uplink.cable().index()) { " cut" } else { "" };
    Line::from(vec![
        Span::styled("⇄ ", state.palette.accent()),
        Span::raw(snapshot.names.cable(uplink.cable()).to_owned()),
        Span::styled(cut, state.palette.bad()),
        Span::styled("  out ", state.palette.faint()),
        Span::raw(text::count(out.sent)),
        Span::styled("  in ", state.palette.faint()),
        Span::raw(text::count(into.delivered)),
        Span::styled("  lost ", state.palette.faint()),
        Span::raw(text::count(out.dropped + into.dropped)),
    ])
}

/// A name on the left and its value on the right.
fn spread(state: &State, name: &str, value: &str, width: usize) -> Line<'static> {
    let used = Span::raw(name).width() + Span::raw(value).width() + 2;
    let dots = "·".repeat(width.saturating_sub(used));
    Line::from(vec![
        Span::raw(format!("{name} ")),
        Span::styled(dots, state.palette.faint()),
        Span::styled(format!(" {value}"), state.palette.strong()),
    ])
}

/// All digits, in groups of three.
fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}
