//! Many connections that are open at one server, all the time.

use std::future::Future;

use futures::stream::StreamExt;
use futures_buffered::FuturesUnordered;
use wavetank_sim::net::NicId;
use wavetank_sim::node::{Clock, Node};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::World;
use wavetank_stack::Stack;

use crate::hosts;
use crate::measured::{Measured, Tally};
use crate::tank::Tank;

/// A client's end of one connection.
pub trait Caller: Sized + 'static {
    /// Connects to the server, which is host 0, and asks once.
    fn connect(stack: &Stack<'static>) -> impl Future<Output = Self>;

    /// Asks, and waits for the whole answer.
    fn ask(&mut self) -> impl Future<Output = ()>;
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
pub fn growth<C: Caller>(add_server: fn(&mut World) -> NicId, load: Load, connections: u32, requests: u64) -> Measured {
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
                call::<C>(node, stack, load, share, slot, client, tally.clone())
            }));
        }
        hosts::star(world, &nics, &hosts::wire(HOP));
    });
    assert_eq!(measured.done.items, requests);
    measured
}

/// A node that keeps `share` connections open. Its requests have every fifth slot of a round trip's time.
async fn call<C: Caller>(
    node: Node,
    stack: Stack<'static>,
    load: Load,
    share: u32,
    slot: Duration,
    client: u32,
    tally: Tally,
) {
    let clock = node.clock();
    clock.sleep(ROUND_TRIP * client / CLIENTS).await;
    let mut callers = Vec::new();
    for _ in 0..share {
        callers.push(C::connect(&stack).await);
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

async fn ask_from(clock: Clock, start: Instant, caller: impl Caller, tally: &Tally) {
    clock.timer(start).await;
    ask_for_ever(caller, tally).await;
}

/// Asks again as soon as it is answered.
pub(crate) async fn ask_for_ever(mut caller: impl Caller, tally: &Tally) {
    loop {
        caller.ask().await;
        tally.add(1);
    }
}
