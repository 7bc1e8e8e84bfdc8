//! A gate that gives out tickets with the time on them.

use std::time::Duration;

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "time-going-backwards",
    bug: "the age of a ticket is its time subtracted from now, and now may be earlier",
    scenario: r#"
version = 1
name = "Time goes backwards"
duration = "5s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "1 %"
[node.gate]
kind = "gate"
address = "10.0.0.1/24"
[node.visitor]
kind = "visitor"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["gate", "visitor"]
profile = "air"
[[fault]]
at = "500ms"
kind = "clock-step"
by = "-90ms"
target = "gate"
jitter = "3s"
[[expect]]
name = "the visitor gets in"
eventually = 'metric("visitor", "visits") >= 1'
"#,
    kinds,
    seeds_max: 60,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "visits", doc: "how often it was let in" }];
    let mut registry = Registry::new();
    registry.add(kind("gate", build, NOTHING, gate));
    registry.add(kind("visitor", build, Reports { metrics: METRICS, ..NOTHING }, visitor));
    registry
}

/// A question without a time gets a ticket; one with a time is let in or not.
async fn gate(host: Host) -> Exit {
    let socket = host.socket(7);
    loop {
        let ([issued_ns, turn], from) = socket.receive().await;
        let now = host.node.clock().wall();
        if issued_ns == 0 {
            let now_ns = u64::try_from(now.as_nanos()).expect("it is not the year 2500");
            socket.send([now_ns, turn], from).await;
            continue;
        }
        let issued = Duration::from_nanos(issued_ns);
        let age = match host.build {
            Build::Planted => now.checked_sub(issued).expect("a ticket is used after it was issued"),
            Build::Fixed => now.saturating_sub(issued),
        };
        socket.send([u64::from(age < Duration::from_secs(1)), turn], from).await;
    }
}

async fn visitor(host: Host) -> Exit {
    let socket = host.socket(0);
    let mut turn = 0;
    loop {
        let mut words = [0, 0];
        // A ticket, then the way in with it.
        for pause_ms in [30, 300] {
            turn += 1;
            socket.send([words[0], turn], at("10.0.0.1:7")).await;
            let answered = async {
                loop {
                    let (words, _) = socket.receive().await;
                    if words[1] == turn {
                        return words;
                    }
                }
            };
            let Some(answer) = host.within_ms(50, answered).await else { break };
            words = answer;
            host.sleep_ms(pause_ms).await;
        }
        host.node.count("visits", u64::from(words[0] == 1));
    }
}
