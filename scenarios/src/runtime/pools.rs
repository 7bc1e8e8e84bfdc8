//! What a node's stack may open.

use std::fmt;

use wavetank_sim::node::Node;
use wavetank_stack::{Pool, Pools};

/// The pools of a node that has limits.
pub(super) struct NodePools(pub(super) Node);

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
}
