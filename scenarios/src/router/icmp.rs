//! What senders are told of packets that got no further (RFC 792, RFC 1812 section 4.3, RFC 4443).

use std::net::IpAddr;

use wavetank_sim::time::Instant;
use wavetank_stack::forward;
pub(super) use wavetank_stack::forward::Trouble;

use super::Router;
use super::addresses::{broadcast, can_send};
use super::checksum::{finish, sum};
use super::packet::{ICMP, ICMPV6, Packet, TCP, UDP, put};

/// Type and code in ICMP; in ICMPv6 they are the stack's to say.
const fn numbers(trouble: Trouble) -> (u8, u8) {
    match trouble {
        Trouble::NoRoute => (3, 0),
        Trouble::NoHost | Trouble::BeyondScope => (3, 1),
        Trouble::NoProtocol => (3, 2),
        Trouble::NoPort => (3, 3),
        Trouble::TooBig(_) => (3, 4),
        Trouble::Prohibited => (3, 13),
        Trouble::Expired => (11, 0),
    }
}

/// How long a message about an IPv4 packet is at most (RFC 1812, section 4.3.2.3).
const V4_MAX: usize = 576;

impl Router {
    /// Tells the sender of a packet that came in by `ingress`, if it may be told.
    pub(super) fn complain(&mut self, ingress: usize, about: &Packet, trouble: Trouble, now: Instant) {
        let source = about.source();
        if self.silent || !self.may_be_told(about) || !self.errors.take(now - Instant::START) {
            return;
        }
        let is_family = |address: IpAddr| address.is_ipv4() == source.is_ipv4();
        let here = self.interfaces[ingress].addresses.iter();
        let mut candidates = here.chain(self.interfaces.iter().flat_map(|own| &own.addresses));
        let Some(own) = candidates.find(|own| is_family(own.ip)).map(|own| own.ip) else { return };
        let packet = match own {
            IpAddr::V4(_) => {
                let (kind, code) = numbers(trouble);
                let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
                // The next hop's MTU (RFC 1191, section 4).
                if let Trouble::TooBig(mtu) = trouble {
                    put(&mut message, 6, mtu.min(usize::from(u16::MAX)) as u16);
                }
                message.extend_from_slice(&about.bytes()[..about.len().min(V4_MAX - 28)]);
                self.made(own, source, ICMP, 64, message)
            }
            IpAddr::V6(own) => {
                let mut bytes = about.bytes().to_vec();
                bytes.resize(bytes.len().max(forward::ERROR_MAX), 0);
                let len = forward::tell(&mut bytes, about.len(), trouble, own);
                bytes.truncate(len);
                Packet::made(bytes)
            }
        };
        self.send_own(packet, now);
    }

    /// RFC 1812, section 4.3.2.7: not about errors, later fragments, groups, or from nobody.
    fn may_be_told(&self, about: &Packet) -> bool {
        let (source, destination) = (about.source(), about.destination());
        let is_broadcast = |address: IpAddr| {
            let mut own = self.interfaces.iter().flat_map(|own| &own.addresses);
            own.any(|own| broadcast(own).map(IpAddr::V4) == Some(address))
        };
        let is_error = if about.is_v4() { about.is_icmp_error() } else { !forward::may_be_told(about.bytes()) };
        !is_error
            && about.fragment().1 == 0
            && can_send(source)
            && can_send(destination)
            && !is_broadcast(source)
            && !is_broadcast(destination)
            && !self.is_own(source)
    }

    /// A packet of the router's own, with all checksums.
    pub(super) fn made(&mut self, from: IpAddr, to: IpAddr, protocol: u8, hops: u8, body: Vec<u8>) -> Packet {
        self.identification = self.identification.wrapping_add(1);
        packet(from, to, (protocol, hops), self.identification, body)
    }
}

/// A packet with all checksums; `from` and `to` are of one family.
pub(super) fn packet(
    from: IpAddr,
    to: IpAddr,
    (protocol, hops): (u8, u8),
    identification: u16,
    mut body: Vec<u8>,
) -> Packet {
    let at = match protocol {
        TCP => Some(16),
        UDP => Some(6),
        ICMP | ICMPV6 => Some(2),
        _ => None,
    };
    let pseudo = match (from, to) {
        _ if protocol == ICMP => 0,
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(&from.octets()) + sum(&to.octets()),
        (IpAddr::V6(from), IpAddr::V6(to)) => sum(&from.octets()) + sum(&to.octets()),
        _ => unreachable!("a packet has one family"),
    };
    if let Some(at) = at {
        put(&mut body, at, 0);
        let covered = if protocol == ICMP { 0 } else { body.len() as u64 + u64::from(protocol) };
        let checksum = finish(pseudo + covered + sum(&body));
        put(&mut body, at, checksum);
    }
    let mut bytes = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, hops, protocol, 0, 0];
            put(&mut header, 2, (20 + body.len()) as u16);
            put(&mut header, 4, identification);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            let checksum = finish(sum(&header));
            put(&mut header, 10, checksum);
            header
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, protocol, hops];
            put(&mut header, 4, body.len() as u16);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            header
        }
        _ => unreachable!("a packet has one family"),
    };
    bytes.append(&mut body);
    Packet::made(bytes)
}
