//! Names and services of one's own link.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::select;
use wavetank_stack::mdns::{self, Event, Found, GROUPS, Responder, Service, browse, resolve};
use wavetank_stack::{Duration, Stack, time::timeout, udp};

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

/// Has a host answer for that name, and offer `PAGE`.
fn respond_as(sea: &Sea, host: &Host, seed: u64, name: &'static str) -> Events {
    let (stack, clock, events) = (host.stack.clone(), sea.clock(), Events::default());
    let told = events.clone();
    sea.spawn(async move {
        let mut responder = Responder::new(&stack, &clock, draws(seed), name, &[PAGE]);
        let _ = responder.run(|event| told.borrow_mut().push(event)).await;
    });
    events
}

/// Both have power at the same time: whatever they disagree about, it takes them one round to settle it (RFC 6762, section 8.2).
#[test]
fn who_begin_together_do_not_give_way_to_each_other_for_ever() {
    // The greater address of one protocol is the one's, of the other the other's; or only the service's name is the same.
    let hosts = [["192.0.2.1/24", "2001:db8::9/64"], ["192.0.2.3/24", "2001:db8::1/64"]];
    for names in [["sensor", "sensor"], ["sensor-1", "sensor-2"], ["sensor-2", "sensor-1"]] {
        for seed in 0..4 {
            let sea = Sea::new();
            let sensors = hosts.map(|addresses| sea.host(&addresses));
            let told = [0, 1].map(|at| respond_as(&sea, &sensors[at], seed + 10 * at as u64, names[at]));
            sea.pass(Duration::from_secs(8));
            let mut events = told.map(|events| events.borrow().clone());
            events.sort_by_key(Vec::len);
            let expected = [vec![Event::Ours(1)], vec![Event::Taken, Event::Ours(2)]];
            assert_eq!(events, expected, "{names:?}, seed {seed}");
        }
    }
}

/// The payloads of what was sent to port 5353 by IPv4, and whether that was a response.
fn said(frames: &[Vec<u8>]) -> Vec<(bool, Vec<u8>)> {
    let is_it = |frame: &&Vec<u8>| frame[12..14] == [8, 0] && frame[23] == 17 && frame[36..38] == [0x14, 0xe9];
    frames.iter().filter(is_it).map(|frame| (frame[44] & 0x80 != 0, frame[42..].to_vec())).collect()
}

/// A question from port 5353 about `_http._tcp.local`, of that kind, with what is known already behind it.
fn ask(sea: &Sea, client: &Host, kind: u8, name: &[&str], known: &[u8], records: u8) {
    let mut query = vec![0, 0, 0, 0, 0, 1, 0, records, 0, 0, 0, 0];
    for label in name {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.extend([0, 0, kind, 0, 1]);
    query.extend(known);
    let (stack, clock) = (client.stack.clone(), sea.clone());
    sea.run(async move {
        let socket = udp::Socket::bind(&stack, 5_353, udp::Options::default()).unwrap();
        socket.send_to(&query, "224.0.0.251:5353".parse().unwrap()).await.unwrap();
        clock.sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn what_everybody_just_heard_or_knows_is_not_said_again() {
    let sea = Sea::new();
    let (sensor, client) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    respond_as(&sea, &sensor, 1, "sensor");
    sea.pass(Duration::from_secs(10));
    let host: &[&str] = &["sensor", "local"];
    let answers = |kind: u8, name: &[&str], known: &[u8]| {
        sea.record();
        ask(&sea, &client, kind, name, known, u8::from(!known.is_empty()));
        sea.pass(Duration::from_millis(200));
        said(&sea.recorded()).iter().filter(|(response, _)| *response).count()
    };
    // Twice within a second, and after it.
    assert_eq!(answers(1, host, &[]), 1);
    assert_eq!(answers(1, host, &[]), 0);
    sea.pass(Duration::from_millis(1_250));
    assert_eq!(answers(1, host, &[]), 1);
    sea.pass(Duration::from_secs(5));
    // Who says that it knows the address, for long enough; or another one.
    let known =
        |address: u8, ttl: u8| [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 192, 0, 2][..], &[address]].concat();
    assert_eq!(answers(1, host, &known(1, 60)), 0);
    assert_eq!(answers(1, host, &known(7, 60)), 1);
    sea.pass(Duration::from_secs(5));
    assert_eq!(answers(1, host, &known(1, 59)), 1);
    // The same of a service's place and text.
    let service = ["Sensor in the hall", "_http", "_tcp", "local"];
    // Its host's name ends as the service's does, behind the latter's first three labels.
    let local = 12 + service[..3].iter().map(|label| 1 + label.len()).sum::<usize>();
    let place =
        [&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 15, 0, 0, 0, 0, 0, 80][..], b"\x06sensor", &[0xc0, local as u8]];
    let text = [&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0x11, 0x94, 0, 17][..], b"\x0cpath=/status\x03v=1"];
    let (place, text) = (place.concat(), text.concat());
    for (kind, known) in [(33, &place), (16, &text)] {
        sea.pass(Duration::from_secs(5));
        assert_eq!(answers(kind, &service, known), 0, "{kind}");
        assert_eq!(answers(kind, &service, &[]), 1, "{kind}");
    }
}

#[test]
fn whoever_takes_its_leave_is_forgotten_and_a_link_that_comes_back_has_names_asked_about() {
    let sea = Sea::new();
    let sensor = sea.host(&["192.0.2.1/24"]);
    let (stack, clock, told) = (sensor.stack.clone(), sea.clock(), Events::default());
    let events = told.clone();
    sea.spawn(async move {
        let mut responder = Responder::new(&stack, &clock, draws(1), "sensor", &[PAGE]);
        // Nothing is ours yet, so nobody is told anything.
        responder.farewell().await.unwrap();
        let running = responder.run(|event| events.borrow_mut().push(event));
        let _ = timeout(&clock, Duration::from_secs(30), running).await;
        responder.farewell().await.unwrap();
        responder.farewell().await.unwrap();
    });
    sea.pass(Duration::from_secs(5));
    sea.plug(sensor.card, false);
    sea.pass(Duration::from_secs(5));
    sea.record();
    sea.plug(sensor.card, true);
    sea.pass(Duration::from_secs(10));
    let kinds: Vec<bool> = said(&sea.recorded()).iter().map(|(response, _)| *response).collect();
    assert_eq!(kinds, [false, false, false, true, true], "three questions, and it is told twice");
    assert_eq!(*told.borrow(), [Event::Ours(1), Event::Ours(1)]);
    sea.record();
    sea.pass(Duration::from_secs(20));
    let farewells = said(&sea.recorded());
    let [(true, farewell)] = &farewells[..] else { panic!("{farewells:?}") };
    // Four records of the service and one of the host; the first is the host's, and lasts no longer.
    assert_eq!((farewell[7], &farewell[12..26]), (5, &b"\x06sensor\x05local\0"[..]));
    assert_eq!(farewell[26..34], [0, 1, 0x80, 1, 0, 0, 0, 0]);
}

#[test]
fn groups_are_told_to_routers_and_left() {
    let sea = Sea::new();
    let host = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    let router = sea.card();
    // It says where it is asked for.
    sea.pass(Duration::from_millis(10));
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
