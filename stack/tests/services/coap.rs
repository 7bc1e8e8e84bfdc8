//! CoAP's client and server against each other, in calm and in storm.

use core::cell::RefCell;
use core::pin::pin;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_util::future::{Either, select};
use wavetank_stack::{
    Duration, Instant,
    coap::{
        Answer, Asked, Block, Client, Code, DATAGRAM_MAX, Error, Kind, Message, Observation, OptionNumber, Options,
        Request, Resource, Server, Writer, serve,
    },
    time::timeout,
    udp,
};

use super::{interface::draws, to};
use crate::drops::survives_drops;
use crate::support::{Host, Sea, SeaClock, Verdict, goes_on};

const BODY: usize = 4_096;

/// A lamp with a level that can be observed, a counter that counts what is posted, and a shelf of long texts.
#[derive(Default)]
struct Lamp {
    level: u32,
    edition: u32,
    posted: Vec<Vec<u8>>,
    shelf: BTreeMap<String, Vec<u8>>,
}

/// The lamp as it is served, and as the test holds it.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Lamp>>);

impl Shared {
    fn set(&self, level: u32) {
        let mut lamp = self.0.borrow_mut();
        (lamp.level, lamp.edition) = (level, lamp.edition + 1);
    }
}

impl Resource for Shared {
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer {
        let mut lamp = self.0.borrow_mut();
        let content = |bytes: &[u8], buffer: &mut [u8], observable| {
            buffer[..bytes.len()].copy_from_slice(bytes);
            Answer { code: Code::CONTENT, format: Some(0), len: bytes.len(), observable }
        };
        if asked.message.is_at("lamp/level") {
            return match asked.method {
                Code::GET => content(lamp.level.to_string().as_bytes(), buffer, true),
                _ => Answer::just(Code::METHOD_NOT_ALLOWED),
            };
        }
        if asked.message.is_at("count") {
            lamp.posted.push(asked.payload.to_vec());
            return Answer::just(Code::CHANGED);
        }
        if asked.message.is_at("log") {
            lamp.posted.push(asked.payload.to_vec());
            return content(&[b'l'; 600], buffer, false);
        }
        if asked.message.is_at("tide") {
            // Another one each time that somebody looks.
            lamp.level += 1;
            return content(&[lamp.level as u8; 600], buffer, false);
        }
        if asked.message.is_at("shelf/book") {
            return match asked.method {
                Code::PUT => {
                    lamp.shelf.insert("book".into(), asked.payload.to_vec());
                    Answer::just(Code::CREATED)
                }
                _ => match lamp.shelf.get("book") {
                    Some(book) => content(book, buffer, false),
                    None => Answer::just(Code::NOT_FOUND),
                },
            };
        }
        Answer::just(Code::NOT_FOUND)
    }

    fn edition(&self) -> u32 {
        self.0.borrow().edition
    }
}

fn server(sea: &Sea) -> (Host, Shared) {
    let host = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    let lamp = Shared::default();
    let (stack, clock, sea_, served) = (host.stack.clone(), sea.clock(), sea.clone(), lamp.clone());
    sea.spawn(async move {
        let mut server = Server::<_, BODY>::new(served, 7);
        let changed = || async { sea_.sleep(Duration::from_millis(50)).await };
        serve(&stack, &clock, &mut server, changed).await.unwrap();
    });
    (host, lamp)
}

fn client(sea: &Sea, seed: u64) -> (Host, Client<'static, SeaClock, impl rand_core::Rng + use<>>) {
    let host = sea.host(&[&format!("192.0.2.{}/24", 100 + seed), &format!("2001:db8::{}/64", 100 + seed)]);
    let client = Client::new(&host.stack, sea.clock(), draws(seed), Options::default()).unwrap();
    (host, client)
}

const LAMP: &str = "192.0.2.1:5683";

#[test]
fn requests_are_answered() {
    let sea = Sea::new();
    let (_host, lamp) = server(&sea);
    let (_here, mut client) = client(&sea, 1);
    sea.run(async move {
        let mut buffer = [0; 64];
        for server in [LAMP, "[2001:db8::1]:5683"].map(to) {
            let response = client.request(server, &Request::get("lamp/level"), &mut buffer).await.unwrap();
            assert_eq!((response.code, response.format, &buffer[..response.len]), (Code::CONTENT, Some(0), &b"0"[..]));
        }
        let response = client.request(to(LAMP), &Request::post("count", 0, b"one"), &mut buffer).await.unwrap();
        assert_eq!(response.code, Code::CHANGED);
        assert_eq!(lamp.0.borrow().posted, [b"one"]);
        let nowhere = client.request(to(LAMP), &Request::get("nowhere"), &mut buffer).await.unwrap();
        assert_eq!(nowhere.code, Code::NOT_FOUND);
    });
}

#[test]
fn in_a_storm_each_request_is_done_once() {
    for seed in 0..10 {
        let sea = Sea::new();
        let (_host, lamp) = server(&sea);
        let (_here, mut client) = client(&sea, seed);
        sea.storm(seed, 4);
        sea.run(async move {
            let mut buffer = [0; 64];
            let mut acknowledged = Vec::new();
            for number in 0..40_u8 {
                if client.request(to(LAMP), &Request::post("count", 0, &[number]), &mut buffer).await.is_ok() {
                    acknowledged.push(number);
                }
            }
            let posted: Vec<u8> = lamp.0.borrow().posted.iter().map(|payload| payload[0]).collect();
            let mut once = posted.clone();
            once.dedup();
            assert_eq!(posted, once, "seed {seed}: something was done twice");
            assert!(acknowledged.iter().all(|number| posted.contains(number)), "seed {seed}");
            assert!(acknowledged.len() > 35, "seed {seed}: {acknowledged:?}");
        });
    }
}

#[test]
fn long_texts_travel_in_blocks_both_ways() {
    let sea = Sea::new();
    let (_host, _lamp) = server(&sea);
    let (_here, mut client) = client(&sea, 1);
    sea.storm(3, 10);
    sea.run(async move {
        for len in [0, 1, 511, 512, 513, 1_024, 3_000, BODY] {
            let book: Vec<u8> = (0..len).map(|i| ((i * 7) >> 2) as u8).collect();
            let mut buffer = [0; BODY];
            let put = Request::put("shelf/book", 0, &book);
            assert_eq!(client.request(to(LAMP), &put, &mut buffer).await.unwrap().code, Code::CREATED);
            let response = client.request(to(LAMP), &Request::get("shelf/book"), &mut buffer).await.unwrap();
            assert_eq!((response.code, &buffer[..response.len]), (Code::CONTENT, &book[..]), "{len} bytes");
        }
        let too_long = vec![0; BODY + 1];
        let refused = client.request(to(LAMP), &Request::put("shelf/book", 0, &too_long), &mut [0; 64]).await;
        assert_eq!(refused.unwrap().code, Code::TOO_LARGE);
        let short = client.request(to(LAMP), &Request::get("shelf/book"), &mut [0; 1_000]).await;
        assert_eq!(short, Err(Error::TooLong));
    });
}

#[test]
fn pieces_of_two_texts_are_not_taken_for_one_and_nothing_is_done_for_its_answer_s_second_piece() {
    let sea = Sea::new();
    let (_host, lamp) = server(&sea);
    let (_here, mut client) = client(&sea, 1);
    sea.run(async move {
        let mut buffer = [0; 1_024];
        assert_eq!(client.request(to(LAMP), &Request::get("tide"), &mut buffer).await, Err(Error::Blocks));
        for method in [Request::post("log", 0, b"x"), Request::put("log", 0, b"x")] {
            lamp.0.borrow_mut().posted.clear();
            assert_eq!(client.request(to(LAMP), &method, &mut buffer).await, Err(Error::Blocks));
            assert_eq!(lamp.0.borrow().posted, [b"x"]);
        }
        let read = client.request(to(LAMP), &Request::get("log"), &mut buffer).await.unwrap();
        assert_eq!((read.len, read.max_age), (600, Duration::from_secs(60)));
    });
}

/// A server that takes nothing longer than 32 bytes at a time, and says so (RFC 7959, section 2.9.3).
#[test]
fn who_is_told_that_a_piece_is_too_long_sends_shorter_ones() {
    let sea = Sea::new();
    let there = sea.host(&["192.0.2.1/24"]);
    let (_here, mut client) = client(&sea, 1);
    let taken = Rc::new(RefCell::new(Vec::new()));
    let told = taken.clone();
    sea.spawn(async move {
        let socket = udp::Socket::bind(&there.stack, 5_683, udp::Options::default()).unwrap();
        let (mut heard, mut reply) = ([0; DATAGRAM_MAX], [0; 64]);
        loop {
            let (len, from) = socket.recv_from(&mut heard).await.unwrap();
            let message = Message::parse(&heard[..len]).unwrap();
            let block = message.block(OptionNumber::Block1).unwrap();
            told.borrow_mut().push((block.number, block.size, block.more));
            let code = match (block.size > 32, block.more) {
                (true, _) => Code::TOO_LARGE,
                (false, true) => Code::CONTINUE,
                (false, false) => Code::CHANGED,
            };
            let writer = Writer::new(&mut reply, Kind::Acknowledgement, code, message.id, &message.token);
            let block = Block { size: block.size.min(32), ..block };
            let writer = writer.number(OptionNumber::MaxAge, 7).number(OptionNumber::Block1, block.value());
            let len = writer.payload(&[]).unwrap();
            socket.send_to(&reply[..len], from).await.unwrap();
        }
    });
    sea.run(async move {
        let put = Request::put("book", 0, &[7; 530]);
        let response = client.request(to(LAMP), &put, &mut [0; 64]).await.unwrap();
        assert_eq!((response.code, response.max_age), (Code::CHANGED, Duration::from_secs(7)));
    });
    let taken = taken.borrow();
    assert_eq!(taken[..2], [(0, 512, true), (0, 32, true)]);
    assert_eq!((taken.len(), taken.last()), (1 + 17, Some(&(16, 32, false))));
}

/// RFC 7252, sections 8.1 and 8.2.
#[test]
fn what_everybody_is_asked_is_answered_by_whoever_has_something_to_say() {
    let sea = Sea::new();
    let (_host, _lamp) = server(&sea);
    let asks = sea.host(&["192.0.2.101/24"]);
    let clock = sea.clone();
    sea.run(async move {
        let socket = udp::Socket::bind(&asks.stack, 0, udp::Options::default()).unwrap();
        for (id, (to_all, kind, path, expected)) in [
            (true, Kind::NonConfirmable, "lamp/level", Some(Code::CONTENT)),
            (true, Kind::NonConfirmable, "nowhere", None),
            (true, Kind::Confirmable, "lamp/level", None),
            (false, Kind::NonConfirmable, "nowhere", Some(Code::NOT_FOUND)),
        ]
        .into_iter()
        .enumerate()
        {
            let mut datagram = [0; 64];
            let len = Writer::new(&mut datagram, kind, Code::GET, id as u16, &[7]).path(path).payload(&[]).unwrap();
            let server = if to_all { "192.0.2.255:5683" } else { LAMP };
            socket.send_to(&datagram[..len], to(server)).await.unwrap();
            let mut heard = [0; 64];
            let answer = timeout(&clock.clock(), Duration::from_secs(5), socket.recv_from(&mut heard)).await;
            let code = answer.ok().map(|answer| Message::parse(&heard[..answer.unwrap().0]).unwrap().code);
            assert_eq!(code, expected, "{kind:?} {path}");
        }
    });
}

#[test]
fn who_observes_is_told_of_each_change() {
    let sea = Sea::new();
    let (_host, lamp) = server(&sea);
    let (_here, mut client) = client(&sea, 1);
    let clock = sea.clone();
    sea.run(async move {
        let mut buffer = [0; 64];
        let not = client.observe(to(LAMP), "shelf/book", &mut buffer).await;
        assert!(matches!(not, Err(Error::NotObservable)));
        let (mut observation, response) = client.observe(to(LAMP), "lamp/level", &mut buffer).await.unwrap();
        assert_eq!(&buffer[..response.len], b"0");
        for level in 1..10_u32 {
            lamp.set(level);
            // In half of the cases the first word is lost.
            let mut lost = level % 2 == 0;
            clock.filter(move |_, frame| match core::mem::take(&mut lost) && frame[23] == 17 {
                true => Verdict::Lose,
                false => Verdict::Pass,
            });
            let news = client.next(&mut observation, &mut buffer).await.unwrap();
            assert_eq!(&buffer[..news.len], level.to_string().as_bytes());
        }
        clock.calm();
        client.forget(observation, "lamp/level", &mut buffer).await.unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        clock.record();
        lamp.set(99);
        clock.sleep(Duration::from_secs(5)).await;
        assert!(clock.recorded().is_empty(), "nobody observes any more");
    });
}

/// One notification at a time for each observer, each wait twice the one before, the first drawn for each (RFC 7252, section 4.2;
/// RFC 7641, section 4.5).
#[test]
fn an_observer_that_does_not_answer_is_told_ever_more_seldom_and_always_the_newest() {
    let lamp = Shared::default();
    let mut server = Server::<_, 64>::new(lamp.clone(), 7);
    let mut reply = [0; DATAGRAM_MAX];
    let remote = |station: u8| std::net::SocketAddr::from(([192, 0, 2, station], 5_683));
    for station in 0..4 {
        let mut datagram = [0; 64];
        let writer = Writer::new(&mut datagram, Kind::Confirmable, Code::GET, 1, &[station]);
        let len = writer.number(OptionNumber::Observe, 0).path("lamp/level").payload(&[]).unwrap();
        assert!(server.handle(&datagram[..len], remote(station), Instant::ZERO, &mut reply).is_some());
    }
    assert_eq!(server.observers(), 4);
    let mut level = 0;
    let mut told: BTreeMap<u8, Vec<(u64, String, u16)>> = BTreeMap::new();
    let mut now = Instant::from_secs(10);
    while server.observers() > 0 {
        // It changes all the time, which has nobody told sooner.
        level += 1;
        lamp.set(level);
        while let Some((to, len)) = server.notify(now, &mut reply) {
            let message = Message::parse(&reply[..len]).unwrap();
            assert_eq!(message.kind, Kind::Confirmable);
            let text = String::from_utf8(message.payload.to_vec()).unwrap();
            assert_eq!(text, level.to_string(), "the newest");
            let std::net::IpAddr::V4(to) = to.ip() else { panic!("{to}") };
            told.entry(to.octets()[3]).or_default().push((now.as_micros(), text, message.id));
        }
        now += Duration::from_millis(10);
    }
    let firsts: BTreeSet<u64> = told.values().map(|told| told[1].0 - told[0].0).collect();
    assert_eq!((told.len(), firsts.len()), (4, 4), "each waits another time: {firsts:?}");
    for told in told.values() {
        let waits: Vec<u64> = told.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert_eq!(waits.len(), 4, "sent five times in all");
        assert!((2_000_000..=3_010_000).contains(&waits[0]), "{waits:?}");
        assert!(waits.windows(2).all(|pair| pair[1].abs_diff(2 * pair[0]) <= 20_000), "{waits:?}");
    }
    // Who acknowledges is told of the next change at once, and of none before.
    let mut datagram = [0; 64];
    let writer = Writer::new(&mut datagram, Kind::Confirmable, Code::GET, 2, &[9]);
    let len = writer.number(OptionNumber::Observe, 0).path("lamp/level").payload(&[]).unwrap();
    assert!(server.handle(&datagram[..len], remote(9), now, &mut reply).is_some());
    assert!(server.notify(now, &mut reply).is_none());
    for level in [500, 600] {
        lamp.set(level);
        let (_, len) = server.notify(now, &mut reply).unwrap();
        let id = Message::parse(&reply[..len]).unwrap().id;
        lamp.set(level + 1);
        assert!(server.notify(now, &mut reply).is_none(), "the one before is under way");
        let len = Writer::new(&mut datagram, Kind::Acknowledgement, Code::EMPTY, id, &[]).payload(&[]).unwrap();
        assert!(server.handle(&datagram[..len], remote(9), now, &mut reply).is_none());
        let (_, len) = server.notify(now, &mut reply).unwrap();
        let message = Message::parse(&reply[..len]).unwrap();
        assert_eq!(message.payload, (level + 1).to_string().as_bytes());
        let len = Writer::new(&mut datagram, Kind::Acknowledgement, Code::EMPTY, message.id, &[]).payload(&[]).unwrap();
        assert!(server.handle(&datagram[..len], remote(9), now, &mut reply).is_none());
    }
}

#[test]
fn an_observer_that_is_gone_is_forgotten() {
    let sea = Sea::new();
    let (_host, lamp) = server(&sea);
    let (here, mut client) = client(&sea, 1);
    let clock = sea.clone();
    sea.run(async move {
        client.observe(to(LAMP), "lamp/level", &mut [0; 64]).await.unwrap();
        clock.plug(here.card, false);
        lamp.set(1);
        clock.sleep(Duration::from_secs(200)).await;
        clock.plug(here.card, true);
        clock.record();
        lamp.set(2);
        clock.sleep(Duration::from_secs(100)).await;
        let said = clock.recorded().iter().filter(|frame| frame[23] == 17).count();
        assert_eq!(said, 0, "it was told after all");
    });
}

#[test]
fn blocks_are_as_short_as_the_client_has_room_for() {
    for (block_bytes, expected) in [(0, 16), (16, 16), (100, 64), (128, 128), (usize::MAX, 512)] {
        let sea = Sea::new();
        let (_host, lamp) = server(&sea);
        let there = sea.host(&["192.0.2.7/24"]);
        let here = sea.host(&["192.0.2.101/24"]);
        let mut options = Options::default();
        options.block_bytes = block_bytes;
        let mut client = Client::new(&here.stack, sea.clock(), draws(1), options).unwrap();
        sea.run(async move {
            let (text, mut heard) = ([7; 600], [0; DATAGRAM_MAX]);
            let put = Request::put("shelf/book", 0, &text);
            assert_eq!(client.request(to(LAMP), &put, &mut [0; 64]).await.unwrap().code, Code::CREATED);
            assert_eq!(lamp.0.borrow().shelf["book"], text);
            // Somebody who only listens sees what goes out.
            let deaf = udp::Socket::bind(&there.stack, 5683, udp::Options::default()).unwrap();
            let mut answer = [0; 64];
            let asking = client.request(to("192.0.2.7:5683"), &put, &mut answer);
            let Either::Right((received, _)) = select(pin!(asking), pin!(deaf.recv_from(&mut heard))).await else {
                panic!("nobody answers");
            };
            let (len, _) = received.unwrap();
            let message = Message::parse(&heard[..len]).unwrap();
            let block = message.block(OptionNumber::Block1).unwrap();
            assert_eq!((message.payload.len(), block.size, block.more), (expected, expected, true));
        });
    }
}

#[test]
fn nobody_there_is_found_out_in_time() {
    let sea = Sea::new();
    let silent = sea.host(&["192.0.2.1/24"]);
    let (_here, mut client) = client(&sea, 1);
    let clock = sea.clone();
    sea.run(async move {
        let refused = client.request(to(LAMP), &Request::get("x"), &mut [0; 8]).await;
        assert!(matches!(refused, Err(Error::NotSent(udp::Error::Undelivered { .. }))), "{refused:?}");
        assert!(clock.now() < Duration::from_secs(1));
        let _deaf = udp::Socket::bind(&silent.stack, 5683, udp::Options::default()).unwrap();
        let start = clock.now();
        assert_eq!(client.request(to(LAMP), &Request::get("x"), &mut [0; 8]).await, Err(Error::TimedOut));
        // Five waits, the first of two to three seconds, each twice the one before.
        let took = (clock.now() - start).as_secs();
        assert!((62..=93).contains(&took), "{took} s");
    });
}

#[test]
fn nothing_is_done_twice_however_many_are_at_work() {
    // Requests of as many stations as there is room for, each sent again for as long as a message may be on its way.
    const ROOM: usize = 16;
    let lamp = Shared::default();
    let mut server = Server::<_, 64, ROOM>::remembering(lamp.clone(), 7);
    let mut reply = [0; DATAGRAM_MAX];
    let mut ask = |station: u8, id: u16, at: u64| {
        let mut datagram = [0; 64];
        let writer = Writer::new(&mut datagram, Kind::Confirmable, Code::POST, id, &[station]);
        let len = writer.path("count").payload(&[station, id as u8]).unwrap();
        let remote = std::net::SocketAddr::from(([192, 0, 2, station], 5_683));
        let len = server.handle(&datagram[..len], remote, Instant::from_secs(at), &mut reply);
        len.map(|len| {
            let answer = Message::parse(&reply[..len]).unwrap();
            assert_eq!((answer.id, &answer.token[..]), (id, &[station][..]));
            (answer.code, answer.number(OptionNumber::MaxAge))
        })
    };
    let done = (Code::CHANGED, None);
    for station in 0..ROOM as u8 {
        assert_eq!(ask(station, 1, station.into()), Some(done));
    }
    // Whoever is one too many hears when there is room: once the first one's request is surely gone.
    assert_eq!(ask(200, 1, 20), Some((Code::SERVICE_UNAVAILABLE, Some(228))));
    for again in [21, 100, 246] {
        for station in 0..ROOM as u8 {
            // Of those whose answer was dropped nobody hears anything; but nothing is done again.
            let answer = ask(station, 1, again);
            assert!(answer.is_none_or(|answer| answer == done), "{answer:?}");
        }
    }
    assert_eq!(lamp.0.borrow().posted.len(), ROOM);
    assert_eq!(ask(ROOM as u8 - 1, 1, 247), Some(done), "the newest answers are there still");
    assert_eq!(lamp.0.borrow().posted.len(), ROOM);
    assert_eq!(ask(200, 2, 248), Some(done));
    assert_eq!(lamp.0.borrow().posted.len(), ROOM + 1);
    // Whoever numbers its requests one after the other may go on for ever, and none of them is done again.
    assert!((0..5_000).all(|id| ask(201, id, 600) == Some(done)));
    let before = lamp.0.borrow().posted.len();
    assert!((0..5_000).all(|id| ask(201, id, 700).is_none_or(|answer| answer == done)));
    assert_eq!(lamp.0.borrow().posted.len(), before);
    // One that does not is stopped before it shuts out the others.
    let refused = (0..40).filter(|id| ask(203, 7 * id, 700).is_some_and(|(code, _)| !code.is_success())).count();
    assert_eq!(refused, 40 - ROOM / 2);
    assert_eq!(ask(202, 1, 700), Some(done));
}

/// What has it, and knows it again.
#[derive(Default)]
struct Ledger {
    known: BTreeSet<Vec<u8>>,
    asked: usize,
}

impl Resource for Ledger {
    fn answer(&mut self, asked: &Asked<'_>, _: &mut [u8]) -> Answer {
        self.asked += 1;
        self.known.insert(asked.payload.to_vec());
        Answer::just(Code::CHANGED)
    }

    fn is_idempotent(&self, message: &Message<'_>) -> bool {
        message.is_at("known")
    }
}

#[test]
fn what_is_idempotent_is_done_for_any_number_of_stations() {
    const ROOM: usize = 4;
    let mut server = Server::<_, 64, ROOM>::remembering(Ledger::default(), 7);
    let mut reply = [0; DATAGRAM_MAX];
    let mut ask = |path: &str, station: u8| {
        let mut datagram = [0; 64];
        let writer = Writer::new(&mut datagram, Kind::Confirmable, Code::POST, 1, &[station]);
        let len = writer.path(path).payload(&[station]).unwrap();
        let remote = std::net::SocketAddr::from(([192, 0, 2, station], 5_683));
        let len = server.handle(&datagram[..len], remote, Instant::ZERO, &mut reply).unwrap();
        Message::parse(&reply[..len]).unwrap().code
    };
    assert!((0..40).all(|station| ask("known", station) == Code::CHANGED));
    assert!((0..40).all(|station| ask("known", station) == Code::CHANGED), "and again");
    let done = (100..140).filter(|station| ask("other", *station) == Code::CHANGED).count();
    assert_eq!(done, ROOM, "of what is not, as much as can be remembered");
    let ledger = server.resource();
    assert_eq!((ledger.known.len(), ledger.asked), (40 + ROOM, 80 + ROOM));
}

#[test]
fn what_is_longer_than_a_body_is_refused() {
    let mut server = Server::<_, 8>::new(Ledger::default(), 7);
    let (mut datagram, mut reply) = ([0; 64], [0; DATAGRAM_MAX]);
    for (payload, expected) in [(&[7; 8][..], Code::CHANGED), (&[7; 9], Code::TOO_LARGE)] {
        let writer = Writer::new(&mut datagram, Kind::Confirmable, Code::POST, payload.len() as u16, &[1]);
        let len = writer.path("known").payload(payload).unwrap();
        let remote = "192.0.2.9:5683".parse().unwrap();
        let len = server.handle(&datagram[..len], remote, Instant::ZERO, &mut reply).unwrap();
        assert_eq!(Message::parse(&reply[..len]).unwrap().code, expected);
    }
    assert_eq!(server.resource().asked, 1);
}

#[test]
fn a_block_that_comes_again_breaks_nothing() {
    let lamp = Shared::default();
    let mut server = Server::<_, 64>::new(lamp.clone(), 7);
    let mut reply = [0; DATAGRAM_MAX];
    let mut put = |number: u32, more: bool, text: &[u8], id: u16| {
        let mut datagram = [0; 64];
        let writer = Writer::new(&mut datagram, Kind::Confirmable, Code::POST, id, &[7]).path("count");
        let block = Block { number, more, size: 16 };
        let len = writer.number(OptionNumber::Block1, block.value()).payload(text).unwrap();
        let remote = "192.0.2.9:5683".parse().unwrap();
        let len = server.handle(&datagram[..len], remote, Instant::ZERO, &mut reply).unwrap();
        Message::parse(&reply[..len]).unwrap().code
    };
    let (first, second) = (&[b'a'; 16][..], &[b'b'; 16][..]);
    for (number, more, text, id, code) in [
        (0, true, first, 1, Code::CONTINUE),
        (0, true, first, 1, Code::CONTINUE),
        (1, true, second, 2, Code::CONTINUE),
        // It was late.
        (0, true, first, 1, Code::CONTINUE),
        (2, false, b"c", 3, Code::CHANGED),
        (2, false, b"c", 3, Code::CHANGED),
        (3, false, b"d", 4, Code::ENTITY_INCOMPLETE),
    ] {
        assert_eq!(put(number, more, text, id), code, "block {number}");
    }
    assert_eq!(lamp.0.borrow().posted, [[first, second, b"c"].concat()]);
}

#[test]
fn a_request_that_is_dropped_can_be_made_again() {
    let make = || {
        let sea = Sea::new();
        let ((host, lamp), (here, client)) = (server(&sea), client(&sea, 1));
        lamp.0.borrow_mut().shelf.insert("book".into(), (0..1_500_u32).map(|i| i as u8).collect());
        ((client, host, here), goes_on(&sea, Duration::from_micros(200), Duration::from_secs(60)))
    };
    let read = async |(client, ..): &mut (Client<'static, SeaClock, _>, Host, Host)| {
        let mut buffer = [0; 2_000];
        let response = client.request(to(LAMP), &Request::get("shelf/book"), &mut buffer).await;
        response.map(|response| (response.code, buffer[..response.len].to_vec()))
    };
    survives_drops(make, read, (2, 40));
}

#[test]
fn dropping_what_waits_for_news_loses_none() {
    let make = || {
        let sea = Sea::new();
        let ((host, lamp), (here, client)) = (server(&sea), client(&sea, 1));
        let clock = sea.clone();
        sea.spawn(async move {
            for level in 1..10 {
                clock.sleep(Duration::from_secs(1)).await;
                lamp.set(level);
            }
        });
        ((client, None, (host, here)), goes_on(&sea, Duration::from_millis(1), Duration::from_secs(60)))
    };
    let next = async |(client, observation, _): &mut (Client<'static, SeaClock, _>, Option<Observation>, _)| {
        let mut buffer = [0; 64];
        let response = match observation {
            Some(observation) => client.next(observation, &mut buffer).await.unwrap(),
            None => {
                let (begun, response) = client.observe(to(LAMP), "lamp/level", &mut buffer).await.unwrap();
                *observation = Some(begun);
                response
            }
        };
        buffer[..response.len].to_vec()
    };
    survives_drops(make, next, (4, 60));
}
