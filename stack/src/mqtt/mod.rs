//! MQTT, versions 3.1.1 and 5.0: a client, and (with `alloc`) a small broker.
//!
//! - [`packet`]: what goes over the wire, read and written in place;
//! - [`Client`]: one session, over any byte stream. It keeps no message: of those that are under way it knows the packet
//!   identifier and the caller's token, which is all that has to be remembered over a reconnection, and over a power cut
//!   too if it is given a [`Memory`]. The messages themselves are where they came from, in a spool for example;
//! - [`broker`]: what a server does, without IO.
//!
//! Reconnecting is the caller's, in the open: whoever dials knows how long to wait. Not here: topic aliases, enhanced
//! authentication, shared subscriptions, subscription identifiers.

#[cfg(feature = "alloc")]
pub mod broker;
mod client;
mod memory;
pub mod packet;
mod protocol;
mod session;
pub mod topic;

pub use client::{Client, Connection};
#[cfg(feature = "storage")]
pub use memory::Kept;
pub use memory::Memory;
pub use packet::{PacketId, QoS, Reason, Version};
pub use protocol::{Error, Event, Incoming, Message, Options, PublishError, Receipt, Will};
pub use session::STATE_MAX;

/// Where brokers listen.
pub const PORT: u16 = 1883;
