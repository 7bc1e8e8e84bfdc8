//! Network address translation (NAT44): RFC 4787 for UDP, RFC 5382 for TCP, RFC 5508 for ICMP.
//!
//! Fragments pass as long as the first one comes first.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wavetank_sim::hash::Flat;
use wavetank_sim::prefetch;
use wavetank_sim::random::Stream;
use wavetank_sim::time::{Duration, Instant};

use super::agenda::Agenda;
use super::packet::Packet;
use super::session::{Protocol, Session, Timeouts, Way};

/// What something depends on (RFC 4787, sections 4.1 and 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Not on the peer.
    #[default]
    EndpointIndependent,
    /// On the peer's address.
    AddressDependent,
    /// On the peer's address and port.
    AddressAndPortDependent,
}

impl Behaviour {
    /// What of the peer counts.
    fn part(self, peer: SocketAddrV4) -> Option<SocketAddrV4> {
        match self {
            Self::EndpointIndependent => None,
            Self::AddressDependent => Some(SocketAddrV4::new(*peer.ip(), 0)),
            Self::AddressAndPortDependent => Some(peer),
        }
    }
}

/// Which outside port a new mapping gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ports {
    /// The inside port if it is free, else the next one of the same parity (RFC 4787, section 4.2).
    #[default]
    Preserve,
    /// Any, as the seed draws.
    Random,
}

/// A port that is always mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// By which protocol.
    pub protocol: Protocol,
    /// The outside port.
    pub port: u16,
    /// To whom inside.
    pub to: SocketAddrV4,
}

/// How a NAT behaves.
#[derive(Clone, Debug)]
pub struct NatConfig {
    /// The interface that leads outside.
    pub outside: usize,
    /// The address that all inside share there.
    pub address: Ipv4Addr,
    /// When one inside port has several outside ports.
    pub mapping: Behaviour,
    /// Who may answer.
    pub filtering: Behaviour,
    /// How outside ports are chosen.
    pub ports: Ports,
    /// The first and the last outside port.
    pub range: (u16, u16),
    /// When mappings are forgotten.
    pub timeouts: Timeouts,
    /// Whether what comes in keeps a mapping of UDP alive, too (RFC 4787, section 4.3).
    pub inbound_refresh: bool,
    /// Whether those inside reach each other by their outside ports (RFC 4787, section 6).
    pub hairpin: bool,
    /// Ports that are always mapped.
    pub forwards: Vec<Forward>,
}

/// An inside port as the outside sees it.
#[derive(Debug)]
struct Mapping {
    protocol: Protocol,
    inside: SocketAddrV4,
    /// The peer that it is for, as far as that counts.
    scope: Option<SocketAddrV4>,
    outside: u16,
    /// A mapping lives as long as one of them does.
    sessions: Sessions,
    is_lasting: bool,
    /// When it is next looked at.
    due: Instant,
}

type ByPeer = BTreeMap<SocketAddrV4, Session>;

/// The sessions of a mapping, by peer. Most have one, which then lies with the mapping.
#[derive(Debug)]
enum Sessions {
    None,
    One(SocketAddrV4, Session),
    Many(ByPeer),
}

impl Sessions {
    /// The session with a peer, which begins if there is none.
    fn with(&mut self, peer: SocketAddrV4) -> &mut Session {
        let has_place = match self {
            Self::None => false,
            Self::One(only, _) => *only == peer,
            Self::Many(_) => true,
        };
        if !has_place {
            *self = match std::mem::replace(self, Self::None) {
                Self::One(only, session) => Self::Many([(only, session)].into()),
                _ => Self::One(peer, Session::new()),
            };
        }
        match self {
            Self::One(_, session) => session,
            Self::Many(all) => all.entry(peer).or_insert_with(Session::new),
            Self::None => unreachable!("there is one by now"),
        }
    }

    fn peers(&self) -> impl Iterator<Item = SocketAddrV4> {
        let (one, many) = self.parts();
        one.map(|(peer, _)| *peer).into_iter().chain(many.into_iter().flat_map(BTreeMap::keys).copied())
    }

    /// When the first of them is over.
    fn next_due(&self) -> Option<Instant> {
        let (one, many) = self.parts();
        let many = many.into_iter().flat_map(BTreeMap::values);
        one.map(|(_, session)| session).into_iter().chain(many).map(|session| session.expires).min()
    }

    fn parts(&self) -> (Option<(&SocketAddrV4, &Session)>, Option<&ByPeer>) {
        match self {
            Self::None => (None, None),
            Self::One(peer, session) => (Some((peer, session)), None),
            Self::Many(all) => (None, Some(all)),
        }
    }

    /// Forgets those that are over.
    fn forget(&mut self, now: Instant) {
        match self {
            Self::One(_, session) if session.expires <= now => *self = Self::None,
            Self::None | Self::One(..) => {}
            Self::Many(all) => {
                all.retain(|_, session| session.expires > now);
                if all.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }
}

/// Where a mapping lies; it is another's once that one is gone.
type Id = u32;
type FragmentKey = (Way, IpAddr, IpAddr, u16, u8);

/// How long later fragments may take (RFC 791's lower bound for reassembly), and how many packets may be in parts.
const FRAGMENTS_WITHIN: Duration = Duration::from_secs(15);
const FRAGMENTED_MAX: usize = 256;

/// The translator, and what it remembers.
#[derive(Debug)]
pub struct Nat {
    config: NatConfig,
    stream: Stream,
    mappings: Vec<Option<Mapping>>,
    /// The places without one.
    vacant: Vec<Id>,
    by_inside: Flat<u128, Id>,
    by_port: Flat<u32, Id>,
    /// How many ports of the range are taken, by protocol.
    taken: [u32; 3],
    due: Agenda<Id>,
    /// What the first fragment of a packet was translated to.
    fragmented: BTreeMap<FragmentKey, (Ipv4Addr, Instant)>,
}

/// What becomes of a packet that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outward {
    Translated { is_new: bool },
    Exhausted,
    Refused,
}

/// What becomes of a packet that comes to the outside address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inward {
    Translated,
    /// It is for the router itself.
    Own,
    Refused,
}

impl Nat {
    /// One without mappings, but for those that last. `stream` is what random ports are drawn from.
    #[must_use]
    pub fn new(config: NatConfig, stream: Stream) -> Self {
        let mut nat = Self {
            config,
            stream,
            mappings: Vec::new(),
            vacant: Vec::new(),
            by_inside: Flat::default(),
            by_port: Flat::default(),
            taken: [0; 3],
            due: Agenda::default(),
            fragmented: BTreeMap::new(),
        };
        nat.clear();
        nat
    }

    /// How many mappings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mappings.len() - self.vacant.len()
    }

    /// Whether there is no mapping.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place is fetched by which the mapping of a packet that goes that way is found.
    pub(super) fn fetch_index(&self, packet: &Packet<&[u8]>, way: Way) {
        let (Some(protocol), Some((inside, peer))) = (Protocol::of(packet), ends(packet, way)) else { return };
        match way {
            Way::Out => self.by_inside.fetch(inside_key(protocol, inside, self.config.mapping.part(peer))),
            Way::In => self.by_port.fetch(port_key(protocol, inside.port())),
        }
    }

    /// The mapping is fetched, which has that inside port.
    pub(super) fn fetch_mapping(&self, packet: &Packet<&[u8]>, way: Way) {
        if let Some(place) = self.foreseen(packet, way) {
            prefetch::whole(place);
        }
    }

    /// Where inside a packet that comes in goes, as things are.
    pub(super) fn foreseen_inside(&self, packet: &Packet<&[u8]>) -> Option<Ipv4Addr> {
        let mapping = self.foreseen(packet, Way::In)?.as_ref()?;
        Some(*mapping.inside.ip())
    }

    fn foreseen(&self, packet: &Packet<&[u8]>, way: Way) -> Option<&Option<Mapping>> {
        let (protocol, (inside, peer)) = (Protocol::of(packet)?, ends(packet, way)?);
        let id = match way {
            Way::Out => self.mapping_of(protocol, inside, peer)?,
            Way::In => self.by_port.get(port_key(protocol, inside.port()))?,
        };
        self.mappings.get(id as usize)
    }

    pub(super) fn interface(&self) -> usize {
        self.config.outside
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        self.config.address
    }

    pub(super) fn clear(&mut self) {
        self.mappings.clear();
        self.vacant.clear();
        self.by_inside.clear();
        self.by_port.clear();
        self.taken = [0; 3];
        self.due.clear();
        self.fragmented.clear();
        for Forward { protocol, port, to } in self.config.forwards.clone() {
            self.insert(protocol, to, None, port, true);
        }
    }

    fn insert(
        &mut self,
        protocol: Protocol,
        inside: SocketAddrV4,
        scope: Option<SocketAddrV4>,
        outside: u16,
        is_lasting: bool,
    ) -> Id {
        let due = Instant::MAX;
        let mapping = Mapping { protocol, inside, scope, outside, sessions: Sessions::None, is_lasting, due };
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.mappings.push(None);
            u32::try_from(self.mappings.len() - 1).expect("a port each")
        });
        self.mappings[id as usize] = Some(mapping);
        self.by_inside.insert(inside_key(protocol, inside, scope), id);
        self.by_port.insert(port_key(protocol, outside), id);
        self.taken[protocol as usize] += u32::from(self.is_in_range(outside));
        id
    }

    fn mapping(&self, id: Id) -> &Mapping {
        self.mappings[id as usize].as_ref().expect("what the indices name is there")
    }

    fn is_in_range(&self, port: u16) -> bool {
        let (first, last) = self.config.range;
        (first..=last).contains(&port)
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.due.next()
    }

    /// Forgets what nobody has used for long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, id)) = self.due.take(now) {
            let mapping = self.mappings.get_mut(id as usize).and_then(Option::as_mut);
            let Some(mapping) = mapping.filter(|mapping| mapping.due == at) else { continue };
            mapping.sessions.forget(now);
            mapping.due = Instant::MAX;
            match mapping.sessions.next_due() {
                Some(due) => {
                    mapping.due = due;
                    self.due.add(due, id);
                }
                None if mapping.is_lasting => {}
                None => self.remove(id),
            }
        }
    }

    fn remove(&mut self, id: Id) {
        if let Some(Mapping { protocol, inside, scope, outside, .. }) = self.mappings[id as usize].take() {
            self.vacant.push(id);
            self.by_inside.remove(inside_key(protocol, inside, scope));
            self.by_port.remove(port_key(protocol, outside));
            self.taken[protocol as usize] -= u32::from(self.is_in_range(outside));
        }
    }

    /// The mapping of an inside port towards a peer.
    fn mapping_of(&self, protocol: Protocol, inside: SocketAddrV4, peer: SocketAddrV4) -> Option<Id> {
        let scope = self.config.mapping.part(peer);
        let scoped = self.by_inside.get(inside_key(protocol, inside, scope));
        scoped.or_else(|| scope.and_then(|_| self.by_inside.get(inside_key(protocol, inside, None))))
    }

    /// An outside port for a new mapping.
    fn allocate(&mut self, protocol: Protocol, inside_port: u16) -> Option<u16> {
        let (first, last) = self.config.range;
        let size = u32::from(last - first) + 1;
        let offset = match self.config.ports {
            Ports::Preserve if (first..=last).contains(&inside_port) => u32::from(inside_port - first),
            Ports::Preserve => u32::from(inside_port) % size,
            Ports::Random => self.stream.below(size.into()) as u32,
        };
        if self.taken[protocol as usize] >= size {
            return None;
        }
        let all = (0..size).map(|step| first + ((offset + step) % size) as u16);
        let mut free = all.filter(|port| self.by_port.get(port_key(protocol, *port)).is_none());
        let keeps_parity = self.config.ports == Ports::Preserve && protocol != Protocol::Icmp;
        let nearest = free.next()?;
        if !keeps_parity || nearest % 2 == inside_port % 2 {
            return Some(nearest);
        }
        Some(free.find(|port| port % 2 == inside_port % 2).unwrap_or(nearest))
    }

    /// A packet of that mapping passes.
    fn note(&mut self, id: Id, peer: SocketAddrV4, packet: &Packet, way: Way, now: Instant) {
        let Some(mapping) = &mut self.mappings[id as usize] else { return };
        let session = mapping.sessions.with(peer);
        session.note(mapping.protocol, packet, way, &self.config.timeouts, now);
        if session.expires < mapping.due {
            mapping.due = session.expires;
            self.due.add(mapping.due, id);
        }
    }

    pub(super) fn outbound(&mut self, packet: &mut Packet, now: Instant) -> Outward {
        let translated = Outward::Translated { is_new: false };
        if packet.fragment().1 > 0 {
            let Some(address) = self.part_of(Way::Out, packet, now) else { return Outward::Refused };
            packet.set_source(address, None);
            return translated;
        }
        if let Some(quoted) = packet.quoted() {
            return if self.outbound_error(packet, quoted) { translated } else { Outward::Refused };
        }
        let (Some(protocol), Some((inside, peer))) = (Protocol::of(packet), ends(packet, Way::Out)) else {
            return Outward::Refused;
        };
        let (id, is_new) = match self.mapping_of(protocol, inside, peer) {
            Some(id) => (id, false),
            None => match self.allocate(protocol, inside.port()) {
                Some(port) => (self.insert(protocol, inside, self.config.mapping.part(peer), port, false), true),
                None => return Outward::Exhausted,
            },
        };
        self.note(id, peer, packet, Way::Out, now);
        let outside = self.mapping(id).outside;
        self.remember(Way::Out, packet, self.config.address, now);
        packet.set_source(self.config.address, Some(outside));
        Outward::Translated { is_new }
    }

    /// Somebody inside complains about what came in (RFC 5508, section 4.2).
    fn outbound_error(&self, packet: &mut Packet, mut quoted: Packet) -> bool {
        let (Some(protocol), Some((inside, peer))) = (Protocol::of(&quoted), ends(&quoted, Way::In)) else {
            return false;
        };
        let Some(id) = self.mapping_of(protocol, inside, peer) else { return false };
        quoted.set_destination(self.config.address, Some(self.mapping(id).outside));
        packet.set_source(self.config.address, None);
        packet.requote(&quoted);
        true
    }

    pub(super) fn inbound(&mut self, packet: &mut Packet, now: Instant) -> Inward {
        if packet.fragment().1 > 0 {
            let Some(address) = self.part_of(Way::In, packet, now) else { return Inward::Refused };
            packet.set_destination(address, None);
            return Inward::Translated;
        }
        if let Some(quoted) = packet.quoted() {
            return self.inbound_error(packet, quoted);
        }
        let Some(protocol) = Protocol::of(packet) else { return Inward::Refused };
        let is_question = protocol == Protocol::Icmp && packet.payload().first() == Some(&8);
        let Some((inside, peer)) = ends(packet, Way::In).filter(|_| !is_question) else { return Inward::Own };
        let Some(id) = self.by_port.get(port_key(protocol, inside.port())) else { return Inward::Refused };
        let mapping = self.mapping(id);
        let filtering = self.config.filtering;
        let is_known = mapping.sessions.peers().any(|known| known == peer);
        let may_come = is_known
            || mapping.is_lasting
            || filtering == Behaviour::EndpointIndependent
            || mapping.sessions.peers().any(|known| filtering.part(known) == filtering.part(peer));
        if !may_come {
            return Inward::Refused;
        }
        let inside = mapping.inside;
        if protocol != Protocol::Udp || self.config.inbound_refresh {
            self.note(id, peer, packet, Way::In, now);
        }
        self.remember(Way::In, packet, *inside.ip(), now);
        packet.set_destination(*inside.ip(), Some(inside.port()));
        Inward::Translated
    }

    /// Somebody outside complains about what went out (RFC 5508, section 4.1).
    fn inbound_error(&self, packet: &mut Packet, mut quoted: Packet) -> Inward {
        let (Some(protocol), Some((outside, _))) = (Protocol::of(&quoted), ends(&quoted, Way::Out)) else {
            return Inward::Refused;
        };
        let Some(id) = self.by_port.get(port_key(protocol, outside.port())) else { return Inward::Own };
        let inside = self.mapping(id).inside;
        quoted.set_source(*inside.ip(), Some(inside.port()));
        packet.set_destination(*inside.ip(), None);
        packet.requote(&quoted);
        Inward::Translated
    }

    /// Somebody inside sends to an outside port: the other gets it from the sender's outside port.
    pub(super) fn hairpin(&mut self, packet: &mut Packet, now: Instant) -> Inward {
        if !self.config.hairpin {
            return Inward::Refused;
        }
        let question = packet.transport().0 == super::packet::ICMP && packet.payload().first() == Some(&8);
        if question {
            return Inward::Own;
        }
        match self.outbound(packet, now) {
            Outward::Translated { .. } => self.inbound(packet, now),
            Outward::Exhausted | Outward::Refused => Inward::Refused,
        }
    }

    /// Notes where the later fragments of this first one go.
    fn remember(&mut self, way: Way, packet: &Packet, address: Ipv4Addr, now: Instant) {
        if !packet.fragment().0 {
            return;
        }
        if self.fragmented.len() >= FRAGMENTED_MAX {
            self.fragmented.retain(|_, (_, until)| *until > now);
        }
        if self.fragmented.len() < FRAGMENTED_MAX {
            self.fragmented.insert(fragment_key(way, packet), (address, now + FRAGMENTS_WITHIN));
        }
    }

    fn part_of(&self, way: Way, packet: &Packet, now: Instant) -> Option<Ipv4Addr> {
        let (address, until) = self.fragmented.get(&fragment_key(way, packet))?;
        (*until > now).then_some(*address)
    }
}

/// The inside end, 48 bits of what of the peer counts, and whether any of it does, in one number.
fn inside_key(protocol: Protocol, inside: SocketAddrV4, scope: Option<SocketAddrV4>) -> u128 {
    let end = |end: SocketAddrV4| u128::from(end.ip().to_bits()) << 16 | u128::from(end.port());
    let scope = scope.map_or(0, |scope| 1 << 48 | end(scope));
    (protocol as u128) << 112 | scope << 48 | end(inside)
}

fn port_key(protocol: Protocol, port: u16) -> u32 {
    (protocol as u32) << 16 | u32::from(port)
}

fn fragment_key(way: Way, packet: &Packet) -> FragmentKey {
    (way, packet.source(), packet.destination(), packet.identification(), packet.transport().0)
}

/// The inside end of a packet that goes that way, and its peer.
fn ends(packet: &Packet<impl AsRef<[u8]>>, way: Way) -> Option<(SocketAddrV4, SocketAddrV4)> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (packet.source(), packet.destination()) else { return None };
    let (from, to) = packet.ports()?;
    // A query's peer has no port.
    let is_query = Protocol::of(packet) == Some(Protocol::Icmp);
    let peer_port = |port| if is_query { 0 } else { port };
    Some(match way {
        Way::Out => (SocketAddrV4::new(source, from), SocketAddrV4::new(destination, peer_port(to))),
        Way::In => (SocketAddrV4::new(destination, to), SocketAddrV4::new(source, peer_port(from))),
    })
}
