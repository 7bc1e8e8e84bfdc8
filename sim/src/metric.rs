//! Integer metrics of nodes, and sums over them that are kept as they change.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::check::{Aggregate, Cell};
use crate::kernel::Kernel;
use crate::node::{NodeCore, NodeId};

/// A metric of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MetricId(u32);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Add(i64),
    Set(i64),
}

struct Metric {
    node: NodeId,
    name: Rc<str>,
    value: i64,
    /// The cells that it is part of.
    cells: Vec<u32>,
}

struct CellState {
    spec: Cell,
    members: Vec<MetricId>,
    value: i64,
    /// The expectations that look at it.
    watchers: Vec<u32>,
}

/// All metrics of a world.
#[derive(Default)]
pub(crate) struct Metrics {
    metrics: Vec<Metric>,
    cells: Vec<CellState>,
    /// Many nodes have a metric of the same name, which lies in one place for all of them.
    names: BTreeSet<Rc<str>>,
}

impl Metrics {
    /// A name, where all that have it have it.
    fn name(&mut self, name: &str) -> Rc<str> {
        if let Some(known) = self.names.get(name) {
            return Rc::clone(known);
        }
        let new: Rc<str> = name.into();
        self.names.insert(Rc::clone(&new));
        new
    }

    fn create(&mut self, node: NodeId, name: &Rc<str>) -> MetricId {
        let id = MetricId(u32::try_from(self.metrics.len()).expect("fewer than 2^32 metrics"));
        let mut cells = Vec::new();
        for (index, cell) in self.cells.iter_mut().enumerate() {
            if *cell.spec.metric == **name && cell.spec.nodes.contains(&node) {
                cell.members.push(id);
                cells.push(index as u32);
            }
        }
        self.metrics.push(Metric { node, name: Rc::clone(name), value: 0, cells });
        id
    }

    /// Adds a cell that `watcher` looks at, and returns its index. Metrics that exist already are not in it.
    pub(crate) fn add_cell(&mut self, spec: Cell, watcher: u32) -> u32 {
        debug_assert!(self.metrics.is_empty(), "cells are declared before the world runs");
        self.cells.push(CellState { spec, members: Vec::new(), value: 0, watchers: vec![watcher] });
        self.cells.len() as u32 - 1
    }

    pub(crate) fn cell(&self, index: u32) -> i64 {
        self.cells[index as usize].value
    }

    pub(crate) fn value(&self, MetricId(id): MetricId) -> i64 {
        self.metrics[id as usize].value
    }

    /// Applies a change and reports each expectation that may be affected.
    pub(crate) fn apply(&mut self, MetricId(id): MetricId, change: Change, mut affected: impl FnMut(u32)) {
        let metric = &mut self.metrics[id as usize];
        let old = metric.value;
        metric.value = match change {
            Change::Add(by) => old.saturating_add(by),
            Change::Set(value) => value,
        };
        let new = metric.value;
        if new == old || metric.cells.is_empty() {
            return;
        }
        for index in 0..metric.cells.len() {
            let cell = self.metrics[id as usize].cells[index] as usize;
            let value = match self.cells[cell].spec.aggregate {
                Aggregate::Sum => self.cells[cell].value.saturating_sub(old).saturating_add(new),
                Aggregate::Count => self.cells[cell].value - i64::from(old != 0) + i64::from(new != 0),
                Aggregate::Min => self.members_of(cell).min().unwrap_or(0),
                Aggregate::Max => self.members_of(cell).max().unwrap_or(0),
            };
            let cell = &mut self.cells[cell];
            if cell.value != value {
                cell.value = value;
                cell.watchers.iter().copied().for_each(&mut affected);
            }
        }
    }

    /// The values that a minimum or maximum ranges over; a node that has not reported yet counts as 0.
    fn members_of(&self, cell: usize) -> impl Iterator<Item = i64> {
        let cell = &self.cells[cell];
        let silent = cell.spec.nodes.len() > cell.members.len();
        cell.members.iter().map(|member| self.metrics[member.0 as usize].value).chain(silent.then_some(0))
    }

    /// All metrics as (node, name, value), in the order in which they were first set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &str, i64)> {
        self.metrics.iter().map(|metric| (metric.node, &*metric.name, metric.value))
    }
}

/// A metric as its node knows it.
pub(crate) struct Known {
    name: Rc<str>,
    id: MetricId,
    /// Whether it is 0 when the program does not run.
    passes: bool,
}

impl Kernel {
    #[inline]
    pub(crate) fn metric(&self, node: &NodeCore, name: &str) -> MetricId {
        let mut known = node.metrics.borrow_mut();
        if let Some(Known { id, .. }) = known.iter().find(|known| *known.name == *name) {
            return *id;
        }
        let mut metrics = self.metrics.borrow_mut();
        let name = metrics.name(name);
        let id = metrics.create(node.id, &name);
        known.push(Known { name, id, passes: false });
        id
    }

    /// A metric of a node is 0 when its program does not run.
    pub(crate) fn let_pass(&self, node: &NodeCore, metric: MetricId) {
        node.metrics.borrow_mut().iter_mut().filter(|known| known.id == metric).for_each(|known| known.passes = true);
    }

    /// A node's program has ended, and what it had.
    pub(crate) fn pass(&self, node: &NodeCore) {
        let known = node.metrics.borrow();
        known.iter().filter(|known| known.passes).for_each(|known| self.apply_metric(known.id, Change::Set(0)));
    }
}
