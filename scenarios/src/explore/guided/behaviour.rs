//! What a run did, as a set of numbers: two runs with the same numbers went the same ways.
//!
//! A number stands for an edge (a node of a kind, what it did last, what happens to it now, and how often, by powers of
//! two), for how near an expectation's values came to what they were never seen to be, for a metric's size at the end, or
//! for a verdict. Names of nodes are not in it: what another node of the same kind does is nothing new.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wavetank_sim::node::NodeId;
use wavetank_sim::trace::{Event, Names, Record, Sink};
use wavetank_sim::world::Snapshot;

use crate::plan::{End, Plan};

/// What a run has shown, sorted.
pub type Behaviour = Vec<u64>;

/// Watches a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    edges: BTreeMap<u64, u32>,
    /// The least and the greatest value of each cell of each expectation.
    extremes: BTreeMap<(usize, usize), (i64, i64)>,
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An expectation looks at these values.
    pub(crate) fn look(&self, expectation: usize, cells: &[i64]) {
        let mut seen = self.seen();
        for (place, &value) in cells.iter().enumerate() {
            let (least, greatest) = seen.extremes.entry((expectation, place)).or_insert((value, value));
            (*least, *greatest) = (value.min(*least), value.max(*greatest));
        }
    }

    /// The sink that sees what nodes do.
    pub(crate) fn sink(&self, plan: &Arc<Plan>) -> Box<dyn Sink> {
        let node = |end: &End| match end {
            End::Node { node, .. } => Some(*node),
            End::Switch { .. } | End::Air { .. } | End::Trunk { .. } | End::AccessPoint { .. } => None,
        };
        let ends = plan.links.iter().flat_map(|link| [node(&link.ends[1]), node(&link.ends[0])]);
        Box::new(Looking {
            plan: Arc::clone(plan),
            watch: self.clone(),
            last: vec![0; plan.nodes.len()],
            ends: ends.collect(),
            edges: BTreeMap::new(),
        })
    }

    /// What the run has shown, now that it is over.
    pub(super) fn behaviour(&self, plan: &Plan, end: &Snapshot) -> Behaviour {
        let seen = self.seen();
        let mut numbers = BTreeSet::new();
        for (edge, count) in &seen.edges {
            numbers.insert(number(("edge", edge, size(i64::from(*count)))));
        }
        for (cell, (least, greatest)) in &seen.extremes {
            numbers.insert(number(("least", cell, size(*least))));
            numbers.insert(number(("greatest", cell, size(*greatest))));
        }
        for metric in &end.metrics {
            let kind = plan.nodes.get(metric.node.index()).map(|node| node.kind.name());
            numbers.insert(number(("metric", kind, &metric.name, size(metric.value))));
        }
        for (index, report) in end.expectations.iter().enumerate() {
            numbers.insert(number(("verdict", index, report.verdict as u8)));
        }
        numbers.into_iter().collect()
    }
}

/// Small values are themselves, large ones the power of two below them.
fn size(value: i64) -> i64 {
    const EXACT: u64 = 16;
    let magnitude = value.unsigned_abs();
    let size = if magnitude < EXACT { magnitude } else { EXACT + u64::from(magnitude.ilog2()) };
    size.cast_signed() * value.signum()
}

fn number(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

struct Looking {
    plan: Arc<Plan>,
    watch: Watch,
    /// What each node did last.
    last: Vec<u64>,
    /// The node that each one-way link leads to, if it leads to one.
    ends: Vec<Option<usize>>,
    edges: BTreeMap<u64, u32>,
}

impl Sink for Looking {
    fn record(&mut self, record: &Record, names: &Names) {
        let event = &record.event;
        let what = match *event {
            Event::Flow { kind, .. } => number(("flow", names.symbol(kind))),
            Event::Called { history, .. } => number(("called", names.symbol(history))),
            Event::Answered { history, .. } => number(("answered", names.symbol(history))),
            Event::Boot { cause, .. } => number(("boot", cause as u8)),
            Event::FrameDropped { reason, .. } => number(("dropped", reason.name())),
            Event::FaultBegan { fault } | Event::FaultEnded { fault } => {
                // A fault is something to all that are in some state when it comes.
                let word = names.fault(fault).split(' ').next().unwrap_or_default();
                let what = number((event.name(), word));
                for node in 0..self.last.len() {
                    self.edge(node, what);
                }
                return;
            }
            // Frames that are sent follow from what is done; those that arrive are what happens to a node.
            Event::FrameSent { .. } | Event::Verdict { .. } | Event::Input { .. } => return,
            _ => number(event.name()),
        };
        let node = event.node().map(NodeId::index);
        let node = node.or_else(|| event.link().and_then(|link| self.ends.get(link.index()).copied().flatten()));
        if let Some(node) = node.filter(|node| *node < self.last.len()) {
            self.edge(node, what);
            if event.node().is_some() {
                self.last[node] = what;
            }
        }
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.watch.seen().edges = std::mem::take(&mut self.edges);
        Ok(())
    }
}

impl Looking {
    fn edge(&mut self, node: usize, what: u64) {
        let edge = number((self.plan.nodes[node].kind.name(), self.last[node], what));
        *self.edges.entry(edge).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_tell_small_values_apart_and_large_ones_by_their_powers() {
        assert_eq!([0, 1, 15, 16, 31, 32].map(size), [0, 1, 15, 20, 20, 21]);
        assert_eq!([-1, -16, i64::MIN].map(size), [-1, -20, -79]);
    }
}
