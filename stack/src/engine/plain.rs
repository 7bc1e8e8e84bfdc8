//! Packets that are an IP header and a message, and nothing between.

#[cfg(any(feature = "icmp", feature = "slaac"))]
use super::packet::{ICMP, ICMPV6};
use super::{checksum::Sum, udp::headers_of};
use crate::ip::IpAddr;

/// The length of the packet that carries an ICMP message.
pub(super) fn echo_len(to: IpAddr, message: &[u8]) -> usize {
    headers_of(to) + message.len()
}

/// Writes a packet around an ICMP message whose checksum is zero.
#[cfg(any(feature = "icmp", feature = "slaac"))]
pub(super) fn write_echo(source: IpAddr, destination: IpAddr, hop_limit: u8, packet: &mut [u8], message: &[u8]) {
    let protocol = if destination.is_ipv4() { ICMP } else { ICMPV6 };
    #[cfg_attr(not(feature = "ipv6"), expect(unused_variables, reason = "ICMP for IPv4 sums no addresses"))]
    let (header, rest) = write_ip((source, destination), protocol, hop_limit, packet, message);
    let sum = match destination {
        IpAddr::V4(_) => Sum::default(),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(_) => Sum::pseudo_header(&header[8..40], ICMPV6, rest.len()),
    };
    let checksum = sum.add(rest).bytes();
    rest[2..4].copy_from_slice(&checksum);
}

/// Writes a packet's IP header, without options, and its payload; answers with both.
///
/// # Panics
/// If the addresses are of two families.
pub(super) fn write_ip<'p>(
    addresses: (IpAddr, IpAddr),
    protocol: u8,
    hop_limit: u8,
    packet: &'p mut [u8],
    payload: &[u8],
) -> (&'p mut [u8], &'p mut [u8]) {
    let (header, rest) = packet.split_at_mut(headers_of(addresses.1));
    rest.copy_from_slice(payload);
    let len = rest.len() as u16;
    match addresses {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [t0, t1] = (20 + len).to_be_bytes();
            header[..12].copy_from_slice(&[0x45, 0, t0, t1, 0, 0, 0x40, 0, hop_limit, protocol, 0, 0]);
            header[12..16].copy_from_slice(&source.octets());
            header[16..20].copy_from_slice(&destination.octets());
            let checksum = Sum::default().add(header).bytes();
            header[10..12].copy_from_slice(&checksum);
        }
        #[cfg(feature = "ipv6")]
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let [l0, l1] = len.to_be_bytes();
            header[..8].copy_from_slice(&[0x60, 0, 0, 0, l0, l1, protocol, hop_limit]);
            header[8..24].copy_from_slice(&source.octets());
            header[24..40].copy_from_slice(&destination.octets());
        }
        #[cfg(feature = "ipv6")]
        _ => unreachable!("a datagram's addresses are of one family"),
    }
    (header, rest)
}
