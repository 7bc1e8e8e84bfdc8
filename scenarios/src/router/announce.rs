//! What stations say of where addresses are: true or forged, it looks the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::icmp::packet;
use super::local::group_mac;
use super::packet::{ICMPV6, TYPE_ARP, TYPE_IPV6, frame};

const EVERYBODY: [u8; 6] = [0xff; 6];

/// An ARP frame that says that `address` is at `mac`, to one station.
pub(crate) fn arp_reply(mac: [u8; 6], address: Ipv4Addr, to: [u8; 6], target: Ipv4Addr) -> Vec<u8> {
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac, &address.octets(), &to, &target.octets()].concat();
    frame(to, mac, TYPE_ARP, &arp)
}

/// An ARP announcement (RFC 5227, section 2.3): `address` is at `mac`, as everybody should know.
pub(crate) fn arp_announcement(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &mac, &address.octets(), &[0; 6], &address.octets()].concat();
    frame(EVERYBODY, mac, TYPE_ARP, &arp)
}

/// A neighbour advertisement that overrides (RFC 4861, section 4.4): `address` is at `mac`; to one station, or to all.
pub(crate) fn advertisement(mac: [u8; 6], address: Ipv6Addr, to: Option<([u8; 6], Ipv6Addr)>) -> Vec<u8> {
    let everybody = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let (to_mac, to) = to.unwrap_or((group_mac(everybody), everybody));
    let body = [&[136, 0, 0, 0, 0x20, 0, 0, 0][..], &address.octets(), &[2, 1], &mac].concat();
    let packet = packet(IpAddr::V6(address), IpAddr::V6(to), (ICMPV6, 255), 0, body);
    frame(to_mac, mac, TYPE_IPV6, packet.bytes())
}
