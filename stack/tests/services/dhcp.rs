//! The DHCP client against a server on the same stack, over days of virtual time.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::pin::pin;
use core::task::Poll;
use std::rc::Rc;

use embedded_io_async::Read;
use futures_util::future::{join, select};
use wavetank_stack::{
    Claim, Duration,
    dhcp::{Client, Event, Kind, Lease, Options, Pool, Server, ServerConfig, serve},
    tcp::{self, Listener, Stream},
};

use super::{interface::draws, to};
use crate::drops::survives_drops;
use crate::support::{Host, Sea, goes_on};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);

/// How a server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Honest,
    Silent,
    Refusing,
}

struct Harbour {
    sea: Sea,
    server: Host,
    own: Ipv4Addr,
    mood: Rc<Cell<Mood>>,
}

impl Harbour {
    fn new(count: u32, lease_secs: u32) -> Self {
        let pool = Pool { first: FIRST, count };
        Self::with(Sea::new(), SERVER, pool, lease_secs)
    }

    fn with(sea: Sea, own: Ipv4Addr, pool: Pool, lease_secs: u32) -> Self {
        let server = sea.host(&[&format!("{own}/24")]);
        let mood = Rc::new(Cell::new(Mood::Honest));
        let config = ServerConfig {
            own,
            prefix: 24,
            pool,
            lease_secs,
            router: Some(own),
            dns: [own].into_iter().collect(),
            ntp: Default::default(),
        };
        let (stack, clock, temper) = (server.stack.clone(), sea.clock(), mood.clone());
        sea.spawn(async move {
            let mut server = Server::<8>::new(config);
            let served = serve(&stack, &clock, |message, now| match temper.get() {
                Mood::Honest => server.answer(message, now),
                Mood::Silent => None,
                Mood::Refusing => server.answer(message, now).map(|mut answer| {
                    if answer.kind == Kind::Ack {
                        answer.kind = Kind::Nak;
                    }
                    answer
                }),
            });
            served.await.unwrap();
        });
        Self { sea, server, own, mood }
    }

    /// A station without an address, its client, and what that tells with the time.
    fn station(&self, seed: u64, options: Options<'static>) -> Station {
        let host = self.sea.host(&[]);
        let events = Rc::new(RefCell::new(Vec::new()));
        let (stack, clock, sea, told) = (host.stack.clone(), self.sea.clock(), self.sea.clone(), events.clone());
        let task = self.sea.spawn(async move {
            let mut client = Client::new(&stack, &clock, draws(seed), options);
            client.run(|event| told.borrow_mut().push((sea.now(), event))).await.unwrap();
        });
        Station { host, events, task }
    }
}

struct Station {
    host: Host,
    events: Rc<RefCell<Vec<(Duration, Event)>>>,
    task: usize,
}

impl Station {
    /// Takes its cable out for ten seconds, then gives it a while.
    fn replug(&self, sea: &Sea) {
        sea.plug(self.host.card, false);
        sea.pass(Duration::from_secs(10));
        sea.plug(self.host.card, true);
        sea.pass(Duration::from_secs(5));
    }

    fn events(&self) -> Vec<Event> {
        self.events.borrow().iter().map(|(_, event)| event.clone()).collect()
    }

    fn leases(&self) -> Vec<Lease> {
        let lease = |event: Event| match event {
            Event::Bound(lease) => Some(lease),
            _ => None,
        };
        self.events().into_iter().filter_map(lease).collect()
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        self.host.stack.addresses().any(|own| own.address() == address)
    }
}

#[test]
fn a_station_gets_an_address_and_uses_it() {
    let harbour = Harbour::new(4, 3_600);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    let [lease] = &station.leases()[..] else {
        panic!("{:?}", station.events());
    };
    assert_eq!(lease.address, "192.0.2.50/24".parse().unwrap());
    assert_eq!((lease.router, lease.server), (Some(SERVER), SERVER));
    assert!(station.host.stack.dns_servers().eq([core::net::IpAddr::from(SERVER)]));
    assert_eq!(station.host.stack.routes().count(), 1);
    let (server, stack) = (harbour.server.stack.clone(), station.host.stack.clone());
    harbour.sea.run(async move {
        let listener = Listener::bind(&server, 80, 1, tcp::Options::default()).unwrap();
        let call = Stream::connect(&stack, to("192.0.2.1:80"), tcp::Options::default());
        let (accepted, called) = join(listener.accept(), call).await;
        assert_eq!(accepted.remote_addr().ip(), FIRST);
        called.unwrap();
    });
    // Dropping the client takes everything back.
    harbour.sea.kill(station.task);
    assert!(!station.has(FIRST) && station.host.stack.routes().count() == 0);
    assert_eq!(station.host.stack.dns_servers().count(), 0);
}

#[test]
fn a_lease_is_renewed_at_half_its_time() {
    let harbour = Harbour::new(4, 600);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(3_000));
    let events = station.events.borrow();
    let times: Vec<u64> = events.iter().map(|(at, _)| at.as_secs()).collect();
    assert!(events[1..].iter().all(|(_, event)| matches!(event, Event::Renewed(_))), "{events:?}");
    assert!(events.len() >= 9, "{times:?}");
    for pair in times[1..].windows(2) {
        assert!((299..=301).contains(&(pair[1] - pair[0])), "{times:?}");
    }
}

#[test]
fn a_lease_that_nobody_renews_runs_out_and_takes_its_connections_with_it() {
    let harbour = Harbour::new(4, 600);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    let bound_at = station.events.borrow()[0].0;
    harbour.mood.set(Mood::Silent);
    let listener = Listener::bind(&harbour.server.stack, 80, 1, tcp::Options::default()).unwrap();
    let (stack, sea) = (station.host.stack.clone(), harbour.sea.clone());
    let ended = harbour.sea.run(async move {
        let call = Stream::connect(&stack, to("192.0.2.1:80"), tcp::Options::default());
        let (_accepted, called) = join(listener.accept(), call).await;
        assert_eq!(called.unwrap().read(&mut [0; 1]).await, Err(tcp::Error::AddressLost));
        sea.now()
    });
    assert_eq!(station.events()[1], Event::Expired(FIRST));
    assert!(!station.has(FIRST));
    let held = ended - bound_at;
    assert!((598..=601).contains(&held.as_secs()), "{held:?}");
    harbour.mood.set(Mood::Honest);
    harbour.sea.pass(Duration::from_secs(70));
    assert_eq!(station.leases().len(), 2, "{:?}", station.events());
    assert!(station.has(FIRST));
}

#[test]
fn a_server_that_refuses_everything_is_not_asked_for_ever_faster() {
    let harbour = Harbour::new(4, 600);
    harbour.mood.set(Mood::Refusing);
    let station = harbour.station(1, Options::default());
    harbour.sea.record();
    harbour.sea.pass(Duration::from_secs(600));
    let refusals = station.events().len();
    assert!(station.events().iter().all(|event| *event == Event::Refused));
    assert!((5..=25).contains(&refusals), "{refusals} refusals in ten minutes");
    assert!(harbour.sea.recorded().len() < 100);
    harbour.mood.set(Mood::Honest);
    harbour.sea.pass(Duration::from_secs(70));
    assert_eq!(station.leases().len(), 1);
}

#[test]
fn a_refused_renewal_takes_the_address_at_once() {
    let harbour = Harbour::new(4, 600);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    harbour.mood.set(Mood::Refusing);
    harbour.sea.pass(Duration::from_secs(305));
    assert_eq!(station.events()[1], Event::Refused);
    assert!(!station.has(FIRST));
}

#[test]
fn an_address_that_somebody_has_is_declined() {
    let harbour = Harbour::new(2, 600);
    let squatter = harbour.sea.host(&["192.0.2.50/24"]);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(20));
    let rival = squatter.stack.hardware_address().unwrap();
    assert_eq!(station.events()[0], Event::Conflict { address: FIRST, rival });
    assert_eq!(station.leases()[0].address, "192.0.2.51/24".parse().unwrap());
}

#[test]
fn an_address_that_is_fought_over_is_given_up() {
    let harbour = Harbour::new(2, 600);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    let rival = harbour.sea.host(&[]);
    let claim = Claim::begin(&rival.stack, FIRST.into()).unwrap();
    claim.announce();
    harbour.sea.pass(Duration::from_secs(2));
    assert!(station.has(FIRST), "defended once");
    claim.announce();
    harbour.sea.pass(Duration::from_secs(2));
    assert!(!station.has(FIRST));
    assert!(matches!(station.events()[1], Event::Conflict { address: FIRST, .. }));
}

#[test]
fn who_comes_late_waits_until_a_lease_is_free() {
    let harbour = Harbour::new(2, 120);
    let stations: Vec<_> = (1..=3).map(|seed| harbour.station(seed, Options::default())).collect();
    harbour.sea.pass(Duration::from_secs(60));
    let bound = |station: &&Station| !station.leases().is_empty();
    assert_eq!(stations.iter().filter(bound).count(), 2, "two addresses for three stations");
    let late = stations.iter().position(|station| station.leases().is_empty()).unwrap();
    // One of the others loses its power.
    let gone = (late + 1) % 3;
    harbour.sea.kill(stations[gone].task);
    harbour.sea.pass(Duration::from_secs(120 + 70));
    assert_eq!(stations[late].leases().len(), 1);
    assert_eq!(stations[late].leases()[0].address, stations[gone].leases()[0].address);
}

#[test]
fn without_a_server_a_station_has_a_link_local_address_until_one_comes() {
    let harbour = Harbour::new(4, 600);
    harbour.mood.set(Mood::Silent);
    let mut options = Options::default();
    options.link_local_after = Some(Duration::from_secs(10));
    let stations = [harbour.station(1, options), harbour.station(2, options)];
    harbour.sea.pass(Duration::from_secs(30));
    let local = stations.each_ref().map(|station| match station.events()[..] {
        [Event::LinkLocal(address)] => address,
        ref events => panic!("{events:?}"),
    });
    assert!(local[0] != local[1] && local.iter().all(Ipv4Addr::is_link_local));
    // They can talk to each other.
    let [one, other] = stations.each_ref().map(|station| station.host.stack.clone());
    let clock = harbour.sea.clock();
    harbour.sea.run(async move {
        let mut pinger = wavetank_stack::icmp::Pinger::new(&one).unwrap();
        pinger.ping(&clock, local[1].into(), 8, Duration::from_secs(1)).await.unwrap();
        drop(other);
    });
    harbour.mood.set(Mood::Honest);
    harbour.sea.pass(Duration::from_secs(80));
    for (station, local) in stations.iter().zip(local) {
        assert_eq!(station.leases().len(), 1, "{:?}", station.events());
        assert!(!station.has(local));
    }
}

#[test]
fn a_station_asks_for_the_address_of_its_earlier_life() {
    let harbour = Harbour::new(4, 600);
    let earlier = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    harbour.sea.kill(earlier.task);
    let mut options = Options::default();
    options.previous = Some(Ipv4Addr::new(192, 0, 2, 53));
    let station = harbour.station(2, options);
    harbour.sea.pass(Duration::from_secs(5));
    assert_eq!(station.leases()[0].address, "192.0.2.53/24".parse().unwrap());
    // One from another network is refused.
    options.previous = Some(Ipv4Addr::new(198, 51, 100, 7));
    let moved = harbour.station(3, options);
    harbour.sea.pass(Duration::from_secs(10));
    assert_eq!(moved.events()[0], Event::Refused);
    assert_eq!(moved.leases()[0].address, "192.0.2.51/24".parse().unwrap());
}

/// The addresses that clients asked everybody for, unasked.
fn asked_for(frames: &[Vec<u8>]) -> Vec<Ipv4Addr> {
    let messages = frames.iter().filter(|frame| frame.len() > 282 && frame[23] == 17 && frame[36..38] == [0, 67]);
    let messages = messages.filter_map(|frame| wavetank_stack::dhcp::Message::parse(&frame[42..]).ok());
    messages
        .filter(|message| message.kind == Kind::Request && message.server.is_none() && message.client.is_unspecified())
        .map(|message| message.requested.expect("an address is asked for"))
        .collect()
}

#[test]
fn a_link_that_comes_back_to_the_same_network_costs_no_connection() {
    let harbour = Harbour::new(4, 3_600);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    let listener = Listener::bind(&harbour.server.stack, 80, 1, tcp::Options::default()).unwrap();
    let stack = station.host.stack.clone();
    let (accepted, mut called) = harbour.sea.run(async move {
        let call = Stream::connect(&stack, to("192.0.2.1:80"), tcp::Options::default());
        let (accepted, called) = join(listener.accept(), call).await;
        (accepted, called.unwrap())
    });
    harbour.sea.record();
    station.replug(&harbour.sea);
    assert_eq!(asked_for(&harbour.sea.recorded()), [FIRST]);
    assert!(matches!(station.events()[..], [Event::Bound(_), Event::Renewed(_)]), "{:?}", station.events());
    assert!(station.has(FIRST));
    harbour.sea.run(async move {
        let mut accepted = accepted;
        embedded_io_async::Write::write_all(&mut accepted, b"ahoy").await.unwrap();
        called.read_exact(&mut [0; 4]).await.unwrap();
    });
    // The lease was prolonged: it is asked for anew when half of that has gone.
    harbour.sea.record();
    harbour.sea.pass(Duration::from_secs(1_780));
    assert!(harbour.sea.recorded().iter().all(|frame| frame.get(36..38) != Some(&[0, 67])));
}

#[test]
fn a_link_that_comes_back_to_another_network_gives_another_address() {
    let harbour = Harbour::new(4, 86_400);
    let elsewhere = Pool { first: Ipv4Addr::new(198, 51, 100, 50), count: 4 };
    let other = Harbour::with(harbour.sea.clone(), Ipv4Addr::new(198, 51, 100, 1), elsewhere, 86_400);
    other.mood.set(Mood::Silent);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    assert!(station.has(FIRST));
    harbour.mood.set(Mood::Silent);
    other.mood.set(Mood::Honest);
    harbour.sea.pass(Duration::from_secs(3_600));
    assert!(station.has(FIRST), "nothing says that it has moved");
    station.replug(&harbour.sea);
    assert!(
        matches!(station.events()[..], [Event::Bound(_), Event::Refused, Event::Bound(_)]),
        "{:?}",
        station.events()
    );
    assert!(!station.has(FIRST) && station.has(elsewhere.first));
    assert!(station.host.stack.routes().eq([wavetank_stack::Route::default_via(other.own.into())]));
}

#[test]
fn a_link_that_comes_back_where_nobody_answers_leaves_the_lease_its_time() {
    let harbour = Harbour::new(4, 600);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    harbour.mood.set(Mood::Silent);
    for _ in 0..20 {
        station.replug(&harbour.sea);
    }
    assert!(station.has(FIRST) && station.events().len() == 1, "{:?}", station.events());
    // Once more shortly before its end: the lease ends when it was to.
    harbour.sea.pass(Duration::from_secs(580) - harbour.sea.now());
    station.replug(&harbour.sea);
    harbour.sea.pass(Duration::from_secs(30));
    let (at, last) = station.events.borrow().last().cloned().unwrap();
    assert_eq!(last, Event::Expired(FIRST));
    assert!((600..=602).contains(&at.as_secs()), "{at:?}");
}

#[test]
fn who_waits_for_a_server_asks_at_once_when_the_link_comes_back() {
    let harbour = Harbour::new(4, 600);
    harbour.mood.set(Mood::Silent);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(200));
    harbour.mood.set(Mood::Honest);
    station.replug(&harbour.sea);
    assert!(station.has(FIRST), "else it could have waited for another minute");
}

#[test]
fn an_address_that_somebody_took_meanwhile_is_declined() {
    let harbour = Harbour::new(4, 86_400);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    harbour.sea.plug(station.host.card, false);
    let squatter = harbour.sea.host(&["192.0.2.50/24"]);
    harbour.sea.pass(Duration::from_secs(60));
    harbour.sea.plug(station.host.card, true);
    harbour.sea.pass(Duration::from_secs(30));
    let rival = squatter.stack.hardware_address().unwrap();
    assert_eq!(station.events()[1], Event::Conflict { address: FIRST, rival });
    assert!(!station.has(FIRST) && station.has(Ipv4Addr::new(192, 0, 2, 51)));
}

#[test]
fn what_is_another_servers_on_the_same_network_is_not_refused() {
    let harbour = Harbour::new(4, 86_400);
    let theirs = Pool { first: Ipv4Addr::new(192, 0, 2, 150), count: 4 };
    let other = Harbour::with(harbour.sea.clone(), Ipv4Addr::new(192, 0, 2, 2), theirs, 86_400);
    other.mood.set(Mood::Silent);
    let station = harbour.station(1, Options::default());
    harbour.sea.pass(Duration::from_secs(5));
    harbour.mood.set(Mood::Silent);
    other.mood.set(Mood::Honest);
    station.replug(&harbour.sea);
    assert!(station.has(FIRST) && station.events().len() == 1, "{:?}", station.events());
}

#[test]
fn a_storm_delays_but_does_not_hinder() {
    for seed in 0..20 {
        let harbour = Harbour::new(4, 120);
        harbour.sea.storm(seed, 4);
        let station = harbour.station(seed, Options::default());
        harbour.sea.pass(Duration::from_secs(600));
        assert!(!station.leases().is_empty(), "seed {seed}: {:?}", station.events());
        harbour.sea.calm();
        harbour.sea.pass(Duration::from_secs(200));
        assert!(station.host.stack.addresses().count() == 1, "seed {seed}: {:?}", station.events());
    }
}

/// Says in everybody's hearing that an address is at that card (RFC 5227, section 3).
fn usurp(card: &crate::support::Card, address: Ipv4Addr) {
    let (mac, octets) = (card.mac(), address.octets());
    let header = [&[0xff; 6][..], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    card.send([&header[..], &mac, &octets, &[0; 6], &octets].concat());
}

#[test]
fn a_link_local_address_is_asked_for_told_and_defended_once() {
    // Each story in a thread of its own, where cards have the same addresses, so that the same is tried first.
    let story = |taken| std::thread::spawn(move || improvise(taken)).join().unwrap();
    let free = story(None);
    assert_ne!(story(Some(free)), free);
}

fn improvise(taken: Option<Ipv4Addr>) -> Ipv4Addr {
    let harbour = Harbour::new(1, 120);
    harbour.mood.set(Mood::Silent);
    let sea = harbour.sea.clone();
    let mut options = Options::default();
    options.link_local_after = Some(Duration::from_secs(10));
    let station = harbour.station(1, options);
    let card = sea.card();
    let _squatter = taken.map(|address| sea.host(&[&format!("{address}/16")]));
    sea.record();
    sea.pass(Duration::from_secs(40));
    let events = station.events();
    let Some(&Event::LinkLocal(own)) = events.last() else { panic!("{events:?}") };
    let told = |event: &Event| matches!(event, Event::Conflict { address, .. } if Some(*address) == taken);
    assert_eq!((events.len(), events.iter().any(told)), if taken.is_some() { (2, true) } else { (1, false) });
    let is_about_it = |frame: &&Vec<u8>| frame[12..14] == [8, 6] && frame[38..42] == own.octets();
    // Three questions by nobody, and the word that it is ours, twice.
    let senders: Vec<_> =
        sea.recorded().iter().filter(is_about_it).map(|frame| frame[28..32] == own.octets()).collect();
    assert_eq!(senders, [false, false, false, true, true]);
    // Somebody else says that it is theirs: they are told, and believed if they say it again within ten seconds.
    usurp(&card, own);
    sea.pass(Duration::from_secs(15));
    assert!(station.has(own));
    // What the other said, the answer to who asks for it, and our word.
    assert_eq!(sea.recorded().iter().filter(is_about_it).count(), 3);
    usurp(&card, own);
    sea.pass(Duration::from_secs(1));
    usurp(&card, own);
    sea.pass(Duration::from_secs(1));
    assert!(!station.has(own));
    sea.pass(Duration::from_secs(20));
    assert!(matches!(station.events().last(), Some(Event::LinkLocal(other)) if *other != own));
    own
}

#[test]
fn a_client_that_is_dropped_leaves_nothing_and_can_be_begun_again() {
    let make = || {
        let harbour = Harbour::new(2, 600);
        let (host, sea) = (harbour.sea.host(&[]), harbour.sea.clone());
        ((host, harbour), goes_on(&sea, Duration::from_millis(20), Duration::from_secs(300)))
    };
    let bind = async |(host, harbour): &mut (Host, Harbour)| {
        assert_eq!(host.stack.addresses().count(), 0, "nobody sees to an address any more");
        let bound = Cell::new(None);
        {
            let clock = harbour.sea.clock();
            let mut client = Client::new(&host.stack, &clock, draws(5), Options::default());
            let running = pin!(client.run(|event| {
                if let Event::Bound(lease) = event {
                    bound.set(Some(lease.address));
                }
            }));
            let noticing = poll_fn(|_| bound.get().map_or(Poll::Pending, |_| Poll::Ready(())));
            select(running, noticing).await;
            assert_eq!(host.stack.addresses().count(), 1);
        }
        bound.get()
    };
    survives_drops(make, bind, (2, 40));
}
