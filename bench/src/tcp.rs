//! TCP through the async handles.

use std::net::SocketAddr;

use embedded_io_async::{Read, Write};
use wavetank_sim::net::LinkConfig;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Snapshot, World, WorldConfig};
use wavetank_stack::tcp::{Listener, Options, Stream};

use crate::hosts;

fn options() -> Options {
    let mut options = Options::default();
    options.nagle = false;
    options
}

/// Two hosts, 1 ms apart, exchange 64 bytes each way, `rounds` times.
#[must_use]
pub fn ping_pong(rounds: u64) -> Snapshot {
    let mut world = World::new(&WorldConfig::default());
    let server = hosts::add(&mut world, 0, |_, stack| async move {
        let listener = Listener::bind(&stack, 80, 4, options()).expect("the port is free");
        let mut stream = listener.accept().await;
        let mut message = [0; 64];
        while stream.read_exact(&mut message).await.is_ok() {
            stream.write_all(&message).await.expect("the client reads");
        }
    });
    let client = hosts::add(&mut world, 1, move |node, stack| async move {
        let server = SocketAddr::new(hosts::address(0), 80);
        let mut stream = Stream::connect(&stack, server, options()).await.expect("the server listens");
        let mut message = [7; 64];
        for _ in 0..rounds {
            stream.write_all(&message).await.expect("the server reads");
            stream.read_exact(&mut message).await.expect("the server answers");
        }
        node.count("rounds", rounds);
    });
    let link = LinkConfig { latency: Duration::from_millis(1), ..LinkConfig::default() };
    hosts::pair(&mut world, "wire", server, client, &link);
    world.run_until(Instant::START + Duration::from_millis(2 * rounds + 100));
    world.finish()
}

/// `flows` pairs of hosts; in each, one sends as fast as 100 Mbit/s with 5 ms carries, for `millis` milliseconds.
#[must_use]
pub fn bulk(flows: u32, millis: u64) -> Snapshot {
    let mut world = World::new(&WorldConfig::default());
    let mut options = options();
    (options.receive_bytes, options.send_bytes) = (262_144, 262_144);
    for flow in 0..flows {
        let sink = hosts::add(&mut world, 2 * flow, move |node, stack| async move {
            let listener = Listener::bind(&stack, 80, 4, options).expect("the port is free");
            let mut stream = listener.accept().await;
            let mut buffer = [0; 16_384];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                node.count("received", count as u64);
            }
        });
        let source = hosts::add(&mut world, 2 * flow + 1, move |_, stack| async move {
            let sink = SocketAddr::new(hosts::address(2 * flow), 80);
            let mut stream = Stream::connect(&stack, sink, options).await.expect("the sink listens");
            while stream.write_all(&[5; 16_384]).await.is_ok() {}
        });
        let link = LinkConfig {
            latency: Duration::from_millis(5),
            rate_bps: Some(100_000_000),
            queue_bytes_max: Some(262_144),
            ..LinkConfig::default()
        };
        hosts::pair(&mut world, &format!("wire-{flow}"), source, sink, &link);
    }
    world.run_until(Instant::START + Duration::from_millis(millis));
    world.finish()
}
