//! TCP through the async handles.

use std::net::SocketAddr;

use embedded_io_async::{Read, Write};
use wavetank_sim::net::NicId;
use wavetank_sim::time::Duration;
use wavetank_sim::world::World;
use wavetank_stack::Stack;
use wavetank_stack::tcp::{Listener, Stream};

use crate::crowd::{self, Load};
use crate::hosts;
use crate::measured::Measured;
use crate::tank::Tank;

/// The payload of a full segment on Ethernet, IPv4 and TCP without options.
pub const SEGMENT_BYTES: u64 = 1_460;

/// Two hosts, 1 ms apart, exchange 64 bytes each way. Counts the round trips, `rounds` of them.
#[must_use]
pub fn ping_pong(rounds: u64) -> Measured {
    let tank = Tank { prepared: Duration::from_micros(100_250), measured: Duration::from_millis(2 * rounds) };
    let measured = tank.measure(|world, tally| {
        let server = hosts::add(world, 0, |_, stack| async move {
            let listener = Listener::bind(&stack, 80, 4, hosts::prompt()).expect("the port is free");
            let mut stream = listener.accept().await;
            let mut message = [0; 64];
            while stream.read_exact(&mut message).await.is_ok() {
                stream.write_all(&message).await.expect("the client reads");
            }
        });
        let tally = tally.clone();
        let client = hosts::add(world, 1, move |_, stack| {
            let tally = tally.clone();
            async move {
                let server = SocketAddr::new(hosts::address(0), 80);
                let mut stream = Stream::connect(&stack, server, hosts::prompt()).await.expect("the server listens");
                let mut message = [7; 64];
                loop {
                    stream.write_all(&message).await.expect("the server reads");
                    stream.read_exact(&mut message).await.expect("the server answers");
                    tally.add(1);
                }
            }
        });
        hosts::pair(world, "wire", server, client, &hosts::wire(Duration::from_millis(1)));
    });
    assert_eq!(measured.done.items, rounds);
    assert_eq!(measured.done.frames, 2 * rounds, "acknowledgements travel with data");
    measured
}

/// `connections` at one server, open all the time, on which 64 bytes go there and back `exchanges` times: see
/// [`crowd::growth`]. The server has a task for each connection.
#[must_use]
pub fn echo(load: Load, connections: u32, exchanges: u64) -> Measured {
    crowd::growth::<Echoed>(add_echo, load, connections, exchanges)
}

fn add_echo(world: &mut World) -> NicId {
    hosts::add(world, 0, |node, stack| async move {
        let listener = Listener::bind(&stack, 80, 64, hosts::prompt()).expect("the port is free");
        loop {
            let mut stream = listener.accept().await;
            node.spawn(async move {
                let mut message = [0; 64];
                while stream.read_exact(&mut message).await.is_ok() {
                    stream.write_all(&message).await.expect("the client reads");
                }
            });
        }
    })
}

/// A client's connection to a server that says everything again.
struct Echoed(Stream<'static>);

impl crowd::Caller for Echoed {
    async fn connect(stack: &Stack<'static>) -> Self {
        let server = SocketAddr::new(hosts::address(0), 80);
        let mut caller = Self(Stream::connect(stack, server, hosts::prompt()).await.expect("the server listens"));
        caller.ask().await;
        caller
    }

    async fn ask(&mut self) {
        let mut message = [7; 64];
        self.0.write_all(&message).await.expect("the server reads");
        self.0.read_exact(&mut message).await.expect("the server answers");
    }
}

/// `flows` pairs of hosts; in each, one sends as fast as 100 Mbit/s with 5 ms carries, for `millis` milliseconds. Counts
/// full segments' worth of what arrived.
#[must_use]
pub fn bulk(flows: u32, millis: u64) -> Measured {
    let tank = Tank { prepared: Duration::from_millis(500), measured: Duration::from_millis(millis) };
    let mut options = hosts::prompt();
    (options.receive_bytes, options.send_bytes) = (262_144, 262_144);
    let mut measured = tank.measure(move |world, tally| {
        for flow in 0..flows {
            let tally = tally.clone();
            let sink = hosts::add(world, 2 * flow, move |_, stack| {
                let tally = tally.clone();
                async move {
                    let listener = Listener::bind(&stack, 80, 4, options).expect("the port is free");
                    let mut stream = listener.accept().await;
                    let mut buffer = [0; 16_384];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        tally.add(count as u64);
                    }
                }
            });
            let source = hosts::add(world, 2 * flow + 1, move |_, stack| async move {
                let sink = SocketAddr::new(hosts::address(2 * flow), 80);
                let mut stream = Stream::connect(&stack, sink, options).await.expect("the sink listens");
                while stream.write_all(&[5; 16_384]).await.is_ok() {}
            });
            hosts::pair(world, &format!("wire-{flow}"), source, sink, &hosts::line());
        }
    });
    measured.done.items /= SEGMENT_BYTES;
    // Headers, preamble, check sequence and gap are 78 bytes a segment.
    let line = u64::from(flows) * millis * 12_500 / (SEGMENT_BYTES + 78);
    assert!(measured.done.items.abs_diff(line) <= line / 100 + u64::from(flows), "the line is full");
    measured
}
