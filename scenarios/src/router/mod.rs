//! A router for IPv4 and IPv6 (RFC 1812, RFC 8200), without IO: it is handed frames and told the time, and gives frames.
//!
//! It forwards by longest prefix, resolves its neighbours by ARP and neighbour discovery, lets packets expire, tells
//! senders what became of theirs by ICMP, and cuts IPv4 packets into fragments where they may be. Besides, it can
//! translate addresses ([`Nat`]) and let nobody in who was not asked ([`Firewall`]).
//!
//! Deliberately not here: routing protocols, router advertisements, multicast forwarding, IP options. Whoever has virtual
//! networks on one cable makes an interface of each, and takes their tags off and puts them on. Checksums of
//! what comes are not looked at: links that damage frames look at what they have touched.

mod addresses;
mod agenda;
mod announce;
mod checksum;
mod firewall;
mod foresight;
mod forward;
mod icmp;
mod local;
mod nat;
mod neighbours;
mod packet;
mod routes;
mod session;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;

use wavetank_sim::net::Origin;
use wavetank_sim::prefetch;
use wavetank_sim::time::{Duration, Instant};
use wavetank_stack::forward::Budget;

pub use addresses::Cidr;
pub(crate) use announce::{advertisement, arp_announcement, arp_reply};
pub use firewall::{Firewall, Opening};
pub use nat::{Behaviour, Forward, Nat, NatConfig, Ports};
pub use session::{Protocol, Timeouts};

use neighbours::Neighbours;
use routes::Routes;

/// A network interface, as the router is told it.
#[derive(Clone, Debug)]
pub struct Interface {
    /// What it is.
    pub link: Link,
    /// Its Ethernet address, if it has one.
    pub mac: [u8; 6],
    /// Its addresses, each with the network that it is in.
    pub addresses: Vec<Cidr>,
    /// The longest packet that it sends, without the Ethernet header.
    pub mtu: usize,
}

/// What an interface's frames are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Ethernet, with neighbours that are asked for by their addresses.
    #[default]
    Ethernet,
    /// Bare packets: the link below knows its neighbours itself, as 6LoWPAN does.
    Bare,
}

/// Where packets for other networks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which packets.
    pub to: Cidr,
    /// The next router, a neighbour on one of our networks.
    pub via: IpAddr,
}

/// What a router counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Packets that were sent on.
    Forwarded,
    /// IPv4 packets that were cut into fragments.
    Fragmented,
    /// Packets whose hops were used up.
    Expired,
    /// Packets that no route leads for, or whose next neighbour does not answer.
    Unreachable,
    /// Packets that were too long for the next link and could not be cut.
    TooBig,
    /// What was no packet, or came from where none can come from.
    Malformed,
    /// Packets that a firewall or NAT did not let in.
    Refused,
    /// New mappings of the NAT.
    Mapped,
    /// Packets without a mapping because all ports were taken.
    Exhausted,
}

impl Count {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 9] = [
        Self::Forwarded,
        Self::Fragmented,
        Self::Expired,
        Self::Unreachable,
        Self::TooBig,
        Self::Malformed,
        Self::Refused,
        Self::Mapped,
        Self::Exhausted,
    ];
}

/// A frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// By which interface.
    pub interface: usize,
    /// Who sent it first, if it was not the router itself.
    pub origin: Option<Origin>,
    /// From the destination's Ethernet address on, or the bare packet where there is none.
    pub frame: Vec<u8>,
}

/// What a router is made of.
#[derive(Debug)]
pub struct Settings {
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its routes, besides those to its own networks.
    pub routes: Vec<Route>,
    /// Whose addresses it translates.
    pub nat: Option<Nat>,
    /// Whom it does not let in.
    pub firewall: Option<Firewall>,
    /// Whether it says nothing of packets that it does not forward.
    pub silent: bool,
    /// How long a neighbour's answer is trusted (RFC 4861, REACHABLE_TIME). Default: 30 s.
    pub neighbour_reachable: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            routes: Vec::new(),
            nat: None,
            firewall: None,
            silent: false,
            neighbour_reachable: Duration::from_secs(30),
        }
    }
}

/// The router.
#[derive(Debug)]
pub struct Router {
    interfaces: Vec<Interface>,
    static_routes: Vec<Route>,
    routes: Routes,
    neighbours: Neighbours,
    nat: Option<Nat>,
    firewall: Option<Firewall>,
    silent: bool,
    /// The next packet's identification, for those that the router itself sends.
    identification: u16,
    errors: Budget,
    counts: [u64; Count::ALL.len()],
    outbox: VecDeque<Outgoing>,
    /// When it last had a turn.
    turned_at: Instant,
}

/// After how long without a turn nothing of a router is in a near cache, if it is one of many.
const COLD: Duration = Duration::from_millis(100);

impl Router {
    /// A router that has just been switched on.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { interfaces, routes, nat, firewall, silent, neighbour_reachable } = settings;
        Self {
            routes: Routes::new(&interfaces, &routes),
            interfaces,
            static_routes: routes,
            neighbours: Neighbours::new(neighbour_reachable),
            nat,
            firewall,
            silent,
            identification: 0,
            errors: Budget::default(),
            counts: [0; Count::ALL.len()],
            outbox: VecDeque::new(),
            turned_at: Instant::START,
        }
    }

    /// What it has counted.
    #[must_use]
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    /// A frame came that is for none of its interfaces, such as one of a virtual network that it is not in.
    pub fn note_stranger(&mut self) {
        self.tally(Count::Malformed);
    }

    /// How many mappings its NAT holds.
    #[must_use]
    pub fn mappings(&self) -> usize {
        self.nat.as_ref().map_or(0, Nat::len)
    }

    /// The next frame to send, if there is one. Ask until there is none after each [`handle`](Self::handle) and
    /// [`poll`](Self::poll).
    pub fn poll_frame(&mut self) -> Option<Outgoing> {
        self.outbox.pop_front()
    }

    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let nat = self.nat.as_ref().and_then(Nat::poll_at);
        let firewall = self.firewall.as_ref().and_then(Firewall::poll_at);
        [self.neighbours.poll_at(), nat, firewall].into_iter().flatten().min()
    }

    /// A turn begins. What hardly any turn does without is fetched at once, where it would be waited for piece by piece.
    pub fn warm(&mut self, now: Instant) {
        if now - std::mem::replace(&mut self.turned_at, now) > COLD {
            self.fetch();
            self.fetch_addresses();
        }
    }

    fn fetch(&self) {
        self.routes.fetch();
        prefetch::whole(&self.interfaces[..]);
    }

    fn fetch_addresses(&self) {
        self.interfaces.iter().for_each(|own| prefetch::line(own.addresses.as_ptr().cast()));
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant) {
        self.resolve_again(now);
        if let Some(nat) = &mut self.nat {
            nat.expire(now);
        }
        if let Some(firewall) = &mut self.firewall {
            firewall.expire(now);
        }
    }

    /// Forgets what a NAT and a firewall know of connections; everything else stays.
    pub fn forget_sessions(&mut self) {
        if let Some(nat) = &mut self.nat {
            nat.clear();
        }
        if let Some(firewall) = &mut self.firewall {
            firewall.clear();
        }
    }

    /// Has other routes than its own for some networks: the next router is another one, or there is none. What was said
    /// before does not count any more.
    pub fn reroute(&mut self, wrong: &[(Cidr, Option<IpAddr>)]) {
        self.routes = Routes::new(&self.interfaces, &self.static_routes);
        for &(to, via) in wrong {
            match via {
                Some(via) => self.routes.set(&self.interfaces, Route { to, via }),
                None => self.routes.remove(to),
            }
        }
    }

    fn tally(&mut self, count: Count) {
        self.counts[count as usize] += 1;
    }
}
