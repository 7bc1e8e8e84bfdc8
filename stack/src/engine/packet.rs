//! Reading the outer layers of what was received, just far enough to know whose it is.

use core::net::Ipv4Addr;
#[cfg(feature = "ipv6")]
use core::net::Ipv6Addr;

use smoltcp::wire::IpAddress;

use super::checksum::Sum;
use crate::{ip::IpAddr, stats::Reason};

pub(crate) type Mac = [u8; 6];

pub(crate) const ETHERNET_HEADER: usize = 14;
pub(crate) const BROADCAST: Mac = [0xff; 6];

pub(crate) const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
pub(crate) const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
pub(crate) const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];

pub(crate) const ICMP: u8 = 1;
#[cfg(any(feature = "multicast", feature = "raw"))]
pub(crate) const IGMP: u8 = 2;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
#[cfg(any(feature = "icmp", feature = "ipv6", feature = "raw"))]
pub(crate) const ICMPV6: u8 = 58;
/// The protocol number of options that every router reads (RFC 8200, section 4.3).
#[cfg(all(feature = "ipv6", any(feature = "multicast", feature = "raw")))]
pub(crate) const HOP_BY_HOP: u8 = 0;
#[cfg(feature = "reassembly")]
pub(crate) const FRAGMENT_HEADER: u8 = 44;

/// Which version of IP a packet is of.
#[inline]
pub(crate) fn version(packet: &[u8]) -> Option<u8> {
    packet.first().map(|byte| byte >> 4)
}

/// Whether a packet that this build speaks is IPv4's.
#[inline]
pub(crate) fn is_v4(packet: &[u8]) -> bool {
    cfg!(not(feature = "ipv6")) || packet[0] >> 4 == 4
}

/// One IP packet, unfragmented, its length right.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    /// The packet from its IP header on, without the link's padding.
    pub(crate) bytes: &'a [u8],
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    #[cfg(any(feature = "ipv6", feature = "raw"))]
    pub(crate) hop_limit: u8,
    pub(crate) payload: &'a [u8],
}

/// Which checksums the stack has to verify.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified {
    pub(crate) ipv4: bool,
    pub(crate) tcp: bool,
    pub(crate) udp: bool,
    pub(crate) icmpv4: bool,
    #[cfg(feature = "ipv6")]
    pub(crate) icmpv6: bool,
}

impl<'a> Packet<'a> {
    /// Reads an IP packet. Options of IPv4 are skipped, extension headers of IPv6 are not understood.
    #[cfg(test)]
    pub(crate) fn parse(bytes: &'a [u8], verify: Verified) -> Result<Self, Reason> {
        match version(bytes) {
            Some(4) => Self::parse_v4(bytes, verify),
            #[cfg(feature = "ipv6")]
            Some(6) => Self::parse_v6(bytes),
            _ => Err(Reason::Malformed),
        }
    }

    /// Reads an IPv4 packet, skipping its options.
    #[inline(always)]
    pub(crate) fn parse_v4(bytes: &'a [u8], verify: Verified) -> Result<Self, Reason> {
        let (header, _) = bytes.split_first_chunk::<20>().ok_or(Reason::Malformed)?;
        let header_len = usize::from(header[0] & 0xf) * 4;
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header_len < 20 || header_len > total_len || total_len > bytes.len() {
            return Err(Reason::Malformed);
        }
        let bytes = &bytes[..total_len];
        let (whole_header, payload) = bytes.split_at(header_len);
        if verify.ipv4 && !Sum::default().add(whole_header).is_whole() {
            return Err(Reason::Checksum);
        }
        // More fragments to come, or not the first one.
        if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
            return Err(Reason::Fragment);
        }
        let [.., a, b, c, d, e, f, g, h] = *header;
        Ok(Self {
            bytes,
            source: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            destination: IpAddr::V4(Ipv4Addr::new(e, f, g, h)),
            protocol: header[9],
            #[cfg(any(feature = "ipv6", feature = "raw"))]
            hop_limit: header[8],
            payload,
        })
    }

    /// Reads an IPv6 packet, not understanding extension headers.
    #[cfg(feature = "ipv6")]
    #[inline]
    pub(crate) fn parse_v6(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = bytes.split_first_chunk::<40>().ok_or(Reason::Malformed)?;
        let payload_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let payload = rest.get(..payload_len).ok_or(Reason::Malformed)?;
        let address = |from: usize| {
            let octets: [u8; 16] = core::array::from_fn(|i| header[from + i]);
            IpAddr::V6(Ipv6Addr::from(octets))
        };
        Ok(Self {
            bytes: &bytes[..40 + payload_len],
            source: address(8),
            destination: address(24),
            protocol: header[6],
            hop_limit: header[7],
            payload,
        })
    }
}

impl Packet<'_> {
    /// Whether the checksum of the payload, which covers the addresses too, is right.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        sum(self.bytes, self.payload, self.protocol).is_whole()
    }
}

/// The sum over the payload of an IP packet, and what else its checksum covers.
#[inline]
fn sum(packet: &[u8], payload: &[u8], protocol: u8) -> Sum {
    let addresses = if is_v4(packet) { &packet[12..20] } else { &packet[8..40] };
    Sum::pseudo_header(addresses, protocol, payload.len()).add(payload)
}

/// Which checksums the stack computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Computed {
    pub(crate) ipv4: bool,
    pub(crate) tcp: bool,
    pub(crate) udp: bool,
}

/// Completes a packet whose IP header has no options, and whose checksums are zero.
#[inline]
pub(crate) fn complete(packet: &mut [u8], computed: Computed) {
    let is_v4 = is_v4(packet);
    let (header_len, protocol) = if is_v4 { (20, packet[9]) } else { (40, packet[6]) };
    if is_v4 && computed.ipv4 {
        let checksum = Sum::default().add(&packet[..header_len]).bytes();
        packet[10..12].copy_from_slice(&checksum);
    }
    let at = match protocol {
        TCP if computed.tcp => header_len + 16,
        UDP if computed.udp => header_len + 6,
        _ => return,
    };
    let checksum = match sum(packet, &packet[header_len..], protocol).bytes() {
        // To UDP, zero means that there is none.
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    };
    packet[at..at + 2].copy_from_slice(&checksum);
}

/// An address as a number, the lower half first, for want of a `u128` that is as easily placed.
#[cfg(feature = "ipv6")]
pub(crate) type Key = [u64; 2];
/// An address as a number.
#[cfg(not(feature = "ipv6"))]
pub(crate) type Key = u32;

/// The number of no address.
#[cfg(feature = "ipv6")]
pub(crate) const NO_KEY: Key = [0; 2];
/// The number of no address.
#[cfg(not(feature = "ipv6"))]
pub(crate) const NO_KEY: Key = 0;

/// The address as a number: IPv4 ones mapped into IPv6 (RFC 4291, section 2.5.5.2).
#[inline]
pub(crate) fn key(address: IpAddr) -> Key {
    match address {
        #[cfg(feature = "ipv6")]
        IpAddr::V4(address) => [0xffff_0000_0000 | u64::from(address.to_bits()), 0],
        #[cfg(not(feature = "ipv6"))]
        IpAddr::V4(address) => address.to_bits(),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(address) => [address.to_bits() as u64, (address.to_bits() >> 64) as u64],
    }
}

/// A [`key`], for hashing.
#[inline]
pub(crate) fn halves(key: Key) -> [u64; 2] {
    #[cfg(feature = "ipv6")]
    let halves = key;
    #[cfg(not(feature = "ipv6"))]
    let halves = [key.into(), 0];
    halves
}

/// The address of a [`key`]. IPv4 within IPv6 is no address of a packet (RFC 4291, section 2.5.5.2).
#[cfg(feature = "ipv6")]
#[inline]
pub(crate) fn address([low, high]: Key) -> IpAddr {
    let key = u128::from(high) << 64 | u128::from(low);
    match key >> 32 {
        0xffff => IpAddr::V4((key as u32).into()),
        _ => IpAddr::V6(key.into()),
    }
}

/// The address of a [`key`].
#[cfg(not(feature = "ipv6"))]
pub(crate) fn address(key: Key) -> IpAddr {
    IpAddr::V4(key.into())
}

#[inline]
pub(crate) fn ethertype(address: IpAddr) -> [u8; 2] {
    match address {
        IpAddr::V4(_) => ETHERTYPE_IPV4,
        #[cfg(feature = "ipv6")]
        IpAddr::V6(_) => ETHERTYPE_IPV6,
    }
}

/// The Ethernet header of a frame.
#[inline]
pub(crate) fn ethernet_header(to: Mac, from: Mac, ethertype: [u8; 2]) -> [u8; ETHERNET_HEADER] {
    let mut header = [0; ETHERNET_HEADER];
    header[..6].copy_from_slice(&to);
    header[6..12].copy_from_slice(&from);
    header[12..].copy_from_slice(&ethertype);
    header
}

/// The Ethernet group that an IP group is sent to (RFC 1112, section 6.4; RFC 2464, section 7).
pub(crate) fn multicast_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        #[cfg(feature = "ipv6")]
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            [0x33, 0x33, a, b, c, d]
        }
    }
}

#[inline]
pub(crate) fn smol(address: IpAddr) -> IpAddress {
    #[cfg(feature = "ipv6")]
    let address = IpAddress::from(address);
    #[cfg(not(feature = "ipv6"))]
    let IpAddr::V4(address) = address;
    #[cfg(not(feature = "ipv6"))]
    let address = IpAddress::Ipv4(address);
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOTHING: Verified = Verified { ipv4: false, tcp: false, udp: false, icmpv4: false, icmpv6: false };

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), v6: bool) {
            if let Some(first) = bytes.first_mut() {
                *first = if v6 { 0x60 } else { 0x45 };
            }
            if let Ok(packet) = Packet::parse(&bytes, NOTHING) {
                prop_assert!(packet.payload.len() < packet.bytes.len());
            }
        }
    }
}
