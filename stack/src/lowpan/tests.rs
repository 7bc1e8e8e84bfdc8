//! Laws of the codec, and of putting packets together.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::contexts::Known;
use super::driver::{Inbox, Place, WHOLE_MAX};
use super::fragment::{Added, Header, Key, Reassembly};
use super::iphc::{compress, restore};
use super::*;
use crate::time::Instant;

const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 0);

fn options() -> Options {
    let mut options = Options::new(0xbeef).with_prefix(PREFIX);
    options.contexts[2] = Some(OTHER);
    options
}

/// What was agreed on, and nothing else.
fn known(options: &Options) -> Known<'_> {
    Known { options, learnt: None }
}

fn radio() -> impl Strategy<Value = Address> {
    prop_oneof![any::<u16>().prop_map(Address::Short), any::<[u8; 8]>().prop_map(Address::Extended)]
}

fn unicast() -> impl Strategy<Value = Ipv6Addr> {
    let prefix = prop_oneof![
        Just(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)),
        Just(PREFIX),
        Just(OTHER),
        any::<u128>().prop_map(Ipv6Addr::from_bits),
    ];
    (prefix, radio()).prop_map(|(prefix, radio)| match radio.within(prefix).address() {
        core::net::IpAddr::V6(address) => address,
        core::net::IpAddr::V4(_) => PREFIX,
    })
}

fn multicast() -> impl Strategy<Value = Ipv6Addr> {
    (0_u8..=15, prop_oneof![Just(8_u32), Just(24), Just(40), Just(112)], any::<u128>()).prop_map(
        |(scope, bits, group)| {
            Ipv6Addr::from_bits(0xff00 << 112 | u128::from(scope) << 112 | group & ((1 << bits) - 1))
        },
    )
}

/// An IPv6 packet, with a UDP header in it or not.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![Just(0_u32), any::<u32>()];
    let hops = prop_oneof![Just(1_u8), Just(64), Just(255), any::<u8>()];
    let ports = prop_oneof![Just(0xf0b3_u16), Just(0xf042), any::<u16>()];
    let ports = (ports.clone(), ports);
    let source = prop_oneof![Just(Ipv6Addr::UNSPECIFIED), unicast()];
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    (word, hops, any::<bool>(), ports, source, prop_oneof![unicast(), multicast()], payload).prop_map(
        |(word, hops, udp, (from, to), source, destination, payload)| {
            let len = payload.len() as u16 + if udp { 8 } else { 0 };
            let mut packet = Vec::new();
            packet.extend((6 << 28 | word & 0xfff_ffff).to_be_bytes());
            packet.extend(len.to_be_bytes());
            packet.extend([if udp { 17 } else { 6 }, hops]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            if udp {
                packet.extend([from.to_be_bytes(), to.to_be_bytes(), len.to_be_bytes(), [0xab, 0xcd]].concat());
            }
            packet.extend(payload);
            packet
        },
    )
}

/// What a compressed packet is restored to.
fn restored(bytes: &[u8], from: Address, to: Address) -> Option<Vec<u8>> {
    let mut restored = restore(bytes, known(&options()), from, to)?;
    let rest = restored.rest.to_vec();
    let total = restored.len + rest.len();
    Some([restored.headers(total)?, &rest].concat())
}

#[test]
fn addresses_of_the_link_cost_nothing() {
    let (from, to) = (Address::Extended([2, 0, 0, 0, 0, 0, 0, 1]), Address::Extended([2, 0, 0, 0, 0, 0, 0, 2]));
    let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
    for address in [from, to] {
        let core::net::IpAddr::V6(own) = address.within(PREFIX).address() else {
            panic!("an IPv6 address");
        };
        packet.extend(own.octets());
    }
    packet.extend([0xf0, 0xb1, 0xf0, 0xb2, 0, 8, 0x12, 0x34]);
    let compressed = compress(&packet, known(&options()), from, to).expect("a packet");
    // Two bytes of IPHC; the kind of UDP header, both ports, the checksum.
    assert_eq!(compressed.bytes(), [0x7e, 0x77, 0xf3, 0x12, 0x12, 0x34]);
    assert_eq!(compressed.stands_for, 48);
}

/// A packet of six bytes of ICMP's, from one address to the other.
fn plain(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 6, 58, 64];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend([128, 0, 1, 2, 3, 4]);
    packet
}

/// Headers by contexts of several lengths, byte for byte (RFC 6282, section 3.1): after the two of IPHC the contexts' numbers, then
/// the protocol, and what of the addresses neither a context nor a radio's address says.
#[test]
fn contexts_have_any_length_and_their_own_bits_count() {
    let (from, to) = (Address::Extended([2, 0, 0, 0, 0, 0, 0, 1]), Address::Extended([2, 0, 0, 0, 0, 0, 0, 2]));
    let learnt = Contexts::new();
    let at = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    learnt.set(3, Some(Context::new(at("2001:db8:1::ffff"), 48)));
    learnt.set(5, Some(Context::new(at("2001:db8:2:3::"), 64)));
    learnt.set(9, Some(Context::new(at("2001:db8:2:3:4:5:6:0"), 112)));
    learnt.set(15, Some(Context::new(at("2001:db8:9::99"), 128)));
    let options = Options::new(7).with_prefix(PREFIX);
    let known = Known { options: &options, learnt: Some(&learnt) };
    let cases: [(&str, &str, &[u8]); 8] = [
        // The radio's own address under 48 bits, the other 16 zero; to a made-up one under 64.
        (
            "2001:db8:1::1",
            "2001:db8:2:3::1234:5678:9abc",
            &[0x7a, 0xf5, 0x35, 58, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc],
        ),
        // 112 bits of the context count before the short address's: only 16 are left to say.
        ("2001:db8:1::1", "2001:db8:2:3:4:5:6:77", &[0x7a, 0xf6, 0x39, 58, 0, 0x77]),
        // And none where all of them are the context's.
        ("2001:db8:9::99", "2001:db8:1::2", &[0x7a, 0xf7, 0xf3, 58]),
        // What lies between 48 bits and an interface's identifier is not zero: nothing can be left out.
        ("2001:db8:1:1::1", "fe80::2", &[0x7a, 0x03, 58, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
        // What was agreed on in advance is number 0, which is not said.
        ("2001:db8:0:1::1", "2001:db8:0:1::2", &[0x7a, 0x77, 58]),
        ("2001:db8:0:1::1", "2001:db8:1::2", &[0x7a, 0xf7, 0x03, 58]),
        ("::", "ff02::2", &[0x7a, 0x4b, 58, 2]),
        ("fe80::1", "ff02::2", &[0x7a, 0x3b, 58, 2]),
    ];
    for (source, destination, bytes) in cases {
        let packet = plain(at(source), at(destination));
        let compressed = compress(&packet, known, from, to).expect("a packet");
        assert_eq!(compressed.bytes(), bytes, "{source} to {destination}");
        let frame = [compressed.bytes(), &packet[40..]].concat();
        let mut back = restore(&frame, known, from, to).expect("it is read");
        assert_eq!(back.headers(packet.len()), Some(&packet[..40]), "{source} to {destination}");
        assert_eq!(back.ends(), [at(source), at(destination)]);
    }
    // What may no longer shorten still restores; what is forgotten does neither.
    let packet = plain(at("2001:db8:1::1"), at("2001:db8:1::2"));
    let old = compress(&packet, known, from, to).expect("a packet");
    assert_eq!(old.bytes(), [0x7a, 0xf7, 0x33, 58]);
    learnt.set(3, learnt.of(3).map(Context::fading));
    assert_eq!(compress(&packet, known, from, to).expect("a packet").bytes().len(), 3 + 16 + 16);
    assert!(restore(old.bytes(), known, from, to).is_some());
    learnt.set(3, None);
    assert!(restore(old.bytes(), known, from, to).is_none());
}

#[test]
fn whoever_looks_on_sees_from_whom_to_whom() {
    let options = Options::new(7).with_prefix(PREFIX);
    let header = mac::Header { sequence: 0, pan: 7, to: Address::Extended([9; 8]), from: Address::Extended([8; 8]) };
    let mut start = vec![0; mac::HEADER_MAX];
    let len = header.emit(start.first_chunk_mut().expect("its length"));
    start.truncate(len);
    let [source, destination] = [header.from, header.to].map(|radio| match radio.within(PREFIX).address() {
        core::net::IpAddr::V6(own) => own,
        core::net::IpAddr::V4(_) => PREFIX,
    });
    let packet = plain(source, destination);
    let compressed = compress(&packet, known(&options), header.from, header.to).expect("a packet");
    let whole = [&start[..], compressed.bytes(), &packet[40..]].concat();
    let begins = Some(Sniffed::Begins { source, destination });
    assert_eq!(sniff(&whole, &options, None), begins);
    assert_eq!(sniff(&[&start[..], &[0x41], &packet].concat(), &options, None), begins);
    let piece = |offset| {
        let (bytes, len) = Header { size: 46, tag: 1, offset }.emit();
        bytes[..len].to_vec()
    };
    assert_eq!(sniff(&[&start[..], &piece(None), compressed.bytes()].concat(), &options, None), begins);
    assert_eq!(sniff(&[&start[..], &piece(Some(5)), &packet[40..]].concat(), &options, None), Some(Sniffed::GoesOn));
    assert_eq!(sniff(&whole, &Options::new(7), None), None, "a prefix that is not known");
    assert!((0..whole.len() - 6).all(|len| sniff(&whole[..len], &options, None).is_none()));
}

#[test]
fn addresses_are_read_from_where_they_were_put() {
    for address in [Address::Short(0x1234), Address::Extended([2, 1, 2, 3, 4, 5, 6, 7])] {
        let core::net::IpAddr::V6(own) = address.link_local().address() else {
            panic!("an IPv6 address");
        };
        assert!(own.is_unicast_link_local());
        assert_eq!(Address::of(own), address);
    }
}

#[test]
fn nobody_pushes_out_what_others_send() {
    let (own, options, counts) = (Address::Extended([9; 8]), options(), Counts::new());
    let (mut reassemblies, mut whole) = ([Reassembly::FREE], [0; WHOLE_MAX]);
    let mut take = |from: u16, tag: u16, offset: u8, now: u64| {
        let header = mac::Header { sequence: 0, pan: options.pan, to: own, from: Address::Short(from) };
        let mut frame = vec![0; mac::HEADER_MAX];
        let len = header.emit(frame.first_chunk_mut().expect("its length"));
        frame.truncate(len);
        frame.extend(Header { size: 16, tag, offset: Some(offset) }.emit().0);
        frame.extend([7; 8]);
        let now = Instant::from_secs(now);
        let mut inbox = Inbox {
            own,
            known: known(&options),
            counts: &counts,
            reassemblies: &mut reassemblies,
            whole: &mut whole,
            now,
        };
        let place = inbox.take(&frame);
        if place.is_some() {
            reassemblies[0].free();
        }
        (place, counts.no_room.get(), counts.incomplete.get())
    };
    assert_eq!(take(1, 1, 0, 0), (None, 0, 0));
    assert_eq!(take(2, 1, 0, 1), (None, 1, 0), "there is one place, and it is taken");
    assert_eq!(take(1, 2, 0, 2), (None, 1, 1), "who goes on to its next packet gives up the last");
    assert_eq!(take(1, 2, 1, 3), (Some(Place::Reassembled(0)), 1, 1));
    assert_eq!(take(1, 3, 0, 4), (None, 1, 1));
    assert_eq!(take(2, 2, 0, 63), (None, 2, 1));
    assert_eq!(take(2, 2, 0, 64), (None, 2, 2), "after a minute nobody waits any more");
    assert_eq!(take(2, 2, 1, 64), (Some(Place::Reassembled(0)), 2, 2));
}

proptest! {
    #[test]
    fn any_frames_are_taken_or_counted(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..125), 0..20)) {
        let (own, options, counts) = (Address::Extended([9; 8]), options(), Counts::new());
        let (mut reassemblies, mut whole) = ([Reassembly::FREE, Reassembly::FREE], [0; WHOLE_MAX]);
        for (at, payload) in frames.iter().enumerate() {
            let header = mac::Header { sequence: 0, pan: options.pan, to: own, from: Address::Short(1) };
            let mut frame = vec![0; mac::HEADER_MAX];
            let len = header.emit(frame.first_chunk_mut().expect("its length"));
            frame.truncate(len);
            frame.extend(payload);
            let now = Instant::from_secs(at as u64);
            let mut inbox =
                Inbox { own, known: known(&options), counts: &counts, reassemblies: &mut reassemblies, whole: &mut whole, now };
            match inbox.take(&frame) {
                Some(Place::Whole(len)) => prop_assert!(len <= WHOLE_MAX),
                Some(Place::Reassembled(at)) => prop_assert!(!reassemblies[at].packet().is_empty()),
                None => {}
            }
        }
    }

    #[test]
    fn what_is_compressed_is_restored(packet in packet(), from in radio(), to in radio()) {
        let compressed = compress(&packet, known(&options()), from, to).expect("a packet");
        let bytes = [compressed.bytes(), &packet[compressed.stands_for..]].concat();
        prop_assert!(compressed.bytes().len() <= compressed.stands_for + 3);
        prop_assert_eq!(restored(&bytes, from, to), Some(packet));
    }

    #[test]
    fn any_bytes_are_restored_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..125), from in radio(), to in radio()) {
        let _ = restored(&bytes, from, to);
        let iphc: Vec<u8> = bytes.iter().enumerate().map(|(i, byte)| if i == 0 { 0x60 | byte & 0x1f } else { *byte }).collect();
        if let Some(packet) = restored(&iphc, from, to) {
            prop_assert!(packet.len() >= 40);
        }
        let _ = compress(&bytes, known(&options()), from, to);
        let _ = mac::Header::parse(&bytes);
        let _ = Header::parse(&bytes);
    }

    #[test]
    fn frames_are_read_as_they_were_written(sequence: u8, pan: u16, to in radio(), from in radio()) {
        let header = mac::Header { sequence, pan, to, from };
        let mut bytes = [0; mac::HEADER_MAX];
        let len = header.emit(&mut bytes);
        prop_assert_eq!(mac::Header::parse(&bytes[..len]), Some((header, &[][..])));
    }

    #[test]
    fn pieces_in_any_order_make_the_packet(
        size in 9_usize..=PACKET_MAX,
        piece in 1_usize..20,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
    ) {
        let packet: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
        let key = Key { from: Address::Short(1), to: Address::Short(2), size: size as u16, tag: 3 };
        let mut reassembly = Reassembly::FREE;
        reassembly.begin(key, Instant::ZERO);
        let mut missing: Vec<usize> = (0..size).step_by(piece * 8).collect();
        let mut last = Added::Waits;
        let mut order = order.into_iter();
        while !missing.is_empty() {
            prop_assert_eq!(last, Added::Waits);
            let next = order.next().map_or(0, |index| index.index(missing.len()));
            let from = missing.swap_remove(next);
            let bytes = &packet[from..(from + piece * 8).min(size)];
            last = reassembly.add(from, [bytes, &[]]);
            // What comes twice does no harm.
            if last == Added::Waits {
                prop_assert_eq!(reassembly.add(from, [&bytes[..1], &bytes[1..]]), Added::Waits);
            }
        }
        prop_assert_eq!(last, Added::Whole);
        prop_assert_eq!(reassembly.packet(), &packet[..]);
    }

    #[test]
    fn any_pieces_leave_the_packet_its_size(
        size in 0_u16..=PACKET_MAX as u16,
        pieces in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..120)), 0..20),
    ) {
        let key = Key { from: Address::Short(1), to: Address::Short(2), size, tag: 3 };
        let mut reassembly = Reassembly::FREE;
        reassembly.begin(key, Instant::ZERO);
        for (offset, bytes) in pieces {
            reassembly.add(usize::from(offset) * 8, [&bytes, &[]]);
            prop_assert_eq!(reassembly.packet().len(), usize::from(size));
        }
    }
}
