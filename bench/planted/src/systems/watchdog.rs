//! A pump whose watchdog resets it when it hangs.

use std::cell::Cell;

use futures::future::{Either, join, select};
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "watchdog-fed-by-another",
    bug: "the watchdog is fed by a timer of its own, and not by the task that can hang",
    scenario: r#"
version = 1
name = "A watchdog that is fed from the wrong task"
duration = "8s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "0.5 %"
[node.control]
kind = "control"
address = "10.0.0.1/24"
[node.pump]
kind = "pump"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["control", "pump"]
profile = "air"
[[expect]]
name = "the pump goes on"
never = 'metric("control", "silence") >= 30'
"#,
    kinds,
    seeds_max: 60,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "silence", doc: "tenths of a second since the pump was heard" }];
    let mut registry = Registry::new();
    registry.add(kind("control", build, Reports { metrics: METRICS, ..NOTHING }, control));
    registry.add(kind("pump", build, NOTHING, pump));
    registry
}

async fn control(host: Host) -> Exit {
    let socket = host.socket(7);
    loop {
        match host.within_ms(100, socket.receive::<1>()).await {
            Some((words, from)) => {
                host.node.gauge("silence", 0);
                socket.send(words, from).await;
            }
            None => host.node.count("silence", 1),
        }
    }
}

async fn pump(host: Host) -> Exit {
    let socket = host.socket(0);
    let fed_ms = Cell::new(0);
    let feed = || fed_ms.set(host.now_ms());
    let pumping = async {
        for stroke in 1_u64.. {
            socket.send([stroke], at("10.0.0.1:7")).await;
            // An answer that is lost is waited for for ever: that is what the watchdog is for.
            while socket.receive::<1>().await.0 != [stroke] {}
            if host.build == Build::Fixed {
                feed();
            }
            host.sleep_ms(80).await;
        }
    };
    let ticking = async {
        loop {
            if host.build == Build::Planted {
                feed();
            }
            host.sleep_ms(50).await;
        }
    };
    let watchdog = async {
        while host.now_ms() < fed_ms.get() + 500 {
            host.sleep_ms(20).await;
        }
    };
    match select(Box::pin(join(pumping, ticking)), Box::pin(watchdog)).await {
        Either::Left((((), never), _)) => never,
        Either::Right(((), _)) => Exit::Reboot,
    }
}
