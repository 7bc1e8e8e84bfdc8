//! Telling a sender that nobody listens at a port (RFC 1122, section 4.1.3.1; RFC 4443, section 3.1).

use embassy_net_driver::TxToken;
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr, Ipv6Packet, Ipv6Repr};
use smoltcp::{
    phy::{Checksum, ChecksumCapabilities},
    wire::{Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr},
};

use super::{
    Core,
    packet::{Mac, Packet, complete},
};
use crate::ip::IpAddr;

/// The longest error messages: as long as every link can carry.
const V4_MAX: usize = 576;
#[cfg(feature = "ipv6")]
const V6_MAX: usize = 1_280;

impl Core<'_> {
    /// Answers a packet to a port at which nobody listens.
    pub(super) fn answer_unreachable(&mut self, packet: &Packet<'_>, from: Mac, room: impl TxToken) {
        let header = self.header_back(packet, from);
        let (checksums, compute) = (&self.caps.checksum, self.compute);
        let quoted = |max: usize, headers: usize| &packet.payload[..packet.payload.len().min(max - headers)];
        match (packet.source, packet.destination) {
            (IpAddr::V4(_), IpAddr::V4(_)) => {
                let original = Ipv4Packet::new_unchecked(packet.bytes);
                let Ok(original) = Ipv4Repr::parse(&original, &ChecksumCapabilities::ignored()) else {
                    return;
                };
                let message = Icmpv4Repr::DstUnreachable {
                    reason: Icmpv4DstUnreachable::PortUnreachable,
                    header: original,
                    data: quoted(V4_MAX, 20 + 8 + 20),
                };
                let ip = Ipv4Repr {
                    src_addr: original.dst_addr,
                    dst_addr: original.src_addr,
                    next_header: IpProtocol::Icmp,
                    payload_len: message.buffer_len(),
                    hop_limit: 64,
                };
                // Nobody completes the header that is quoted.
                let mut within = checksums.clone();
                within.ipv4 = Checksum::Both;
                header.send_seldom(room, ip.buffer_len() + ip.payload_len, &mut |buffer| {
                    ip.emit(&mut Ipv4Packet::new_unchecked(&mut *buffer), checksums);
                    message.emit(&mut Icmpv4Packet::new_unchecked(&mut buffer[ip.buffer_len()..]), &within);
                    complete(buffer, compute);
                });
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let Ok(original) = Ipv6Repr::parse(&Ipv6Packet::new_unchecked(packet.bytes)) else {
                    return;
                };
                let message = Icmpv6Repr::DstUnreachable {
                    reason: Icmpv6DstUnreachable::PortUnreachable,
                    header: original,
                    data: quoted(V6_MAX, 40 + 8 + 40),
                };
                let ip = Ipv6Repr {
                    src_addr: destination,
                    dst_addr: source,
                    next_header: IpProtocol::Icmpv6,
                    payload_len: message.buffer_len(),
                    hop_limit: 64,
                };
                header.send_seldom(room, ip.buffer_len() + ip.payload_len, &mut |buffer| {
                    ip.emit(&mut Ipv6Packet::new_unchecked(&mut *buffer));
                    let mut icmp = Icmpv6Packet::new_unchecked(&mut buffer[ip.buffer_len()..]);
                    message.emit(&destination, &source, &mut icmp, checksums);
                });
            }
            #[cfg(feature = "ipv6")]
            _ => return,
        }
        self.stats.frames_sent += 1;
    }
}
