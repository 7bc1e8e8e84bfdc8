//! What becomes of a frame that was received.

use embassy_net_driver::TxToken;
use smoltcp::wire::Icmpv4Packet;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Icmpv6Packet;

#[cfg(all(feature = "ipv6", any(feature = "multicast", feature = "raw")))]
use super::packet::HOP_BY_HOP;
#[cfg(feature = "ipv6")]
use super::packet::ICMPV6;
#[cfg(any(feature = "multicast", feature = "raw"))]
use super::packet::IGMP;
use super::{
    Core,
    packet::{
        BROADCAST, ETHERNET_HEADER, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ICMP, Mac, Packet, TCP, UDP,
        ethertype, version,
    },
    port::{Header, OneShot},
    resolution::{self, Frame, Heard, Says},
    smol_time,
};
#[cfg(feature = "reassembly")]
use super::{fragments::Piece, packet::FRAGMENT_HEADER};
use crate::{ip::IpAddr, stats::Reason, time::Instant};

/// Neighbour discovery's messages (RFC 4861, section 4): solicitations, advertisements, redirects.
#[cfg(feature = "ipv6")]
pub(super) const NDISC: core::ops::RangeInclusive<u8> = 133..=137;
#[cfg(feature = "slaac")]
const ROUTER_ADVERTISEMENT: u8 = 134;
const ICMP_ECHO_REPLY: u8 = 0;
#[cfg(feature = "ipv6")]
const ICMPV6_ECHO_REPLY: u8 = 129;
const ICMP_UNREACHABLE: u8 = 3;
const ICMP_TIME_EXCEEDED: u8 = 11;
const ICMP_PARAMETER_PROBLEM: u8 = 12;

/// What the stack speaks beside raw sockets.
#[cfg(feature = "raw")]
const OURS: &[u8] = &[
    ICMP,
    IGMP,
    #[cfg(feature = "ipv6")]
    ICMPV6,
    #[cfg(feature = "ipv6")]
    HOP_BY_HOP,
];

impl Core<'_> {
    /// Takes a frame. An answer that needs no socket leaves at once, by `room`.
    #[inline]
    pub(crate) fn ingress(&mut self, frame: &[u8], room: impl TxToken, now: Instant) {
        self.stats.frames_received += 1;
        if let Err(reason) = self.frame(frame, room, now) {
            self.stats.drop(reason);
        }
    }

    #[inline]
    fn frame(&mut self, frame: &[u8], room: impl TxToken, now: Instant) -> Result<(), Reason> {
        let Some(own) = self.local.mac else {
            return self.read_packet(frame, BROADCAST, room, now);
        };
        let (header, rest) = frame.split_first_chunk::<ETHERNET_HEADER>().ok_or(Reason::Malformed)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let (to, from): (Mac, Mac) = ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]);
        if to != own && d0 & 1 == 0 {
            return Err(Reason::NotForUs);
        }
        match [t0, t1] {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => self.read_packet(rest, from, room, now),
            ETHERTYPE_ARP => {
                let heard = resolution::read_arp(rest)?;
                self.neighbour_heard(heard, true, room, now);
                Ok(())
            }
            _ => Err(Reason::Unsupported),
        }
    }

    #[inline]
    fn read_packet(&mut self, bytes: &[u8], from: Mac, room: impl TxToken, now: Instant) -> Result<(), Reason> {
        match version(bytes) {
            // By reference, and inlined: a packet that is moved is waited for.
            Some(4) => match &Packet::parse_v4(bytes, self.verify) {
                Ok(packet) => self.packet(packet, from, room, now),
                #[cfg(feature = "reassembly")]
                Err(Reason::Fragment) => self.fragment(&Piece::of_v4(bytes), from, room, now),
                Err(reason) => Err(*reason),
            },
            #[cfg(feature = "ipv6")]
            Some(6) => self.read_packet_v6(bytes, from, room, now),
            #[cfg(not(feature = "ipv6"))]
            Some(6) => Err(Reason::Unsupported),
            _ => Err(Reason::Malformed),
        }
    }

    /// Apart from IPv4's way through the same code, so that each knows the kind of its addresses.
    #[cfg(feature = "ipv6")]
    #[inline(never)]
    fn read_packet_v6(&mut self, bytes: &[u8], from: Mac, room: impl TxToken, now: Instant) -> Result<(), Reason> {
        let packet = Packet::parse_v6(bytes)?;
        #[cfg(feature = "reassembly")]
        if packet.protocol == FRAGMENT_HEADER {
            // What is for somebody else, its receiver puts together.
            #[cfg(feature = "forward")]
            if !self.local.is_own(&packet.destination) && !packet.destination.is_multicast() {
                return self.pass_on(&packet);
            }
            return self.fragment(&Piece::of_v6(&packet)?, from, room, now);
        }
        self.packet(&packet, from, room, now)
    }

    /// A packet that was put together.
    #[cfg(feature = "reassembly")]
    #[cold]
    pub(super) fn whole_packet(
        &mut self,
        packet: &Packet<'_>,
        from: Mac,
        room: impl TxToken,
        now: Instant,
    ) -> Result<(), Reason> {
        self.packet(packet, from, room, now)
    }

    #[inline(always)]
    fn packet(&mut self, packet: &Packet<'_>, from: Mac, room: impl TxToken, now: Instant) -> Result<(), Reason> {
        let to_us = self.local.is_own(&packet.destination);
        if !to_us
            && !self.local.is_broadcast(packet.destination)
            && !self.local.is_joined(packet.destination)
            && !self.is_about_claim(packet.destination)
        {
            #[cfg(feature = "forward")]
            return self.pass_on(packet);
            #[cfg(not(feature = "forward"))]
            return Err(Reason::NotForUs);
        }
        if packet.source.is_multicast() || (packet.source.is_ipv4() && self.local.is_broadcast(packet.source)) {
            return Err(Reason::Malformed);
        }
        match (packet.protocol, packet.destination) {
            (TCP, _) if to_us => self.segment(packet, from, room, now),
            (TCP, _) => Err(Reason::NotForUs),
            (UDP, _) => self.datagram(packet, from, to_us, room),
            #[cfg(feature = "raw")]
            _ => self.by_raw_socket(packet, from, room, now),
            #[cfg(not(feature = "raw"))]
            _ => self.by_protocol(packet, from, room, now),
        }
    }

    /// What a raw socket hears, beside what the stack does about it.
    #[cfg(feature = "raw")]
    #[inline(never)]
    fn by_raw_socket(
        &mut self,
        packet: &Packet<'_>,
        from: Mac,
        room: impl TxToken,
        now: Instant,
    ) -> Result<(), Reason> {
        match self.heard_raw(packet) {
            // Nobody but the socket speaks it, and no error goes back.
            Some(heard) if !OURS.contains(&packet.protocol) => heard,
            _ => self.by_protocol(packet, from, room, now),
        }
    }

    #[inline]
    fn by_protocol(&mut self, packet: &Packet<'_>, from: Mac, room: impl TxToken, now: Instant) -> Result<(), Reason> {
        match (packet.protocol, packet.destination) {
            (ICMP, IpAddr::V4(_)) => self.icmp_v4(packet, from, room, now),
            #[cfg(feature = "ipv6")]
            (ICMPV6, IpAddr::V6(_)) => self.icmp_v6(packet, from, room, now),
            #[cfg(feature = "multicast")]
            (IGMP, _) if self.igmp(packet) => Ok(()),
            #[cfg(all(feature = "ipv6", feature = "multicast"))]
            (HOP_BY_HOP, IpAddr::V6(_)) if self.mld(packet) => Ok(()),
            _ => {
                self.let_nobody_answer(packet, from, room, now);
                Err(Reason::Unsupported)
            }
        }
    }

    /// The header of an answer to a packet. The answer goes back to where the packet came from: whoever
    /// handed it to us is a way back, and no resolution can keep the answer waiting.
    #[inline]
    pub(super) fn header_back(&self, packet: &Packet<'_>, from: Mac) -> Header {
        Header::new(self.local.mac, from, ethertype(packet.source))
    }

    /// Has smoltcp answer a packet for which there is no socket: a reset, an echo, an error message.
    pub(super) fn let_nobody_answer(&mut self, packet: &Packet<'_>, from: Mac, room: impl TxToken, now: Instant) {
        // What was put together may be longer than what can be sent, and an echo is as long as its question.
        #[cfg(feature = "reassembly")]
        if packet.bytes.len() > self.mtu() {
            return;
        }
        let header = self.header_back(packet, from);
        let mut device = OneShot::receiving(packet.bytes, header, room, (&self.caps, self.compute));
        self.iface.poll_ingress_single(smol_time(now), &mut device, &mut self.nobody);
        self.stats.frames_sent += u64::from(device.sent);
    }

    fn icmp_v4(&mut self, packet: &Packet<'_>, from: Mac, room: impl TxToken, now: Instant) -> Result<(), Reason> {
        let icmp = Icmpv4Packet::new_checked(packet.payload).map_err(|_| Reason::Malformed)?;
        if self.verify.icmpv4 && !icmp.verify_checksum() {
            return Err(Reason::Checksum);
        }
        match packet.payload[0] {
            ICMP_UNREACHABLE | ICMP_TIME_EXCEEDED | ICMP_PARAMETER_PROBLEM => self.icmp_error(packet),
            ICMP_ECHO_REPLY => return self.echo_reply(packet),
            _ => self.let_nobody_answer(packet, from, room, now),
        }
        Ok(())
    }

    #[cfg(feature = "ipv6")]
    fn icmp_v6(&mut self, packet: &Packet<'_>, from: Mac, room: impl TxToken, now: Instant) -> Result<(), Reason> {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (packet.source, packet.destination) else {
            return Err(Reason::Malformed);
        };
        let icmp = Icmpv6Packet::new_checked(packet.payload).map_err(|_| Reason::Malformed)?;
        if self.verify.icmpv6 && !icmp.verify_checksum(&source, &destination) {
            return Err(Reason::Checksum);
        }
        match packet.payload[0] {
            kind if NDISC.contains(&kind) => {
                #[cfg(feature = "slaac")]
                if kind == ROUTER_ADVERTISEMENT {
                    self.router_news(packet);
                }
                if let Some(heard) = resolution::read_ndisc(packet)? {
                    self.neighbour_heard(heard, false, room, now);
                }
            }
            kind if kind < 128 => self.icmp_error(packet),
            ICMPV6_ECHO_REPLY => return self.echo_reply(packet),
            _ => self.let_nobody_answer(packet, from, room, now),
        }
        Ok(())
    }

    /// An error message about a packet of ours is no more than counted.
    #[cfg(not(feature = "icmp"))]
    fn icmp_error(&mut self, _packet: &Packet<'_>) {
        self.stats.note(|stats| &mut stats.icmp_errors_received);
    }

    /// There are no claims.
    #[cfg(not(feature = "claim"))]
    #[expect(clippy::unused_self, reason = "with the feature `claim` it looks")]
    fn is_about_claim(&self, _group: IpAddr) -> bool {
        false
    }

    /// Nobody here asks.
    #[cfg(not(feature = "icmp"))]
    #[expect(clippy::unused_self, reason = "with the feature `icmp` it looks for the socket")]
    fn echo_reply(&mut self, _packet: &Packet<'_>) -> Result<(), Reason> {
        Err(Reason::NoSocket)
    }

    /// A neighbour asked for us, or told where it is. Who asks for us will want an answer: so it is
    /// remembered even if nobody here asked for it (RFC 826's merge; RFC 4861, section 7.2.3). `asking_proves`:
    /// an ARP question counts as proof that the neighbour is there, a solicitation does not.
    fn neighbour_heard(&mut self, heard: Heard, asking_proves: bool, room: impl TxToken, now: Instant) {
        #[cfg(feature = "claim")]
        self.claim_heard(&heard);
        let asked = match heard.says {
            Says::Asks(address) if self.local.is_own(&address) => Some(address),
            _ => None,
        };
        if let Some(address) = heard.address
            && !self.local.is_own(&address)
            && self.local.addresses.iter().any(|own| own.covers(address))
        {
            let (confirms, overrides) = match heard.says {
                Says::Asks(_) => (asking_proves, true),
                Says::Answers { solicited, overrides } => (solicited, overrides),
            };
            self.tables.neighbours.learn(address, heard.mac, [asked.is_some(), confirms, overrides], now);
        }
        if let (Some(asked), Some(own)) = (asked, self.local.mac) {
            #[cfg(feature = "forward")]
            let is_router = self.is_router();
            #[cfg(not(feature = "forward"))]
            let is_router = false;
            let frame = Frame::answer(own, asked, &heard, is_router);
            let bytes = frame.bytes();
            room.consume(bytes.len(), |buffer| buffer.copy_from_slice(bytes));
            self.stats.frames_sent += 1;
        }
    }
}
