//! Two workers take turns by leases; each must stop when its lease is over.

use std::time::Duration;

use futures::future::{Either, select};
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "lease-on-the-wrong-clock",
    bug: "a lease is counted by the wall clock, which somebody sets back",
    scenario: r#"
version = 1
name = "A lease on the wrong clock"
duration = "6s"
[profile.air]
latency = "2ms"
jitter = "1ms"
[node.warden]
kind = "warden"
address = "10.0.0.1/24"
[node.worker]
kind = "worker"
count = 2
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["warden", "worker-*"]
profile = "air"
[[fault]]
at = "500ms"
kind = "clock-step"
by = "-1s"
target = "worker-*"
jitter = "4s"
[[storm]]
kinds = ["cut-link"]
target = "lan/worker-*"
every = "800ms"
shortest = "300ms"
longest = "900ms"
[[expect]]
name = "one works at a time"
always = 'sum("worker-*", "working") <= 1'
"#,
    kinds,
    seeds_max: 40,
};

const LEASE_MS: u64 = 300;
const ASK_EVERY: Duration = Duration::from_millis(50);

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "working", doc: "1 while it has the lease" }];
    let mut registry = Registry::new();
    registry.add(kind("warden", build, NOTHING, warden));
    registry.add(kind("worker", build, Reports { metrics: METRICS, ..NOTHING }, worker));
    registry
}

async fn warden(host: Host) -> Exit {
    let socket = host.socket(7);
    let mut lease = (at("0.0.0.0:0"), 0);
    loop {
        let ([asked], from) = socket.receive().await;
        if lease.0 == from || host.now_ms() >= lease.1 {
            lease = (from, host.now_ms() + LEASE_MS);
            socket.send([asked], from).await;
        }
    }
}

async fn worker(host: Host) -> Exit {
    let socket = host.socket(0);
    let clock = host.node.clock();
    let now = || match host.build {
        Build::Planted => clock.wall(),
        Build::Fixed => clock.now() - wavetank_sim::time::Instant::START,
    };
    let mut until = Duration::ZERO;
    for asked in 1.. {
        let ends = now() + Duration::from_millis(LEASE_MS);
        socket.send([asked], at("10.0.0.1:7")).await;
        let granted = async { while socket.receive::<1>().await.0 != [asked] {} };
        // It never waits beyond the end of its lease.
        let left = until.saturating_sub(now());
        let wait = if left.is_zero() { ASK_EVERY } else { left.min(ASK_EVERY) };
        if let Either::Left(_) = select(Box::pin(granted), clock.sleep(wait)).await {
            until = ends;
        }
        host.node.gauge("working", i64::from(now() < until));
        clock.sleep(until.saturating_sub(now()).min(ASK_EVERY)).await;
        host.node.gauge("working", i64::from(now() < until));
    }
    Exit::Halt
}
