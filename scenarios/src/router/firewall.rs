//! A stateful packet filter: what was begun inside may be answered, everything else stays outside (RFC 6092).

use std::collections::BTreeMap;
use std::net::IpAddr;

use wavetank_sim::time::Instant;

use super::agenda::Agenda;
use super::packet::Packet;
use super::session::{Protocol, Session, Timeouts, Way};

/// Somebody who is let in without having been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// By which protocol.
    pub protocol: Protocol,
    /// To which port.
    pub port: u16,
    /// To whom; `None` is to everyone inside.
    pub to: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flow {
    protocol: Protocol,
    inside: (IpAddr, u16),
    outside: (IpAddr, u16),
}

impl Flow {
    /// Of a packet that goes that way.
    fn of(packet: &Packet, way: Way) -> Option<Self> {
        let (from, to) = packet.ports()?;
        let (source, destination) = ((packet.source(), from), (packet.destination(), to));
        let (inside, outside) = if way == Way::Out { (source, destination) } else { (destination, source) };
        Some(Self { protocol: Protocol::of(packet)?, inside, outside })
    }
}

/// The filter, and what it remembers.
///
/// Later fragments pass: without the first, which does not, nobody can use them.
#[derive(Debug)]
pub struct Firewall {
    outside: usize,
    openings: Vec<Opening>,
    timeouts: Timeouts,
    flows: BTreeMap<Flow, Session>,
    due: Agenda<Flow>,
}

impl Firewall {
    /// One that keeps out what comes in by `outside`, but for these openings.
    #[must_use]
    pub fn new(outside: usize, openings: Vec<Opening>, timeouts: Timeouts) -> Self {
        Self { outside, openings, timeouts, flows: BTreeMap::new(), due: Agenda::default() }
    }

    pub(super) fn clear(&mut self) {
        self.flows.clear();
        self.due.clear();
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.due.next()
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, flow)) = self.due.take(now) {
            match self.flows.get(&flow).map(|session| session.expires) {
                Some(expires) if expires > at => self.due.add(expires, flow),
                Some(_) => drop(self.flows.remove(&flow)),
                None => {}
            }
        }
    }

    pub(super) fn admits(&mut self, ingress: usize, egress: usize, packet: &Packet, now: Instant) -> bool {
        let way = match (ingress == self.outside, egress == self.outside) {
            (false, true) => Way::Out,
            (true, false) => Way::In,
            _ => return true,
        };
        if packet.fragment().1 > 0 {
            return true;
        }
        if packet.is_icmp_error() {
            // It is about a packet that went the other way.
            let about = packet.quoted().and_then(|quoted| Flow::of(&quoted, Way::Out));
            return way == Way::Out || about.is_some_and(|flow| self.flows.contains_key(&flow));
        }
        let Some(flow) = Flow::of(packet, way) else { return way == Way::Out };
        let is_known = self.flows.get(&flow).is_some_and(|session| session.expires > now);
        let is_open = |opening: &Opening| {
            (opening.protocol, opening.port) == (flow.protocol, flow.inside.1)
                && opening.to.is_none_or(|to| to == flow.inside.0)
        };
        if way == Way::In && !is_known && !self.openings.iter().any(is_open) {
            return false;
        }
        let fresh = if is_known { None } else { self.flows.insert(flow, Session::new()) };
        let is_watched = is_known || fresh.is_some();
        let session = self.flows.entry(flow).or_insert_with(Session::new);
        session.note(flow.protocol, packet, way, &self.timeouts, now);
        if !is_watched {
            self.due.add(session.expires, flow);
        }
        true
    }
}
