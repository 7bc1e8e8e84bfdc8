//! Whose code a world runs, as other threads may see it: a poll that does not end is told by nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::NodeId;

/// The node whose code was polled last. It can be read from any thread, and reading it disturbs nothing.
#[derive(Clone, Debug, Default)]
pub struct PolledNode(Arc<AtomicU32>);

impl PolledNode {
    #[inline]
    pub(crate) fn enter(&self, NodeId(index): NodeId) {
        self.0.store(index.wrapping_add(1), Relaxed);
    }

    /// The node; `None` before the first poll.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.0.load(Relaxed).checked_sub(1).map(NodeId)
    }
}
