//! The SNTP client against servers that know the time, or do not.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::IpAddr;
use core::pin::pin;
use core::task::Poll;
use std::rc::Rc;

use futures_util::future::select;
use wavetank_stack::{
    Duration,
    sntp::{Client, Error, Event, Kiss, Options, PORT, Reply, respond},
    time::{SetClock, WallClock},
    udp,
};

use super::interface::draws;
use crate::drops::survives_drops;
use crate::support::{Host, LATENCY_US, Sea, SeaClock, goes_on};

/// 2026-11-23T12:00:00Z.
const START: u64 = 1_795_435_200_000_000;

/// What a server says: its reply, and how far its clock is off.
type Says = Rc<Cell<(Option<Reply>, i64)>>;

fn server(sea: &Sea, address: &str) -> Says {
    let host = sea.host(&[address]);
    let says: Says = Rc::new(Cell::new((Some(Reply::default()), 0)));
    let (clock, told) = (sea.clone(), says.clone());
    sea.spawn(async move {
        let socket = udp::Socket::bind(&host.stack, PORT, udp::Options::default()).unwrap();
        let mut question = [0; 64];
        loop {
            let (len, from) = socket.recv_from(&mut question).await.unwrap();
            let (Some(reply), off) = told.get() else {
                continue;
            };
            let now = (START + clock.now().as_micros() as u64).wrapping_add_signed(off);
            if let Some(answer) = respond(&question[..len], now, &reply) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    says
}

struct Station {
    wall: Rc<SetClock<SeaClock>>,
    events: Rc<RefCell<Vec<(Duration, Event)>>>,
}

fn station(sea: &Sea, servers: &[&str]) -> Station {
    let host = sea.host(&["192.0.2.100/24"]);
    let wall = Rc::new(SetClock::new(sea.clock()));
    let events = Rc::new(RefCell::new(Vec::new()));
    let servers: Vec<IpAddr> = servers.iter().map(|text| text.parse().unwrap()).collect();
    let (clock, now, face, told) = (sea.clock(), sea.clone(), wall.clone(), events.clone());
    sea.spawn(async move {
        let mut client = Client::new(&host.stack, &clock, &*face, draws(3), Options::default());
        client.run(&servers, |event| told.borrow_mut().push((now.now(), event))).await;
    });
    Station { wall, events }
}

impl Station {
    fn error_us(&self, sea: &Sea) -> i64 {
        let truth = START + sea.now().as_micros() as u64;
        self.wall.now_unix_micros().unwrap().wrapping_sub(truth) as i64
    }

    fn last(&self) -> Event {
        self.events.borrow().last().unwrap().1
    }
}

#[test]
fn a_clock_is_set_and_kept_right() {
    let sea = Sea::new();
    server(&sea, "192.0.2.1/24");
    let station = station(&sea, &["192.0.2.1"]);
    sea.pass(Duration::from_secs(3_000));
    let events = station.events.borrow();
    assert!(matches!(events[0].1, Event::Set { behind_micros: None, .. }), "{events:?}");
    assert!(events[1..].iter().all(|(_, event)| matches!(event, Event::Right(_))), "{events:?}");
    assert!((4..10).contains(&events.len()), "seldom, and more seldom: {events:?}");
    // The first answer was longer on its way: the neighbour had to be found.
    assert!(station.error_us(&sea).abs() <= 2 * LATENCY_US as i64, "{}", station.error_us(&sea));
}

#[test]
fn a_clock_that_went_wrong_is_put_right() {
    let sea = Sea::new();
    server(&sea, "192.0.2.1/24");
    let station = station(&sea, &["192.0.2.1"]);
    sea.pass(Duration::from_secs(10));
    station.wall.set_unix_micros(START - 5_000_000);
    sea.pass(Duration::from_secs(100));
    let Event::Set { behind_micros: Some(behind), .. } = station.last() else {
        panic!("{:?}", station.events.borrow());
    };
    assert!((5_000_000..20_000_000).contains(&behind), "{behind}");
    assert!(station.error_us(&sea).abs() < 1_000);
}

#[test]
fn a_server_that_lies_far_is_not_believed_at_once() {
    let sea = Sea::new();
    let says = server(&sea, "192.0.2.1/24");
    let station = station(&sea, &["192.0.2.1"]);
    sea.pass(Duration::from_secs(10));
    says.set((Some(Reply::default()), 86_400_000_000));
    sea.pass(Duration::from_secs(150));
    assert!(matches!(station.last(), Event::Doubted(_)), "{:?}", station.events.borrow());
    assert!(station.error_us(&sea).abs() < 2_000);
    // It insists: then it may be the clock that is wrong.
    sea.pass(Duration::from_secs(200));
    assert!(station.error_us(&sea) > 86_000_000_000);
}

#[test]
fn servers_that_cannot_be_believed_leave_the_clock_alone() {
    let unbelievable = [
        (Reply { stratum: 16, ..Reply::default() }, 0, Error::Unsynchronised),
        (Reply { stratum: 0, ..Reply::default() }, 0, Error::Kissed(Kiss::Other(*b"TANK"))),
        (Reply { repeats: false, ..Reply::default() }, 0, Error::TimedOut),
        // The first of January 1970 is not today.
        (Reply::default(), -(START as i64), Error::Impossible),
    ];
    for (reply, off, error) in unbelievable {
        let sea = Sea::new();
        let says = server(&sea, "192.0.2.1/24");
        says.set((Some(reply), off));
        let station = station(&sea, &["192.0.2.1"]);
        sea.pass(Duration::from_secs(5));
        assert_eq!(station.events.borrow()[0].1, Event::Failed("192.0.2.1".parse().unwrap(), error));
        assert_eq!(station.wall.now_unix_micros(), None);
    }
}

#[test]
fn a_server_that_says_stop_is_asked_no_more_while_there_is_another() {
    let sea = Sea::new();
    let says = server(&sea, "192.0.2.1/24");
    says.set((Some(Reply { kiss: Some(Kiss::Deny), ..Reply::default() }), 0));
    server(&sea, "192.0.2.2/24");
    let station = station(&sea, &["192.0.2.1", "192.0.2.2"]);
    sea.pass(Duration::from_secs(7_200));
    let denied = |event: &Event| matches!(event, Event::Failed(_, Error::Kissed(Kiss::Deny)));
    let events = station.events.borrow();
    assert_eq!(events.iter().filter(|(_, event)| denied(event)).count(), 1, "{events:?}");
    assert!(events.len() > 4);
}

#[test]
fn a_silent_server_gives_way_to_the_next() {
    let sea = Sea::new();
    let says = server(&sea, "192.0.2.1/24");
    says.set((None, 0));
    server(&sea, "192.0.2.2/24");
    let station = station(&sea, &["192.0.2.1", "192.0.2.2"]);
    sea.pass(Duration::from_secs(20));
    assert!(station.wall.now_unix_micros().is_some(), "{:?}", station.events.borrow());
}

#[test]
fn a_client_that_is_dropped_can_be_begun_again() {
    type Clock = SetClock<SeaClock>;
    let make = || {
        let sea = Sea::new();
        server(&sea, "192.0.2.1/24");
        let (host, clock) = (sea.host(&["192.0.2.100/24"]), sea.clock());
        ((host, sea.clone(), Clock::new(clock)), goes_on(&sea, Duration::from_millis(5), Duration::from_secs(600)))
    };
    let set = async |(host, sea, wall): &mut (Host, Sea, Clock)| {
        let (is_set, servers) = (Cell::new(false), ["192.0.2.1".parse().unwrap()]);
        // It is wrong again.
        wall.set_unix_micros(START - 60_000_000);
        {
            let clock = sea.clock();
            let mut client = Client::new(&host.stack, &clock, wall, draws(3), Options::default());
            let running = pin!(client.run(&servers, |event| is_set.set(matches!(event, Event::Set { .. }))));
            let noticing = poll_fn(|_| if is_set.get() { Poll::Ready(()) } else { Poll::Pending });
            select(running, noticing).await;
        }
        let truth = START + sea.now().as_micros() as u64;
        assert!(wall.now_unix_micros().unwrap().abs_diff(truth) < 6_000, "a step of the sea and the way");
        host.stack.udp_sockets()
    };
    survives_drops(make, set, (3, 20));
}
