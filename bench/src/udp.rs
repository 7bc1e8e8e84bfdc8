//! UDP through the async handles.

use std::net::SocketAddr;
use std::pin::pin;

use futures::future::{Either, select};
use wavetank_sim::node::Node;
use wavetank_sim::session::{Ended, Session};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::trace::{Event, Names, Record, Sink};
use wavetank_sim::world::{World, WorldConfig};
use wavetank_stack::Stack;
use wavetank_stack::udp::{Options, Socket};

use crate::hosts;
use crate::measured::{Done, Measured, Stopwatch, Tally};
use crate::tank::Tank;

/// `hosts` hosts on one switch; each sends 64 bytes every millisecond, to all others in turn. Counts the datagrams that
/// arrived.
#[must_use]
pub fn star(hosts: u32, millis: u64) -> Measured {
    // Until every host has sent to every other, and so asked for its Ethernet address.
    let prepared = Duration::from_micros(u64::from(hosts) * 2_000 + 250);
    let tank = Tank { prepared, measured: Duration::from_millis(millis) };
    let measured = tank.measure(move |world, tally| {
        let peers = move |host, turn| (host + 1 + turn % (hosts - 1)) % hosts;
        chatter(world, tally, hosts, Duration::from_millis(1), peers);
    });
    assert_eq!(measured.done.items, u64::from(hosts) * millis);
    measured
}

/// `pairs` of hosts, each joined by 100 Mbit/s and 5 ms; in each, one sends 1,000 bytes for ever, at 90 Mbit/s of
/// payload. Counts the datagrams that arrived.
#[must_use]
pub fn line(pairs: u32, millis: u64) -> Measured {
    /// 8,000 bits at 90 Mbit/s.
    const PERIOD: Duration = Duration::from_nanos(88_889);

    let tank = Tank { prepared: Duration::from_millis(500), measured: Duration::from_millis(millis) };
    let measured = tank.measure(move |world, tally| {
        for pair in 0..pairs {
            let tally = tally.clone();
            let sink = hosts::add(world, 2 * pair, move |_, stack| {
                let tally = tally.clone();
                async move {
                    let socket = Socket::bind(&stack, 9, Options::default()).expect("the port is free");
                    let mut datagram = [0; 1_024];
                    while socket.recv_from(&mut datagram).await.is_ok() {
                        tally.add(1);
                    }
                }
            });
            let source = hosts::add(world, 2 * pair + 1, move |node, stack| async move {
                let socket = Socket::bind(&stack, 9, Options::default()).expect("the port is free");
                let to = SocketAddr::new(hosts::address(2 * pair), 9);
                let clock = node.clock();
                while socket.send_to(&[1; 1_000], to).await.is_ok() {
                    clock.sleep(PERIOD).await;
                }
            });
            hosts::pair(world, &format!("wire-{pair}"), source, sink, &hosts::line());
        }
    });
    let sent = u128::from(pairs) * Duration::from_millis(millis).as_nanos() / PERIOD.as_nanos();
    assert!(u128::from(measured.done.items).abs_diff(sent) <= u128::from(pairs), "none is lost");
    measured
}

/// Hosts, ten to a switch; each sends 64 bytes every millisecond to the next one on its switch.
#[derive(Clone, Copy, Debug)]
pub struct Circles {
    /// How many switches with ten hosts there are.
    pub switches: u32,
    /// How many hosts of the first switch wait for a datagram that never comes.
    pub idle: u32,
    /// How many sinks see every event of the trace, and count them.
    pub sinks: u32,
}

impl Circles {
    /// Ten hosts, and nothing else.
    pub const ONE: Self = Self { switches: 1, idle: 0, sinks: 0 };
}

/// Lets them talk so long. Counts the datagrams that arrived.
#[must_use]
pub fn circles(circles: Circles, millis: u64) -> Measured {
    let Circles { switches, idle, sinks } = circles;
    let tank = Tank { prepared: Duration::from_micros(10_250), measured: Duration::from_millis(millis) };
    let measured = tank.measure(move |world, tally| {
        for switch in 0..switches {
            let first = switch * 10;
            let talker = |host| {
                let tally = tally.clone();
                let next = move |_| first + (host + 1) % 10;
                move |node, stack| chat(node, stack, Duration::from_millis(1), tally.clone(), next)
            };
            let mut nics: Vec<_> = (0..10).map(|host| hosts::add(world, first + host, talker(host))).collect();
            if switch == 0 {
                let places = switches * 10..switches * 10 + idle;
                nics.extend(places.map(|index| hosts::add(world, index, |_, stack| wait(stack))));
            }
            hosts::star(world, &nics, &hosts::wire(Duration::from_micros(500)));
        }
        for _ in 0..sinks {
            world.add_sink(Box::new(Counter::default()));
        }
    });
    assert_eq!(measured.done.items, u64::from(switches) * 10 * millis);
    measured
}

/// Counts the frames that were sent.
#[derive(Default)]
struct Counter(u64);

impl Sink for Counter {
    fn record(&mut self, record: &Record, _: &Names) {
        self.0 += u64::from(matches!(record.event, Event::FrameSent { .. }));
    }
}

/// Whole runs, building and ending included: 5 hosts on a switch, each sends 64 bytes to the next one every 10 ms, for
/// 10 s. Counts the runs.
#[must_use]
pub fn rings(runs: u64) -> Measured {
    let watch = Stopwatch::start();
    let mut done = Done { items: runs, ..Done::default() };
    for _ in 0..runs {
        let tally = Tally::default();
        let seen = tally.clone();
        let session = Session::start(WorldConfig::default(), move |world| {
            chatter(world, &tally, 5, Duration::from_millis(10), |host, _| (host + 1) % 5);
            Ok::<(), Ended>(())
        });
        let session = session.expect("a world that can be built");
        session.run_until(Instant::START + Duration::from_micros(10_005_000)).expect("the kernel does not panic");
        let snapshot = session.finish().expect("the kernel does not panic");
        assert_eq!(snapshot.failures, [], "a node's code failed");
        assert_eq!(seen.count(), 5_000);
        done.events += snapshot.events;
        done.frames += snapshot.frames.delivered;
        done.virtual_time += Duration::from_secs(10);
        done.fingerprint = Some(snapshot.fingerprint);
    }
    watch.stop(done)
}

/// Hosts on one switch; in every `period`, each sends 64 bytes to the peer whose turn it is, and all receive.
fn chatter<P>(world: &mut World, tally: &Tally, hosts: u32, period: Duration, peer: P)
where
    P: Fn(u32, u32) -> u32 + Copy + 'static,
{
    let host = |host| {
        let tally = tally.clone();
        move |node, stack| chat(node, stack, period, tally.clone(), move |turn| peer(host, turn))
    };
    let nics: Vec<_> = (0..hosts).map(|index| hosts::add(world, index, host(index))).collect();
    hosts::star(world, &nics, &hosts::wire(Duration::from_micros(500)));
}

/// Waits for datagrams, and counts none.
async fn wait(stack: Stack<'static>) {
    let socket = Socket::bind(&stack, 9, Options::default()).expect("the port is free");
    let mut datagram = [0; 128];
    while socket.recv_from(&mut datagram).await.is_ok() {}
}

async fn chat(node: Node, stack: Stack<'static>, period: Duration, tally: Tally, peer: impl Fn(u32) -> u32) {
    let socket = Socket::bind(&stack, 9, Options::default()).expect("the port is free");
    let receive = async {
        let mut datagram = [0; 128];
        while socket.recv_from(&mut datagram).await.is_ok() {
            tally.add(1);
        }
    };
    let clock = node.clock();
    let send = async {
        for turn in 0.. {
            clock.sleep(period).await;
            let to = SocketAddr::new(hosts::address(peer(turn)), 9);
            socket.send_to(&[1; 64], to).await.expect("a route leads there");
        }
    };
    let (Either::Left(((), _)) | Either::Right(((), _))) = select(pin!(receive), pin!(send)).await;
}
