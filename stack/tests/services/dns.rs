//! The resolver against servers of many moods.

use core::cell::{Cell, RefCell};
use core::net::IpAddr;
use std::rc::Rc;

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use wavetank_stack::{
    Duration,
    dns::{Error, Family, Name, Options, Rcode, Record, Reply, Resolver, respond},
    tcp, udp,
};

use super::interface::draws;
use crate::drops::survives_drops;
use crate::support::{Host, Sea, SeaClock, Verdict, goes_on};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Honest,
    Silent,
    Refusing,
    /// Answers under another id.
    Forging,
    /// Answers in lower case, whatever was asked.
    Levelling,
    /// Says that the answer is too long for a datagram.
    Truncating,
    /// Says of an alias only to which name it leads, as one does that knows nothing of that.
    Curt,
    /// Says that each of two names is an alias of the other.
    Circular,
}

struct Server {
    host: Host,
    mood: Rc<Cell<Mood>>,
    asked: Rc<RefCell<Vec<String>>>,
}

const ADDRESS: &str = "192.0.2.7";

/// hub.lan has addresses of both families; www.lan leads there by way of web.lan; void.lan has none.
fn answer(question: &[u8], mood: Mood, by_tcp: bool, buffer: &mut [u8]) -> Option<usize> {
    let names = ["hub.lan", "web.lan", "www.lan", "void.lan"].map(|name| Name::new(name).unwrap());
    let [hub, web, www, void] = &names;
    let asked = wavetank_stack::dns::parse_question(question).ok()?.name;
    let addresses = [ADDRESS, "2001:db8::7"].map(|text| Record::Address(text.parse().unwrap()));
    let all = [(www, Record::Alias(web)), (hub, addresses[0]), (hub, addresses[1]), (web, Record::Alias(hub))];
    let records: Vec<_> = match asked {
        _ if asked == *www && mood == Mood::Curt => all[..1].to_vec(),
        _ if asked == *web && mood == Mood::Curt => all[3..].to_vec(),
        _ if asked == *web && mood == Mood::Circular => vec![(web, Record::Alias(www))],
        _ if asked == *www && mood == Mood::Circular => all[..1].to_vec(),
        _ if asked == *www => all.to_vec(),
        _ if asked == *web => all[1..].to_vec(),
        _ if asked == *hub => all[1..3].to_vec(),
        _ => Vec::new(),
    };
    let known = !records.is_empty() || asked == *void;
    let rcode = match mood {
        Mood::Refusing => Rcode::Refused,
        _ if known => Rcode::NoError,
        _ => Rcode::NoSuchName,
    };
    let reply = Reply { rcode, records: &records, ttl: 60, truncated: mood == Mood::Truncating && !by_tcp };
    let len = respond(question, &reply, buffer)?;
    match mood {
        Mood::Forging => buffer[0] ^= 1,
        Mood::Levelling => buffer[12..question.len() - 4].make_ascii_lowercase(),
        _ => {}
    }
    Some(len)
}

impl Server {
    fn new(sea: &Sea, address: &str, mood: Mood) -> Self {
        let host = sea.host(&[address]);
        let (mood, asked) = (Rc::new(Cell::new(mood)), Rc::new(RefCell::new(Vec::new())));
        let (stack, temper, heard) = (host.stack.clone(), mood.clone(), asked.clone());
        sea.spawn(async move {
            let socket = udp::Socket::bind(&stack, 53, udp::Options::default()).unwrap();
            let listener = tcp::Listener::bind(&stack, 53, 2, tcp::Options::default()).unwrap();
            let datagrams = async {
                let (mut question, mut buffer) = ([0; 512], [0; 512]);
                loop {
                    let (len, from) = socket.recv_from(&mut question).await.unwrap();
                    let question = &question[..len];
                    heard.borrow_mut().push(String::from_utf8_lossy(&question[13..len - 5]).replace('\u{3}', "."));
                    if temper.get() != Mood::Silent
                        && let Some(len) = answer(question, temper.get(), false, &mut buffer)
                    {
                        socket.send_to(&buffer[..len], from).await.unwrap();
                    }
                }
            };
            let streams = async {
                loop {
                    let mut stream = listener.accept().await;
                    let mut len = [0; 2];
                    stream.read_exact(&mut len).await.unwrap();
                    let mut question = vec![0; u16::from_be_bytes(len).into()];
                    stream.read_exact(&mut question).await.unwrap();
                    let mut buffer = [0; 512];
                    let len = answer(&question, temper.get(), true, &mut buffer).unwrap();
                    stream.write_all(&(len as u16).to_be_bytes()).await.unwrap();
                    stream.write_all(&buffer[..len]).await.unwrap();
                }
            };
            join(datagrams, streams).await;
        });
        Self { host, mood, asked }
    }

    fn questions(&self) -> usize {
        self.asked.borrow().len()
    }
}

fn resolver(sea: &Sea, servers: &[&str]) -> Resolver<'static, SeaClock, impl rand_core::Rng + use<>> {
    let host = sea.host(&["192.0.2.100/24", "2001:db8::100/64"]);
    let servers: Vec<IpAddr> = servers.iter().map(|text| text.parse().unwrap()).collect();
    host.stack.set_dns_servers(&servers);
    Resolver::new(&host.stack, sea.clock(), draws(5), Options::default())
}

fn v4(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn names_become_addresses_and_are_remembered_while_they_hold() {
    let sea = Sea::new();
    let server = Server::new(&sea, "192.0.2.1/24", Mood::Honest);
    let resolver = resolver(&sea, &["192.0.2.1"]);
    let clock = sea.clone();
    sea.run(async move {
        assert_eq!(resolver.resolve("192.0.2.9", Family::Any).await.unwrap(), [v4("192.0.2.9")]);
        assert_eq!(server.questions(), 0);
        for name in ["hub.lan", "Hub.LAN.", "hub.lan"] {
            assert_eq!(resolver.resolve(name, Family::Any).await.unwrap(), [v4(ADDRESS)]);
        }
        assert_eq!(server.questions(), 1);
        assert_eq!(resolver.resolve("hub.lan", Family::V6).await.unwrap(), [v4("2001:db8::7")]);
        assert_eq!(resolver.resolve("www.lan", Family::V4).await.unwrap(), [v4(ADDRESS)]);
        assert_eq!(server.questions(), 3);
        clock.sleep(Duration::from_secs(61)).await;
        resolver.resolve("hub.lan", Family::V4).await.unwrap();
        assert_eq!(server.questions(), 4);
        // Letters are in random case: each question in another.
        let asked = server.asked.borrow().clone();
        let same: Vec<_> = asked.iter().filter(|name| name.eq_ignore_ascii_case("hub.lan")).collect();
        assert_eq!(same.len(), 3);
        assert!(same[0] != same[1] && same[1] != same[2] && same[0] != same[2], "{asked:?}");
    });
}

#[test]
fn aliases_are_followed_from_answer_to_answer_and_not_in_a_circle() {
    let sea = Sea::new();
    let server = Server::new(&sea, "192.0.2.1/24", Mood::Curt);
    let resolver = resolver(&sea, &["192.0.2.1"]);
    sea.run(async move {
        assert_eq!(resolver.resolve("www.lan", Family::V4).await.unwrap(), [v4(ADDRESS)]);
        let asked: Vec<_> = server.asked.borrow().iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(asked, ["www.lan", "web.lan", "hub.lan"]);
        // The whole way is remembered.
        assert_eq!(resolver.resolve("www.lan", Family::V4).await.unwrap(), [v4(ADDRESS)]);
        assert_eq!(server.questions(), 3);
        resolver.forget();
        server.mood.set(Mood::Circular);
        assert_eq!(resolver.resolve("www.lan", Family::V4).await, Err(Error::Failed(Rcode::ServerFailure)));
        assert!(server.questions() < 3 + 20, "{} questions", server.questions());
    });
}

#[test]
fn that_there_is_nothing_is_remembered_too() {
    let sea = Sea::new();
    let server = Server::new(&sea, "192.0.2.1/24", Mood::Honest);
    let resolver = resolver(&sea, &["192.0.2.1"]);
    sea.run(async move {
        assert_eq!(resolver.resolve("nobody.lan", Family::V4).await, Err(Error::NoSuchName));
        assert!(resolver.resolve("nobody.lan", Family::V4).await.is_err());
        assert_eq!(resolver.resolve("void.lan", Family::V4).await, Err(Error::NoAddress));
        assert_eq!(server.questions(), 2);
        assert!(matches!(resolver.resolve("no name", Family::V4).await, Err(Error::BadName(_))));
    });
}

#[test]
fn a_server_that_is_of_no_use_is_passed_over() {
    for mood in [Mood::Silent, Mood::Refusing, Mood::Forging, Mood::Levelling] {
        let sea = Sea::new();
        let useless = Server::new(&sea, "192.0.2.1/24", mood);
        let _honest = Server::new(&sea, "192.0.2.2/24", Mood::Honest);
        let resolver = resolver(&sea, &["192.0.2.9", "192.0.2.1", "192.0.2.2"]);
        sea.run(async move {
            assert_eq!(resolver.resolve("hub.lan", Family::V4).await.unwrap(), [v4(ADDRESS)]);
            assert_eq!(useless.questions(), 1);
        });
    }
}

#[test]
fn when_no_server_helps_that_is_said_in_time() {
    let sea = Sea::new();
    let server = Server::new(&sea, "192.0.2.1/24", Mood::Silent);
    let resolver = resolver(&sea, &["192.0.2.1"]);
    let clock = sea.clone();
    sea.run(async move {
        assert_eq!(resolver.resolve("hub.lan", Family::V4).await, Err(Error::TimedOut));
        assert_eq!(clock.now(), Duration::from_secs(1 + 2 + 4));
        server.mood.set(Mood::Refusing);
        assert_eq!(resolver.resolve("hub.lan", Family::V4).await, Err(Error::Failed(Rcode::Refused)));
        assert_eq!(server.host.stack.udp_sockets(), 1);
    });
}

#[test]
fn a_lost_question_is_asked_again() {
    let sea = Sea::new();
    let _server = Server::new(&sea, "192.0.2.1/24", Mood::Honest);
    let resolver = resolver(&sea, &["192.0.2.1"]);
    let mut lost = 0;
    sea.filter(move |_, frame| match frame.len() > 42 && frame[23] == 17 && lost < 2 {
        true => {
            lost += 1;
            Verdict::Lose
        }
        false => Verdict::Pass,
    });
    sea.run(async move {
        assert_eq!(resolver.resolve("hub.lan", Family::V4).await.unwrap(), [v4(ADDRESS)]);
    });
}

#[test]
fn what_is_too_long_for_a_datagram_is_asked_for_by_tcp() {
    let sea = Sea::new();
    let _server = Server::new(&sea, "192.0.2.1/24", Mood::Truncating);
    let resolver = resolver(&sea, &["192.0.2.1"]);
    sea.run(async move {
        assert_eq!(resolver.resolve("www.lan", Family::V4).await.unwrap(), [v4(ADDRESS)]);
    });
}

#[test]
fn without_servers_nothing_is_asked() {
    let sea = Sea::new();
    let resolver = resolver(&sea, &[]);
    sea.run(async move {
        assert_eq!(resolver.resolve("hub.lan", Family::V4).await, Err(Error::NoServers));
    });
}

#[test]
fn a_question_that_is_dropped_can_be_asked_again() {
    for mood in [Mood::Honest, Mood::Truncating] {
        let make = || {
            let sea = Sea::new();
            let (silent, server) =
                (Server::new(&sea, "192.0.2.1/24", Mood::Silent), Server::new(&sea, "192.0.2.2/24", mood));
            let resolver = resolver(&sea, &["192.0.2.1", "192.0.2.2"]);
            ((resolver, (silent, server)), goes_on(&sea, Duration::from_millis(5), Duration::from_secs(60)))
        };
        let resolve = async |(resolver, _): &mut (Resolver<'static, SeaClock, _>, _)| {
            resolver.forget();
            resolver.resolve("www.lan", Family::V4).await
        };
        survives_drops(make, resolve, (2, 30));
    }
}
