//! A station in two networks: which way it takes, and what becomes of it when a link goes down.

use core::cell::{Cell, RefCell};
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::rc::Rc;

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use wavetank_stack::{
    Duration, Route, Stack,
    dhcp::{Client, Options, Pool, Server, ServerConfig, serve},
    multihome::{Listener, Multihomed, Socket},
    tcp, udp,
};

use super::{interface::draws, route, to};
use crate::support::{Host, Sea};

/// A wire in 192.0.2.0/24 and 2001:db8:1::/64, a modem in 198.51.100.0/24; a default route by each.
struct Home {
    sea: Sea,
    wire: Host,
    modem: Host,
    both: Rc<Multihomed<'static>>,
}

fn home() -> Home {
    let sea = Sea::new();
    let wire = sea.host_with(&["192.0.2.7/24", "2001:db8:1::7/64"], &[route("192.0.2.1")], |_| ());
    let far = Route { to: "203.0.113.0/24".parse().unwrap(), via: "198.51.100.1".parse().unwrap() };
    let modem = sea.host_with(&["198.51.100.7/24", "2001:db8:2::7/64"], &[route("198.51.100.1"), far], |_| ());
    let both = Rc::new(Multihomed::new(&[(wire.stack.clone(), 10), (modem.stack.clone(), 20)]));
    sea.pass(Duration::from_millis(1));
    Home { sea, wire, modem, both }
}

#[test]
fn the_longest_prefix_counts_then_the_metric_then_the_order() {
    let Home { sea, wire, modem, both } = home();
    let by = |remote: &str| both.route(to(remote));
    assert_eq!(by("192.0.2.9:1"), Some(0), "its own network");
    assert_eq!(by("198.51.100.9:1"), Some(1), "its own network, whatever the metric");
    assert_eq!(by("203.0.113.9:1"), Some(1), "a route that says more");
    assert_eq!(by("8.8.8.8:1"), Some(0), "of two default routes the one by the lower metric");
    assert_eq!(by("198.51.100.7:1"), None, "ourselves");
    assert_eq!(by("[2001:db8:2::9]:1"), Some(1));
    assert_eq!(by("[2001:db8:3::9]:1"), None, "no route of IPv6");
    assert_eq!(by("255.255.255.255:1"), Some(0));
    both.set_metric(0, 20);
    assert_eq!(by("8.8.8.8:1"), Some(0), "of equals the first");
    both.set_metric(0, 21);
    assert_eq!(by("8.8.8.8:1"), Some(1));
    assert_eq!((both.metric(0), both.owner("198.51.100.7".parse().unwrap())), (21, Some(1)));

    sea.plug(modem.card, false);
    sea.pass(Duration::from_millis(1));
    assert!(wire.stack.is_link_up() && !modem.stack.is_link_up());
    assert_eq!((by("8.8.8.8:1"), by("198.51.100.9:1")), (Some(0), Some(0)), "by what is left");
    sea.plug(wire.card, false);
    sea.pass(Duration::from_millis(1));
    assert_eq!((by("8.8.8.8:1"), by("192.0.2.9:1")), (None, None), "by nothing");
}

#[test]
fn a_link_local_address_says_which_link_is_meant() {
    let Home { both, .. } = home();
    let local = |zone| SocketAddr::V6(SocketAddrV6::new("fe80::9".parse().unwrap(), 1, 0, zone));
    assert_eq!((both.route(local(0)), both.route(local(1)), both.route(local(2))), (Some(0), Some(0), Some(1)));
    assert_eq!(both.route(local(3)), None, "there is no third interface");
    let global = SocketAddr::V6(SocketAddrV6::new("2001:db8:1::9".parse().unwrap(), 1, 0, 2));
    assert_eq!(both.route(global), Some(0), "others mean the same everywhere");
}

#[test]
fn a_station_whose_only_address_is_link_local_leads_nowhere() {
    let sea = Sea::new();
    let bare = sea.host_with(&["fe80::7/64"], &[route("fe80::1")], |_| ());
    let full = sea.host_with(&["2001:db8:2::7/64"], &[route("fe80::1")], |_| ());
    let both = Multihomed::new(&[(bare.stack, 1), (full.stack, 2)]);
    assert_eq!(both.route(to("[2001:db8:3::9]:1")), Some(1), "nobody could answer a link-local address from beyond");
    assert_eq!(both.route(to("[fe80::9]:1")), Some(0));
}

/// One address that both ways lead to, at a station on each.
fn ends(sea: &Sea) -> [Host; 2] {
    [sea.host(&["192.0.2.1/24", "9.9.9.9/32"]), sea.host(&["198.51.100.1/24", "9.9.9.9/32"])]
}

#[test]
fn datagrams_go_by_another_interface_when_a_link_goes_down_and_come_back() {
    let Home { sea, wire, both, .. } = home();
    let heard = Rc::new(RefCell::new(Vec::new()));
    for (at, host) in ends(&sea).into_iter().enumerate() {
        let heard = heard.clone();
        sea.spawn(async move {
            let socket = udp::Socket::bind(&host.stack, 9, udp::Options::default()).unwrap();
            let mut buffer = [0; 8];
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
                heard.borrow_mut().push((at, buffer[..len].to_vec(), from.ip().to_string()));
            }
        });
    }
    let clock = sea.clone();
    sea.run(async move {
        let socket = Socket::bind(&both, 0, udp::Options::default()).unwrap();
        assert_eq!((socket.at(0).local_addr().1, socket.at(1).local_addr().1), (socket.port(), socket.port()));
        for (datagram, plugged) in [(b"1", true), (b"2", false), (b"3", true)] {
            clock.plug(wire.card, plugged);
            clock.sleep(Duration::from_millis(1)).await;
            socket.send_to(datagram, to("9.9.9.9:9")).await.unwrap();
            clock.sleep(Duration::from_secs(1)).await;
        }
        clock.plug(wire.card, false);
        clock.sleep(Duration::from_millis(1)).await;
        assert_eq!(socket.send_to(b"?", to("[2001:db8:1::9]:9")).await, Err(udp::Error::NoRoute));
    });
    let came = |at, what: &[u8], from: &str| (at, what.to_vec(), from.to_owned());
    let expected = [came(0, b"1", "192.0.2.7"), came(1, b"2", "198.51.100.7"), came(0, b"3", "192.0.2.7")];
    assert_eq!(*heard.borrow(), expected, "each from the address of the interface that it left by");
}

#[test]
fn who_is_asked_answers_by_the_interface_that_the_question_came_by() {
    let Home { sea, both, .. } = home();
    let peers = ["192.0.2.9/24", "198.51.100.9/24", "2001:db8:2::9/64"].map(|own| sea.host(&[own]));
    let asked = ["192.0.2.7:7", "198.51.100.7:7", "[2001:db8:2::7]:7"];
    let server = both.clone();
    sea.spawn(async move {
        let socket = Socket::bind(&server, 7, udp::Options::default()).unwrap();
        let mut buffer = [0; 8];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
            socket.reply(&buffer[..len], &from).await.unwrap();
        }
    });
    let server = both.clone();
    sea.spawn(async move {
        let listener = Listener::bind(&server, 7, 2, tcp::Options::default()).unwrap();
        loop {
            let mut stream = listener.accept().await;
            stream.write_all(b"here").await.unwrap();
        }
    });
    sea.run(async move {
        assert!(Listener::bind(&both, 0, 1, tcp::Options::default()).is_err(), "a port must be said");
        for (peer, asked) in peers.iter().zip(asked) {
            let socket = udp::Socket::bind(&peer.stack, 0, udp::Options::default()).unwrap();
            let mut buffer = [0; 8];
            socket.send_to(b"you?", to(asked)).await.unwrap();
            assert_eq!(socket.recv_from(&mut buffer).await, Ok((4, to(asked))), "from where it was sent to");
            let mut stream = tcp::Stream::connect(&peer.stack, to(asked), tcp::Options::default()).await.unwrap();
            stream.read_exact(&mut buffer[..4]).await.unwrap();
            assert_eq!(&buffer[..4], b"here");
        }
    });
}

#[test]
fn work_that_follows_the_best_way_begins_anew_where_that_leads() {
    let Home { sea, wire, both, .. } = home();
    let heard: [Rc<Cell<usize>>; 2] = Default::default();
    for (server, heard) in ends(&sea).into_iter().zip(&heard) {
        let heard = heard.clone();
        sea.spawn(async move {
            let listener = tcp::Listener::bind(&server.stack, 80, 4, tcp::Options::default()).unwrap();
            loop {
                let mut stream = listener.accept().await;
                let mut buffer = [0; 8];
                while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                    heard.set(heard.get() + len);
                }
            }
        });
    }
    let hub = to("9.9.9.9:80");
    let clock = sea.clone();
    let begun = Rc::new(RefCell::new(Vec::new()));
    let (noted, home) = (begun.clone(), both.clone());
    sea.spawn(async move {
        let talking = home.follow(hub, |at, stack: Stack<'_>| {
            noted.borrow_mut().push(at);
            let clock = clock.clone();
            async move {
                let mut stream = tcp::Stream::connect(&stack, hub, tcp::Options::default()).await.unwrap();
                loop {
                    stream.write_all(b"!").await.unwrap();
                    clock.sleep(Duration::from_secs(1)).await;
                }
            }
        });
        let () = talking.await;
    });
    sea.pass(Duration::from_millis(5_500));
    assert_eq!((heard[0].get(), heard[1].get()), (6, 0));
    sea.plug(wire.card, false);
    sea.pass(Duration::from_secs(5));
    assert_eq!((heard[0].get(), heard[1].get()), (6, 5), "within the second");
    sea.plug(wire.card, true);
    sea.pass(Duration::from_secs(5));
    assert_eq!((heard[0].get() > 8, heard[1].get()), (true, 5), "{}", heard[0].get());
    both.set_metric(0, 100);
    sea.pass(Duration::from_secs(3));
    assert_eq!(*begun.borrow(), [0, 1, 0, 1]);
    assert!(heard[1].get() > 6);
}

#[test]
fn each_interface_asks_for_its_address_and_has_its_own_way_out() {
    let sea = Sea::new();
    let (wire, modem) = (sea.host(&[]), sea.host(&[]));
    let servers = [("192.0.2.1/24", [192, 0, 2, 1]), ("198.51.100.1/24", [198, 51, 100, 1])];
    // Both networks are one switch here: each server answers one of the two.
    let cards = [wire.stack.hardware_address().unwrap(), modem.stack.hardware_address().unwrap()];
    for ((own, address), client) in servers.into_iter().zip(cards) {
        let server = sea.host(&[own]);
        let address = Ipv4Addr::from(address);
        let config = ServerConfig {
            own: address,
            prefix: 24,
            pool: Pool { first: Ipv4Addr::from_bits(address.to_bits() + 49), count: 4 },
            lease_secs: 600,
            router: Some(address),
            dns: [address].into_iter().collect(),
            ntp: Default::default(),
        };
        let clock = sea.clock();
        sea.spawn(async move {
            let mut answers = Server::<8>::new(config);
            let answer = |message: &wavetank_stack::dhcp::Message, now| {
                (message.mac == client).then(|| answers.answer(message, now)).flatten()
            };
            serve(&server.stack, &clock, answer).await.unwrap();
        });
    }
    let both = Multihomed::new(&[(wire.stack.clone(), 10), (modem.stack.clone(), 20)]);
    for (seed, host) in [(1, &wire), (2, &modem)] {
        let (stack, clock) = (host.stack.clone(), sea.clock());
        sea.spawn(async move {
            let mut client = Client::new(&stack, &clock, draws(seed), Options::default());
            client.run(|_| ()).await.unwrap();
        });
    }
    let (clock, card) = (sea.clone(), wire.card);
    sea.run(async move {
        let far = to("9.9.9.9:9");
        assert_eq!(both.route(far), None, "before there is an address");
        both.until_route(far).await;
        both.stack(0).until_configured().await;
        both.stack(1).until_configured().await;
        assert_eq!(both.route(far), Some(0));
        let routes: Vec<_> = (0..2).flat_map(|at| both.stack(at).routes()).collect();
        assert_eq!(routes, [route("192.0.2.1"), route("198.51.100.1")]);
        let named = |at: usize| both.stack(at).dns_servers().next();
        assert_eq!((named(0), named(1)), (Some([192, 0, 2, 1].into()), Some([198, 51, 100, 1].into())));
        let unplugged = async {
            clock.sleep(Duration::from_secs(1)).await;
            clock.plug(card, false);
            clock.now()
        };
        let (noticed, at) = join(
            async {
                both.until_rerouted(far, 0).await;
                clock.now()
            },
            unplugged,
        )
        .await;
        assert_eq!((noticed, both.route(far)), (at, Some(1)), "at once");
    });
}

#[test]
fn however_many_wait_for_a_change_none_wakes_another_in_vain() {
    let Home { sea, wire, both, .. } = home();
    let gone = Rc::new(Cell::new(0));
    for _ in 0..20 {
        let (both, gone) = (both.clone(), gone.clone());
        sea.spawn(async move {
            both.until_rerouted(to("9.9.9.9:9"), 0).await;
            gone.set(gone.get() + 1);
        });
    }
    sea.pass(Duration::from_secs(1));
    let before = sea.polls();
    sea.pass(Duration::from_secs(60));
    assert!(sea.polls() - before < 20, "{} polls while nothing happens", sea.polls() - before);
    sea.plug(wire.card, false);
    sea.pass(Duration::from_millis(1));
    assert_eq!(gone.get(), 20);
}
