//! Expectations declared in a line each, for worlds that are built in code.
//!
//! ```
//! use wavetank_sim::check::{Cell, Expectation};
//! use wavetank_sim::node::{Exit, Node, NodeSpec};
//! use wavetank_sim::time::{Duration, Instant};
//! use wavetank_sim::world::{World, WorldConfig};
//!
//! let mut world = World::new(&WorldConfig::default());
//! let counter = world.add_node(NodeSpec::named("counter"), |node: Node| async move {
//!     for sequence in 1..=3 {
//!         node.clock().sleep(Duration::from_secs(1)).await;
//!         node.flow("sent", "counter", sequence);
//!         node.flow("received", "counter", sequence);
//!         node.count("received", 1);
//!     }
//!     Exit::Halt
//! });
//! let received = || Cell::of(counter, "received");
//! world.expect(Expectation::always("not too many", [received()], |[received]| received <= 3));
//! world.expect(Expectation::eventually("all", Duration::from_secs(5), [received()], |[received]| received == 3));
//! world.expect(Expectation::sometimes("a burst", [received()], |[received]| received > 10));
//! world.expect(Expectation::exactly_once("each", "sent", "received", Duration::from_secs(1)));
//! world.run_until(Instant::START + Duration::from_secs(10));
//! let end = world.finish();
//! # use wavetank_sim::check::Verdict::{Held, Unseen};
//! # assert_eq!(end.expectations.iter().map(|e| e.verdict).collect::<Vec<_>>(), [Held, Held, Unseen, Held]);
//! ```

use std::sync::Arc;

use super::monitor::{Aggregate, Cell, Expectation, Mode, Rule};
use crate::node::NodeId;
use crate::time::{Duration, Instant};

impl Cell {
    fn new(nodes: &[NodeId], metric: impl Into<String>, aggregate: Aggregate) -> Self {
        Self { nodes: nodes.to_vec(), metric: metric.into(), aggregate }
    }

    /// The metric of one node.
    #[must_use]
    pub fn of(node: NodeId, metric: impl Into<String>) -> Self {
        Self::sum(&[node], metric)
    }

    /// The sum over these nodes.
    #[must_use]
    pub fn sum(nodes: &[NodeId], metric: impl Into<String>) -> Self {
        Self::new(nodes, metric, Aggregate::Sum)
    }

    /// The least of these nodes.
    #[must_use]
    pub fn min(nodes: &[NodeId], metric: impl Into<String>) -> Self {
        Self::new(nodes, metric, Aggregate::Min)
    }

    /// The greatest of these nodes.
    #[must_use]
    pub fn max(nodes: &[NodeId], metric: impl Into<String>) -> Self {
        Self::new(nodes, metric, Aggregate::Max)
    }

    /// At how many of these nodes it is not 0.
    #[must_use]
    pub fn count(nodes: &[NodeId], metric: impl Into<String>) -> Self {
        Self::new(nodes, metric, Aggregate::Count)
    }
}

impl Expectation {
    fn metrics<const N: usize>(
        name: impl Into<String>,
        mode: Mode,
        cells: [Cell; N],
        holds: impl Fn([i64; N]) -> bool + Send + Sync + 'static,
    ) -> Self {
        let predicate = Arc::new(move |cells: &[i64]| {
            Ok(holds(cells.try_into().expect("a predicate is given as many values as it has cells")))
        });
        let (from, until) = (Instant::START, Instant::MAX);
        Self { name: name.into(), rule: Rule::Metrics { mode, from, until, cells: cells.into(), predicate } }
    }

    /// `holds` is true all the time.
    #[must_use]
    pub fn always<const N: usize>(
        name: impl Into<String>,
        cells: [Cell; N],
        holds: impl Fn([i64; N]) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::metrics(name, Mode::Always, cells, holds)
    }

    /// `happens` is true at no time.
    #[must_use]
    pub fn never<const N: usize>(
        name: impl Into<String>,
        cells: [Cell; N],
        happens: impl Fn([i64; N]) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::metrics(name, Mode::Never, cells, happens)
    }

    /// `holds` is true at some time, which comes `within` so long after the start.
    #[must_use]
    pub fn eventually<const N: usize>(
        name: impl Into<String>,
        within: Duration,
        cells: [Cell; N],
        holds: impl Fn([i64; N]) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::metrics(name, Mode::Eventually, cells, holds).until(Instant::START + within)
    }

    /// From `after` on, when the storm is over, `holds` comes true `within` a time and then stays so to the end.
    #[must_use]
    pub fn stable<const N: usize>(
        name: impl Into<String>,
        after: Instant,
        within: Duration,
        cells: [Cell; N],
        holds: impl Fn([i64; N]) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::metrics(name, Mode::Stable, cells, holds).from(after).until(after + within)
    }

    /// `holds` is true at some time of at least one run of many; those who run many say if it never was.
    #[must_use]
    pub fn sometimes<const N: usize>(
        name: impl Into<String>,
        cells: [Cell; N],
        holds: impl Fn([i64; N]) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::metrics(name, Mode::Sometimes, cells, holds)
    }

    /// Every id that passes `from` passes `to`, too, `within` a time.
    #[must_use]
    pub fn at_least_once(
        name: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        within: Duration,
    ) -> Self {
        Self::reaches(name, from, to, within, false)
    }

    /// No id passes `at` twice.
    #[must_use]
    pub fn at_most_once(name: impl Into<String>, at: impl Into<String>) -> Self {
        Self { name: name.into(), rule: Rule::FlowUnique { at: at.into(), window: Instant::START..=Instant::MAX } }
    }

    /// Every id that passes `from` passes `to`, too, `within` a time, and once; none passes `to` that had not passed `from`.
    #[must_use]
    pub fn exactly_once(
        name: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        within: Duration,
    ) -> Self {
        Self::reaches(name, from, to, within, true)
    }

    fn reaches(
        name: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        within: Duration,
        once: bool,
    ) -> Self {
        let (from, to, window) = (from.into(), to.into(), Instant::START..=Instant::MAX);
        Self { name: name.into(), rule: Rule::FlowReaches { from, to, within, window, once } }
    }

    /// The object whose history nodes note under this name behaves like one that does one thing after the other.
    #[must_use]
    pub fn linearizable(name: impl Into<String>, history: impl Into<String>) -> Self {
        Self { name: name.into(), rule: Rule::Linearizable { history: history.into() } }
    }

    /// It counts from then on; a history counts as a whole.
    #[must_use]
    pub fn from(mut self, at: Instant) -> Self {
        match &mut self.rule {
            Rule::Metrics { from, .. } => *from = at,
            Rule::FlowReaches { window, .. } | Rule::FlowUnique { window, .. } => *window = at..=*window.end(),
            // A history has no sense without its beginning.
            Rule::Linearizable { .. } => {}
        }
        self
    }

    /// It counts until then: a deadline, for what has one. A history counts as a whole.
    #[must_use]
    pub fn until(mut self, at: Instant) -> Self {
        match &mut self.rule {
            Rule::Metrics { until, .. } => *until = at,
            Rule::FlowReaches { window, .. } | Rule::FlowUnique { window, .. } => *window = *window.start()..=at,
            Rule::Linearizable { .. } => {}
        }
        self
    }
}
