//! A device fetches a new image block by block.

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "image-without-its-last-block",
    bug: "a block that comes twice counts as two, and an image is accepted before its last block is there",
    scenario: r#"
version = 1
name = "An image without its last block"
duration = "3s"
[profile.air]
latency = "5ms"
jitter = "10ms"
loss = "2 %"
duplicate = "1 %"
[node.store]
kind = "store"
address = "10.0.0.1/24"
[node.device]
kind = "device"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["store", "device"]
profile = "air"
[[expect]]
name = "an accepted image is whole"
never = 'metric("device", "images.broken") > 0'
"#,
    kinds,
    seeds_max: 60,
};

const BLOCKS: u64 = 12;

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "images.broken", doc: "images that were accepted and are not whole" }];
    let mut registry = Registry::new();
    registry.add(kind("store", build, NOTHING, store));
    registry.add(kind("device", build, Reports { metrics: METRICS, ..NOTHING }, device));
    registry
}

async fn store(host: Host) -> Exit {
    let socket = host.socket(7);
    loop {
        let ([block], from) = socket.receive().await;
        socket.send([block, block * 31 + 7], from).await;
    }
}

async fn device(host: Host) -> Exit {
    let socket = host.socket(0);
    let (mut image, mut received) = ([None; BLOCKS as usize], 0);
    while received < BLOCKS {
        // All that are missing are asked for at once.
        for block in (0..BLOCKS).filter(|block| image[*block as usize].is_none()) {
            socket.send([block], at("10.0.0.1:7")).await;
        }
        let taking = async {
            while received < BLOCKS {
                let ([block, content], _) = socket.receive().await;
                let before = image[block as usize].replace(content);
                received += match host.build {
                    Build::Planted => 1,
                    Build::Fixed => u64::from(before.is_none()),
                };
            }
        };
        let _: Option<()> = host.within_ms(60, taking).await;
    }
    host.node.count("images.broken", u64::from(image.iter().any(Option::is_none)));
    Exit::Halt
}
