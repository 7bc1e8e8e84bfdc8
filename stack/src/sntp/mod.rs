//! The time of day from the network: SNTP (RFC 4330; RFC 5905, section 14).
//!
//! The [`Client`] asks servers in turn, checks what they say, and sets a [`WallClock`](crate::time::WallClock). It
//! asks seldom (RFC 5905, section 7.2's intervals), more seldom when told to (kiss-o'-death), and believes no server
//! that is not synchronised, answers what was not asked, names a time before this code was written, or wants to move
//! a clock that is set by more than [`Options::panic`] without saying so three times.
//!
//! Not here: steering a clock's rate, picking the best of several servers, authentication.

mod client;
mod packet;

pub use client::{Client, Error, Event, Options, Sample};
pub use packet::{Kiss, PACKET_LEN, Reply, respond};

/// The port that time servers listen at.
pub const PORT: u16 = 123;
