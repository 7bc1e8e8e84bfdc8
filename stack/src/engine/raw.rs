//! Packets of one protocol each, as they are.
//!
//! A raw socket is a slot of the table of UDP sockets whose port is the protocol.

use super::{
    Core,
    checksum::Sum,
    datagrams::Datagram,
    packet::{ICMPV6, Packet},
    plain::write_ip,
    udp::Kind,
};
use crate::{
    ip::{IpAddr, SocketAddr},
    stats::Reason,
    udp,
};

/// What stands for a protocol of an IP in the table of sockets.
fn port(is_v4: bool, protocol: u8) -> u16 {
    u16::from(protocol) | if is_v4 { 0 } else { 0x100 }
}

impl Core<'_> {
    /// A socket for a protocol.
    pub(crate) fn bind_raw(&mut self, is_v4: bool, protocol: u8, options: &udp::Options) -> Result<u32, udp::Error> {
        let port = port(is_v4, protocol);
        if self.tables.udp.find(Kind::Raw, port).is_some() {
            return Err(udp::Error::InUse);
        }
        self.claim_socket(Kind::Raw, None, port, options)
    }

    /// Hands a packet to the socket of its protocol, if there is one.
    pub(super) fn heard_raw(&mut self, packet: &Packet<'_>) -> Option<Result<(), Reason>> {
        let udp = &mut self.tables.udp;
        let at = udp.find(Kind::Raw, port(packet.destination.is_ipv4(), packet.protocol))?;
        let slot = udp.slot_mut(at);
        let remote = SocketAddr::new(packet.source, packet.hop_limit.into());
        let about = Datagram { remote, local: Some(packet.destination), hint: None };
        if !slot.received.push(packet.payload, about) {
            return Some(Err(Reason::ReceiveBufferFull));
        }
        self.wakes.wake(&mut slot.reader);
        Some(Ok(()))
    }
}

/// Writes a packet of that protocol; of ICMPv6 the checksum, too.
pub(super) fn write_raw(
    (source, destination): (IpAddr, IpAddr),
    protocol: u8,
    hop_limit: u8,
    packet: &mut [u8],
    payload: &[u8],
) {
    let (header, rest) = write_ip((source, destination), protocol, hop_limit, packet, payload);
    if protocol == ICMPV6
        && destination.is_ipv6()
        && let Some(place) = rest.get_mut(2..4)
    {
        place.fill(0);
        let checksum = Sum::pseudo_header(&header[8..40], ICMPV6, rest.len()).add(rest).bytes();
        rest[2..4].copy_from_slice(&checksum);
    }
}
