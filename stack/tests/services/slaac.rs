//! Addresses that follow from what a router says.

use core::cell::RefCell;
use core::net::Ipv6Addr;
use std::rc::Rc;

use wavetank_stack::{
    Duration,
    icmp::Pinger,
    slaac::{Client, Error, Event},
};

use super::interface::draws;
use crate::support::{Card, Host, Sea};

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
    let mut message = vec![134, 0, 0, 0, 64, 0];
    message.extend_from_slice(&lifetime.to_be_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[3, 4, 64, 0xc0]);
    message.extend_from_slice(&valid.to_be_bytes());
    message.extend_from_slice(&valid.to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&prefix.octets());
    message.extend_from_slice(&[25, 3, 0, 0, 0, 0, 1, 0]);
    message.extend_from_slice(&router.octets());
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
