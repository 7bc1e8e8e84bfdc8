//! Names and services on one's own link, without a server: multicast DNS (RFC 6762) and DNS-SD (RFC 6763).
//!
//! A [`Responder`] makes sure that nobody else has its names, tells the link about them, and answers who asks. A
//! [`browse`] finds who offers a kind of service, [`resolve`] the addresses of a name under `local`.
//!
//! Names are the responder's for as long as nobody contradicts; then, and when somebody had them first, it takes others,
//! with a number behind them. Services are found by their kind (`_http._tcp`), and kinds by
//! `_services._dns-sd._udp.local`.
//!
//! Not here: negative answers (NSEC), subtypes, questions that go on for ever with what is known already, and caches:
//! who browses asks anew.

mod ask;
mod responder;
mod wire;

#[cfg(test)]
mod tests;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use ask::{Error, FOUND_TEXT_MAX, Found, browse, resolve};
pub use responder::{Event, Responder, RunError, Service};

/// The port of both sides.
pub const PORT: u16 = 5_353;
/// The groups that everybody listens to.
pub const GROUPS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb))];
/// The longest message that is written here.
const MESSAGE_MAX: usize = 900;
/// For how many seconds addresses and hosts hold, and all else (RFC 6762, section 10).
const HOST_TTL: u32 = 120;
const OTHER_TTL: u32 = 4_500;
