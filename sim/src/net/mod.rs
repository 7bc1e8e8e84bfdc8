//! The network: frames as real bytes, one-way links, learning switches, network interfaces.
//!
//! A cable is a pair of one-way links. What a link does to a frame depends on the frame's turn on that link and on the
//! link's own streams, never on anything else in the world.
//!
//! Frames come from a pool and keep their place in memory from sender to receiver; what moves is the box. A hop touches
//! one cache line of a frame that it does not change: all that is known of the frame stands before its Ethernet header.
//! One event is queued for each frame and hop, and a frame that lands goes to its interface's ring at once: the driver's
//! task is woken, its poll finds the frame there.

mod ahead;
pub mod air;
mod frame;
pub mod impair;
mod link;
mod nic;
mod partition;
mod switch;
mod tamper;
mod tap;
mod transit;
mod vlan;

pub use frame::FRAME_BYTES_MAX;
pub use link::{DropReason, LinkConfig, LinkCounters};
pub use nic::{Mac, Nic, NicRxToken, NicTxToken, Origin};
pub use switch::{SwitchConfig, SwitchId};
pub use tamper::{LimitEnd, Tamper, Tampering};
pub use tap::{Direction, Tap};
pub use vlan::PortVlan;

pub(crate) use ahead::WAY_STEPS;
pub(crate) use frame::{Frame, Pool};
pub(crate) use link::{Destination, Link};
pub(crate) use nic::NicCore;
pub(crate) use partition::Partition;
pub(crate) use switch::{Port, Switch};
pub(crate) use tamper::Tamperer;
pub(crate) use transit::Net;

use serde::Serialize;

/// A one-way link of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LinkId(pub(crate) u32);

impl LinkId {
    /// Its place in the list of links.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The cable that it is one direction of.
    #[must_use]
    pub const fn cable(self) -> CableId {
        CableId(self.0 / 2)
    }

    /// The other direction of its cable.
    #[must_use]
    pub const fn reverse(self) -> Self {
        Self(self.0 ^ 1)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

/// Two one-way links between the same two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CableId(pub(crate) u32);

impl CableId {
    /// From the first end to the second.
    #[must_use]
    pub const fn tx(self) -> LinkId {
        LinkId(self.0 * 2)
    }

    /// From the second end to the first.
    #[must_use]
    pub const fn rx(self) -> LinkId {
        LinkId(self.0 * 2 + 1)
    }

    /// Its place in the list of cables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Both directions.
    #[must_use]
    pub const fn links(self) -> [LinkId; 2] {
        [self.tx(), self.rx()]
    }
}

/// A network interface of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NicId(pub(crate) u32);

/// What a cable's end is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plug {
    /// A node's network interface. It takes one cable.
    Nic(NicId),
    /// The next free port of a switch.
    Switch(SwitchId),
    /// The next free port of a switch that leads to another switch of a full mesh: what comes in by one leaves by none.
    Trunk(SwitchId),
    /// A station of a shared medium: its radio. What is sent to it goes on the air. It takes one cable.
    Station(air::StationId),
}
