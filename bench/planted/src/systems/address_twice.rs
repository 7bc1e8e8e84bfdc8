//! Sensors that choose an address of their own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use rand_core::Rng;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_scenarios::runtime::TankClock;
use wavetank_sim::node::Exit;
use wavetank_stack::{Cidr, Claim, Claiming};

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "one-address-twice",
    bug: "devices choose their addresses and do not ask whether somebody has them",
    scenario: r#"
version = 1
name = "Two devices with one address"
duration = "8s"
[profile.wire]
latency = "1ms"
jitter = "1ms"
[node.server]
kind = "server"
address = "10.0.0.1/24"
[node.sensor]
kind = "sensor"
count = 3
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["server", "sensor-*"]
profile = "wire"
[[expect]]
name = "an address is one sensor's"
never = 'metric("server", "addresses.shared") > 0'
"#,
    kinds,
    seeds_max: 100,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "addresses.shared", doc: "words from an address that is another's" }];
    let mut registry = Registry::new();
    registry.add(kind("server", build, Reports { metrics: METRICS, ..NOTHING }, server));
    registry.add(kind("sensor", build, NOTHING, sensor));
    registry
}

async fn server(host: Host) -> Exit {
    let socket = host.socket(7);
    let mut owners = BTreeMap::new();
    loop {
        let ([sensor], from) = socket.receive().await;
        if *owners.entry(from.ip()).or_insert(sensor) != sensor {
            host.node.count("addresses.shared", 1);
        }
    }
}

async fn sensor(host: Host) -> Exit {
    let (mut dice, clock) = (host.node.stream("dice"), TankClock(host.node.clock()));
    let id = dice.next_u64();
    host.stack.set_addresses(&[], &[]);
    host.sleep_ms(dice.next_u64() % 500).await;
    loop {
        let address = IpAddr::from(Ipv4Addr::new(10, 0, 0, 100 + (dice.next_u64() % 100) as u8));
        if host.build == Build::Fixed {
            let Some(claim) = Claim::begin(&host.stack, address) else { continue };
            let how = Claiming { wait_max: wavetank_stack::Duration::from_millis(500), ..Claiming::QUICK };
            if claim.ask(&clock, &mut dice, how).await.is_err() {
                continue;
            }
        }
        host.stack.set_addresses(&[Cidr::new(address, 24)], &[]);
        break;
    }
    let socket = host.socket(0);
    loop {
        socket.send([id], at("10.0.0.1:7")).await;
        host.sleep_ms(1_000).await;
    }
}
