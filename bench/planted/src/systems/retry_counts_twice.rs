//! A till sends each credit until it is acknowledged; the bank books whatever arrives.

use std::collections::BTreeSet;

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Flow;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "retry-counts-twice",
    bug: "a request is tried again when only its answer was lost, and counts twice",
    scenario: r#"
version = 1
name = "A retry counts twice"
duration = "2s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "1 %"
[node.bank]
kind = "bank"
address = "10.0.0.1/24"
[node.till]
kind = "till"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["bank", "till"]
profile = "air"
[[expect]]
name = "each credit is booked once"
flow = { unique = "credit.booked" }
"#,
    kinds,
    seeds_max: 20,
};

fn kinds(build: Build) -> Registry {
    const FLOWS: &[Flow] = &[Flow { name: "credit.booked", doc: "a credit was booked" }];
    let mut registry = Registry::new();
    registry.add(kind("bank", build, Reports { flows: FLOWS, ..NOTHING }, bank));
    registry.add(kind("till", build, NOTHING, till));
    registry
}

async fn bank(host: Host) -> Exit {
    let socket = host.socket(7);
    let mut booked = BTreeSet::new();
    loop {
        let ([credit], from) = socket.receive().await;
        let is_new = match host.build {
            Build::Planted => true,
            Build::Fixed => booked.insert(credit),
        };
        if is_new {
            host.node.flow("credit.booked", "till", credit);
        }
        socket.send([credit], from).await;
    }
}

async fn till(host: Host) -> Exit {
    let socket = host.socket(0);
    for credit in 1..=10 {
        loop {
            socket.send([credit], at("10.0.0.1:7")).await;
            let acknowledged = async { while socket.receive::<1>().await.0 != [credit] {} };
            if host.within_ms(40, acknowledged).await.is_some() {
                break;
            }
        }
        host.sleep_ms(50).await;
    }
    Exit::Halt
}
