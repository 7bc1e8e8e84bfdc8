//! All that the screen shows, as plain data.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::layout::Size;
use wavetank_sim::net::LinkId;
use wavetank_sim::node::NodeId;
use wavetank_sim::time::Instant;
use wavetank_sim::trace::{Event, Record};
use wavetank_sim::world::{MetricValue, Snapshot};

use crate::Watch;
use crate::layout::{Arrangement, Needs, Pane, arrange};
use crate::marks::Marks;
use crate::message::{Place, Run};
use crate::style::Palette;

/// All that the screen shows.
#[derive(Debug)]
pub(crate) struct State {
    /// What is watched; its pace is the current one.
    pub(crate) watch: Watch,
    pub(crate) palette: Palette,
    pub(crate) size: Size,
    pub(crate) run: Run,
    /// The world as it was last seen; none before the first sight.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) rates: Rates,
    pub(crate) focus: Pane,
    pub(crate) is_zoomed: bool,
    pub(crate) shows_help: bool,
    pub(crate) is_leaving: bool,
    /// The helm has owed an answer for so long that the person should know.
    pub(crate) is_silent: bool,
    /// The trace shows only what concerns the selected node.
    pub(crate) is_filtered: bool,
    /// The trace leaves out what happens to every single frame.
    pub(crate) hides_frames: bool,
    /// The names of all metrics, sorted.
    pub(crate) metric_names: Vec<String>,
    /// Which of them is shown first beside the nodes.
    pub(crate) metric: usize,
    /// The events as they stood when the person began to scroll through them; none while the trace follows the run.
    pub(crate) held: Option<Vec<Record>>,
    /// One a pane: the line it is at. For the trace it is counted from the end.
    pub(crate) cursors: [usize; Pane::ALL.len()],
    /// What the last key did, if that is not plain.
    pub(crate) notice: Option<String>,
    /// What stands out in the run's history, as far as it was seen.
    pub(crate) marks: Marks,
    /// The time that the person is about to go to, as it is typed.
    pub(crate) typed: Option<String>,
    /// Where the person has sent it that it has not been seen at yet.
    pub(crate) bound_for: Option<Place>,
    /// How many orders the helm has not answered.
    pub(crate) outstanding: usize,
    /// How long the world was held up by the last look.
    pub(crate) look_cost: Duration,
}

impl State {
    pub(crate) fn new(watch: Watch, palette: Palette, size: Size) -> Self {
        Self {
            watch,
            palette,
            size,
            run: Run::Paused,
            snapshot: None,
            rates: Rates::default(),
            focus: Pane::Nodes,
            is_zoomed: false,
            shows_help: false,
            is_leaving: false,
            is_silent: false,
            is_filtered: false,
            hides_frames: false,
            metric_names: Vec::new(),
            metric: 0,
            held: None,
            cursors: [0; Pane::ALL.len()],
            notice: None,
            marks: Marks::default(),
            typed: None,
            bound_for: None,
            outstanding: 0,
            look_cost: Duration::ZERO,
        }
    }

    pub(crate) fn arrangement(&self) -> Option<Arrangement> {
        arrange(self.size, &self.needs())
    }

    fn needs(&self) -> Needs {
        Needs {
            focus: self.focus,
            is_zoomed: self.is_zoomed,
            nodes: self.length(Pane::Nodes),
            cables: self.length(Pane::Links),
            expectations: self.length(Pane::Expectations),
            failures: self.length(Pane::Failures),
        }
    }

    pub(crate) fn cursor(&self, pane: Pane) -> usize {
        self.cursors[pane as usize]
    }

    /// How many lines there are to show in a pane.
    pub(crate) fn length(&self, pane: Pane) -> usize {
        let Some(snapshot) = &self.snapshot else { return 0 };
        match pane {
            Pane::Nodes => snapshot.nodes.len(),
            Pane::Details => {
                self.selected_node().map_or(0, |node| self.uplinks(node).len() + self.metrics(node).len() + 1)
            }
            Pane::Links => snapshot.cables_cut.len(),
            Pane::Expectations => snapshot.expectations.len(),
            Pane::Trace => self.trace().count(),
            Pane::Failures => snapshot.failures.len(),
        }
    }

    pub(crate) fn selected_node(&self) -> Option<NodeId> {
        let names = &self.snapshot.as_ref()?.names;
        names.nodes().nth(self.cursor(Pane::Nodes)).map(|(id, _)| id)
    }

    /// The metrics of a node, by name.
    pub(crate) fn metrics(&self, node: NodeId) -> &[MetricValue] {
        let metrics = self.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.metrics);
        run_of(metrics, |metric| metric.node, node)
    }

    /// The value of a node's metric, if the node has set it.
    pub(crate) fn metric(&self, node: NodeId, name: &str) -> Option<i64> {
        let metrics = self.metrics(node);
        let at = metrics.binary_search_by(|metric| metric.name.as_str().cmp(name)).ok()?;
        Some(metrics[at].value)
    }

    /// The links that lead out of a node.
    pub(crate) fn uplinks(&self, node: NodeId) -> &[(NodeId, LinkId)] {
        let uplinks = self.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.uplinks);
        run_of(uplinks, |uplink| uplink.0, node)
    }

    /// The events that the trace may show, oldest first.
    pub(crate) fn trace(&self) -> impl Iterator<Item = &Record> {
        let recent = self.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.recent);
        let node = self.selected_node().filter(|_| self.is_filtered);
        let shown = self.held.as_deref().unwrap_or(recent).iter();
        shown
            .filter(move |record| !self.hides_frames || record.event.link().is_none())
            .filter(move |record| node.is_none_or(|node| self.concerns(&record.event, node)))
    }

    fn concerns(&self, event: &Event, node: NodeId) -> bool {
        let Some(snapshot) = &self.snapshot else { return false };
        match *event {
            Event::FaultBegan { fault } | Event::FaultEnded { fault } | Event::FaultFelt { fault, .. } => {
                snapshot.names.fault(fault).split([' ', '/', ',']).any(|word| word == snapshot.names.node(node))
            }
            _ => {
                event.node() == Some(node)
                    || event
                        .link()
                        .is_some_and(|link| self.uplinks(node).iter().any(|(_, uplink)| uplink.cable() == link.cable()))
            }
        }
    }
}

/// The items of one node in a list that is sorted by node.
fn run_of<T>(items: &[T], node_of: impl Fn(&T) -> NodeId, node: NodeId) -> &[T] {
    let start = items.partition_point(|item| node_of(item) < node);
    let length = items[start..].partition_point(|item| node_of(item) == node);
    &items[start..start + length]
}

/// How fast the run has been within the last second.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    wall: Duration,
    now: Instant,
    events: u64,
}

impl Rates {
    const WINDOW: Duration = Duration::from_secs(1);

    pub(crate) fn add(&mut self, wall: Duration, now: Instant, events: u64) {
        while self.samples.len() > 1 && self.samples.front().is_some_and(|first| wall > first.wall + Self::WINDOW) {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { wall, now, events });
    }

    /// What came before says nothing about what comes.
    pub(crate) fn forget(&mut self) {
        self.samples.clear();
    }

    /// Events of the queue in a wall second.
    pub(crate) fn events_per_second(&self) -> Option<u64> {
        let (first, last, wall) = self.ends()?;
        Some(((last.events - first.events) as f64 / wall) as u64)
    }

    /// Virtual time over wall time.
    pub(crate) fn speed(&self) -> Option<f64> {
        let (first, last, wall) = self.ends()?;
        Some((last.now - first.now).as_secs_f64() / wall)
    }

    fn ends(&self) -> Option<(Sample, Sample, f64)> {
        let (first, last) = (*self.samples.front()?, *self.samples.back()?);
        let wall = last.wall.saturating_sub(first.wall).as_secs_f64();
        (wall > 0.0).then_some((first, last, wall))
    }
}
