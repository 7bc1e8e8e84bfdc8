//! What a server grants, and what happens to it.

use core::net::{IpAddr, Ipv4Addr};

use heapless::Vec;

use super::message::{Message, NTP_SERVERS_MAX};
use crate::{
    address::Cidr,
    config::DNS_SERVERS_MAX,
    time::{Duration, Instant},
};

/// What a server granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address, and the network that it is in.
    pub address: Cidr,
    /// The way out of it.
    pub router: Option<Ipv4Addr>,
    /// Name servers, best first.
    pub dns: Vec<Ipv4Addr, DNS_SERVERS_MAX>,
    /// Time servers, best first.
    pub ntp: Vec<Ipv4Addr, NTP_SERVERS_MAX>,
    /// Who granted it.
    pub server: Ipv4Addr,
    /// When to ask for more time.
    pub renew_at: Instant,
    /// When to ask any server for it.
    pub rebind_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
}

impl Lease {
    /// Of a server's word, to a request that was sent then; `None` if it leaves out what a lease needs.
    pub(super) fn of(message: &Message, asked_at: Instant) -> Option<Self> {
        let own = message.yours;
        let usable = !own.is_unspecified() && !own.is_multicast() && !own.is_broadcast() && !own.is_loopback();
        let (seconds, server) = (message.lease.filter(|&seconds| seconds > 0)?, message.server?);
        let at = |seconds: u32| match seconds {
            u32::MAX => Instant::MAX,
            seconds => asked_at + Duration::from_secs(seconds.into()),
        };
        // Half and seven eighths, unless the server has numbers of its own that make sense (section 4.4.5).
        let renew = message.renewal.unwrap_or(seconds / 2);
        let rebind = message.rebinding.unwrap_or(seconds - seconds / 8);
        let (renew, rebind) = match renew <= rebind && rebind <= seconds {
            true => (renew, rebind),
            false => (seconds / 2, seconds - seconds / 8),
        };
        let for_ever = seconds == u32::MAX;
        usable.then(|| Self {
            address: Cidr::v4(own, message.prefix.unwrap_or(natural_prefix(own))),
            router: message.router.filter(|router| !router.is_unspecified()),
            dns: message.dns.clone(),
            ntp: message.ntp.clone(),
            server,
            renew_at: if for_ever { Instant::MAX } else { at(renew) },
            rebind_at: if for_ever { Instant::MAX } else { at(rebind) },
            expires_at: at(seconds),
        })
    }

    pub(super) fn own(&self) -> Ipv4Addr {
        match self.address.address() {
            IpAddr::V4(own) => own,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// The prefix of an address whose server does not tell it: that of its class (RFC 791, section 3.2).
fn natural_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The stack has an address.
    Bound(Lease),
    /// It may keep it for longer.
    Renewed(Lease),
    /// A server refused what was asked for: the address, if there was one, is gone.
    Refused,
    /// Somebody else has that address.
    Conflict {
        /// Which.
        address: Ipv4Addr,
        /// Their Ethernet address.
        rival: [u8; 6],
    },
    /// The lease ran out: the address is gone.
    Expired(Ipv4Addr),
    /// No server answers; meanwhile the stack has this link-local address.
    LinkLocal(Ipv4Addr),
}
