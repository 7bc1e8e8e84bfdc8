//! What an expectation over metrics saw, for people.

use super::monitor::{Aggregate, Cell, Monitor, Rule};
use crate::metric::Metrics;
use crate::trace::Names;

impl Monitor {
    /// `what`, and the values that the predicate sees now.
    pub(super) fn told(&self, what: &str, metrics: &Metrics, names: &Names) -> String {
        let Rule::Metrics { cells, .. } = &self.expectation.rule else { return what.to_owned() };
        let values: Vec<String> =
            cells.iter().zip(&self.cells).map(|(cell, index)| value(cell, metrics.cell(*index), names)).collect();
        if values.is_empty() { what.to_owned() } else { format!("{what}: {}", values.join(", ")) }
    }
}

fn value(Cell { nodes, metric, aggregate }: &Cell, value: i64, names: &Names) -> String {
    let count = nodes.len();
    match (aggregate, &nodes[..]) {
        (Aggregate::Count, _) => format!("{metric} not 0 at {value} of {count} nodes"),
        (_, [node]) => format!("{metric} of {} = {value}", names.node(*node)),
        (Aggregate::Sum, _) => format!("{metric} of {count} nodes together = {value}"),
        (Aggregate::Min, _) => format!("the least {metric} of {count} nodes = {value}"),
        (Aggregate::Max, _) => format!("the greatest {metric} of {count} nodes = {value}"),
    }
}
