//! A server that is fast enough for its clients, as long as they ask once.

use rand_core::Rng;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "retry-storm",
    bug: "clients try again at once and at the same pace, and a short outage never ends",
    scenario: r#"
version = 1
name = "A retry storm that never calms"
duration = "12s"
calm_after = "4s"
[profile.air]
latency = "1ms"
jitter = "1ms"
[node.server]
kind = "server"
address = "10.0.0.1/24"
[node.client]
kind = "client"
count = 8
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["server", "client-*"]
profile = "air"
[[storm]]
kinds = ["pause"]
target = "server"
from = "1s"
until = "4s"
every = "2s"
shortest = "50ms"
longest = "400ms"
[[expect]]
name = "after an outage, all are served again"
stable = 'max("client-*", "waiting") <= 6'
within = "4s"
"#,
    kinds,
    seeds_max: 20,
};

/// How long an answer is waited for.
const PATIENCE_MS: u64 = 70;

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "waiting", doc: "tries of the request that it waits for" }];
    let mut registry = Registry::new();
    registry.add(kind("server", build, NOTHING, server));
    registry.add(kind("client", build, Reports { metrics: METRICS, ..NOTHING }, client));
    registry
}

async fn server(host: Host) -> Exit {
    let socket = host.socket(7);
    loop {
        let ([request], from) = socket.receive().await;
        host.sleep_ms(10).await;
        socket.send([request], from).await;
    }
}

async fn client(host: Host) -> Exit {
    let mut dice = host.node.stream("dice");
    host.sleep_ms(dice.next_u64() % 300).await;
    let mut attempt = 0;
    loop {
        let mut tries = 0;
        let socket = host.socket(0);
        loop {
            attempt += 1;
            socket.send([attempt], at("10.0.0.1:7")).await;
            let answered = async { while socket.receive::<1>().await.0 != [attempt] {} };
            if host.within_ms(PATIENCE_MS, answered).await.is_some() {
                break;
            }
            tries += 1;
            host.node.gauge("waiting", tries);
            if host.build == Build::Fixed {
                host.sleep_ms(dice.next_u64() % (PATIENCE_MS << tries.min(5))).await;
            }
        }
        host.node.gauge("waiting", 0);
        host.sleep_ms(300).await;
    }
}
