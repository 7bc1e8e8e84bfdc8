//! From one network to another.

use std::net::IpAddr;

use wavetank_sim::net::Origin;
use wavetank_sim::time::Instant;

use super::addresses::{broadcast, can_send};
use super::icmp::Trouble;
use super::nat::{Inward, Outward};
use super::neighbours::Waiting;
use super::packet::{ETHERNET, ICMPV6, Packet, TYPE_ARP, TYPE_IPV4, TYPE_IPV6, frame, word};
use super::routes::Hop;
use super::{Count, Link, Outgoing, Router};

impl Router {
    /// Takes in a frame that `origin` sent first; a bare packet where the interface has no frames.
    ///
    /// # Panics
    ///
    /// If there is no such interface.
    pub fn handle(&mut self, interface: usize, origin: Option<Origin>, bytes: &[u8], now: Instant) {
        if self.interfaces[interface].link == Link::Bare {
            return match Packet::bare(bytes) {
                Some(packet) => self.sort(interface, origin, packet, false, now),
                None => self.tally(Count::Malformed),
            };
        }
        if bytes.len() < ETHERNET {
            return self.tally(Count::Malformed);
        }
        let is_group = bytes[0] & 1 == 1;
        // A switch that does not know better sends to everyone what is for somebody else.
        if !is_group && bytes[..6] != self.interfaces[interface].mac {
            return;
        }
        match word(bytes, 12) {
            TYPE_ARP => self.hear_arp(interface, bytes, now),
            TYPE_IPV4 | TYPE_IPV6 => match Packet::of(bytes) {
                Some(packet) => self.sort(interface, origin, packet, is_group, now),
                None => self.tally(Count::Malformed),
            },
            _ => {}
        }
    }

    /// Whether it is for everyone here, for the router itself, or for somebody beyond.
    fn sort(&mut self, ingress: usize, origin: Option<Origin>, packet: Packet, is_group: bool, now: Instant) {
        if !packet.is_v4() && packet.transport().0 == ICMPV6 && matches!(packet.payload(), [133..=137, ..]) {
            // On a bare link nobody is asked for.
            if self.interfaces[ingress].link == Link::Ethernet {
                self.hear_discovery(ingress, &packet, now);
            }
            return;
        }
        let (source, destination) = (packet.source(), packet.destination());
        let mut own = self.interfaces.iter().flat_map(|own| &own.addresses);
        let is_broadcast = own.any(|own| broadcast(own).map(IpAddr::V4) == Some(destination));
        // Groups end at routers, and so does what was sent to everyone (RFC 1812, sections 5.3.4 and 5.3.5).
        if is_group || is_broadcast || !can_send(destination) {
            return;
        }
        if !can_send(source) || self.is_own(source) {
            return self.tally(Count::Malformed);
        }
        if is_link_local(source) || is_link_local(destination) {
            if self.is_own(destination) {
                self.hear(ingress, &packet, now);
            }
            return;
        }
        self.forward(Waiting { ingress, origin, packet, untouched: None }, now);
    }

    fn forward(&mut self, mut passing: Waiting, now: Instant) {
        let ingress = passing.ingress;
        if let Some(nat) = &mut self.nat
            && passing.packet.destination() == IpAddr::V4(nat.address())
        {
            let untouched = passing.packet.clone();
            let inward = match ingress == nat.interface() {
                true => nat.inbound(&mut passing.packet, now),
                false => nat.hairpin(&mut passing.packet, now),
            };
            match inward {
                Inward::Translated => passing.untouched = Some(untouched),
                Inward::Own => return self.hear(ingress, &passing.packet, now),
                Inward::Refused => return self.tally(Count::Refused),
            }
        }
        if self.is_own(passing.packet.destination()) {
            return self.hear(ingress, &passing.packet, now);
        }
        let Some(hop) = self.routes.lookup(passing.packet.destination()) else {
            return self.reject(&passing, Count::Unreachable, Trouble::NoRoute, now);
        };
        let outside = self.nat.as_ref().filter(|_| passing.packet.is_v4()).map(super::Nat::interface);
        let crosses = |from: Option<usize>| from.is_some() && passing.untouched.is_none();
        // Nobody outside knows of the addresses inside.
        if crosses(outside) && outside == Some(ingress) && hop.interface != ingress {
            return self.tally(Count::Refused);
        }
        if let Some(firewall) = &mut self.firewall
            && !firewall.admits(ingress, hop.interface, &passing.packet, now)
        {
            return self.tally(Count::Refused);
        }
        if passing.packet.hops() <= 1 {
            return self.reject(&passing, Count::Expired, Trouble::Expired, now);
        }
        let mtu = self.interfaces[hop.interface].mtu;
        if passing.packet.len() > mtu && passing.packet.keeps_whole() {
            return self.reject(&passing, Count::TooBig, Trouble::TooBig(mtu), now);
        }
        let goes_out = outside == Some(hop.interface) && ingress != hop.interface && passing.untouched.is_none();
        if goes_out && !self.translate(&mut passing, hop, now) {
            return;
        }
        passing.packet.count_hop();
        self.tally(Count::Forwarded);
        if passing.packet.len() <= mtu {
            return self.hand_on(hop, passing, now);
        }
        self.tally(Count::Fragmented);
        let Waiting { origin, packet, untouched, .. } = passing;
        for packet in packet.fragments(mtu) {
            self.hand_on(hop, Waiting { ingress, origin, packet, untouched: untouched.clone() }, now);
        }
    }

    /// Puts the outside address in the place of the inside one; `false` if there is no way out.
    fn translate(&mut self, passing: &mut Waiting, hop: Hop, now: Instant) -> bool {
        let Some(nat) = &mut self.nat else { return true };
        let next = hop.via.unwrap_or(passing.packet.destination());
        // Should nobody answer there, its sender is told about what it sent.
        if !self.neighbours.is_known((hop.interface, next)) {
            passing.untouched = Some(passing.packet.clone());
        }
        match nat.outbound(&mut passing.packet, now) {
            Outward::Translated { is_new } => {
                if is_new {
                    self.tally(Count::Mapped);
                }
                true
            }
            Outward::Exhausted => {
                self.reject(passing, Count::Exhausted, Trouble::Prohibited, now);
                false
            }
            Outward::Refused => {
                self.tally(Count::Refused);
                false
            }
        }
    }

    fn reject(&mut self, passing: &Waiting, count: Count, trouble: Trouble, now: Instant) {
        self.tally(count);
        self.complain(passing.ingress, passing.untouched.as_ref().unwrap_or(&passing.packet), trouble, now);
    }

    /// Sends a packet to its next neighbour, as soon as it is known where that is.
    pub(super) fn hand_on(&mut self, hop: Hop, passing: Waiting, now: Instant) {
        if self.interfaces[hop.interface].link == Link::Bare {
            let Waiting { origin, packet, .. } = passing;
            let frame = packet.bytes().to_vec();
            return self.outbox.push_back(Outgoing { interface: hop.interface, origin, frame });
        }
        let place = (hop.interface, hop.via.unwrap_or(passing.packet.destination()));
        let (mac, asks) = self.neighbours.find(place, now);
        if asks {
            self.ask(place, mac);
        }
        match mac {
            Some(mac) => self.emit(hop.interface, mac, passing.origin, &passing.packet),
            None => self.neighbours.wait(place, passing),
        }
    }

    pub(super) fn emit(&mut self, interface: usize, to: [u8; 6], origin: Option<Origin>, packet: &Packet) {
        let ethertype = if packet.is_v4() { TYPE_IPV4 } else { TYPE_IPV6 };
        let frame = frame(to, self.interfaces[interface].mac, ethertype, packet.bytes());
        self.outbox.push_back(Outgoing { interface, origin, frame });
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
