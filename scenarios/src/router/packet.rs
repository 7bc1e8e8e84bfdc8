//! Packets as views of their bytes: what the router reads and changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::{adjusted, finish, sum};

/// The bytes of an Ethernet header.
pub(super) const ETHERNET: usize = 14;

/// EtherTypes (IEEE 802 numbers).
pub(super) const TYPE_IPV4: u16 = 0x0800;
pub(super) const TYPE_ARP: u16 = 0x0806;
pub(super) const TYPE_IPV6: u16 = 0x86dd;

/// Protocol numbers (IANA).
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |word| u16::from_be_bytes([word[0], word[1]]))
}

pub(super) fn put(bytes: &mut [u8], at: usize, word: u16) {
    bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
}

fn v4(bytes: &[u8], at: usize) -> Ipv4Addr {
    let octets: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
    octets.into()
}

fn v6(bytes: &[u8], at: usize) -> Ipv6Addr {
    let octets: [u8; 16] = bytes[at..at + 16].try_into().expect("sixteen bytes");
    octets.into()
}

/// A whole IP packet: its header is all there and says no more than there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet<Bytes = Vec<u8>>(Bytes);

impl<'f> Packet<&'f [u8]> {
    /// What a frame carries, without what pads it, where it lies.
    pub(super) fn within(frame: &'f [u8]) -> Option<Self> {
        let bytes = frame.get(ETHERNET..)?;
        let len = match word(frame, 12) {
            TYPE_IPV4 => {
                let header = usize::from(*bytes.first()? & 15) * 4;
                let len = usize::from(word(bytes, 2));
                (bytes[0] >> 4 == 4 && header >= 20 && len >= header && bytes.len() >= len).then_some(len)?
            }
            TYPE_IPV6 => {
                let len = 40 + usize::from(word(bytes, 4));
                (*bytes.first()? >> 4 == 6 && bytes.len() >= len).then_some(len)?
            }
            _ => return None,
        };
        Some(Self(&bytes[..len]))
    }
}

impl<Bytes: AsRef<[u8]>> Packet<Bytes> {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    pub(super) fn is_v4(&self) -> bool {
        self.bytes()[0] >> 4 == 4
    }

    /// Where the header ends; IPv6 extension headers that every node passes over are passed over.
    pub(super) fn transport(&self) -> (u8, usize) {
        if self.is_v4() {
            return (self.bytes()[9], usize::from(self.bytes()[0] & 15) * 4);
        }
        let (mut next, mut at) = (self.bytes()[6], 40);
        // Hop-by-hop options, routing, destination options (RFC 8200, section 4).
        while matches!(next, 0 | 43 | 60) && at + 8 <= self.bytes().len() {
            let len = 8 + usize::from(self.bytes()[at + 1]) * 8;
            (next, at) = (self.bytes()[at], at + len);
        }
        (next, at.min(self.bytes().len()))
    }

    pub(super) fn source(&self) -> IpAddr {
        if self.is_v4() { v4(self.bytes(), 12).into() } else { v6(self.bytes(), 8).into() }
    }

    pub(super) fn destination(&self) -> IpAddr {
        if self.is_v4() { v4(self.bytes(), 16).into() } else { v6(self.bytes(), 24).into() }
    }

    pub(super) fn hops(&self) -> u8 {
        self.bytes()[if self.is_v4() { 8 } else { 7 }]
    }

    /// Whether it may not be cut (RFC 791); IPv6 packets never may by routers.
    pub(super) fn keeps_whole(&self) -> bool {
        !self.is_v4() || self.bytes()[6] & 0x40 != 0
    }

    /// Whether more of the same packet follows, and where this part belongs in it.
    pub(super) fn fragment(&self) -> (bool, usize) {
        if !self.is_v4() {
            return (false, 0);
        }
        let field = word(self.bytes(), 6);
        (field & 0x2000 != 0, usize::from(field & 0x1fff) * 8)
    }

    pub(super) fn identification(&self) -> u16 {
        word(self.bytes(), 4)
    }

    /// The bytes behind the IP header.
    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes()[self.transport().1..]
    }

    /// The two ports, or the identifier of an ICMP query as both; `None` for everything else.
    pub(super) fn ports(&self) -> Option<(u16, u16)> {
        let (protocol, at) = self.transport();
        if self.fragment().1 > 0 {
            return None;
        }
        match protocol {
            TCP | UDP if self.bytes().len() >= at + 8 => Some((word(self.bytes(), at), word(self.bytes(), at + 2))),
            ICMP if self.bytes().len() >= at + 8 && matches!(self.bytes()[at], 0 | 8) => {
                Some((word(self.bytes(), at + 4), word(self.bytes(), at + 4)))
            }
            ICMPV6 if self.bytes().len() >= at + 8 && matches!(self.bytes()[at], 128 | 129) => {
                Some((word(self.bytes(), at + 4), word(self.bytes(), at + 4)))
            }
            _ => None,
        }
    }
}

impl Packet {
    /// What a frame carries, without what pads it.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        Packet::within(frame).map(|packet| Self(packet.0.to_vec()))
    }

    /// A packet that came without a frame around it.
    pub(super) fn bare(bytes: &[u8]) -> Option<Self> {
        let kind: [u8; 2] = if bytes.first()? >> 4 == 4 { TYPE_IPV4 } else { TYPE_IPV6 }.to_be_bytes();
        let mut frame = vec![0; ETHERNET];
        frame[12..].copy_from_slice(&kind);
        frame.extend_from_slice(bytes);
        Self::of(&frame)
    }

    /// A packet that the router itself made.
    pub(super) fn made(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// One hop less.
    pub(super) fn count_hop(&mut self) {
        if self.is_v4() {
            let old = [self.0[8], self.0[9]];
            self.0[8] -= 1;
            let checksum = adjusted(word(&self.0, 10), &old, &self.0[8..10]);
            put(&mut self.0, 10, checksum);
        } else {
            self.0[7] -= 1;
        }
    }

    /// The parts of an IPv4 packet that are no longer than `mtu` each (RFC 791, section 3.2). Options stay with the first.
    pub(super) fn fragments(&self, mtu: usize) -> Vec<Self> {
        let header = usize::from(self.0[0] & 15) * 4;
        let (more, offset) = self.fragment();
        let (mut at, mut parts) = (header, Vec::new());
        while at < self.0.len() {
            let head = if parts.is_empty() { header } else { 20 };
            let room = (mtu.saturating_sub(head) & !7).max(8);
            let end = (at + room).min(self.0.len());
            let mut bytes = self.0[..head].to_vec();
            bytes[0] = 0x40 | (head / 4) as u8;
            bytes.extend_from_slice(&self.0[at..end]);
            let len = bytes.len() as u16;
            put(&mut bytes, 2, len);
            let place = ((offset + at - header) / 8) as u16;
            put(&mut bytes, 6, place | if more || end < self.0.len() { 0x2000 } else { 0 });
            put(&mut bytes, 10, 0);
            let checksum = finish(sum(&bytes[..head]));
            put(&mut bytes, 10, checksum);
            parts.push(Self(bytes));
            at = end;
        }
        parts
    }

    /// Whether it is an ICMP message about another packet.
    pub(super) fn is_icmp_error(&self) -> bool {
        let (protocol, at) = self.transport();
        let kind = self.0.get(at).copied().unwrap_or(0);
        match protocol {
            ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
            ICMPV6 => kind < 128,
            _ => false,
        }
    }

    /// The packet that an ICMP error is about, as far as it is quoted; its length field says more than there is.
    pub(super) fn quoted(&self) -> Option<Self> {
        if !self.is_icmp_error() || self.fragment().1 > 0 {
            return None;
        }
        let inner = self.0.get(self.transport().1 + 8..)?;
        let first = *inner.first()?;
        let header = if first >> 4 == 4 { usize::from(first & 15) * 4 } else { 40 };
        (header >= 20 && inner.len() >= header + 8 && (first >> 4 == 4) == self.is_v4()).then(|| Self(inner.to_vec()))
    }

    /// Puts a changed quote in the place of the old one, and the ICMP checksum right.
    pub(super) fn requote(&mut self, quote: &Self) {
        let at = self.transport().1;
        self.0[at + 8..].copy_from_slice(&quote.0);
        put(&mut self.0, at + 2, 0);
        let checksum = finish(sum(&self.0[at..]));
        put(&mut self.0, at + 2, checksum);
    }

    /// Replaces an IPv4 packet's source, its port too if it has one.
    pub(super) fn set_source(&mut self, address: Ipv4Addr, port: Option<u16>) {
        self.rewrite(12, 0, address, port);
    }

    /// Replaces an IPv4 packet's destination, its port too if it has one.
    pub(super) fn set_destination(&mut self, address: Ipv4Addr, port: Option<u16>) {
        self.rewrite(16, 2, address, port);
    }

    /// Replaces an address of the header and a port, and keeps all checksums right.
    fn rewrite(&mut self, at: usize, port_at: usize, address: Ipv4Addr, port: Option<u16>) {
        let old: [u8; 4] = self.0[at..at + 4].try_into().expect("four bytes");
        let new = address.octets();
        self.0[at..at + 4].copy_from_slice(&new);
        let checksum = adjusted(word(&self.0, 10), &old, &new);
        put(&mut self.0, 10, checksum);
        let (protocol, transport) = self.transport();
        if self.fragment().1 > 0 {
            return;
        }
        let (port_at, sum_at, is_covered) = match protocol {
            TCP => (port_at, 16, true),
            UDP => (port_at, 6, true),
            ICMP => (4, 2, false),
            _ => return,
        };
        let port = port.map(|port| (transport + port_at, port)).filter(|(place, _)| self.0.len() >= place + 2);
        let ports = port.map(|(place, port)| {
            let old = word(&self.0, place).to_be_bytes();
            put(&mut self.0, place, port);
            (old, port.to_be_bytes())
        });
        let place = transport + sum_at;
        // A quote may end before the checksum; and a UDP checksum of 0 is none (RFC 768).
        if self.0.len() < place + 2 || protocol == UDP && word(&self.0, place) == 0 {
            return;
        }
        let mut checksum = word(&self.0, place);
        if is_covered {
            checksum = adjusted(checksum, &old, &new);
        }
        if let Some((old, new)) = ports {
            checksum = adjusted(checksum, &old, &new);
        }
        put(&mut self.0, place, if protocol == UDP && checksum == 0 { 0xffff } else { checksum });
    }
}

/// A frame from one Ethernet address to another.
pub(super) fn frame(to: [u8; 6], from: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET + payload.len());
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
