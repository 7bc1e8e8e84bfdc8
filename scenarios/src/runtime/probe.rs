//! What a device tells its keeper, as metrics and flows of its node.

use wavetank_sim::node::Node;
use wavetank_stack::{FlowId, Probe};

/// Turns what a device reports into its node's metrics and flows.
#[derive(Clone)]
pub struct TankProbe(pub Node);

impl Probe for TankProbe {
    fn count(&self, name: &'static str, by: u64) {
        self.0.count(name, by);
    }

    fn gauge(&self, name: &'static str, value: i64) {
        self.0.gauge(name, value);
    }

    fn flow(&self, kind: &'static str, id: FlowId<'_>) {
        self.0.flow(kind, id.source, id.sequence);
    }
}
