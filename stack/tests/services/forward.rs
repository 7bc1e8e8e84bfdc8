//! A station between two networks passes packets on, tells senders of those that it cannot, and says that it is there.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    pin::pin,
    rc::Rc,
};

use embedded_io_async::{Read, Write};
use futures_util::future::{Either, join, select};
use wavetank_stack::{
    Duration, Reason,
    forward::{Count, Forwarder, Offer, advertise},
    icmp::{Pinger, Unreachable},
    raw::{Arrival, Socket, Version},
    slaac, tcp, udp,
};

use super::{interface::draws, route, to};
use crate::support::{Host, Sea, SeaClock};

type Forwarding = Rc<Forwarder<'static, SeaClock>>;

/// `near` and `far`, and between them a router with an end at each.
struct Border {
    sea: Sea,
    near: Host,
    far: Host,
    ends: [Host; 2],
    forwarder: Forwarding,
    task: usize,
}

fn border() -> Border {
    let sea = Sea::new();
    let near = sea.host_with(&["2001:db8:1::7/64"], &[route("2001:db8:1::1")], |_| ());
    let far = sea.host_with(&["2001:db8:2::7/64"], &[route("2001:db8:2::1")], |_| ());
    let ends = [sea.host(&["2001:db8:1::1/64"]), sea.host(&["2001:db8:2::1/64"])];
    let forwarder = Rc::new(Forwarder::new([&ends[0].stack, &ends[1].stack], sea.clock()).unwrap());
    let running = forwarder.clone();
    let task = sea.spawn(async move { match running.run(&()).await {} });
    Border { sea, near, far, ends, forwarder, task }
}

fn counts(forwarder: &Forwarding) -> Vec<(&'static str, u32)> {
    let counted = Count::ALL.into_iter().map(|count| (count.name(), forwarder.count(count)));
    counted.filter(|(_, count)| *count > 0).collect()
}

fn errors() -> udp::Options {
    let mut options = udp::Options::default();
    options.errors = true;
    options
}

/// What the network says of a datagram to there.
async fn trouble(host: &Host, datagram: &[u8], remote: &str) -> (IpAddr, Unreachable) {
    let socket = udp::Socket::bind(&host.stack, 0, errors()).unwrap();
    socket.send_to(datagram, to(remote)).await.unwrap();
    match socket.recv_from(&mut [0; 16]).await {
        Err(udp::Error::Undelivered { why, .. }) => (to(remote).ip(), why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn streams_and_echoes_cross_and_lose_a_hop() {
    let Border { sea, near, far, forwarder, .. } = border();
    let server = far.stack.clone();
    sea.spawn(async move {
        let listener = tcp::Listener::bind(&server, 80, 1, tcp::Options::default()).unwrap();
        let mut stream = listener.accept().await;
        let mut buffer = [0; 512];
        while let Ok(len @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..len]).await.unwrap();
        }
    });
    sea.run(async move {
        let mut stream =
            tcp::Stream::connect(&near.stack, to("[2001:db8:2::7]:80"), tcp::Options::default()).await.unwrap();
        let sent: Vec<u8> = (0..9_000).map(|i| (i * 7 % 251) as u8).collect();
        let mut came = vec![0; sent.len()];
        let (mut reader, mut writer) = stream.split();
        let (wrote, read) = join(writer.write_all(&sent), reader.read_exact(&mut came)).await;
        wrote.unwrap();
        read.unwrap();
        assert!(came == sent);
        let theirs = Socket::bind(&far.stack, Version::V6, 253, udp::Options::default()).unwrap();
        let ours = Socket::bind(&near.stack, Version::V6, 253, udp::Options::default()).unwrap();
        ours.set_hop_limit(2);
        ours.send_to(b"x", "2001:db8:2::7".parse().unwrap()).await.unwrap();
        let came = theirs.recv_from(&mut [0; 4]).await.unwrap().1;
        let from = "2001:db8:1::7".parse().unwrap();
        assert_eq!(came, Arrival { remote: from, local: "2001:db8:2::7".parse().unwrap(), hop_limit: 1 });
        assert_eq!(forwarder.dropped(), 0);
        assert!(forwarder.count(Count::Forwarded) > 14);
    });
}

#[test]
fn senders_are_told_what_became_of_their_packets() {
    let Border { sea, near, far, ends, forwarder, .. } = border();
    let clock = sea.clone();
    sea.run(async move {
        let (_, silent) = trouble(&near, b"?", "[2001:db8:2::99]:9").await;
        assert_eq!(silent, Unreachable::Host);
        assert_eq!(counts(&forwarder), [("packets.forwarded", 1), ("packets.silent", 1), ("packets.told", 1)]);
        // Whoever did not answer is not asked again at once, and the sender is told at once.
        let before = clock.now();
        assert_eq!(trouble(&near, b"?", "[2001:db8:2::99]:9").await.1, Unreachable::Host);
        assert!(clock.now() - before < Duration::from_millis(10));
        assert_eq!(trouble(&near, b"?", "[2001:db8:3::99]:9").await.1, Unreachable::Network);
        // A router's other address is a host's of the other network.
        assert_eq!(trouble(&near, b"?", "[2001:db8:2::1]:9").await.1, Unreachable::Network);
        assert_eq!(trouble(&near, b"?", "[2001:db8:1::1]:9").await.1, Unreachable::Port, "its own socket's matter");
        let hops = Socket::bind(&near.stack, Version::V6, 58, udp::Options::default()).unwrap();
        let echo = [128, 0, 0, 0, 0, 7, 0, 1];
        hops.set_hop_limit(1);
        hops.send_to(&echo, "2001:db8:2::7".parse().unwrap()).await.unwrap();
        let mut message = [0; 128];
        let (len, about) = loop {
            let heard = hops.recv_from(&mut message).await.unwrap();
            if message[0] < 128 {
                break heard;
            }
        };
        assert_eq!((about.remote, &message[..2]), ("2001:db8:1::1".parse().unwrap(), &[3, 0][..]));
        assert_eq!((message[8 + 7], len), (1, 8 + 40 + 8), "quoted as it came");
        assert_eq!(ends[1].stack.stats().dropped(Reason::NeighbourSilent), 0, "it was given back");
        assert_eq!(far.stack.stats().icmp_errors_received, 0);
    });
}

#[test]
fn a_packet_too_long_for_the_next_link_is_refused_with_that_links_length() {
    let sea = Sea::new();
    let near = sea.host_with(&["2001:db8:1::7/64"], &[route("2001:db8:1::1")], |_| ());
    let end = sea.host(&["2001:db8:1::1/64"]);
    let mut narrow = sea.card();
    narrow.mtu = 1_294;
    let own = ["2001:db8:2::1/64".parse().unwrap()];
    let config = wavetank_stack::Config::new(&own, &[]);
    let (other, mut runner) = wavetank_stack::Stack::shared(narrow, sea.clock(), &config, 7);
    sea.spawn(async move { runner.run().await });
    let forwarder = Forwarder::new([&end.stack, &other], sea.clock()).unwrap();
    sea.run(async move {
        let asking = async {
            let hears = Socket::bind(&near.stack, Version::V6, 58, udp::Options::default()).unwrap();
            let socket = udp::Socket::bind(&near.stack, 0, udp::Options::default()).unwrap();
            socket.send_to(&[7; 1_300], to("[2001:db8:2::7]:9")).await.unwrap();
            let mut message = [0; 1_500];
            loop {
                let (len, _) = hears.recv_from(&mut message).await.unwrap();
                if message[0] == 2 {
                    return (len, message[4..8].to_vec());
                }
            }
        };
        let told = match select(pin!(asking), pin!(forwarder.run(&()))).await {
            Either::Left((told, _)) => told,
            Either::Right((never, _)) => match never {},
        };
        assert_eq!(told, (1_240, 1_280_u32.to_be_bytes().to_vec()));
        assert_eq!(forwarder.count(Count::TooBig), 1);
    });
}

#[test]
fn what_is_local_stays_and_nobody_speaks_for_the_router() {
    let Border { sea, near, far, forwarder, ends, .. } = border();
    let clock = sea.clone();
    sea.run(async move {
        let heard = udp::Socket::bind(&far.stack, 9, udp::Options::default()).unwrap();
        let theirs = near.stack.clone();
        let local = theirs.addresses().map(|own| own.address()).last().unwrap();
        let socket = udp::Socket::bind(&near.stack, 0, errors()).unwrap();
        socket.send_from(b"?", local, to("[2001:db8:2::7]:9")).await.unwrap();
        let said = socket.recv_from(&mut [0; 4]).await;
        assert!(matches!(said, Err(udp::Error::Undelivered { .. })), "{said:?}");
        // As the router itself, and to a group beyond the link.
        let before = ends[0].stack.stats().dropped(Reason::NotForUs);
        socket.send_from(b"?", to("[2001:db8:2::1]:9").ip(), to("[2001:db8:2::7]:9")).await.unwrap();
        socket.send_to(b"?", to("[ff05::1]:9")).await.unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(counts(&forwarder), [("packets.stray", 2), ("packets.told", 1)]);
        assert_eq!(ends[0].stack.stats().dropped(Reason::NotForUs) - before, 1, "the group");
        assert_eq!(
            heard.poll_recv_with(&mut core::task::Context::from_waker(futures_util::task::noop_waker_ref()), |_, _| ()),
            core::task::Poll::Pending
        );
    });
}

#[test]
fn errors_are_rationed() {
    let Border { sea, near, forwarder, .. } = border();
    let clock = sea.clone();
    sea.run(async move {
        let socket = udp::Socket::bind(&near.stack, 0, udp::Options::default()).unwrap();
        for burst in 0..60 {
            socket.send_to(b"?", to("[2001:db8:3::9]:9")).await.unwrap();
            // One after the other, once the sender knows its router.
            clock.sleep(Duration::from_millis(if burst == 0 { 10 } else { 1 })).await;
        }
        assert_eq!(forwarder.count(Count::NoRoute), 60);
        assert!((20..=27).contains(&forwarder.count(Count::Told)), "{}", forwarder.count(Count::Told));
    });
}

#[test]
fn what_finds_no_room_is_dropped_and_counted_and_a_dropped_forwarder_forwards_nothing() {
    let Border { sea, near, far, ends, forwarder, task } = border();
    let (clock, heard) = (sea.clone(), Rc::new(Cell::new(0)));
    let counting = heard.clone();
    let server = far.stack.clone();
    sea.spawn(async move {
        let socket = udp::Socket::bind(&server, 9, udp::Options::default()).unwrap();
        loop {
            socket.recv_from(&mut [0; 1_500]).await.unwrap();
            counting.set(counting.get() + 1);
        }
    });
    sea.run(async move {
        let socket = udp::Socket::bind(&near.stack, 0, udp::Options::default()).unwrap();
        let remote = to("[2001:db8:2::7]:9");
        socket.send_to(b"?", remote).await.unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        clock.narrow(ends[1].card, 1);
        for _ in 0..200 {
            socket.send_to(&[7; 1_000], remote).await.unwrap();
        }
        clock.sleep(Duration::from_secs(1)).await;
        let full = ends[0].stack.stats().dropped(Reason::ReceiveBufferFull) as u32;
        assert_eq!(heard.get() + full + forwarder.dropped(), 201);
        assert!(forwarder.count(Count::NoRoom) > 0 && heard.get() > 10, "{:?}", counts(&forwarder));
        let strangers = || ends[0].stack.stats().dropped(Reason::NotForUs);
        let before = (heard.get(), strangers());
        clock.kill(task);
        drop(forwarder);
        socket.send_to(b"?", remote).await.unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!((heard.get(), strangers()), (before.0, before.1 + 1));
    });
}

#[test]
fn a_stack_has_one_forwarder() {
    let sea = Sea::new();
    let [one, other] = [sea.host(&["2001:db8:1::1/64"]), sea.host(&["2001:db8:2::1/64"])];
    let first = Forwarder::new([&one.stack, &other.stack], sea.clock()).unwrap();
    assert_eq!(Forwarder::new([&one.stack, &other.stack], sea.clock()).err(), Some(udp::Error::InUse));
    assert_eq!(Forwarder::new([&one.stack, &one.stack], sea.clock()).err(), Some(udp::Error::InUse));
    drop(first);
    assert_eq!((one.stack.udp_sockets(), other.stack.udp_sockets()), (0, 0));
}

#[test]
fn a_host_makes_its_address_of_what_a_router_offers() {
    let sea = Sea::new();
    let router = sea.host(&["2001:db8:1::1/64"]);
    let host = sea.host_with(&[], &[], |_| ());
    let told = Rc::new(RefCell::new(Vec::new()));
    let (clock, telling, offering) = (sea.clone(), told.clone(), sea.clone());
    let prefix = "2001:db8:1::".parse().unwrap();
    sea.spawn(async move {
        let mut offer = Offer::new(prefix);
        offer.interval = Duration::from_secs(30);
        let never = advertise(&router.stack, &offering.clock(), draws(1), offer).await;
        panic!("{never:?}");
    });
    let stack = host.stack.clone();
    sea.spawn(async move {
        clock.sleep(Duration::from_secs(60)).await;
        let clock = clock.clock();
        let mut client = slaac::Client::new(&stack, &clock, draws(2));
        client.run(|event| telling.borrow_mut().push(event)).await.unwrap();
    });
    let pinged = sea.clone();
    sea.run(async move {
        host.stack.until_configured().await;
        // Asked for, and so at once: a claim and a question take two seconds, and the next word for all may be thirty away.
        assert!(pinged.now() < Duration::from_secs(65), "{:?}", pinged.now());
        let own =
            host.stack.addresses().map(|own| own.address()).find(|own| own.to_string().starts_with("2001:db8:1:"));
        assert!(own.is_some());
        let router = told.borrow().iter().find_map(|event| match event {
            slaac::Event::Router(router) => Some(*router),
            _ => None,
        });
        let router = router.expect("a router");
        assert!(router.is_unicast_link_local() && host.stack.routes().any(|route| route.via == IpAddr::V6(router)));
        let mut pinger = Pinger::new(&host.stack).unwrap();
        let answer = pinger.ping(&pinged.clock(), router.into(), 8, Duration::from_secs(1)).await;
        assert!(answer.is_ok(), "{answer:?}");
    });
}
