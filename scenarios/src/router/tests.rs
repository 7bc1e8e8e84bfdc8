//! The router between two networks, frame by frame.

use std::net::{IpAddr, Ipv4Addr};

use wavetank_sim::random::Stream;
use wavetank_sim::time::{Duration, Instant};

use super::checksum::{finish, sum};
use super::packet::{ETHERNET, ICMP, ICMPV6, Packet, TCP, TYPE_ARP, TYPE_IPV4, TYPE_IPV6, UDP, frame, put, word};
use super::*;

const INSIDE: usize = 0;
const OUTSIDE: usize = 1;
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 10];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 20];

fn mac(interface: usize) -> [u8; 6] {
    [2, 0, 0, 0, 1, interface as u8]
}

fn interface(index: usize, addresses: &[&str], mtu: usize) -> Interface {
    let addresses = addresses.iter().map(|text| Cidr::parse(text).expect("an address")).collect();
    Interface { link: Link::Ethernet, mac: mac(index), addresses, mtu }
}

fn settings() -> Settings {
    Settings {
        interfaces: vec![
            interface(INSIDE, &["10.0.0.1/24", "fd00::1/64"], 1500),
            interface(OUTSIDE, &["192.0.2.1/24", "fd01::1/64"], 1280),
        ],
        ..Settings::default()
    }
}

fn nat(change: impl FnOnce(&mut NatConfig)) -> Settings {
    let mut config = NatConfig {
        outside: OUTSIDE,
        address: Ipv4Addr::new(192, 0, 2, 1),
        mapping: Behaviour::EndpointIndependent,
        filtering: Behaviour::AddressDependent,
        ports: Ports::Preserve,
        range: (1024, 65535),
        timeouts: Timeouts::default(),
        inbound_refresh: false,
        hairpin: true,
        forwards: Vec::new(),
    };
    change(&mut config);
    Settings { nat: Some(Nat::new(config, Stream::new(1, "ports"))), ..settings() }
}

/// A router whose two neighbours it knows.
fn router(settings: Settings) -> Router {
    let mut router = Router::new(settings);
    for (interface, ip, hardware) in [(INSIDE, [10, 0, 0, 10], HOST_MAC), (OUTSIDE, [192, 0, 2, 20], PEER_MAC)] {
        let own = if interface == INSIDE { [10, 0, 0, 1] } else { [192, 0, 2, 1] };
        let arp = [&[0, 1, 8, 0, 6, 4, 0, 1], &hardware[..], &ip, &[0; 6], &own].concat();
        router.handle(interface, None, &frame([0xff; 6], hardware, TYPE_ARP, &arp), Instant::START);
        let reply = router.poll_frame().expect("it answers");
        assert_eq!((word(&reply.frame, 12), &reply.frame[..6]), (TYPE_ARP, &hardware[..]));
        assert_eq!(reply.frame[22..32], [&mac(interface)[..], &own].concat(), "its own address");
    }
    router
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A packet with all checksums, made by another router.
fn made(from: &str, to: &str, protocol: u8, hops: u8, body: &[u8]) -> Packet {
    Router::new(settings()).made(ip(from), ip(to), protocol, hops, body.to_vec())
}

fn udp(from: (&str, u16), to: (&str, u16), payload: &[u8]) -> Packet {
    let mut body = vec![0; 8];
    put(&mut body, 0, from.1);
    put(&mut body, 2, to.1);
    put(&mut body, 4, (8 + payload.len()) as u16);
    body.extend_from_slice(payload);
    made(from.0, to.0, UDP, 64, &body)
}

fn put_in(router: &mut Router, interface: usize, packet: &Packet, at_s: u64) {
    let from = if interface == INSIDE { HOST_MAC } else { PEER_MAC };
    let ethertype = if packet.is_v4() { TYPE_IPV4 } else { TYPE_IPV6 };
    let now = Instant::START + Duration::from_secs(at_s);
    router.poll(now);
    router.handle(interface, None, &frame(mac(interface), from, ethertype, packet.bytes()), now);
}

/// The only packet that comes out, by which interface; its checksums are right. Questions for neighbours do not count.
fn out(router: &mut Router) -> (usize, Packet) {
    let mut frames = std::iter::from_fn(|| router.poll_frame()).filter(|sent| word(&sent.frame, 12) != TYPE_ARP);
    let sent = frames.next().expect("something comes out");
    assert_eq!(frames.next(), None);
    let packet = Packet::of(&sent.frame).expect("a packet");
    assert_eq!(sent.frame.len(), ETHERNET + packet.len());
    assert_is_sound(&packet);
    (sent.interface, packet)
}

fn assert_is_sound(packet: &Packet) {
    let (protocol, at) = packet.transport();
    if packet.is_v4() {
        assert_eq!(finish(sum(&packet.bytes()[..at])), 0, "header checksum");
    }
    if packet.fragment() != (false, 0) {
        return;
    }
    let covered = match protocol {
        ICMP => 0,
        _ => {
            let addresses = if packet.is_v4() { &packet.bytes()[12..20] } else { &packet.bytes()[8..40] };
            sum(addresses) + u64::from(protocol) + packet.payload().len() as u64
        }
    };
    assert_eq!(finish(covered + sum(packet.payload())), 0, "checksum of {protocol}");
}

/// Nothing comes out but questions for neighbours.
fn nothing(router: &mut Router) {
    while let Some(sent) = router.poll_frame() {
        assert_eq!(word(&sent.frame, 12), TYPE_ARP);
    }
}

#[test]
fn packets_are_sent_on_with_one_hop_less() {
    let mut router = router(settings());
    let packet = udp(("10.0.0.10", 5000), ("192.0.2.20", 53), b"a question");
    put_in(&mut router, INSIDE, &packet, 1);
    let (by, sent) = out(&mut router);
    assert_eq!((by, sent.hops()), (OUTSIDE, 63));
    assert_eq!(sent.payload(), packet.payload());
    assert_eq!(router.count(Count::Forwarded), 1);
}

#[test]
fn who_is_not_known_is_asked_for_and_given_up_after_three_times() {
    let mut router = router(settings());
    put_in(&mut router, INSIDE, &udp(("10.0.0.10", 1), ("192.0.2.77", 2), b"x"), 1);
    for second in 1..4 {
        router.poll(Instant::START + Duration::from_secs(second));
        let asked = router.poll_frame().expect("a question");
        assert_eq!((asked.interface, word(&asked.frame, 12), word(&asked.frame, 20)), (OUTSIDE, TYPE_ARP, 1));
        assert_eq!(asked.frame[38..42], [192, 0, 2, 77]);
        nothing(&mut router);
    }
    router.poll(Instant::START + Duration::from_secs(4));
    let (by, told) = out(&mut router);
    assert_eq!((by, told.destination(), &told.payload()[..2]), (INSIDE, ip("10.0.0.10"), &[3, 1][..]));
    assert_eq!(router.poll_at(), None);
    // An answer releases what waits, in order.
    for payload in [b"one", b"two"] {
        put_in(&mut router, INSIDE, &udp(("10.0.0.10", 1), ("192.0.2.77", 2), payload), 5);
    }
    router.poll_frame().expect("a question");
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &PEER_MAC, &[192, 0, 2, 77], &mac(OUTSIDE), &[192, 0, 2, 1]].concat();
    router.handle(OUTSIDE, None, &frame(mac(OUTSIDE), PEER_MAC, TYPE_ARP, &arp), Instant::START);
    let sent: Vec<Vec<u8>> =
        std::iter::from_fn(|| router.poll_frame()).map(|sent| sent.frame[ETHERNET + 28..].to_vec()).collect();
    assert_eq!(sent, [b"one", b"two"]);
}

#[test]
fn who_was_known_is_asked_alone_before_everybody_is() {
    let mut router = router(settings());
    put_in(&mut router, INSIDE, &udp(("10.0.0.10", 5000), ("192.0.2.20", 53), b"?"), 31);
    let sent: Vec<_> = std::iter::from_fn(|| router.poll_frame()).collect();
    assert_eq!(sent.iter().map(|sent| word(&sent.frame, 12)).collect::<Vec<_>>(), [TYPE_ARP, TYPE_IPV4]);
    assert!(sent.iter().all(|sent| sent.interface == OUTSIDE && sent.frame[..6] == PEER_MAC), "{sent:?}");
    for second in [32, 33] {
        router.poll(Instant::START + Duration::from_secs(second));
        let asked = router.poll_frame().expect("it asks again");
        assert_eq!((word(&asked.frame, 12), &asked.frame[..6]), (TYPE_ARP, &[0xff; 6][..]), "it may have moved");
        assert_eq!(router.poll_frame(), None);
    }
}

#[test]
fn senders_are_told_why() {
    let mut router = router(settings());
    let cases = [
        (made("10.0.0.10", "192.0.2.20", UDP, 1, &[0; 20]), [11, 0]),
        (made("10.0.0.10", "198.51.100.1", UDP, 9, &[0; 20]), [3, 0]),
        (made("10.0.0.10", "10.0.0.1", UDP, 9, &[0; 20]), [3, 3]),
        (made("10.0.0.10", "10.0.0.1", 99, 9, &[0; 20]), [3, 2]),
    ];
    for (packet, expected) in cases {
        put_in(&mut router, INSIDE, &packet, 1);
        let (by, told) = out(&mut router);
        assert_eq!((by, told.source(), &told.payload()[..2]), (INSIDE, ip("10.0.0.1"), &expected[..]));
        assert_eq!(&told.payload()[8..], packet.bytes(), "the whole packet is quoted");
        // Nobody complains about complaints.
        put_in(&mut router, INSIDE, &made("10.0.0.10", "198.51.100.1", ICMP, 9, told.payload()), 1);
        nothing(&mut router);
    }
    let mut silent = self::router(Settings { silent: true, ..settings() });
    put_in(&mut silent, INSIDE, &made("10.0.0.10", "192.0.2.20", UDP, 1, &[0; 20]), 1);
    nothing(&mut silent);
    assert_eq!(silent.count(Count::Expired), 1);
}

#[test]
fn complaints_are_rationed() {
    let mut router = router(settings());
    for _ in 0..100 {
        put_in(&mut router, INSIDE, &made("10.0.0.10", "192.0.2.20", UDP, 1, &[0; 20]), 1);
    }
    assert_eq!(std::iter::from_fn(|| router.poll_frame()).count(), 20);
}

#[test]
fn what_is_too_long_is_cut_or_refused() {
    let mut router = router(settings());
    let payload: Vec<u8> = (0..1472).map(|at| at as u8).collect();
    let whole = udp(("10.0.0.10", 1), ("192.0.2.20", 2), &payload);
    put_in(&mut router, INSIDE, &whole, 1);
    let parts: Vec<Packet> =
        std::iter::from_fn(|| router.poll_frame()).map(|sent| Packet::of(&sent.frame).expect("a packet")).collect();
    assert_eq!(
        parts.iter().map(|part| (part.fragment(), part.len())).collect::<Vec<_>>(),
        [((true, 0), 1276), ((false, 1256), 244)]
    );
    parts.iter().for_each(assert_is_sound);
    assert_eq!(parts.iter().flat_map(|part| part.payload().to_vec()).collect::<Vec<u8>>(), whole.payload());
    assert!(parts.iter().all(|part| part.identification() == whole.identification()));

    let mut bytes = whole.bytes().to_vec();
    bytes[6] = 0x40;
    put(&mut bytes, 10, 0);
    let checksum = finish(sum(&bytes[..20]));
    put(&mut bytes, 10, checksum);
    put_in(&mut router, INSIDE, &Packet::made(bytes), 1);
    let (_, told) = out(&mut router);
    assert_eq!((&told.payload()[..2], word(told.payload(), 6), told.len()), (&[3, 4][..], 1280, 576));

    let mut long = vec![0; 8 + 1400];
    put(&mut long, 4, 1408);
    let arrived = made("fd00::a", "fd01::14", UDP, 64, &long);
    put_in(&mut router, INSIDE, &arrived, 1);
    // The neighbour is asked for first.
    let asked = router.poll_frame().expect("a question");
    assert_eq!(asked.frame[ETHERNET + 40], 135);
}

#[test]
fn neighbours_are_discovered_in_ipv6() {
    let mut router = router(settings());
    let target = "fd00::1".parse::<std::net::Ipv6Addr>().expect("an address");
    let body = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.octets(), &[1, 1], &HOST_MAC].concat();
    put_in(&mut router, INSIDE, &made("fd00::a", "fd00::1", ICMPV6, 255, &body), 1);
    let (_, told) = out(&mut router);
    assert_eq!((told.payload()[0], told.payload()[4], told.destination()), (136, 0xe0, ip("fd00::a")));
    assert_eq!(told.payload()[24..], [&[2, 1][..], &mac(INSIDE)].concat());
    // It knows its neighbour from now on.
    put_in(&mut router, INSIDE, &made("fd00::a", "fd00::1", ICMPV6, 64, &[128, 0, 0, 0, 0, 7, 0, 1]), 1);
    let (_, reply) = out(&mut router);
    assert_eq!((reply.payload()[0], &reply.payload()[4..]), (129, &[0, 7, 0, 1][..]));
}

#[test]
fn inside_ports_are_kept_outside_if_they_are_free() {
    let mut router = router(nat(|_| {}));
    put_in(&mut router, INSIDE, &udp(("10.0.0.10", 5000), ("192.0.2.20", 53), b"q"), 1);
    let (by, sent) = out(&mut router);
    assert_eq!((by, sent.source(), sent.ports()), (OUTSIDE, ip("192.0.2.1"), Some((5000, 53))));
    put_in(&mut router, INSIDE, &udp(("10.0.0.11", 5000), ("192.0.2.20", 53), b"q"), 1);
    let (_, sent) = out(&mut router);
    assert_eq!(sent.ports(), Some((5002, 53)), "the next one of the same parity");
    // The answer comes back to whoever asked.
    put_in(&mut router, OUTSIDE, &udp(("192.0.2.20", 53), ("192.0.2.1", 5000), b"an answer"), 2);
    let (by, sent) = out(&mut router);
    assert_eq!((by, sent.destination(), sent.ports()), (INSIDE, ip("10.0.0.10"), Some((53, 5000))));
    assert_eq!((router.mappings(), router.count(Count::Mapped)), (2, 2));
}

#[test]
fn who_may_answer_depends_on_the_filtering() {
    let answers = |filtering| {
        let mut router = router(nat(|nat| nat.filtering = filtering));
        put_in(&mut router, INSIDE, &udp(("10.0.0.10", 5000), ("192.0.2.20", 53), b"q"), 1);
        out(&mut router);
        [("192.0.2.20", 53), ("192.0.2.20", 54), ("192.0.2.99", 53)].map(|peer| {
            put_in(&mut router, OUTSIDE, &udp(peer, ("192.0.2.1", 5000), b"a"), 2);
            let comes = router.poll_frame().is_some();
            assert!(router.poll_frame().is_none());
            comes
        })
    };
    assert_eq!(answers(Behaviour::EndpointIndependent), [true, true, true]);
    assert_eq!(answers(Behaviour::AddressDependent), [true, true, false]);
    assert_eq!(answers(Behaviour::AddressAndPortDependent), [true, false, false]);
}

#[test]
fn how_many_outside_ports_there_are_depends_on_the_mapping() {
    let ports = |mapping| {
        let mut router = router(nat(|nat| nat.mapping = mapping));
        let peers = [("192.0.2.20", 53), ("192.0.2.20", 54), ("192.0.2.20", 53)];
        peers.map(|peer| {
            put_in(&mut router, INSIDE, &udp(("10.0.0.10", 5000), peer, b"q"), 1);
            out(&mut router).1.ports().expect("ports").0
        })
    };
    assert_eq!(ports(Behaviour::EndpointIndependent), [5000, 5000, 5000]);
    assert_eq!(ports(Behaviour::AddressDependent), [5000, 5000, 5000]);
    assert_eq!(ports(Behaviour::AddressAndPortDependent), [5000, 5002, 5000]);
}

#[test]
fn mappings_are_forgotten_and_ports_run_out() {
    let mut router = router(nat(|nat| nat.range = (4000, 4001)));
    for (at_s, host) in [(1, "10.0.0.10"), (2, "10.0.0.11")] {
        put_in(&mut router, INSIDE, &udp((host, 9000), ("192.0.2.20", 53), b"q"), at_s);
        out(&mut router);
    }
    put_in(&mut router, INSIDE, &udp(("10.0.0.12", 9000), ("192.0.2.20", 53), b"q"), 3);
    nothing(&mut router);
    assert_eq!((router.count(Count::Exhausted), router.mappings()), (1, 2));
    // What comes in keeps nothing alive; what goes out does.
    put_in(&mut router, INSIDE, &udp(("10.0.0.11", 9000), ("192.0.2.20", 53), b"q"), 250);
    out(&mut router);
    put_in(&mut router, OUTSIDE, &udp(("192.0.2.20", 53), ("192.0.2.1", 4000), b"a"), 251);
    out(&mut router);
    router.poll(Instant::START + Duration::from_secs(301));
    assert_eq!(router.mappings(), 1);
    put_in(&mut router, OUTSIDE, &udp(("192.0.2.20", 53), ("192.0.2.1", 4000), b"a"), 302);
    nothing(&mut router);
    router.forget_sessions();
    assert_eq!(router.mappings(), 0);
}

/// RFC 4787 (UDP), 5382 (TCP: 2 h 4 min while it is open, 4 min while it is not) and 5508 (ICMP).
#[test]
fn each_protocol_is_forgotten_in_its_time() {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    let tcp = |from: (&str, u16), to: (&str, u16), flags: u8| {
        let mut body = [0; 20];
        put(&mut body, 0, from.1);
        put(&mut body, 2, to.1);
        (body[12], body[13]) = (5 << 4, flags);
        made(from.0, to.0, TCP, 64, &body)
    };
    let sent = |flags| (INSIDE, tcp(("10.0.0.10", 5000), ("192.0.2.20", 80), flags));
    let answered = |flags| (OUTSIDE, tcp(("192.0.2.20", 80), ("192.0.2.1", 5000), flags));
    let ping = || (INSIDE, made("10.0.0.10", "192.0.2.20", ICMP, 64, &[8, 0, 0, 0, 0, 7, 0, 1]));
    let asked = || (INSIDE, udp(("10.0.0.10", 5000), ("192.0.2.20", 53), b"q"));
    let open = || vec![sent(SYN), answered(SYN | ACK), sent(ACK)];
    for (packets, lasts_s) in [
        (vec![asked()], 300),
        (vec![ping()], 60),
        (vec![sent(SYN)], 240),
        (open(), 7_440),
        ([open(), vec![sent(FIN | ACK)]].concat(), 7_440),
        ([open(), vec![sent(FIN | ACK), answered(FIN | ACK)]].concat(), 240),
        ([open(), vec![answered(RST)]].concat(), 240),
    ] {
        let mut router = router(nat(|_| ()));
        for (interface, packet) in &packets {
            put_in(&mut router, *interface, packet, 1);
            assert!(router.poll_frame().is_some(), "it passes");
            nothing(&mut router);
        }
        let mut left = |at_s: u64| {
            router.poll(Instant::START + Duration::from_secs(at_s));
            router.mappings()
        };
        assert_eq!((left(lasts_s), left(lasts_s + 2)), (1, 0), "{} packets, {lasts_s} s", packets.len());
    }
}

#[test]
fn those_inside_reach_each_other_from_outside() {
    let mut router = router(nat(|nat| {
        nat.forwards =
            vec![Forward { protocol: Protocol::Udp, port: 80, to: "10.0.0.10:8080".parse().expect("an address") }];
    }));
    put_in(&mut router, OUTSIDE, &udp(("192.0.2.20", 7), ("192.0.2.1", 80), b"hello"), 1);
    let (by, sent) = out(&mut router);
    assert_eq!((by, sent.destination(), sent.ports()), (INSIDE, ip("10.0.0.10"), Some((7, 8080))));
    put_in(&mut router, INSIDE, &udp(("10.0.0.11", 6000), ("192.0.2.1", 80), b"hello"), 1);
    let (by, sent) = out(&mut router);
    assert_eq!((by, sent.source(), sent.ports()), (INSIDE, ip("192.0.2.1"), Some((6000, 8080))));
}

#[test]
fn complaints_find_their_way_back_through_a_nat() {
    let mut router = router(nat(|nat| nat.ports = Ports::Random));
    put_in(&mut router, INSIDE, &udp(("10.0.0.10", 5000), ("192.0.2.20", 53), b"q"), 1);
    let (_, sent) = out(&mut router);
    assert_ne!(sent.ports(), Some((5000, 53)));
    let told = [&[3, 3, 0, 0, 0, 0, 0, 0][..], sent.bytes()].concat();
    put_in(&mut router, OUTSIDE, &made("192.0.2.20", "192.0.2.1", ICMP, 64, &told), 2);
    let (by, told) = out(&mut router);
    assert_eq!((by, told.destination()), (INSIDE, ip("10.0.0.10")));
    let quoted = told.quoted().expect("a quote");
    assert_eq!((quoted.source(), quoted.ports()), (ip("10.0.0.10"), Some((5000, 53))));
    assert_is_sound(&quoted);
    // Echoes go by their identifier.
    put_in(&mut router, INSIDE, &made("10.0.0.10", "192.0.2.20", ICMP, 64, &[8, 0, 0, 0, 0x12, 0x34, 0, 1]), 2);
    let (_, asked) = out(&mut router);
    let mut reply = asked.payload().to_vec();
    reply[0] = 0;
    put_in(&mut router, OUTSIDE, &made("192.0.2.20", "192.0.2.1", ICMP, 64, &reply), 2);
    let (_, answer) = out(&mut router);
    assert_eq!((answer.destination(), word(answer.payload(), 4)), (ip("10.0.0.10"), 0x1234));
}

#[test]
fn fragments_follow_the_first_one() {
    let mut router = router(nat(|nat| nat.ports = Ports::Random));
    let parts = udp(("10.0.0.10", 5000), ("192.0.2.20", 53), &[7; 900]).fragments(600);
    for (index, part) in parts.iter().enumerate() {
        put_in(&mut router, INSIDE, part, 1);
        let (by, sent) = out(&mut router);
        assert_eq!((by, sent.source(), sent.fragment()), (OUTSIDE, ip("192.0.2.1"), part.fragment()), "{index}");
    }
}

#[test]
fn a_firewall_lets_answers_in_and_nothing_else() {
    let openings = vec![Opening { protocol: Protocol::Udp, port: 443, to: None }];
    let firewall = Firewall::new(OUTSIDE, openings, Timeouts::default());
    let mut router = router(Settings { firewall: Some(firewall), ..settings() });
    let from_outside = |router: &mut Router, packet: &Packet, at_s| {
        put_in(router, OUTSIDE, packet, at_s);
        router.poll_frame().is_some()
    };
    let answer = udp(("192.0.2.20", 53), ("10.0.0.10", 5000), b"a");
    assert!(!from_outside(&mut router, &answer, 1));
    put_in(&mut router, INSIDE, &udp(("10.0.0.10", 5000), ("192.0.2.20", 53), b"q"), 1);
    let (_, asked) = out(&mut router);
    assert!(from_outside(&mut router, &answer, 2));
    let told = [&[3, 3, 0, 0, 0, 0, 0, 0][..], asked.bytes()].concat();
    assert!(from_outside(&mut router, &made("192.0.2.20", "10.0.0.10", ICMP, 64, &told), 2));
    assert!(!from_outside(&mut router, &udp(("192.0.2.20", 54), ("10.0.0.10", 5000), b"a"), 2));
    assert!(from_outside(&mut router, &udp(("192.0.2.20", 54), ("10.0.0.10", 443), b"a"), 2));
    assert!(!from_outside(&mut router, &answer, 400), "it is long forgotten");
}
