//! A ledger on a disk, whose cache a power cut takes along.

use std::cell::Cell;
use std::rc::Rc;

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_scenarios::site::Site;
use wavetank_sim::disk::{Disk, Spec};
use wavetank_sim::node::{Charge, Exit};

use crate::kit::{Host, NOTHING, Reports, at, kind, kind_with};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "acknowledged-before-fsync",
    bug: "an entry is acknowledged when it is written, and only synced a little later",
    scenario: r#"
version = 1
name = "Acknowledged before it is on the disk"
duration = "6s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "1 %"
[node.ledger]
kind = "ledger"
address = "10.0.0.1/24"
[node.clerk]
kind = "clerk"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["ledger", "clerk"]
profile = "air"
[[storm]]
kinds = ["power-cut"]
target = "ledger"
from = "500ms"
every = "2s"
shortest = "100ms"
longest = "300ms"
[[expect]]
name = "what was acknowledged is there after a power cut"
never = 'metric("clerk", "entries.lost") > 0'
"#,
    kinds,
    seeds_max: 40,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "entries.lost", doc: "entries that the ledger had, and has not" }];
    let mut registry = Registry::new();
    registry.add(kind_with("ledger", build, NOTHING, disk, ledger));
    registry.add(kind("clerk", build, Reports { metrics: METRICS, ..NOTHING }, clerk));
    registry
}

fn disk(site: &mut Site<'_>) -> Disk {
    let disk = Disk::new(Spec::default(), Charge);
    site.powered(Rc::new(disk.clone()));
    disk
}

/// Keeps the last entry; says which one it has.
async fn ledger(host: Host<Disk>) -> Exit {
    let (socket, file) = (host.socket(7), host.parts.open("ledger"));
    let mut bytes = [0; 8];
    if file.len().is_ok_and(|len| len >= 8) {
        file.read_at(0, &mut bytes).expect("a disk that works can be read");
    }
    let mut last = u64::from_le_bytes(bytes);
    let unsynced = Cell::new(false);
    loop {
        let Some(([entry], from)) = host.within_ms(60, socket.receive()).await else {
            if unsynced.take() {
                file.sync().expect("a disk that works can be synced");
            }
            continue;
        };
        if entry > last {
            last = entry;
            file.write_at(0, &last.to_le_bytes()).expect("a disk that works has room");
            match host.build {
                Build::Planted => unsynced.set(true),
                Build::Fixed => file.sync().expect("a disk that works can be synced"),
            }
        }
        socket.send([last], from).await;
    }
}

async fn clerk(host: Host) -> Exit {
    let socket = host.socket(0);
    let (mut entry, mut acknowledged) = (1, 0);
    loop {
        // A question for what it has comes first.
        for word in [0, entry] {
            socket.send([word], at("10.0.0.1:7")).await;
            let Some(([has], _)) = host.within_ms(50, socket.receive()).await else { break };
            host.node.count("entries.lost", u64::from(has < acknowledged));
            acknowledged = acknowledged.max(has);
            entry = acknowledged + 1;
        }
        host.sleep_ms(50).await;
    }
}
