//! Nodes whose frames do not reach other nodes, whatever lies between.

use crate::hash::Map;
use crate::node::NodeId;

/// Pairs of nodes of which the first cannot reach the second.
#[derive(Default)]
pub(crate) struct Partition(Map<(u32, u32), u32>);

impl Partition {
    /// One more fault holds them apart, or one less.
    pub(crate) fn hold(&mut self, from: NodeId, to: NodeId, apart: bool) {
        let key = (from.bits(), to.bits());
        let count = self.0.get(&key).copied().unwrap_or(0);
        match if apart { count + 1 } else { count.saturating_sub(1) } {
            0 => self.0.remove(&key),
            count => self.0.insert(key, count),
        };
    }

    /// Whether frames of `from` do not reach `to`. It costs next to nothing while nobody is held apart.
    #[inline]
    pub(super) fn lies_between(&self, from: u32, to: NodeId) -> bool {
        !self.0.is_empty() && self.0.contains_key(&(from, to.bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_faults_hold_until_both_have_ended() {
        let mut partition = Partition::default();
        let (a, b) = (NodeId(1), NodeId(2));
        partition.hold(a, b, true);
        partition.hold(a, b, true);
        partition.hold(a, b, false);
        assert!(partition.lies_between(1, b) && !partition.lies_between(2, a));
        partition.hold(a, b, false);
        assert!(!partition.lies_between(1, b));
    }
}
