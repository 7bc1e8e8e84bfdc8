//! Addresses from the network: a DHCPv4 client (RFC 2131, RFC 2132), and a server for tests and small networks.
//!
//! The [`Client`] is one future beside the application: it asks for an address, sees that nobody else has it
//! (RFC 5227), sets it on the stack with router and name servers, renews and rebinds by the lease's timers, and takes
//! all of it back when the lease ends. Where no server answers, it can take a link-local address meanwhile
//! (RFC 3927). Dropping the future takes back what it set.
//!
//! Not here: relays' options, vendors' options, authentication, option 121's routes.

mod client;
mod held;
mod lease;
#[cfg(feature = "claim")]
mod link_local;
mod message;
mod server;

pub use client::{Client, Options};
pub use lease::{Event, Lease};
pub use message::{Kind, MESSAGE_MAX, Message, NTP_SERVERS_MAX, ParseError};
pub use server::{Pool, Server, ServerConfig, serve};

/// The port that servers listen at.
pub const SERVER_PORT: u16 = 67;
/// The port that clients listen at.
pub const CLIENT_PORT: u16 = 68;
