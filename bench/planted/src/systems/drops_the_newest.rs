//! A lamp tells what it does, through a queue that holds little while the network is away.

use std::collections::VecDeque;

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "queue-drops-the-newest",
    bug: "a full queue of states refuses the newest, which is the only one that matters",
    scenario: r#"
version = 1
name = "A queue that drops the newest"
duration = "10s"
calm_after = "3s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "1 %"
[node.panel]
kind = "panel"
address = "10.0.0.1/24"
[node.lamp]
kind = "lamp"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["panel", "lamp"]
profile = "air"
[[storm]]
kinds = ["cut-link"]
target = "lan/lamp"
every = "1500ms"
shortest = "50ms"
longest = "600ms"
until = "3s"
[[expect]]
name = "the panel comes to show what the lamp does"
stable = 'metric("panel", "shown") == metric("lamp", "state")'
within = "6s"
"#,
    kinds,
    seeds_max: 100,
};

/// How many states wait at most.
const WAITING_MAX: usize = 3;
/// When the lamp is left as it is.
const LAST_MS: u64 = 2_500;

fn kinds(build: Build) -> Registry {
    const SHOWN: &[Metric] = &[Metric { name: "shown", doc: "the state that it shows" }];
    const STATE: &[Metric] = &[Metric { name: "state", doc: "the state that it is in" }];
    let mut registry = Registry::new();
    registry.add(kind("panel", build, Reports { metrics: SHOWN, ..NOTHING }, panel));
    registry.add(kind("lamp", build, Reports { metrics: STATE, ..NOTHING }, lamp));
    registry
}

async fn panel(host: Host) -> Exit {
    let socket = host.socket(7);
    let mut last = 0;
    loop {
        let ([state], from) = socket.receive().await;
        last = last.max(state);
        host.node.gauge("shown", last as i64);
        socket.send([state], from).await;
    }
}

async fn lamp(host: Host) -> Exit {
    let socket = host.socket(0);
    let (mut waiting, mut state) = (VecDeque::new(), 0);
    loop {
        if host.now_ms() < LAST_MS && host.now_ms() / 100 > state {
            state = host.now_ms() / 100;
            host.node.gauge("state", state as i64);
            match (waiting.len() < WAITING_MAX, host.build) {
                (true, _) => waiting.push_back(state),
                (false, Build::Planted) => {}
                (false, Build::Fixed) => {
                    waiting.pop_front();
                    waiting.push_back(state);
                }
            }
        }
        let Some(&next) = waiting.front() else {
            host.sleep_ms(20).await;
            continue;
        };
        socket.send([next], at("10.0.0.1:7")).await;
        let acknowledged = async { while socket.receive::<1>().await.0 != [next] {} };
        if host.within_ms(60, acknowledged).await.is_some() {
            waiting.pop_front();
        }
    }
}
