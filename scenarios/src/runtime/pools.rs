//! What a node's stack has only so much of.

use std::fmt;
use std::rc::Rc;

use wavetank_sim::node::Node;
use wavetank_stack::{Limits, Pool, Pools};

/// What the scenario lets the stack of `node` have: for kinds that are [pooled](crate::registry::TypedKind::pooled).
#[must_use]
pub fn limits(node: &Node) -> Limits {
    if node.has_pools() { Limits::of(Rc::new(NodePools(node.clone()))) } else { Limits::default() }
}

/// The pools of a node that has limits.
struct NodePools(Node);

impl fmt::Debug for NodePools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodePools").field(&self.0.name()).finish()
    }
}

/// As the language names it; what has no name there has no limit.
fn name(pool: Pool) -> Option<&'static str> {
    match pool {
        Pool::Connections => Some("connections"),
        Pool::Sockets => Some("sockets"),
        Pool::StreamBytes => Some("stream_buffer"),
        Pool::DatagramBytes => Some("datagram_buffer"),
        Pool::Neighbours => Some("neighbours"),
        Pool::Waiting => Some("waiting"),
        Pool::Reassembly => Some("reassembly"),
        Pool::Names => Some("names"),
        _ => None,
    }
}

impl Pools for NodePools {
    fn room(&self, pool: Pool) -> usize {
        name(pool).map_or(usize::MAX, |name| self.0.pool_room(name))
    }

    fn ran_out(&self, pool: Pool) {
        if let Some(name) = name(pool) {
            self.0.pool_ran_out(name);
        }
    }

    fn made_do(&self, pool: Pool) {
        if let Some(name) = name(pool) {
            self.0.pool_made_do(name);
        }
    }
}
