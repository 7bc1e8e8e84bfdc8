//! The Constrained Application Protocol: requests and responses over datagrams (RFC 7252), resources that tell when
//! they change (RFC 7641), and representations in blocks (RFC 7959).
//!
//! The [`Client`] sends confirmable requests one at a time (NSTART is 1), with the RFC's growing, randomised waits
//! between attempts, takes answers that come with the acknowledgement or later, puts blocks together, and follows a
//! resource that can be observed. The [`Server`] is told the time and handed datagrams; it does what is
//! asked once, however often the request comes, cuts long representations into blocks, and keeps observers told.
//!
//! Not here: proxies, multicast, DTLS, OSCORE, resource directories.

mod client;
mod message;
mod server;

pub use client::{Client, Error, Method, Observation, Options, Request, Response};
pub use message::{Block, Code, Kind, Message, OptionNumber, ParseError, Token, Writer};
pub use server::{Answer, Asked, Resource, Server, serve};

/// The port that servers listen at.
pub const PORT: u16 = 5683;
/// How many bytes of a representation travel in one datagram at most.
pub const BLOCK_BYTES: usize = 512;
/// The longest datagram that is written here.
pub const DATAGRAM_MAX: usize = BLOCK_BYTES + 160;

/// FNV-1a.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
