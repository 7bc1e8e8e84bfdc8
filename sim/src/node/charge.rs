//! Nodes as what hardware models stand on: true time, and work that takes a node's time.

use super::Node;
use crate::current;
use crate::hw::{Bench, Cost};
use crate::time::{Duration, Instant};

/// Charges hardware's work to whichever node is polled. Outside a poll, time stands still and nobody is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge;

impl Cost for Charge {
    fn now_ns(&self) -> u64 {
        current::polling(|kernel| kernel.now.get()).unwrap_or(0)
    }

    fn debt_ns(&self) -> u64 {
        current::polling(|kernel| kernel.debt_ns.get()).unwrap_or(0)
    }

    fn busy(&self, duration: Duration) {
        current::polling(|kernel| kernel.charge(duration));
    }
}

impl Cost for Node {
    fn now_ns(&self) -> u64 {
        self.world_now().as_nanos()
    }

    fn debt_ns(&self) -> u64 {
        Charge.debt_ns()
    }

    fn busy(&self, duration: Duration) {
        Node::busy(self, duration);
    }
}

impl Bench for Node {
    fn sleep_until_ns(&self, at_ns: u64) -> impl Future<Output = ()> {
        self.world_timer(Instant::from_nanos(at_ns))
    }
}

/// A node as what one part of its board stands on: what the part does draws from the node's battery.
#[derive(Clone)]
pub struct Mounted {
    node: Node,
    na: u64,
}

impl Mounted {
    pub(super) fn new(node: Node, na: u64) -> Self {
        Self { node, na }
    }
}

impl Cost for Mounted {
    fn now_ns(&self) -> u64 {
        self.node.now_ns()
    }

    fn debt_ns(&self) -> u64 {
        self.node.debt_ns()
    }

    fn busy(&self, duration: Duration) {
        self.node.busy(duration);
    }

    fn works(&self, from_ns: u64, until_ns: u64) {
        if self.na > 0 {
            self.node.work(from_ns, until_ns, self.na);
        }
    }
}

impl Bench for Mounted {
    fn sleep_until_ns(&self, at_ns: u64) -> impl Future<Output = ()> {
        self.node.sleep_until_ns(at_ns)
    }
}
