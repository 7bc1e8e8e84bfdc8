//! Addresses that follow from what a router says.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::Ipv6Addr;
use core::pin::pin;
use core::task::Poll;
use std::rc::Rc;

use futures_util::future::select;

use wavetank_stack::{
    Duration,
    icmp::Pinger,
    slaac::{Client, Error, Event},
};

use super::interface::draws;
use crate::drops::survives_drops;
use crate::support::{Card, Host, Sea, goes_on};

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 0);

/// An advertisement of 2001:db8:7::/64 for so many seconds, by a router for so many.
fn advertisement(from: [u8; 6], valid: u32, lifetime: u16, hop_limit: u8) -> Vec<u8> {
    advertisement_of((ROUTER, PREFIX), from, valid, lifetime, hop_limit)
}

fn advertisement_of(
    (router, prefix): (Ipv6Addr, Ipv6Addr),
    from: [u8; 6],
    valid: u32,
    lifetime: u16,
    hop_limit: u8,
) -> Vec<u8> {
    let options = [offer(prefix, 0xc0, valid, valid), servers(&[router], 256)].concat();
    said(router, from, lifetime, hop_limit, &options)
}

/// A prefix, with its flags and lifetimes.
fn offer(prefix: Ipv6Addr, flags: u8, valid: u32, preferred: u32) -> Vec<u8> {
    [&[3, 4, 64, flags], &valid.to_be_bytes()[..], &preferred.to_be_bytes(), &[0; 4], &prefix.octets()].concat()
}

/// Name servers.
fn servers(servers: &[Ipv6Addr], lifetime: u32) -> Vec<u8> {
    let octets = servers.iter().flat_map(Ipv6Addr::octets);
    [25, 1 + 2 * servers.len() as u8, 0, 0].into_iter().chain(lifetime.to_be_bytes()).chain(octets).collect()
}

fn said(router: Ipv6Addr, from: [u8; 6], lifetime: u16, hop_limit: u8, options: &[u8]) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, 0];
    message.extend_from_slice(&lifetime.to_be_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(options);
    let everyone: Ipv6Addr = "ff02::1".parse().unwrap();
    let mut sum = 58 + message.len() as u32;
    for pair in [&router.octets()[..], &everyone.octets(), &message].concat().chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair[1]);
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0, 0, message.len() as u8, 58, hop_limit]);
    frame.extend_from_slice(&router.octets());
    frame.extend_from_slice(&everyone.octets());
    frame.extend_from_slice(&message);
    frame
}

/// Answers each solicitation with that advertisement.
fn router(sea: &Sea, valid: u32, lifetime: u16) -> Rc<Card> {
    router_of(sea, (ROUTER, PREFIX), valid, lifetime)
}

fn router_of(sea: &Sea, of: (Ipv6Addr, Ipv6Addr), valid: u32, lifetime: u16) -> Rc<Card> {
    let card = Rc::new(sea.card());
    let (clock, own) = (sea.clone(), card.clone());
    sea.spawn(async move {
        loop {
            clock.sleep(Duration::from_millis(200)).await;
            while let Some(frame) = own.next_frame() {
                if frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 133 {
                    own.send(advertisement_of(of, own.mac(), valid, lifetime, 255));
                }
            }
        }
    });
    card
}

type Events = Rc<RefCell<Vec<Event>>>;

fn station(sea: &Sea, seed: u64) -> (Host, Events, usize) {
    let host = sea.host(&[]);
    let events = Events::default();
    let (stack, clock, told) = (host.stack.clone(), sea.clock(), events.clone());
    let task = sea.spawn(async move {
        let mut client = Client::new(&stack, &clock, draws(seed));
        let outcome = client.run(|event| told.borrow_mut().push(event)).await;
        assert_eq!(outcome.unwrap_err(), Error::Duplicate);
    });
    (host, events, task)
}

fn global(host: &Host) -> Option<core::net::IpAddr> {
    let prefix: wavetank_stack::Cidr = "2001:db8:7::/64".parse().unwrap();
    host.stack.addresses().map(|own| own.address()).find(|&own| prefix.contains(own))
}

#[test]
fn stations_make_addresses_of_what_a_router_says() {
    let sea = Sea::new();
    let _router = router(&sea, 3_600, 1_800);
    let stations = [station(&sea, 1), station(&sea, 2)];
    sea.pass(Duration::from_secs(10));
    let [one, other] = stations.each_ref().map(|(host, ..)| global(host).unwrap());
    assert_ne!(one, other);
    for (host, events, _) in &stations {
        assert!(matches!(events.borrow()[..], [Event::Configured(_), Event::Router(ROUTER), Event::Configured(_)]));
        assert_eq!((host.stack.routes().count(), host.stack.dns_servers().count()), (1, 1));
    }
    let (stack, clock) = (stations[0].0.stack.clone(), sea.clock());
    sea.run(async move {
        let mut pinger = Pinger::new(&stack).unwrap();
        pinger.ping(&clock, other, 8, Duration::from_secs(1)).await.unwrap();
    });
    sea.kill(stations[0].2);
    assert_eq!((stations[0].0.stack.addresses().count(), stations[0].0.stack.routes().count()), (0, 0));
}

#[test]
fn what_is_not_said_again_runs_out() {
    let sea = Sea::new();
    let card = router(&sea, 3_000, 1_800);
    let (host, events, _) = station(&sea, 1);
    sea.pass(Duration::from_secs(1_700));
    assert!(global(&host).is_some() && host.stack.routes().count() == 1);
    // Nobody answers any more.
    sea.plug(card.index, false);
    sea.pass(Duration::from_secs(200));
    assert_eq!(host.stack.routes().count(), 0);
    sea.pass(Duration::from_secs(1_200));
    assert!(global(&host).is_none());
    let expired = events.borrow().iter().filter(|event| matches!(event, Event::Expired(_))).count();
    assert_eq!(expired, 2, "{:?}", events.borrow());
}

#[test]
fn who_is_not_on_the_link_and_who_wants_to_shorten_is_not_listened_to() {
    let sea = Sea::new();
    let card = router(&sea, 100_000, 9_000);
    let (host, ..) = station(&sea, 1);
    sea.pass(Duration::from_secs(10));
    // From beyond a router, that there is no router.
    card.send(advertisement(card.mac(), 100_000, 0, 64));
    sea.pass(Duration::from_secs(1));
    assert_eq!(host.stack.routes().count(), 1);
    // From the link, that the address is over at once: it is so in two hours.
    card.send(advertisement(card.mac(), 1, 9_000, 255));
    sea.pass(Duration::from_secs(7_000));
    assert!(global(&host).is_some());
    sea.pass(Duration::from_secs(400));
    assert!(global(&host).is_none());
}

#[test]
fn an_address_that_somebody_has_is_not_used() {
    let sea = Sea::new();
    let _router = router(&sea, 3_600, 1_800);
    let next = sea.card();
    let [a, b, c, d, e, f] = next.mac();
    // The station whose card is the next one will have this address, and somebody has it already.
    let taken = format!(
        "fe80::{:x}:{:x}:{:x}:{:x}",
        u16::from_be_bytes([a ^ 2, b]),
        u16::from_be_bytes([c, 0xff]),
        u16::from_be_bytes([0xfe, d]),
        u16::from_be_bytes([e, f + 2])
    );
    let _squatter = sea.host(&[&format!("{taken}/64")]);
    let (host, events, _) = station(&sea, 1);
    sea.pass(Duration::from_secs(10));
    assert_eq!(events.borrow()[..], [Event::Duplicate(taken.parse().unwrap())]);
    assert_eq!(host.stack.addresses().count(), 0);
}

/// Takes the station's cable out for ten seconds, then gives it half a minute.
fn replug(sea: &Sea, host: &Host) {
    sea.plug(host.card, false);
    sea.pass(Duration::from_secs(10));
    sea.plug(host.card, true);
    sea.pass(Duration::from_secs(30));
}

fn asks_for_routers(frame: &[u8]) -> bool {
    frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 133
}

#[test]
fn a_link_that_comes_back_to_the_same_router_changes_nothing() {
    let sea = Sea::new();
    let _router = router(&sea, 3_600, 1_800);
    let (host, events, _) = station(&sea, 1);
    sea.pass(Duration::from_secs(10));
    let (before, told) = (global(&host), events.borrow().len());
    sea.record();
    replug(&sea, &host);
    assert_eq!((global(&host), events.borrow().len()), (before, told), "{:?}", events.borrow());
    let asked = sea.recorded();
    assert_eq!(asked.iter().filter(|frame| asks_for_routers(frame)).count(), 1);
    // A solicitation of a neighbour by nobody: whether somebody has the address.
    let from_nobody = |frame: &&Vec<u8>| frame[12..14] == [0x86, 0xdd] && frame[22..38] == [0; 16] && frame[54] == 135;
    assert_eq!(asked.iter().filter(from_nobody).count(), 2, "one for each address");
}

#[test]
fn a_link_that_comes_back_to_another_router_gives_another_address() {
    let sea = Sea::new();
    let card = router(&sea, 86_400, 9_000);
    let elsewhere = ("fe80::2".parse().unwrap(), "2001:db8:8::".parse().unwrap());
    let other = router_of(&sea, elsewhere, 86_400, 9_000);
    sea.plug(other.index, false);
    let (host, events, _) = station(&sea, 1);
    sea.pass(Duration::from_secs(10));
    let before = global(&host).unwrap();
    sea.plug(card.index, false);
    sea.plug(other.index, true);
    sea.pass(Duration::from_secs(3_600));
    assert_eq!(global(&host), Some(before), "nothing says that it has moved");
    replug(&sea, &host);
    assert_eq!(global(&host), None, "{:?}", events.borrow());
    let moved: wavetank_stack::Cidr = "2001:db8:8::/64".parse().unwrap();
    assert!(host.stack.addresses().any(|own| moved.contains(own.address())));
    assert!(host.stack.routes().eq([wavetank_stack::Route::default_via(elsewhere.0.into())]));
    let expired = events.borrow().iter().filter(|event| matches!(event, Event::Expired(_))).count();
    assert_eq!(expired, 2, "the router and the address: {:?}", events.borrow());
}

#[test]
fn a_link_that_comes_back_where_no_router_is_leaves_addresses_their_time_unless_somebody_has_them() {
    for is_taken in [false, true] {
        let sea = Sea::new();
        let card = router(&sea, 86_400, 9_000);
        let (host, events, _) = station(&sea, 1);
        sea.pass(Duration::from_secs(10));
        let before = global(&host).unwrap();
        sea.plug(card.index, false);
        sea.plug(host.card, false);
        let _squatter = is_taken.then(|| sea.host(&[&format!("{before}/64")]));
        replug(&sea, &host);
        assert_eq!(global(&host), (!is_taken).then_some(before), "{:?}", events.borrow());
        let duplicates = events.borrow().iter().filter(|event| matches!(event, Event::Duplicate(_))).count();
        assert_eq!(duplicates, usize::from(is_taken));
    }
}

#[test]
fn a_station_whose_twin_is_where_the_link_leads_gives_everything_up() {
    let sea = Sea::new();
    let _router = router(&sea, 86_400, 9_000);
    let (host, events, _) = station(&sea, 1);
    sea.pass(Duration::from_secs(10));
    let Event::Configured(own) = events.borrow()[0] else { panic!("{:?}", events.borrow()) };
    sea.plug(host.card, false);
    let _twin = sea.host(&[&format!("{own}/64")]);
    replug(&sea, &host);
    assert_eq!(events.borrow().last(), Some(&Event::Duplicate(own)));
    assert_eq!((host.stack.addresses().count(), host.stack.routes().count()), (0, 0));
}

/// Which of its addresses a station speaks to somebody from, and to which Ethernet address the packet goes, as a card sees it that is
/// the router for all who ask.
fn speaks_from(sea: &Sea, host: &Host, router: &Card, to: &str) -> (Ipv6Addr, [u8; 6]) {
    let (stack, clock) = (host.stack.clone(), sea.clone());
    let to = format!("[{to}]:9").parse().unwrap();
    sea.record();
    sea.run(async move {
        let socket = wavetank_stack::udp::Socket::bind(&stack, 0, wavetank_stack::udp::Options::default()).unwrap();
        socket.send_to(b"x", to).await.unwrap();
        clock.sleep(Duration::from_millis(2)).await;
    });
    let asks = |frame: &&Vec<u8>| frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 135;
    // Whoever is asked for is the router's card.
    let recorded = sea.recorded();
    for question in recorded.iter().filter(asks) {
        router.send(neighbour(question, router.mac()));
    }
    sea.pass(Duration::from_millis(5));
    let mut sent = recorded.into_iter().chain(sea.recorded());
    let datagram = sent.rfind(|frame| frame[12..14] == [0x86, 0xdd] && frame[20] == 17).expect("it was sent");
    let source: [u8; 16] = datagram[22..38].try_into().unwrap();
    (source.into(), datagram[..6].try_into().unwrap())
}

/// The answer to a question for a neighbour: it is at that card.
fn neighbour(question: &[u8], mac: [u8; 6]) -> Vec<u8> {
    let (target, asker) = (&question[62..78], &question[22..38]);
    let mut message = [&[136, 0, 0, 0, 0xe0, 0, 0, 0], target, &[2, 1], &mac].concat();
    let mut sum = 58 + message.len() as u32;
    for pair in [target, asker, &message].concat().chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair[1]);
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    let header = [&[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255], target, asker].concat();
    [&question[6..12], &mac, &header[..], &message].concat()
}

fn prefix(text: &str) -> wavetank_stack::Cidr {
    text.parse().unwrap()
}

#[test]
fn what_is_offered_no_longer_gives_way_to_what_is_though_it_still_holds() {
    let sea = Sea::new();
    let card = sea.card();
    let (host, ..) = station(&sea, 1);
    let (old, new): (Ipv6Addr, Ipv6Addr) = ("2001:db8:7::".parse().unwrap(), "2001:db8:8::".parse().unwrap());
    let tell = |options: &[Vec<u8>]| {
        card.send(said(ROUTER, card.mac(), 9_000, 255, &options.concat()));
        sea.pass(Duration::from_secs(3));
    };
    let from = |to: &str| speaks_from(&sea, &host, &card, to).0;
    sea.pass(Duration::from_secs(3));
    tell(&[offer(old, 0xc0, 86_400, 600)]);
    assert!(prefix("2001:db8:7::/64").contains(from("2001:db8:f::1").into()));
    // The house gets another prefix: the old one may be used for two hours still, but nothing begins from it.
    tell(&[offer(old, 0xc0, 86_400, 0), offer(new, 0xc0, 86_400, 600)]);
    assert!(prefix("2001:db8:8::/64").contains(from("2001:db8:f::1").into()));
    assert_eq!(host.stack.addresses().count(), 3);
    // Neither is said again: what was to be preferred for longer is so no more, and both are as good.
    sea.pass(Duration::from_secs(700));
    tell(&[offer(old, 0xc0, 86_400, 600)]);
    assert!(prefix("2001:db8:7::/64").contains(from("2001:db8:f::1").into()));
}

#[test]
fn routers_that_lead_nowhere_offer_prefixes_and_another_takes_a_router_s_place() {
    let sea = Sea::new();
    let cards = [sea.card(), sea.card()];
    let other: Ipv6Addr = "fe80::2".parse().unwrap();
    let (host, events, _) = station(&sea, 1);
    sea.pass(Duration::from_secs(3));
    let site: Ipv6Addr = "fd00:0:0:1::".parse().unwrap();
    let tell = |from: usize, router: Ipv6Addr, lifetime: u16, options: &[u8]| {
        cards[from].send(said(router, cards[from].mac(), lifetime, 255, options));
        sea.pass(Duration::from_secs(3));
    };
    // A house that is not connected.
    tell(0, ROUTER, 0, &offer(site, 0xc0, 86_400, 86_400));
    assert!(host.stack.addresses().any(|own| prefix("fd00:0:0:1::/64").contains(own.address())), "{events:?}");
    assert_eq!(host.stack.routes().count(), 0);
    // It is connected, by two; and the site's addresses are for the site.
    tell(1, other, 1_800, &offer(PREFIX, 0xc0, 86_400, 86_400));
    tell(0, ROUTER, 9_000, &[]);
    let route = |via: Ipv6Addr| wavetank_stack::Route::default_via(via.into());
    assert!(host.stack.routes().eq([route(other)]));
    assert!(prefix("2001:db8:7::/64").contains(speaks_from(&sea, &host, &cards[1], "2001:db8:f::1").0.into()));
    assert!(prefix("fd00:0:0:1::/64").contains(speaks_from(&sea, &host, &cards[1], "fd00:0:0:2::1").0.into()));
    // The one that was used is none any more: the other is.
    tell(1, other, 0, &[]);
    assert!(host.stack.routes().eq([route(ROUTER)]), "{events:?}");
    sea.pass(Duration::from_secs(9_000));
    assert_eq!(host.stack.routes().count(), 0);
}

#[test]
fn who_has_a_prefix_is_asked_for_only_where_it_is_on_the_link() {
    for (flags, direct) in [(0xc0, true), (0x40, false)] {
        let sea = Sea::new();
        let cards = [sea.card(), sea.card()];
        let (host, ..) = station(&sea, 1);
        sea.pass(Duration::from_secs(3));
        cards[0].send(said(ROUTER, cards[0].mac(), 9_000, 255, &offer(PREFIX, flags, 86_400, 86_400)));
        sea.pass(Duration::from_secs(3));
        sea.record();
        let (stack, clock) = (host.stack.clone(), sea.clone());
        sea.run(async move {
            let socket = wavetank_stack::udp::Socket::bind(&stack, 0, wavetank_stack::udp::Options::default()).unwrap();
            socket.send_to(b"x", "[2001:db8:7::99]:9".parse().unwrap()).await.unwrap();
            clock.sleep(Duration::from_millis(2)).await;
        });
        let asked: Vec<Vec<u8>> =
            sea.recorded().iter().filter(|frame| frame[54] == 135).map(|frame| frame[62..78].to_vec()).collect();
        let expected: Ipv6Addr = if direct { "2001:db8:7::99".parse().unwrap() } else { ROUTER };
        assert_eq!(asked, [expected.octets().to_vec()], "{flags:x}");
    }
}

#[test]
fn name_servers_last_as_long_as_is_said_beside_those_of_others() {
    let sea = Sea::new();
    let card = sea.card();
    let (host, _, task) = station(&sea, 1);
    sea.pass(Duration::from_secs(3));
    let mine: core::net::IpAddr = "192.0.2.53".parse().unwrap();
    host.stack.set_dns_servers(&[mine]);
    let [one, two]: [Ipv6Addr; 2] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
    let tell = |options: &[Vec<u8>]| {
        card.send(said(ROUTER, card.mac(), 9_000, 255, &options.concat()));
        sea.pass(Duration::from_secs(3));
    };
    let has = |servers: &[core::net::IpAddr]| {
        let known: Vec<_> = host.stack.dns_servers().collect();
        assert_eq!(known, servers);
    };
    tell(&[servers(&[one], 100), servers(&[two], 1_000)]);
    has(&[one.into(), two.into(), mine]);
    sea.pass(Duration::from_secs(110));
    has(&[two.into(), mine]);
    tell(&[servers(&[two], 0)]);
    has(&[mine]);
    tell(&[servers(&[one], u32::MAX)]);
    sea.pass(Duration::from_secs(8_000));
    has(&[one.into(), mine]);
    sea.kill(task);
    has(&[mine]);
}

#[test]
fn who_asks_for_an_address_as_nobody_may_is_not_answered() {
    let sea = Sea::new();
    let card = sea.card();
    let host = sea.host(&["fe80::9/64"]);
    sea.pass(Duration::from_millis(10));
    let (target, nobody): (Ipv6Addr, Ipv6Addr) = ("fe80::9".parse().unwrap(), Ipv6Addr::UNSPECIFIED);
    let group: Ipv6Addr = "ff02::1:ff00:9".parse().unwrap();
    let ask = |to: Ipv6Addr, option: &[u8]| {
        let mut message = [&[135, 0, 0, 0, 0, 0, 0, 0], &target.octets()[..], option].concat();
        let mut sum = 58 + message.len() as u32;
        for pair in [&nobody.octets()[..], &to.octets(), &message].concat().chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair[1]);
        }
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        let header = [0x86, 0xdd, 0x60, 0, 0, 0, 0, message.len() as u8, 58, 255];
        sea.record();
        card.send(
            [&[0x33, 0x33, 0xff, 0, 0, 9], &card.mac()[..], &header, &nobody.octets(), &to.octets(), &message].concat(),
        );
        sea.pass(Duration::from_millis(5));
        sea.recorded().len() - 1
    };
    assert_eq!(ask(group, &[]), 1, "this is how one asks");
    assert_eq!(ask(group, &[&[1, 1], &card.mac()[..]].concat()), 0);
    assert_eq!(ask(target, &[]), 0);
    assert_eq!(host.stack.stats().dropped(wavetank_stack::Reason::Malformed), 2);
}

#[test]
fn a_client_that_is_dropped_at_any_await_leaves_nothing_and_can_be_begun_again() {
    let make = || {
        let sea = Sea::new();
        let card = router(&sea, 3_600, 1_800);
        let host = sea.host(&[]);
        ((sea.clone(), host, card), goes_on(&sea, Duration::from_millis(20), Duration::from_secs(300)))
    };
    let configure = async |(sea, host, _): &mut (Sea, Host, Rc<Card>)| {
        let left = (host.stack.addresses().count(), host.stack.routes().count(), host.stack.dns_servers().count());
        assert_eq!(left, (0, 0, 0), "nobody sees to an address any more");
        let configured = Cell::new(0);
        {
            let clock = sea.clock();
            let mut client = Client::new(&host.stack, &clock, draws(5));
            let running = pin!(client.run(|_| configured.set(configured.get() + 1)));
            let noticing = poll_fn(|_| if configured.get() < 3 { Poll::Pending } else { Poll::Ready(()) });
            let _ = select(running, pin!(noticing)).await;
        }
        (configured.get(), host.stack.udp_sockets())
    };
    survives_drops(make, configure, (2, 40));
}

/// What is said of memberships: from whom, and the group.
fn reports(frames: &[Vec<u8>]) -> Vec<(Ipv6Addr, Ipv6Addr)> {
    let address = |bytes: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap());
    let is_report = |frame: &&Vec<u8>| frame[12..14] == [0x86, 0xdd] && frame[20] == 0 && frame[62] == 131;
    frames.iter().filter(is_report).map(|frame| (address(&frame[22..38]), address(&frame[70..86]))).collect()
}

/// A switch that listens to reports lets a question about an address pass to nobody who has not said that it listens (RFC 4541).
#[test]
fn where_an_address_is_asked_for_is_said_before_it_is_and_again() {
    let sea = Sea::new();
    let card = sea.card();
    sea.record();
    let (host, ..) = station(&sea, 1);
    sea.pass(Duration::from_secs(3));
    let frames = sea.recorded();
    let own = host.stack.addresses().next().unwrap().address();
    let core::net::IpAddr::V6(own) = own else { panic!("{own}") };
    let [.., a, b, c] = own.octets();
    let group: Ipv6Addr = format!("ff02::1:ff{a:02x}:{b:02x}{c:02x}").parse().unwrap();
    // Before whoever may have it is asked, as nobody; and from it.
    assert_eq!(reports(&frames), [(Ipv6Addr::UNSPECIFIED, group), (own, group)]);
    let first = frames.iter().position(|frame| frame[20] == 58 && frame[54] == 135).unwrap();
    assert_eq!(reports(&frames[..first]).len(), 1);
    // An address that ends alike is asked for in the same group.
    sea.record();
    card.send(said(ROUTER, card.mac(), 9_000, 255, &offer(PREFIX, 0xc0, 86_400, 86_400)));
    sea.pass(Duration::from_secs(3));
    assert_eq!((host.stack.addresses().count(), reports(&sea.recorded())), (2, vec![]));
    // One that does not is in another.
    host.stack.add_address("2001:db8:7::ab:cdef/64".parse().unwrap()).unwrap();
    sea.pass(Duration::from_millis(10));
    let other: Ipv6Addr = "ff02::1:ffab:cdef".parse().unwrap();
    assert_eq!(reports(&sea.recorded()), [(own, other)]);
    // Whoever asks for all hears of both, and so does the switch that the link comes back to.
    let query = [
        &[0x33, 0x33, 0, 0, 0, 1][..],
        &card.mac(),
        &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 0, 1],
        &ROUTER.octets(),
        &"ff02::1".parse::<Ipv6Addr>().unwrap().octets(),
        &[58, 0, 5, 2, 0, 0, 1, 0, 130, 0, 0, 0, 3, 232, 0, 0],
        &[0; 16],
    ];
    let mut query = query.concat();
    let mut sum = 58 + 24;
    for pair in [&query[22..54], &query[62..86]].concat().chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair[1]);
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    query[64..66].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    card.send(query);
    sea.pass(Duration::from_millis(10));
    assert_eq!(reports(&sea.recorded()), [(own, group), (own, other)]);
    replug(&sea, &host);
    assert_eq!(reports(&sea.recorded()), [(own, group), (own, other)]);
    // An address that is given up is listened for no more.
    host.stack.remove_address("2001:db8:7::ab:cdef".parse().unwrap());
    replug(&sea, &host);
    assert_eq!(reports(&sea.recorded()), [(own, group)]);
}
