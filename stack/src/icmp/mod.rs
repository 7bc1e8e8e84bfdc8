//! ICMP for applications: asking whether a station is there (RFC 792, RFC 4443), and what the network said about
//! datagrams that did not arrive.
//!
//! Echo requests to us are answered by the stack itself. For more there is [`raw`](crate::raw), with the feature of that name.

#[cfg(feature = "icmp")]
mod ping;

#[cfg(feature = "icmp")]
pub use ping::{Error, PAYLOAD_MAX, Pinger, Reply};

/// Why a packet did not get where it was to go, as somebody on its way said.
///
/// Whoever knows or guesses addresses and ports can forge such a word: it is a reason to give up sooner, not to
/// distrust what is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// Nobody listens at the port: the station itself says so.
    #[error("nobody listens at the port")]
    Port,
    /// The station does not speak the protocol.
    #[error("protocol not spoken there")]
    Protocol,
    /// The last router cannot reach the station.
    #[error("host unreachable")]
    Host,
    /// A router knows no way to the network.
    #[error("network unreachable")]
    Network,
    /// A router or the station was told not to let it pass.
    #[error("administratively prohibited")]
    Prohibited,
    /// It passed more routers than it may.
    #[error("hop limit exceeded on the way")]
    HopLimit,
    /// It is too long for a link on its way.
    #[error("too long for a link on the way")]
    TooBig,
    /// Some part of its header cannot be understood.
    #[error("header not understood")]
    Malformed,
}

impl Unreachable {
    /// Reads the type and code of an ICMP message about an IPv4 packet (RFC 792; RFC 1122, section 3.2.2.1).
    #[cfg(feature = "icmp")]
    pub(crate) const fn v4(kind: u8, code: u8) -> Option<Self> {
        Some(match (kind, code) {
            (3, 0 | 5 | 6 | 11) => Self::Network,
            (3, 2) => Self::Protocol,
            (3, 3) => Self::Port,
            (3, 4) => Self::TooBig,
            (3, 9 | 10 | 13..=15) => Self::Prohibited,
            (3, _) => Self::Host,
            (11, 0) => Self::HopLimit,
            (12, _) => Self::Malformed,
            _ => return None,
        })
    }

    /// Reads the type and code of an ICMP message about an IPv6 packet (RFC 4443, section 3).
    #[cfg(all(feature = "icmp", feature = "ipv6"))]
    pub(crate) const fn v6(kind: u8, code: u8) -> Option<Self> {
        Some(match (kind, code) {
            (1, 0 | 6) => Self::Network,
            (1, 1 | 5) => Self::Prohibited,
            (1, 4) => Self::Port,
            (1, _) => Self::Host,
            (2, _) => Self::TooBig,
            (3, 0) => Self::HopLimit,
            (4, 1) => Self::Protocol,
            (4, _) => Self::Malformed,
            _ => return None,
        })
    }
}
