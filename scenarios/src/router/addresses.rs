//! Networks, as the router compares addresses with them.

pub use crate::schema::Cidr;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address whose bits beyond the prefix are 0.
pub(super) fn network(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// The address that all of an IPv4 network listen to.
pub(super) fn broadcast(cidr: &Cidr) -> Option<Ipv4Addr> {
    match cidr.ip {
        IpAddr::V4(address) if cidr.prefix < 31 => {
            Some(Ipv4Addr::from_bits(address.to_bits() | u32::MAX.checked_shr(cidr.prefix.into()).unwrap_or(0)))
        }
        _ => None,
    }
}

/// The link-local address that an interface makes of its Ethernet address (RFC 4291, appendix A).
pub(super) fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let word = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
}

/// The group that an address's owner listens to for neighbour solicitations (RFC 4291, section 2.7.1).
pub(super) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// Whether packets may come from this address: no group, no loopback, not nobody.
pub(super) fn can_send(address: IpAddr) -> bool {
    let special = address.is_unspecified() || address.is_multicast() || address.is_loopback();
    !special && !matches!(address, IpAddr::V4(address) if address.is_broadcast())
}
