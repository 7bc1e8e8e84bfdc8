//! A stream of samples with sequence numbers of one byte; late ones are ignored.

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "sequence-wrap",
    bug: "where sequence numbers begin anew, only 0 right after 255 is taken for newer",
    scenario: r#"
version = 1
name = "Off by one where the sequence wraps"
duration = "8s"
[profile.air]
latency = "1ms"
jitter = "1ms"
loss = "1 %"
[node.sink]
kind = "sink"
address = "10.0.0.1/24"
[node.source]
kind = "source"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["sink", "source"]
profile = "air"
[[expect]]
name = "what is new is taken"
never = 'metric("sink", "refused.together") > 20'
"#,
    kinds,
    seeds_max: 200,
};

/// No sample.
const HELLO: u64 = 256;

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] =
        &[Metric { name: "refused.together", doc: "samples refused since the last that was not" }];
    let mut registry = Registry::new();
    registry.add(kind("sink", build, Reports { metrics: METRICS, ..NOTHING }, sink));
    registry.add(kind("source", build, NOTHING, source));
    registry
}

async fn sink(host: Host) -> Exit {
    let socket = host.socket(7);
    let mut last = 255_u8;
    loop {
        let ([sample], from) = socket.receive().await;
        if sample == HELLO {
            socket.send([HELLO], from).await;
            continue;
        }
        let sample = sample as u8;
        let is_newer = match host.build {
            Build::Planted => sample > last || (sample == 0 && last == 255),
            Build::Fixed => (1..128).contains(&sample.wrapping_sub(last)),
        };
        if is_newer {
            last = sample;
            host.node.gauge("refused.together", 0);
        } else {
            host.node.count("refused.together", 1);
        }
    }
}

async fn source(host: Host) -> Exit {
    let socket = host.socket(0);
    // A gap at the beginning, while nobody knows the sink's address, would be too wide for one byte.
    loop {
        socket.send([HELLO], at("10.0.0.1:7")).await;
        if host.within_ms(50, socket.receive::<1>()).await.is_some() {
            break;
        }
    }
    for sample in 0..300_u64 {
        socket.send([sample % 256], at("10.0.0.1:7")).await;
        host.sleep_ms(10).await;
    }
    Exit::Halt
}
