//! A service moves to another machine when the first one dies, and a directory says where it is.

use std::net::{Ipv4Addr, SocketAddr};

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "answer-cached-for-ever",
    bug: "an address that was looked up is used for ever, although it was only good for a while",
    scenario: r#"
version = 1
name = "An answer that is cached for ever"
duration = "7s"
calm_after = "3s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "0.5 %"
[node.directory]
kind = "directory"
address = "10.0.0.1/24"
[node.service]
kind = "service"
count = 2
address = "10.0.0.2/24"
[node.client]
kind = "client"
count = 2
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["directory", "service-*", "client-*"]
profile = "air"
[[fault]]
at = "500ms"
kind = "crash"
target = "service-1"
jitter = "2s"
[[expect]]
name = "clients find the service again"
stable = 'max("client-*", "unanswered") < 8'
within = "3s"
"#,
    kinds,
    seeds_max: 20,
};

/// How long an answer of the directory is good.
const TTL_MS: u64 = 400;

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "unanswered", doc: "questions since the last answer" }];
    let mut registry = Registry::new();
    registry.add(kind("directory", build, NOTHING, directory));
    registry.add(kind("service", build, NOTHING, service));
    registry.add(kind("client", build, Reports { metrics: METRICS, ..NOTHING }, client));
    registry
}

/// Tells where it last heard a service from; the first one, as long as it is heard.
async fn directory(host: Host) -> Exit {
    let socket = host.socket(53);
    let mut heard_ms = [0; 2];
    loop {
        let ([word], from) = socket.receive().await;
        match word {
            0 => {
                let is_fresh = |ms: u64| host.now_ms() < ms + 500;
                let place = u64::from(!is_fresh(heard_ms[0]) && is_fresh(heard_ms[1]));
                socket.send([place + 1], from).await;
            }
            service => heard_ms[(service as usize - 1) % 2] = host.now_ms(),
        }
    }
}

async fn service(host: Host) -> Exit {
    let socket = host.socket(7);
    let own = if host.node.name().ends_with('1') { 1 } else { 2 };
    loop {
        socket.send([own], at("10.0.0.1:53")).await;
        let answering = async {
            loop {
                let ([question], from) = socket.receive().await;
                socket.send([question], from).await;
            }
        };
        let _: Option<()> = host.within_ms(100, answering).await;
    }
}

async fn client(host: Host) -> Exit {
    let socket = host.socket(0);
    let mut known: Option<(SocketAddr, u64)> = None;
    for question in 100.. {
        let is_good = |until_ms: u64| host.build == Build::Planted || host.now_ms() < until_ms;
        if known.is_none_or(|(_, until_ms)| !is_good(until_ms)) {
            socket.send([0], at("10.0.0.1:53")).await;
            if let Some(([place], _)) = host.within_ms(50, socket.receive()).await
                && place < 3
            {
                known = Some(((Ipv4Addr::new(10, 0, 0, 1 + place as u8), 7).into(), host.now_ms() + TTL_MS));
            }
        }
        if let Some((service, _)) = known {
            socket.send([question], service).await;
            let answered = async { while socket.receive::<1>().await.0 != [question] {} };
            match host.within_ms(50, answered).await {
                Some(()) => host.node.gauge("unanswered", 0),
                None => host.node.count("unanswered", 1),
            }
        }
        host.sleep_ms(50).await;
    }
    Exit::Halt
}
