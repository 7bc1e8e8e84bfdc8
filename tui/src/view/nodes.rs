//! All nodes: their state, their frames and as many of their metrics as there is room for.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};
use wavetank_sim::net::LinkId;
use wavetank_sim::node::NodeId;
use wavetank_sim::world::{NodeState, Snapshot};

use super::{border, place, window};
use crate::layout::Pane;
use crate::state::State;
use crate::text;

/// The width of a count, and of the least that a metric takes.
const COUNT: usize = 7;
const METRIC_MAX: usize = 24;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, snapshot: &Snapshot) {
    let cursor = state.cursor(Pane::Nodes);
    let height = area.height.saturating_sub(3).into();
    let window = window(snapshot.nodes.len(), height, cursor);
    let shown: Vec<_> = snapshot.names.nodes().enumerate().skip(window.start).take(window.len()).collect();
    let longest = shown.iter().map(|(_, (_, name))| name.chars().count()).max().unwrap_or(0);
    let columns = Columns::fit(state, usize::from(area.width.saturating_sub(2)), longest);
    let rows = shown.iter().map(|&(index, (node, name))| {
        let row = Row::new(columns.cells(state, snapshot, node, name));
        if index == cursor { row.style(state.palette.cursor(state.focus == Pane::Nodes)) } else { row }
    });
    let block = border(state, Pane::Nodes, format!("nodes {}", snapshot.nodes.len()), {
        let place = place(snapshot.nodes.len(), height, cursor);
        not_running(state, snapshot, &place)
    });
    let head = Row::new(columns.heads()).style(state.palette.faint());
    frame.render_widget(Table::new(rows, columns.widths()).header(head).block(block), area);
}

fn not_running(state: &State, snapshot: &Snapshot, place: &str) -> Line<'static> {
    match snapshot.nodes.iter().filter(|node| **node != NodeState::Running).count() {
        0 => Line::from(place.to_owned()),
        count => Line::styled(format!("{count} not running {place}").trim_end().to_owned(), state.palette.caution()),
    }
}

/// What there is room for. A metric is worth more than counts of frames, which the links show too.
struct Columns<'a> {
    name: usize,
    has_traffic: bool,
    metrics: Vec<(&'a str, usize)>,
}

impl<'a> Columns<'a> {
    fn fit(state: &'a State, width: usize, longest_name: usize) -> Self {
        let name = longest_name.clamp(4, (width / 2).max(4));
        let mut room = width.saturating_sub(2 + name);
        let (before, from) = state.metric_names.split_at(state.metric.min(state.metric_names.len()));
        let mut names = from.iter().chain(before).map(|name| (&**name, name.chars().count().clamp(COUNT, METRIC_MAX)));
        let mut metrics: Vec<_> = names.next().filter(|(_, width)| width < &room).into_iter().collect();
        room -= metrics.iter().map(|(_, width)| width + 1).sum::<usize>();
        let has_traffic = room >= 2 * (COUNT + 1);
        room -= if has_traffic { 2 * (COUNT + 1) } else { 0 };
        for (name, width) in names.take_while(|_| has_traffic) {
            if width >= room {
                break;
            }
            room -= width + 1;
            metrics.push((name, width));
        }
        Self { name, has_traffic, metrics }
    }

    fn widths(&self) -> Vec<Constraint> {
        let mut widths = vec![1, self.name];
        widths.extend([COUNT; 2].iter().filter(|_| self.has_traffic));
        widths.extend(self.metrics.iter().map(|(_, width)| width));
        widths.into_iter().map(|width| Constraint::Length(width as u16)).collect()
    }

    fn heads(&self) -> Vec<Cell<'a>> {
        let mut heads = vec![Cell::new(""), Cell::new("node")];
        heads.extend(["out", "in"].into_iter().filter(|_| self.has_traffic).map(right));
        heads.extend(self.metrics.iter().map(|(name, _)| right(*name)));
        heads
    }

    fn cells<'b>(&self, state: &State, snapshot: &Snapshot, node: NodeId, name: &'b str) -> Vec<Cell<'b>> {
        let (mark, style) = mark(state, snapshot.nodes[node.index()]);
        let mut cells = vec![Cell::new(Span::styled(mark, style)), Cell::new(name)];
        if self.has_traffic {
            let (out, into) = traffic(state, snapshot, node);
            cells.extend([right(text::count(out)), right(text::count(into))]);
        }
        let values = self.metrics.iter().map(|(name, _)| state.metric(node, name).map(|value| value.to_string()));
        cells.extend(values.map(|value| right(value.unwrap_or_default())));
        cells
    }
}

fn right<'a>(text: impl Into<Line<'a>>) -> Cell<'a> {
    Cell::new(text.into().right_aligned())
}

/// A sign that reads without colours.
pub(super) fn mark(state: &State, doing: NodeState) -> (&'static str, Style) {
    match doing {
        NodeState::Running => ("●", state.palette.good()),
        NodeState::Paused => ("‖", state.palette.caution()),
        NodeState::Off => ("○", state.palette.bad()),
    }
}

/// How many frames a node has sent and how many have reached it.
fn traffic(state: &State, snapshot: &Snapshot, node: NodeId) -> (u64, u64) {
    let counters = |link: LinkId| snapshot.links.get(link.index()).copied().unwrap_or_default();
    let uplinks = state.uplinks(node).iter().map(|(_, uplink)| *uplink);
    uplinks
        .fold((0, 0), |(out, into), uplink| (out + counters(uplink).sent, into + counters(uplink.reverse()).delivered))
}
