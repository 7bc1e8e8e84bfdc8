//! Stories below TCP: neighbours, datagrams, echoes, and what is dropped under which reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    rc::Rc,
};

use embassy_net_driver::Checksum;
use embedded_io_async::{Read, Write};
use futures_util::future::{join, join_all};
use support::{Sea, Verdict};
use wavetank_stack::{
    COUNTERS, Cidr, Config, Duration, FlowId, Limits, Pool, Pools, Probe, Reason, Route, Stack, Verify,
    tcp::{self, Listener, Options, Stream},
    time::timeout,
    udp,
};

const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];

fn to(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn count(frames: &[Vec<u8>], ethertype: [u8; 2]) -> usize {
    frames.iter().filter(|frame| frame[12..14] == ethertype).count()
}

fn udp_options() -> udp::Options {
    udp::Options::default()
}

#[test]
fn datagrams_go_there_and_back() {
    let sea = Sea::new();
    let (one, other) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    sea.record();
    let clock = sea.clone();
    sea.run(async move {
        let server = udp::Socket::bind(&one.stack, 5_683, udp_options()).unwrap();
        assert_eq!(udp::Socket::bind(&one.stack, 5_683, udp_options()).unwrap_err(), udp::Error::InUse);
        let client = udp::Socket::bind(&other.stack, 0, udp_options()).unwrap();
        let mut buffer = [0; 32];
        for word in [&b"first"[..], b"", b"third"] {
            client.send_to(word, to("192.0.2.1:5683")).await.unwrap();
            let (len, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..len], from.port()), (word, client.local_addr().1));
            server.send_to(&buffer[..len], from).await.unwrap();
            let (len, from) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..len], from), (word, to("192.0.2.1:5683")));
        }
        client.send_to(&[0; 33], to("192.0.2.1:5683")).await.unwrap();
        assert_eq!(server.recv_from(&mut buffer).await, Err(udp::Error::Truncated));
        assert_eq!(client.send_to(&[0; 1_473], to("192.0.2.1:5683")).await, Err(udp::Error::TooLong));
        assert_eq!(client.send_to(&[0; 1_472], to("192.0.2.1:5683")).await, Ok(()));
        assert_eq!(client.send_to(b"x", to("203.0.113.1:1")).await, Err(udp::Error::NoRoute));
        let frames = clock.recorded();
        assert_eq!(count(&frames, ARP), 2, "one question, one answer, for both directions");
    });
}

#[test]
fn a_burst_waits_for_the_neighbour_up_to_a_bound() {
    let sea = Sea::new();
    let (one, other) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let stack = other.stack.clone();
    sea.run(async move {
        let server = udp::Socket::bind(&one.stack, 9, udp_options()).unwrap();
        let client = udp::Socket::bind(&other.stack, 0, udp_options()).unwrap();
        for number in 0..6 {
            client.send_to(&[number], to("192.0.2.1:9")).await.unwrap();
        }
        let mut buffer = [0; 1];
        for number in 2..6 {
            server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[0], number, "the newest four, in order");
        }
    });
    assert_eq!(stack.stats().dropped(Reason::NeighbourQueueFull), 2);
}

/// Lets so many packets wait, and nothing else go short.
#[derive(Debug)]
struct Waiting(usize);

impl Pools for Waiting {
    fn room(&self, pool: Pool) -> usize {
        if pool == Pool::Waiting { self.0 } else { usize::MAX }
    }

    fn ran_out(&self, _: Pool) {}
}

#[test]
fn no_more_wait_for_all_neighbours_than_there_is_room_for() {
    let sea = Sea::new();
    let host = sea.host_with(&["192.0.2.1/24"], &[], |config| config.limits = Limits::of(Rc::new(Waiting(2))));
    let stack = host.stack.clone();
    let others = [2, 3, 4].map(|number| sea.host(&[&format!("192.0.2.{number}/24")]));
    let clock = sea.clone();
    sea.run(async move {
        let client = udp::Socket::bind(&host.stack, 0, udp_options()).unwrap();
        let servers = others.each_ref().map(|other| udp::Socket::bind(&other.stack, 9, udp_options()).unwrap());
        for round in 0..2 {
            for number in [2, 3, 4] {
                client.send_to(&[round], to(&format!("192.0.2.{number}:9"))).await.unwrap();
            }
            clock.sleep(Duration::from_millis(10)).await;
            assert_eq!(host.stack.stats().dropped(Reason::NeighbourQueueFull), 1, "the third, once");
        }
        let mut buffer = [0; 1];
        for (server, first) in servers.iter().zip([0, 0, 1]) {
            server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[0], first);
        }
    });
    assert_eq!(stack.stats().dropped(Reason::NeighbourQueueFull), 1);
}

#[test]
fn an_absent_neighbour_is_asked_three_times_and_counted() {
    let sea = Sea::new();
    let host = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    // It says where it listens.
    sea.pass(Duration::from_millis(10));
    sea.record();
    let stack = host.stack.clone();
    let clock = sea.clone();
    sea.run(async move {
        let socket = udp::Socket::bind(&host.stack, 0, udp_options()).unwrap();
        for absent in ["192.0.2.77:9", "[2001:db8::77]:9"] {
            socket.send_to(b"anybody?", to(absent)).await.unwrap();
            clock.sleep(Duration::from_secs(10)).await;
            let frames = clock.recorded();
            assert_eq!(frames.len(), 3, "{absent}");
            assert!(frames.iter().all(|frame| frame[0] & 1 == 1), "to everyone, or to the group");
        }
    });
    assert_eq!(stack.stats().dropped(Reason::NeighbourSilent), 2);
    assert_eq!(stack.stats().neighbours_failed, 2);
}

#[test]
fn an_old_answer_is_checked_while_it_is_used() {
    let sea = Sea::new();
    let (one, other) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let clock = sea.clone();
    sea.run(async move {
        let server = udp::Socket::bind(&one.stack, 9, udp_options()).unwrap();
        let client = udp::Socket::bind(&other.stack, 0, udp_options()).unwrap();
        let mut buffer = [0; 8];
        client.send_to(b"once", to("192.0.2.1:9")).await.unwrap();
        server.recv_from(&mut buffer).await.unwrap();
        clock.sleep(Duration::from_secs(100)).await;
        clock.record();
        let before = clock.now();
        client.send_to(b"again", to("192.0.2.1:9")).await.unwrap();
        server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((clock.now() - before).as_micros(), support::LATENCY_US.into(), "sent at once");
        clock.sleep(Duration::from_secs(5)).await;
        let frames = clock.recorded();
        let questions: Vec<_> = frames.iter().filter(|frame| frame[12..14] == ARP && frame[21] == 1).collect();
        assert!(questions.len() == 1 && questions[0][0] & 1 == 0, "one question, to the neighbour itself");
        // The neighbour moves to another card: the old one is asked in vain, then everyone.
        clock.plug(one.card, false);
        drop(server);
        let moved = clock.host(&["192.0.2.1/24"]);
        let server = udp::Socket::bind(&moved.stack, 9, udp_options()).unwrap();
        clock.sleep(Duration::from_secs(100)).await;
        let sending = async {
            loop {
                client.send_to(b"still?", to("192.0.2.1:9")).await.unwrap();
                clock.sleep(Duration::from_secs(1)).await;
            }
        };
        let arrived = futures_util::future::select(Box::pin(server.recv_from(&mut buffer)), Box::pin(sending)).await;
        assert!(matches!(arrived, futures_util::future::Either::Left(_)));
    });
}

#[test]
fn routers_are_asked_for_instead_of_far_hosts() {
    let sea = Sea::new();
    let route = Route::default_via("192.0.2.254".parse().unwrap());
    let host = sea.host_with(&["192.0.2.1/24"], &[route], |_| ());
    sea.record();
    let clock = sea.clone();
    sea.run(async move {
        let socket = udp::Socket::bind(&host.stack, 0, udp_options()).unwrap();
        socket.send_to(b"far", to("203.0.113.5:9")).await.unwrap();
        clock.sleep(Duration::from_millis(1)).await;
        let frames = clock.recorded();
        assert_eq!(frames[0][38..42], [192, 0, 2, 254]);
    });
}

#[test]
fn everyone_hears_a_broadcast() {
    let sea = Sea::new();
    let hosts: Vec<_> = (1..5).map(|i| sea.host(&[&format!("192.0.2.{i}/24")])).collect();
    sea.run(async move {
        let sockets: Vec<_> = hosts.iter().map(|h| udp::Socket::bind(&h.stack, 7, udp_options()).unwrap()).collect();
        for everyone in ["255.255.255.255:7", "192.0.2.255:7", "224.0.0.1:7"] {
            sockets[0].send_to(b"all hands", to(everyone)).await.unwrap();
            for socket in &sockets[1..] {
                let mut buffer = [0; 16];
                assert_eq!(socket.recv_from(&mut buffer).await, Ok((9, to("192.0.2.1:7"))));
            }
        }
    });
}

/// An Ethernet and IPv4 header around a payload, with the right IPv4 checksum.
fn ipv4_frame(to: [u8; 6], from: [u8; 6], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&to[..], &from[..], &IPV4[..]].concat();
    let len = (20 + payload.len()) as u16;
    let mut header = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 9, 192, 0, 2, 1];
    header[2..4].copy_from_slice(&len.to_be_bytes());
    let sum = internet_checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&header);
    frame.extend_from_slice(payload);
    frame
}

fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[test]
fn every_bad_packet_is_counted() {
    let sea = Sea::new();
    let host = sea.host(&["192.0.2.1/24"]);
    let card = sea.card();
    sea.record();

    let stack = host.stack.clone();
    // The host's card is the first of this thread, or not: its address is learnt from an answer.
    let mut question = vec![0xff; 6];
    question.extend_from_slice(&card.mac());
    question.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    question.extend_from_slice(&card.mac());
    question.extend_from_slice(&[192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
    card.send(question);
    sea.pass(Duration::from_millis(10));
    let answer = card.next_frame().expect("an ARP answer");
    let host_mac: [u8; 6] = answer[6..12].try_into().unwrap();
    let send = |protocol, payload: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = ipv4_frame(host_mac, card.mac(), protocol, payload);
        change(&mut frame);
        card.send(frame);
    };
    let udp = [0, 7, 0, 9, 0, 12, 0, 0, 1, 2, 3, 4];
    let tcp_syn = [0, 7, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0x12, 0x34, 0, 0];
    send(17, &udp, &|_| ());
    send(17, &udp, &|frame| frame[24] ^= 1);
    send(17, &udp, &|frame| frame.truncate(30));
    send(17, &udp, &|frame| frame[40] = 1);
    send(17, &udp, &|frame| frame[20] = 0x20);
    send(17, &udp, &|frame| frame[0..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]));
    send(6, &tcp_syn, &|_| ());
    send(99, &[], &|_| ());
    send(17, &udp, &|frame| frame[12..14].copy_from_slice(&[0x88, 0xcc]));
    sea.pass(Duration::from_millis(10));

    let stats = stack.stats();
    let expected = [
        (Reason::NoSocket, 1),
        (Reason::Checksum, 3),
        (Reason::Malformed, 1),
        (Reason::NotForUs, 0),
        (Reason::Unsupported, 2),
    ];
    for (reason, least) in expected {
        assert!(stats.dropped(reason) >= least, "{reason:?}: {stats:?}");
    }
    assert_eq!(stats.dropped_in_all(), stats.frames_received - 1, "{stats:?}");
    // The datagram to a port without a socket was answered.
    let answers: Vec<_> = std::iter::from_fn(|| card.next_frame()).collect();
    assert!(answers.iter().any(|frame| frame[23] == 1 && frame[34..36] == [3, 3]), "port unreachable");
    for frame in answers.iter().filter(|frame| frame[12..14] == IPV4) {
        assert_eq!(internet_checksum(&frame[14..34]), 0);
        assert_eq!(internet_checksum(&frame[34..]), 0);
    }
}

#[test]
fn echoes_are_answered() {
    let sea = Sea::new();
    let host = sea.host(&["192.0.2.1/24"]);
    let card = sea.card();
    let mut echo = vec![8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let sum = internet_checksum(&echo);
    echo[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = ipv4_frame([0xff; 6], card.mac(), 1, &echo);
    frame[..6].copy_from_slice(&[0xff; 6]);
    card.send(frame);
    sea.pass(Duration::from_millis(10));
    let answer = card.next_frame().expect("an echo");
    assert_eq!((answer[23], answer[34], &answer[38..]), (1, 0, &echo[4..]));
    assert_eq!(host.stack.stats().dropped_in_all(), 0);
}

/// Sends one datagram whose checksum is wrong to a host that verifies as told, over a card that verifies or
/// does not; answers whether it arrived.
fn wrong_checksum_arrives(card_verifies: bool, verify: Verify) -> bool {
    let sea = Sea::new();
    let mut card = sea.card();
    card.checksums = if card_verifies { Checksum::Tx } else { Checksum::Both };
    let addresses: [Cidr; 1] = ["192.0.2.1/24".parse().unwrap()];
    let mut config = Config::new(&addresses, &[]);
    config.verify = verify;
    let (stack, mut runner) = Stack::shared(card, sea.clock(), &config, 1);
    sea.spawn(async move { runner.run().await });
    let socket = udp::Socket::bind(&stack, 9, udp_options()).unwrap();
    let sender = sea.card();
    sender.send(ipv4_frame([0xff; 6], sender.mac(), 17, &[0, 7, 0, 9, 0, 9, 0x12, 0x34, 1]));
    sea.pass(Duration::from_millis(10));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    socket.poll_recv_from(&mut cx, &mut [0; 8]).is_ready()
}

#[test]
fn checksums_are_verified_by_whom_the_driver_says() {
    assert!(!wrong_checksum_arrives(false, Verify::ByDriver));
    assert!(wrong_checksum_arrives(true, Verify::ByDriver));
    assert!(!wrong_checksum_arrives(true, Verify::Always));
    assert!(wrong_checksum_arrives(false, Verify::Never));
}

#[test]
fn five_hundred_devices_reach_one_hub_within_seconds() {
    let sea = Sea::new();
    let hub = sea.host(&["192.0.2.1/16"]);
    let devices: Vec<_> = (0..500).map(|i| sea.host(&[&format!("192.0.{}.{}/16", 3 + i / 250, 1 + i % 250)])).collect();
    let mut options = Options::default();
    (options.receive_bytes, options.send_bytes) = (256, 256);
    sea.record();
    let clock = sea.clone();
    let reports = Rc::new(Cell::new(0));
    let stored = reports.clone();
    sea.run(async move {
        let listener = Rc::new(Listener::bind(&hub.stack, 80, 512, options).unwrap());
        let accepting = clock.clone();
        clock.spawn(async move {
            loop {
                let mut stream = listener.accept().await;
                let reports = reports.clone();
                accepting.spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        reports.set(reports.get() + 1);
                        stream.write_all(b"stored").await.unwrap();
                    }
                });
            }
        });
        let report = async |stack: &Stack<'static>| {
            let mut stream = Stream::connect(stack, to("192.0.2.1:80"), options).await.unwrap();
            stream.write_all(b"21.5 degrees").await.unwrap();
            stream.read_exact(&mut [0; 6]).await.unwrap();
        };
        let all = join_all(devices.iter().map(|device| report(&device.stack)));
        assert!(timeout(&clock.clock(), Duration::from_secs(3), all).await.is_ok(), "at {:?}", clock.now());
        let questions = count(&clock.recorded(), ARP);
        assert!(questions < 3 * 2 * 500, "{questions} ARP frames");
    });
    assert_eq!(stored.get(), 500);
}

#[test]
fn a_full_neighbour_table_makes_room() {
    let sea = Sea::new();
    let hub = sea.host_with(&["192.0.2.1/24"], &[], |config| config.neighbours_max = 4);
    let devices: Vec<_> = (2..42).map(|i| sea.host(&[&format!("192.0.2.{i}/24")])).collect();
    sea.run(async move {
        let socket = udp::Socket::bind(&hub.stack, 9, udp_options()).unwrap();
        for round in 0..3 {
            for (index, device) in devices.iter().enumerate() {
                let there = udp::Socket::bind(&device.stack, 9, udp_options()).unwrap();
                let device_at = SocketAddr::new(format!("192.0.2.{}", index + 2).parse().unwrap(), 9);
                socket.send_to(&[round], device_at).await.unwrap();
                let mut buffer = [0; 1];
                there.recv_from(&mut buffer).await.unwrap();
                assert_eq!(buffer[0], round);
            }
        }
    });
}

#[test]
fn a_lost_question_is_asked_again_for_each_neighbour_alone() {
    let sea = Sea::new();
    let hub = sea.host(&["192.0.2.1/24"]);
    let devices: Vec<_> = (2..12).map(|i| sea.host(&[&format!("192.0.2.{i}/24")])).collect();
    let mut first = std::collections::BTreeSet::new();
    sea.filter(move |_, frame| match frame[12..14] == ARP && first.insert(frame[38..42].to_vec()) {
        true => Verdict::Lose,
        false => Verdict::Pass,
    });
    let clock = sea.clone();
    sea.run(async move {
        let socket = udp::Socket::bind(&hub.stack, 9, udp_options()).unwrap();
        let theirs: Vec<_> = devices.iter().map(|d| udp::Socket::bind(&d.stack, 9, udp_options()).unwrap()).collect();
        let send = async {
            for i in 2..12 {
                socket.send_to(&[i], to(&format!("192.0.2.{i}:9"))).await.unwrap();
            }
        };
        let receive = join_all(theirs.iter().map(async |there| {
            there.recv_from(&mut [0; 1]).await.unwrap();
        }));
        join(send, receive).await;
        assert!(clock.now() < Duration::from_millis(2_100), "all at once, not one a second: {:?}", clock.now());
    });
}

/// What a keeper was told.
#[derive(Clone, Default)]
struct Keeper(Rc<RefCell<BTreeMap<&'static str, u64>>>);

impl Probe for Keeper {
    fn count(&self, name: &'static str, by: u64) {
        *self.0.borrow_mut().entry(name).or_default() += by;
    }

    fn gauge(&self, _: &'static str, _: i64) {}

    fn flow(&self, _: &'static str, _: FlowId<'_>) {}
}

#[test]
fn a_keeper_is_told_what_was_dropped_sent_again_reset_and_timed_out() {
    let sea = Sea::new();
    let (here, there) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let (keeper, clock) = (Keeper::default(), sea.clone());
    let told = keeper.clone();
    let reader = Rc::new(there);
    let serving = Rc::clone(&reader);
    sea.spawn(async move {
        let listener = Listener::bind(&serving.stack, 80, 2, Options::default()).unwrap();
        loop {
            let mut stream = listener.accept().await;
            let mut bytes = [0; 1_000];
            while let Ok(1..) = stream.read(&mut bytes).await {}
        }
    });
    let stack = here.stack.clone();
    let calls = async move {
        let refused = Stream::connect(&here.stack, to("192.0.2.2:81"), Options::default()).await;
        assert_eq!(refused.map(drop), Err(tcp::Error::Refused));
        assert_eq!(told.0.borrow().get("stack.resets.received"), None, "it is told after the turn");
        clock.storm(3, 3);
        let mut options = Options::default();
        options.timeout = Some(Duration::from_secs(20));
        let mut stream = Stream::connect(&here.stack, to("192.0.2.2:80"), options).await.unwrap();
        stream.write_all(&[7; 20_000]).await.unwrap();
        clock.calm();
        stream.acknowledged().await.unwrap();
        stream.abort();
        let mut stream = Stream::connect(&here.stack, to("192.0.2.2:80"), options).await.unwrap();
        clock.plug(reader.card, false);
        stream.write_all(b"anybody?").await.unwrap();
        assert_eq!(stream.read(&mut [0]).await, Err(tcp::Error::TimedOut));
    };
    let counting = keeper.clone();
    let stats = sea.run(async move {
        stack.telling(counting, calls).await;
        stack.stats()
    });
    let told = keeper.0.borrow();
    for (name, expected) in [
        ("stack.retransmissions", stats.retransmissions),
        ("stack.resets.received", 1),
        ("stack.resets.sent", stats.resets_sent),
        ("stack.timeouts", 1),
    ] {
        assert!(expected > 0 && told.get(name) == Some(&u64::from(expected)), "{name}: {expected} in {told:?}");
    }
    assert!(stats.retransmissions > 5, "{stats:?}");
    assert!(told.keys().all(|name| COUNTERS.iter().any(|(known, _)| known == name)), "{told:?}");
}

#[test]
fn a_datagram_of_ipv6_in_pieces_arrives_and_a_word_of_neighbour_discovery_does_not() {
    let sea = Sea::new();
    let host = sea.host(&["2001:db8::1/64"]);
    let (stack, mac, card) = (host.stack.clone(), [0xff; 6], sea.card());
    let own = "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let from = "2001:db8::9".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let sum_of = |payload: &[u8], next: u8| {
        let len = payload.len() as u32;
        internet_checksum(&[&from[..], &own, &len.to_be_bytes(), &[0, 0, 0, next], payload].concat())
    };
    let send = |next: u8, payload: &[u8], cuts: &[usize]| {
        for (cut, end) in cuts.iter().zip(cuts[1..].iter().chain([&payload.len()])) {
            let piece = &payload[*cut..*end];
            let field = (*cut as u16 | u16::from(*end < payload.len())).to_be_bytes();
            let mut frame = [&mac[..], &card.mac(), &[0x86, 0xdd, 0x60, 0, 0, 0]].concat();
            frame.extend((8 + piece.len() as u16).to_be_bytes());
            frame.extend([44, 64]);
            frame.extend(from.iter().chain(&own));
            frame.extend([next, 0, field[0], field[1], 0, 0, 0, 7]);
            frame.extend(piece);
            card.send(frame);
        }
    };
    let mut options = udp_options();
    options.receive_bytes = 4_000;
    let socket = udp::Socket::bind(&stack, 7, options).unwrap();
    let mut datagram = [&[0, 9, 0, 7][..], &2_008_u16.to_be_bytes(), &[0, 0], &[5; 2_000]].concat();
    let sum = sum_of(&datagram, 17);
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    send(17, &datagram, &[0, 800, 1_600]);
    // A solicitation, as a fragment of its own.
    let mut asks = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &own, &[1, 1], &card.mac()].concat();
    let sum = sum_of(&asks, 58);
    asks[2..4].copy_from_slice(&sum.to_be_bytes());
    send(58, &asks, &[0]);
    sea.run(async move {
        let mut bytes = [0; 4_000];
        let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
        assert_eq!((&bytes[..len], from), (&[5; 2_000][..], to("[2001:db8::9]:9")));
    });
    sea.pass(Duration::from_millis(10));
    assert_eq!((stack.stats().dropped(Reason::Fragment), stack.stats().dropped_in_all()), (1, 1));
}
