//! What senders are told of packets that got no further (RFC 792, RFC 1812 section 4.3, RFC 4443).

use std::net::IpAddr;

use wavetank_sim::time::Instant;

use super::Router;
use super::addresses::{broadcast, can_send};
use super::checksum::{finish, sum};
use super::packet::{ICMP, ICMPV6, Packet, TCP, UDP, put};

/// Why a packet got no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    NoRoute,
    NoHost,
    NoPort,
    NoProtocol,
    Prohibited,
    Expired,
    /// The next link carries no more than this.
    TooBig(usize),
}

impl Trouble {
    /// Type and code in ICMP, then in ICMPv6.
    const fn numbers(self) -> [(u8, u8); 2] {
        match self {
            Self::NoRoute => [(3, 0), (1, 0)],
            Self::NoHost => [(3, 1), (1, 3)],
            Self::NoProtocol => [(3, 2), (4, 1)],
            Self::NoPort => [(3, 3), (1, 4)],
            Self::TooBig(_) => [(3, 4), (2, 0)],
            Self::Prohibited => [(3, 13), (1, 1)],
            Self::Expired => [(11, 0), (3, 0)],
        }
    }
}

/// How long a message about an IPv4 packet is at most (RFC 1812, section 4.3.2.3), and one about an IPv6 packet (RFC
/// 4443, section 2.4).
const V4_MAX: usize = 576;
const V6_MAX: usize = 1280;

impl Router {
    /// Tells the sender of a packet that came in by `ingress`, if it may be told.
    pub(super) fn complain(&mut self, ingress: usize, about: &Packet, trouble: Trouble, now: Instant) {
        let source = about.source();
        if self.silent || !self.may_be_told(about) || !self.errors.take(now) {
            return;
        }
        let is_family = |address: IpAddr| address.is_ipv4() == source.is_ipv4();
        let here = self.interfaces[ingress].addresses.iter();
        let mut candidates = here.chain(self.interfaces.iter().flat_map(|own| &own.addresses));
        let Some(own) = candidates.find(|own| is_family(own.ip)).map(|own| own.ip) else { return };
        let [v4, v6] = trouble.numbers();
        let is_v4 = about.is_v4();
        let ((kind, code), quote_max, protocol) =
            if is_v4 { (v4, V4_MAX - 28, ICMP) } else { (v6, V6_MAX - 48, ICMPV6) };
        let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
        match trouble {
            // The next hop's MTU (RFC 1191, section 4; RFC 4443, section 3.2).
            Trouble::TooBig(mtu) => put(&mut message, 6, mtu.min(usize::from(u16::MAX)) as u16),
            Trouble::NoProtocol if !is_v4 => put(&mut message, 6, 6),
            _ => {}
        }
        message.extend_from_slice(&about.bytes()[..about.len().min(quote_max)]);
        let packet = self.made(own, source, protocol, 64, message);
        self.send_own(packet, now);
    }

    /// RFC 1812, section 4.3.2.7: not about errors, later fragments, groups, or from nobody.
    fn may_be_told(&self, about: &Packet) -> bool {
        let (source, destination) = (about.source(), about.destination());
        let is_broadcast = |address: IpAddr| {
            let mut own = self.interfaces.iter().flat_map(|own| &own.addresses);
            own.any(|own| broadcast(own).map(IpAddr::V4) == Some(address))
        };
        !about.is_icmp_error()
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
