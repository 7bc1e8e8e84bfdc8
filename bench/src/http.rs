//! HTTP: a client that speaks bytes, a server that is a `wavetank-web` app, TCP between them.

use std::future::{pending, poll_fn};
use std::net::SocketAddr;

use embedded_io_async::{Read, Write};
use futures::stream::StreamExt;
use futures_buffered::FuturesUnordered;
use wavetank_scenarios::runtime::{TankListener, TankRuntime};
use wavetank_sim::net::NicId;
use wavetank_sim::node::{Clock, Node};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::World;
use wavetank_stack::Stack;
use wavetank_stack::tcp::{Listener, Stream};
use wavetank_web::App;

use crate::hosts;
use crate::measured::{Measured, Tally};
use crate::tank::Tank;

const REQUEST: &[u8] = b"GET /body HTTP/1.1\r\nhost: server\r\n\r\n";
const BODY: &str = "sixty-four bytes of text, as short answers of devices often are.";

/// One connection that is kept alive; host and server are 1 ms apart. Counts the requests that were answered.
#[must_use]
pub fn keep_alive(requests: u64) -> Measured {
    let tank = Tank { prepared: Duration::from_micros(100_250), measured: Duration::from_millis(2 * requests) };
    let measured = tank.measure(|world, tally| {
        let server = add_server(world);
        let tally = tally.clone();
        let client = hosts::add(world, 1, move |_, stack| {
            let tally = tally.clone();
            async move { Caller::connect(&stack).await.ask_for_ever(&tally).await }
        });
        hosts::pair(world, "wire", server, client, &hosts::wire(Duration::from_millis(1)));
    });
    assert_eq!(measured.done.items, requests);
    assert_eq!(measured.done.frames, 2 * requests, "acknowledgements travel with data");
    measured
}

/// Which of a server's open connections are busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// All: each asks again as soon as it has its answer.
    Concurrent,
    /// One of each client node, in turn: all others are idle.
    RoundRobin,
}

/// How many nodes the connections come from.
const CLIENTS: u32 = 5;
/// Two cables there and two back. A connection's next turn comes after the acknowledgement's delay of 10 ms, even if its
/// node has but two: so a round-robin request takes three frames however many connections are open.
const HOP: Duration = Duration::from_millis(3);
const ROUND_TRIP: Duration = Duration::from_millis(12);

/// When so many connections of a node have been opened, one after the other.
fn open(share: u32) -> Duration {
    Duration::from_secs(25).max(Duration::from_millis(30) * share)
}

/// `connections` at one server, open all the time, on which `requests` are made. No two frames arrive at an instant, so
/// that few connections gain nothing by being served together. Counts the requests that were answered.
///
/// # Panics
///
/// If five clients cannot share the connections evenly, or the requests do not come out even in time.
#[must_use]
pub fn growth(load: Load, connections: u32, requests: u64) -> Measured {
    let (share, in_flight) = match load {
        Load::Concurrent => (connections / CLIENTS, connections),
        Load::RoundRobin => (connections / CLIENTS, CLIENTS),
    };
    assert!(connections.is_multiple_of(CLIENTS) && requests.is_multiple_of(in_flight.into()));
    // Once around before.
    let turns = connections / in_flight + 1;
    let tank = Tank {
        prepared: open(share) + turns * ROUND_TRIP,
        measured: ROUND_TRIP * u32::try_from(requests / u64::from(in_flight)).expect("a few"),
    };
    let measured = tank.measure(move |world, tally| {
        let mut nics = vec![add_server(world)];
        for client in 0..CLIENTS {
            let tally = tally.clone();
            let slot = ROUND_TRIP / in_flight;
            nics.push(hosts::add(world, client + 1, move |node, stack| {
                call(node, stack, load, share, slot, client, tally.clone())
            }));
        }
        hosts::star(world, &nics, &hosts::wire(HOP));
    });
    assert_eq!(measured.done.items, requests);
    measured
}

/// A node that keeps `share` connections open. Its requests have every fifth slot of a round trip's time.
async fn call(node: Node, stack: Stack<'static>, load: Load, share: u32, slot: Duration, client: u32, tally: Tally) {
    let clock = node.clock();
    clock.sleep(ROUND_TRIP * client / CLIENTS).await;
    let mut callers = Vec::new();
    for _ in 0..share {
        callers.push(Caller::connect(&stack).await);
    }
    let open = Instant::START + open(share);
    assert!(clock.now() < open, "all are open in time");
    clock.timer(open + slot * client).await;
    match load {
        Load::RoundRobin => loop {
            for caller in &mut callers {
                caller.ask().await;
                tally.add(1);
            }
        },
        Load::Concurrent => {
            let callers = callers.into_iter().zip(0..);
            let mut asking: FuturesUnordered<_> = callers
                .map(|(caller, index)| ask_from(clock, clock.now() + slot * CLIENTS * index, caller, &tally))
                .collect();
            asking.next().await;
        }
    }
}

async fn ask_from(clock: Clock, start: Instant, mut caller: Caller, tally: &Tally) {
    clock.timer(start).await;
    caller.ask_for_ever(tally).await;
}

fn add_server(world: &mut World) -> NicId {
    hosts::add(world, 0, |node, stack| async move {
        let listener = Listener::bind(&stack, 80, 64, hosts::prompt()).expect("the port is free");
        let mut app = App::new();
        app.at("/body").get(async || BODY);
        let service = app.into_service().expect("one route");
        let runtime = TankRuntime::new(node.clock());
        wavetank_web::serve(TankListener(listener), service, runtime, pending()).await;
    })
}

/// A client's connection, and how long an answer is. Answers are looked at where they have come: that a client keeps them
/// is no part of what a request costs at a server.
struct Caller {
    stream: Stream<'static>,
    length: usize,
}

impl Caller {
    /// Connects, asks once, and so learns how long an answer is.
    async fn connect(stack: &Stack<'static>) -> Self {
        let server = SocketAddr::new(hosts::address(0), 80);
        let mut stream = Stream::connect(stack, server, hosts::prompt()).await.expect("the server listens");
        stream.write_all(REQUEST).await.expect("the server reads");
        let mut answer = vec![0; 1_024];
        let mut length = 0;
        while !answer[..length].ends_with(BODY.as_bytes()) {
            let count = stream.read(&mut answer[length..]).await.expect("the server answers");
            assert_ne!(count, 0, "the server keeps the connection");
            length += count;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        Self { stream, length }
    }

    async fn ask(&mut self) {
        self.stream.write_all(REQUEST).await.expect("the server reads");
        let mut missing = self.length;
        while missing > 0 {
            let read = poll_fn(|cx| {
                self.stream.poll_read_with(cx, |bytes| {
                    let is_last = bytes.len() == missing;
                    assert!(!is_last || bytes.ends_with(&BODY.as_bytes()[BODY.len().saturating_sub(missing)..]));
                    bytes.len()
                })
            });
            let count = read.await.expect("the server answers");
            assert_ne!(count, 0, "the server keeps the connection");
            missing = missing.checked_sub(count).expect("one answer to one request");
        }
    }

    async fn ask_for_ever(&mut self, tally: &Tally) {
        loop {
            self.ask().await;
            tally.add(1);
        }
    }
}
