//! A server with two hands; callers that lose patience close their side of the connection.

use std::cell::Cell;
use std::rc::Rc;

use futures::future::join_all;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;
use wavetank_stack::tcp;

use crate::kit::{Host, NOTHING, Reports, at, kind, read, write};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "half-close-never-read",
    bug: "a connection that its caller has half closed is waited on for ever",
    scenario: r#"
version = 1
name = "A half-close that is never read"
duration = "20s"
[profile.air]
latency = "5ms"
jitter = "2ms"
loss = "2 %"
[node.server]
kind = "server"
address = "10.0.0.1/24"
[node.caller]
kind = "caller"
count = 2
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["server", "caller-*"]
profile = "air"
[[expect]]
name = "every caller is served"
eventually = 'min("caller-*", "served") >= 8'
"#,
    kinds,
    seeds_max: 40,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "served", doc: "calls that were answered" }];
    let mut registry = Registry::new();
    registry.add(kind("server", build, NOTHING, server));
    registry.add(kind("caller", build, Reports { metrics: METRICS, ..NOTHING }, caller));
    registry
}

async fn server(host: Host) -> Exit {
    let listener = tcp::Listener::bind(&host.stack, 80, 8, tcp::Options::default()).expect("nobody else listens");
    let hand = async || {
        loop {
            let mut stream = listener.accept().await;
            loop {
                let heard = host.within_ms(500, read(&mut stream)).await.flatten();
                match (heard, host.build) {
                    (Some([call]), _) => drop(write(&mut stream, [call]).await),
                    // Nothing yet, it thinks, and looks again.
                    (None, Build::Planted) if stream.acknowledged().await.is_ok() => host.sleep_ms(200).await,
                    (None, _) => break,
                }
            }
        }
    };
    let never = Rc::new(Cell::new(Exit::Halt));
    join_all([hand(), hand()]).await;
    never.get()
}

async fn caller(host: Host) -> Exit {
    let mut call = 0;
    while call < 8 {
        let exchange = async {
            let connecting = tcp::Stream::connect(&host.stack, at("10.0.0.1:80"), tcp::Options::default());
            let Some(Ok(mut stream)) = host.within_ms(300, connecting).await else { return false };
            let answered = host
                .within_ms(100, async {
                    write(&mut stream, [call]).await;
                    read(&mut stream).await == Some([call])
                })
                .await;
            match answered {
                // What is well is over.
                Some(_) => stream.abort(),
                // The other side may still say something, and is listened to for a while.
                None => {
                    stream.shutdown();
                    let _ = host.within_ms(3_000, read::<1>(&mut stream)).await;
                }
            }
            answered == Some(true)
        };
        if exchange.await {
            call += 1;
            host.node.gauge("served", call as i64);
        }
        host.sleep_ms(20).await;
    }
    Exit::Halt
}
