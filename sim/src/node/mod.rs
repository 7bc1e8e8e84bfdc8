//! Nodes: computers with a clock, interfaces and a program that is started again after every reset.

mod charge;
mod clock;
mod core;
mod handle;
mod polled;
mod pool;
mod wander;
mod watchdog;

pub use charge::{Charge, Mounted};
pub use clock::{Clock, ClockSpec, Timer};
pub use core::{Exit, NodeSpec, Powered, ResetCause};
pub use handle::{Called, Node};
pub use polled::PolledNode;
pub use pool::PoolSpec;
pub use watchdog::Watchdog;

pub(crate) use core::{BootFn, Gate, NodeCore};

use serde::Serialize;

/// A node of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Its place in the list of nodes.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}
