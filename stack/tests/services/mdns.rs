//! Names and services of one's own link.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::select;
use wavetank_stack::mdns::{self, Event, Found, GROUPS, Responder, Service, browse, resolve};
use wavetank_stack::{Duration, Stack, time::timeout};

use crate::drops::survives_drops;
use crate::interface::draws;
use crate::support::{Host, Sea, Verdict, goes_on};

const PAGE: Service<'static> =
    Service { instance: "Sensor in the hall", kind: "_http._tcp", port: 80, text: &["path=/status", "v=1"] };
const PLAIN: Service<'static> = Service { instance: "Sensor in the hall", kind: "_coap._udp", port: 5_683, text: &[] };

type Events = Rc<RefCell<Vec<Event>>>;

/// Has a host answer for `sensor.local`; answers with the task, and what happens.
fn respond(sea: &Sea, host: &Host, seed: u64) -> (usize, Events) {
    let (stack, clock, events) = (host.stack.clone(), sea.clock(), Events::default());
    let told = events.clone();
    let task = sea.spawn(async move {
        let services = [PAGE, PLAIN];
        let mut responder = Responder::new(&stack, &clock, draws(seed), "sensor", &services);
        let _ = responder.run(|event| told.borrow_mut().push(event)).await;
    });
    (task, events)
}

async fn find(sea: &Sea, stack: &Stack<'_>, kind: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let tell = |it: &Found| {
        if !found.contains(it) {
            found.push(it.clone());
        }
    };
    browse(stack, &sea.clock(), &mut draws(9), kind, Duration::from_secs(4), tell).await.unwrap();
    found.sort_by(|a, b| a.instance.cmp(&b.instance));
    found
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_service_is_found_with_its_place() {
    let sea = Sea::new();
    let sensor = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    let client = sea.host(&["192.0.2.2/24"]);
    let (_, events) = respond(&sea, &sensor, 1);
    let there = sea.clone();
    sea.run(async move {
        let sea = there;
        sea.sleep(Duration::from_secs(3)).await;
        assert_eq!(*events.borrow(), [Event::Ours(1)]);
        let found = find(&sea, &client.stack, "_http._tcp").await;
        let [page] = &found[..] else { panic!("{found:?}") };
        assert_eq!((page.instance.as_str(), page.host.as_str(), page.port), ("Sensor in the hall", "sensor", 80));
        assert_eq!(&page.text[..], b"\x0cpath=/status\x03v=1");
        assert!(page.addresses.contains(&ips(&["192.0.2.1"])[0]) && page.addresses.contains(&ips(&["2001:db8::1"])[0]));
        assert_eq!(find(&sea, &client.stack, "_ipp._tcp").await, []);
        let kinds = find(&sea, &client.stack, "_coap._udp").await;
        assert_eq!(kinds.len(), 1);
        let mut rng = draws(3);
        let second = Duration::from_secs(1);
        let there = resolve(&client.stack, &sea.clock(), &mut rng, "SENSOR", second).await.unwrap();
        assert!(there.contains(&ips(&["192.0.2.1"])[0]));
        let nobody = resolve(&client.stack, &sea.clock(), &mut rng, "nobody", second).await;
        assert_eq!(nobody, Err(mdns::Error::Nobody));
    });
}

#[test]
fn of_two_with_one_name_one_takes_another() {
    for seed in 0..5 {
        let sea = Sea::new();
        let sensors = [sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.3/24"])];
        let client = sea.host(&["192.0.2.2/24"]);
        let (_, first) = respond(&sea, &sensors[0], seed);
        // At the same time, or after the first has its names.
        sea.pass(Duration::from_millis(if seed % 2 == 0 { 0 } else { 5_000 }));
        let (_, second) = respond(&sea, &sensors[1], 100 + seed);
        let there = sea.clone();
        sea.run(async move {
            let sea = there;
            sea.sleep(Duration::from_secs(8)).await;
            let last = [first.borrow().last().copied(), second.borrow().last().copied()];
            let mut numbers = last.map(|event| match event {
                Some(Event::Ours(number)) => number,
                other => panic!("seed {seed}: {other:?}"),
            });
            numbers.sort_unstable();
            assert_eq!(numbers, [1, 2], "seed {seed}");
            let found = find(&sea, &client.stack, "_http._tcp").await;
            let names: Vec<_> = found.iter().map(|it| (it.instance.as_str(), it.host.as_str())).collect();
            let expected = [("Sensor in the hall", "sensor"), ("Sensor in the hall (2)", "sensor-2")];
            assert_eq!(names, expected, "seed {seed}");
        });
    }
}

#[test]
fn groups_are_told_to_routers_and_left() {
    let sea = Sea::new();
    let host = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    let router = sea.card();
    sea.record();
    for group in GROUPS {
        host.stack.join_group(group).unwrap();
        host.stack.join_group(group).unwrap();
    }
    assert!(host.stack.join_group("192.0.2.9".parse().unwrap()).is_err());
    sea.pass(Duration::from_millis(10));
    let kinds = |frames: &[Vec<u8>]| -> Vec<u8> {
        frames.iter().map(|frame| if frame[12..14] == [8, 0] { frame[38] } else { frame[62] }).collect()
    };
    let reports = sea.recorded();
    assert_eq!(kinds(&reports), [0x16, 131]);
    assert_eq!(reports[0][..6], [1, 0, 0x5e, 0, 0, 0xfb]);
    // A router that asks for all is told again.
    let mut query = reports[0].clone();
    query[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 1]);
    query[6..12].copy_from_slice(&router.mac());
    query[30..34].copy_from_slice(&[224, 0, 0, 1]);
    query[26..30].copy_from_slice(&[192, 0, 2, 254]);
    query[38..46].copy_from_slice(&[0x11, 100, 0, 0, 0, 0, 0, 0]);
    for (checksum, range) in [(24, 14..38), (40, 38..46)] {
        query[checksum..checksum + 2].fill(0);
        let sum =
            query[range].chunks(2).fold(0_u32, |sum, pair| sum + u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        query[checksum..checksum + 2].copy_from_slice(&sum.to_be_bytes());
    }
    router.send(query);
    sea.pass(Duration::from_millis(10));
    assert_eq!(kinds(&sea.recorded()), [0x11, 0x16]);
    for group in GROUPS {
        host.stack.leave_group(group);
        sea.pass(Duration::from_millis(10));
    }
    assert_eq!(kinds(&sea.recorded()), [0x17, 132]);
}

#[test]
fn a_question_that_is_lost_is_asked_again() {
    let sea = Sea::new();
    let (sensor, client) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    respond(&sea, &sensor, 1);
    sea.pass(Duration::from_secs(3));
    let asks = client.card;
    let mut lost = 0;
    sea.filter(move |from, _| {
        lost += u32::from(from == asks);
        if from == asks && lost == 1 { Verdict::Lose } else { Verdict::Pass }
    });
    let there = sea.clone();
    let found = sea.run(async move {
        let sea = there;
        let clock = sea.clock();
        timeout(&clock, Duration::from_secs(10), find(&sea, &client.stack, "_http._tcp")).await.unwrap()
    });
    assert_eq!(found.len(), 1);
}

#[test]
fn what_asks_and_what_answers_can_be_dropped_and_begun_again() {
    let make = || {
        let sea = Sea::new();
        let (sensor, client) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
        respond(&sea, &sensor, 1);
        ((sea.clone(), client, sensor), goes_on(&sea, Duration::from_millis(5), Duration::from_secs(300)))
    };
    let ask = async |(sea, client, _): &mut (Sea, Host, Host)| {
        let (mut rng, second) = (draws(3), Duration::from_secs(1));
        // Until it has its name it keeps it to itself.
        loop {
            if let Ok(there) = resolve(&client.stack, &sea.clock(), &mut rng, "sensor", second).await {
                return (there.contains(&ips(&["192.0.2.1"])[0]), client.stack.udp_sockets());
            }
        }
    };
    survives_drops(make, ask, (2, 10));

    let make = || {
        let sea = Sea::new();
        let sensor = sea.host(&["192.0.2.1/24"]);
        ((sea.clone(), sensor), goes_on(&sea, Duration::from_millis(5), Duration::from_secs(300)))
    };
    let answer = async |(sea, sensor): &mut (Sea, Host)| {
        let (ours, services) = (Cell::new(None), [PAGE]);
        {
            let clock = sea.clock();
            let mut responder = Responder::new(&sensor.stack, &clock, draws(1), "sensor", &services);
            let running = pin!(responder.run(|event| ours.set(Some(event))));
            let noticing = poll_fn(|_| ours.get().map_or(Poll::Pending, |_| Poll::Ready(())));
            select(running, noticing).await;
        }
        (ours.get(), sensor.stack.udp_sockets())
    };
    survives_drops(make, answer, (2, 20));
}
