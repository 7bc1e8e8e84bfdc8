//! What is meant for the router itself: ARP (RFC 826), neighbour discovery (RFC 4861), echoes, and what it has no ear for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wavetank_sim::time::Instant;

use super::addresses::{link_local, solicited_node};
use super::icmp::Trouble;
use super::neighbours::{Due, Place, Waiting};
use super::packet::{ETHERNET, ICMP, ICMPV6, Packet, TCP, TYPE_ARP, TYPE_IPV6, UDP, frame, put, word};
use super::{Count, Outgoing, Router};

const NOBODY: [u8; 6] = [0; 6];
const EVERYBODY: [u8; 6] = [0xff; 6];
/// ARP's operations.
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// ICMPv6 types (RFC 4861, section 4).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

impl Router {
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        let is_link_local = |mac| address == IpAddr::V6(link_local(mac));
        self.interfaces.iter().any(|own| own.addresses.iter().any(|own| own.ip == address) || is_link_local(own.mac))
    }

    fn is_own_at(&self, interface: usize, address: IpAddr) -> bool {
        let own = &self.interfaces[interface];
        own.addresses.iter().any(|own| own.ip == address) || address == IpAddr::V6(link_local(own.mac))
    }

    pub(super) fn hear_arp(&mut self, interface: usize, bytes: &[u8], now: Instant) {
        let Some(arp) = bytes.get(ETHERNET..ETHERNET + 28) else {
            return self.tally(Count::Malformed);
        };
        let quad = |at: usize| Ipv4Addr::new(arp[at], arp[at + 1], arp[at + 2], arp[at + 3]);
        let (operation, sender_ip, target) = (word(arp, 6), quad(14), quad(24));
        let sender: [u8; 6] = arp[8..14].try_into().expect("six bytes");
        if arp[..6] != [0, 1, 8, 0, 6, 4] || sender[0] & 1 == 1 {
            return self.tally(Count::Malformed);
        }
        let is_for_us = self.is_own_at(interface, target.into());
        if !sender_ip.is_unspecified() && !self.is_own(sender_ip.into()) {
            let waited = self.neighbours.learn((interface, sender_ip.into()), sender, is_for_us, now);
            self.release(interface, sender, waited);
        }
        if operation == REQUEST && is_for_us {
            self.say_arp(interface, REPLY, target, sender, sender_ip);
        }
    }

    fn say_arp(&mut self, interface: usize, operation: u16, own: Ipv4Addr, to: [u8; 6], target: Ipv4Addr) {
        let mac = self.interfaces[interface].mac;
        let mut arp = vec![0, 1, 8, 0, 6, 4];
        arp.extend_from_slice(&operation.to_be_bytes());
        arp.extend_from_slice(&mac);
        arp.extend_from_slice(&own.octets());
        arp.extend_from_slice(&if operation == REQUEST { NOBODY } else { to });
        arp.extend_from_slice(&target.octets());
        self.outbox.push_back(Outgoing { interface, origin: None, frame: frame(to, mac, TYPE_ARP, &arp) });
    }

    /// Asks where a neighbour is.
    /// `known`: who answered last, and is asked alone (RFC 1122, section 2.3.2.1; RFC 4861, section 7.3.3).
    pub(super) fn ask(&mut self, (interface, address): Place, known: Option<[u8; 6]>) {
        match address {
            IpAddr::V4(target) => {
                let own = self.interfaces[interface].addresses.iter().find(|own| own.contains(address));
                let Some(IpAddr::V4(own)) = own.map(|own| own.ip) else { return };
                self.say_arp(interface, REQUEST, own, known.unwrap_or(EVERYBODY), target);
            }
            IpAddr::V6(target) => {
                let group = solicited_node(target);
                let mac = self.interfaces[interface].mac;
                let mut body = vec![0; 4];
                body.extend_from_slice(&target.octets());
                body.extend_from_slice(&[1, 1]);
                body.extend_from_slice(&mac);
                let (to_mac, to) = known.map_or((group_mac(group), group), |known| (known, target));
                self.say_discovery(interface, SOLICITATION, to_mac, to, &body);
            }
        }
    }

    fn say_discovery(&mut self, interface: usize, kind: u8, to_mac: [u8; 6], to: Ipv6Addr, body: &[u8]) {
        let mac = self.interfaces[interface].mac;
        let own = link_local(mac);
        let message = [&[kind, 0, 0, 0], body].concat();
        let packet = self.made(own.into(), to.into(), ICMPV6, 255, message);
        let frame = frame(to_mac, mac, TYPE_IPV6, packet.bytes());
        self.outbox.push_back(Outgoing { interface, origin: None, frame });
    }

    /// Neighbour discovery; anything else that only routers say to hosts is none of this one's business.
    pub(super) fn hear_discovery(&mut self, interface: usize, packet: &Packet, now: Instant) {
        let message = packet.payload();
        let (Some(target), IpAddr::V6(source)) = (message.get(8..24), packet.source()) else { return };
        if packet.hops() != 255 {
            return self.tally(Count::Malformed);
        }
        let target = Ipv6Addr::from(<[u8; 16]>::try_from(target).expect("sixteen bytes"));
        let is_for_us = self.is_own_at(interface, target.into());
        match message[0] {
            SOLICITATION => {
                if let Some(mac) = link_layer(message, 1).filter(|_| !source.is_unspecified()) {
                    let waited = self.neighbours.learn((interface, source.into()), mac, is_for_us, now);
                    self.release(interface, mac, waited);
                }
                if !is_for_us {
                    return;
                }
                let everybody = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
                // A router, asked or not, that overrides (RFC 4861, section 4.4).
                let (to, flags) = if source.is_unspecified() { (everybody, 0xa0) } else { (source, 0xe0) };
                let mac = match link_layer(message, 1) {
                    Some(mac) if !source.is_unspecified() => mac,
                    _ => group_mac(everybody),
                };
                let mut body = vec![flags, 0, 0, 0];
                body.extend_from_slice(&target.octets());
                body.extend_from_slice(&[2, 1]);
                body.extend_from_slice(&self.interfaces[interface].mac);
                self.say_discovery(interface, ADVERTISEMENT, mac, to, &body);
            }
            ADVERTISEMENT => {
                if let Some(mac) = link_layer(message, 2).filter(|_| !self.is_own(target.into())) {
                    let waited = self.neighbours.learn((interface, target.into()), mac, false, now);
                    self.release(interface, mac, waited);
                }
            }
            _ => {}
        }
    }

    /// Sends what waited for a neighbour.
    fn release(&mut self, interface: usize, mac: [u8; 6], waited: impl IntoIterator<Item = Waiting>) {
        for Waiting { origin, packet, .. } in waited {
            self.emit(interface, mac, origin, &packet);
        }
    }

    /// Asks those again who have not answered, and gives up on others.
    pub(super) fn resolve_again(&mut self, now: Instant) {
        while let Some(due) = self.neighbours.poll(now) {
            match due {
                Due::Ask(place) => self.ask(place, None),
                Due::GiveUp(waited) => {
                    for Waiting { ingress, packet, untouched, .. } in waited {
                        self.tally(Count::Unreachable);
                        self.complain(ingress, untouched.as_ref().unwrap_or(&packet), Trouble::NoHost, now);
                    }
                }
            }
        }
    }

    /// A packet to one of the router's own addresses.
    pub(super) fn hear(&mut self, ingress: usize, packet: &Packet, now: Instant) {
        let (protocol, at) = packet.transport();
        let kind = packet.bytes().get(at).copied();
        match (protocol, kind) {
            _ if packet.fragment() != (false, 0) => {}
            (ICMP, Some(8)) => self.echo(packet, 0, now),
            (ICMPV6, Some(128)) => self.echo(packet, 129, now),
            (ICMP | ICMPV6, _) => {}
            (TCP, _) => self.reset(packet, now),
            (UDP, _) => self.complain(ingress, packet, Trouble::NoPort, now),
            _ => self.complain(ingress, packet, Trouble::NoProtocol, now),
        }
    }

    fn echo(&mut self, packet: &Packet, kind: u8, now: Instant) {
        let mut message = packet.payload().to_vec();
        message[0] = kind;
        let (protocol, _) = packet.transport();
        let reply = self.made(packet.destination(), packet.source(), protocol, 64, message);
        self.send_own(reply, now);
    }

    /// Nobody listens here (RFC 9293, section 3.10.7.1).
    fn reset(&mut self, packet: &Packet, now: Instant) {
        let segment = packet.payload();
        let Some(header) = segment.get(..20) else { return };
        let (flags, len) = (header[13], segment.len().saturating_sub(usize::from(header[12] >> 4) * 4));
        if flags & 4 != 0 {
            return;
        }
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let virtual_len = len as u32 + u32::from(flags & 1 != 0) + u32::from(flags & 2 != 0);
        let (sequence, acknowledged, flags) = match flags & 16 != 0 {
            true => (number(8), 0, 4),
            false => (0, number(4).wrapping_add(virtual_len), 4 | 16),
        };
        let mut answer = vec![0; 20];
        put(&mut answer, 0, word(header, 2));
        put(&mut answer, 2, word(header, 0));
        answer[4..8].copy_from_slice(&sequence.to_be_bytes());
        answer[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        (answer[12], answer[13]) = (5 << 4, flags);
        let reply = self.made(packet.destination(), packet.source(), TCP, 64, answer);
        self.send_own(reply, now);
    }

    /// Sends a packet that the router itself made.
    pub(super) fn send_own(&mut self, packet: Packet, now: Instant) {
        if let Some(hop) = self.routes.lookup(packet.destination()) {
            self.hand_on(hop, Waiting { ingress: hop.interface, origin: None, packet, untouched: None }, now);
        }
    }
}

/// The Ethernet address of a group (RFC 2464, section 7).
pub(super) fn group_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// The link-layer address among a message's options.
fn link_layer(message: &[u8], kind: u8) -> Option<[u8; 6]> {
    let mut options = message.get(24..)?;
    while let [this, len, ..] = *options {
        let len = usize::from(len) * 8;
        if len == 0 || options.len() < len {
            return None;
        }
        if this == kind {
            return options[2..8].try_into().ok();
        }
        options = &options[len..];
    }
    None
}
