//! What senders are told, byte by byte.

use core::{net::Ipv6Addr, time::Duration};
use std::{vec, vec::Vec};

use proptest::{collection, prelude::*};
use smoltcp::wire::{Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr, Icmpv6TimeExceeded, Ipv6Packet, Ipv6Repr};

use super::{Budget, ERROR_MAX, Trouble, may_be_told, tell};

const FROM: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 9);
const TO: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 2, 0, 0, 0, 9);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 1);

fn packet(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 64];
    packet.extend_from_slice(&FROM.octets());
    packet.extend_from_slice(&TO.octets());
    packet.extend_from_slice(payload);
    packet
}

/// What smoltcp, which checks lengths and checksums, reads of what the sender is told.
fn told(packet: &[u8], trouble: Trouble) -> (Ipv6Repr, Vec<u8>) {
    let mut memory = packet.to_vec();
    memory.resize(packet.len().max(ERROR_MAX), 0);
    let len = tell(&mut memory, packet.len(), trouble, ROUTER);
    let ip = Ipv6Packet::new_checked(&memory[..len]).unwrap();
    (Ipv6Repr::parse(&ip).unwrap(), ip.payload().to_vec())
}

#[test]
fn each_trouble_has_its_words() {
    let packet = packet(17, &[7; 20]);
    let read = |trouble| {
        let (ip, message) = told(&packet, trouble);
        assert_eq!((ip.src_addr, ip.dst_addr, ip.hop_limit), (ROUTER, FROM, 64));
        let icmp = Icmpv6Packet::new_checked(&message[..]).unwrap();
        assert!(icmp.verify_checksum(&ROUTER, &FROM), "{trouble:?}");
        assert_eq!(message[8..], packet[..], "all of it is quoted, as it came");
        message
    };
    let capabilities = smoltcp::phy::ChecksumCapabilities::default();
    let parse = |message: &[u8], check: &dyn Fn(Icmpv6Repr<'_>) -> bool| {
        let icmp = Icmpv6Packet::new_checked(message).unwrap();
        assert!(check(Icmpv6Repr::parse(&ROUTER, &FROM, &icmp, &capabilities).unwrap()));
    };
    for (trouble, reason) in [
        (Trouble::NoRoute, Icmpv6DstUnreachable::NoRoute),
        (Trouble::Prohibited, Icmpv6DstUnreachable::AdminProhibit),
        (Trouble::BeyondScope, Icmpv6DstUnreachable::BeyondScope),
        (Trouble::NoHost, Icmpv6DstUnreachable::AddrUnreachable),
        (Trouble::NoPort, Icmpv6DstUnreachable::PortUnreachable),
    ] {
        parse(
            &read(trouble),
            &|read| matches!(read, Icmpv6Repr::DstUnreachable { reason: said, .. } if said == reason),
        );
    }
    parse(&read(Trouble::Expired), &|read| {
        matches!(read, Icmpv6Repr::TimeExceeded { reason: Icmpv6TimeExceeded::HopLimitExceeded, .. })
    });
    parse(&read(Trouble::TooBig(1_280)), &|read| matches!(read, Icmpv6Repr::PktTooBig { mtu: 1_280, .. }));
    parse(&read(Trouble::NoProtocol), &|read| matches!(read, Icmpv6Repr::ParamProblem { pointer: 6, .. }));
}

#[test]
fn a_long_packet_is_quoted_as_far_as_every_link_carries() {
    let mut long = packet(17, &[7; 200]);
    long.resize(1_500, 7);
    let (ip, message) = told(&long, Trouble::TooBig(1_280));
    assert_eq!((ip.payload_len, message.len()), (1_240, 1_240));
    assert_eq!(message[8..], long[..1_232]);
}

#[test]
fn of_errors_and_groups_and_nobody_nobody_is_told() {
    assert!(may_be_told(&packet(17, &[0; 8])));
    assert!(may_be_told(&packet(58, &[128, 0, 0, 0, 0, 0, 0, 0])), "an echo request");
    for error in [1, 2, 3, 4, 127, 137] {
        assert!(!may_be_told(&packet(58, &[error, 0, 0, 0, 0, 0, 0, 0])), "{error}");
    }
    // Behind hop-by-hop options and a fragment's header.
    let behind = [44, 0, 1, 4, 0, 0, 0, 0, 58, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0];
    assert!(!may_be_told(&packet(0, &behind)));
    let other = |at: usize, address: &str| {
        let mut packet = packet(17, &[0; 8]);
        packet[at..at + 16].copy_from_slice(&address.parse::<Ipv6Addr>().unwrap().octets());
        may_be_told(&packet)
    };
    assert!(!other(24, "ff02::1") && !other(8, "::") && !other(8, "ff02::1") && !other(8, "::1"));
    assert!(!may_be_told(&[0x60; 39]), "no packet");
}

#[test]
fn a_hundred_a_second_and_twenty_at_once() {
    let mut budget = Budget::default();
    let mut taken = |ms| (0..30).filter(|_| budget.take(Duration::from_millis(ms))).count();
    assert_eq!([taken(0), taken(9), taken(10), taken(35), taken(10_000)], [20, 0, 1, 2, 20]);
}

proptest! {
    #[test]
    fn any_packet_can_be_told_of(mut bytes in collection::vec(any::<u8>(), 0..1_500), next in 0_u8..61) {
        if bytes.len() > 6 {
            bytes[6] = next;
        }
        if may_be_told(&bytes) {
            told(&bytes, Trouble::NoHost);
        }
    }
}
