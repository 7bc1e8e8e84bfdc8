//! A phone at home, a service outside, and between them a router that translates addresses and forgets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures::future::{Either, select};
use rand_core::Rng;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, Socket, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "nat-rebinding",
    bug: "a session is known by the address that it comes from, and a router gives it another one after a silence",
    scenario: r#"
version = 1
name = "A session behind a router that forgets"
duration = "5s"
[profile.air]
latency = "2ms"
jitter = "1ms"
loss = "1 %"
[node.service]
kind = "service"
address = "10.0.0.1/24"
[node.router]
kind = "router"
address = "10.0.0.2/24"
[node.phone]
kind = "phone"
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["service", "router", "phone"]
profile = "air"
[[expect]]
name = "a session is not lost"
never = 'metric("service", "sessions.lost") > 0'
"#,
    kinds,
    seeds_max: 60,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "sessions.lost", doc: "words of a session that it does not know" }];
    let mut registry = Registry::new();
    registry.add(kind("service", build, Reports { metrics: METRICS, ..NOTHING }, service));
    registry.add(kind("router", build, NOTHING, router));
    registry.add(kind("phone", build, NOTHING, phone));
    registry
}

async fn service(host: Host) -> Exit {
    let socket = host.socket(7);
    let (mut by_address, mut by_id) = (BTreeMap::new(), BTreeMap::new());
    loop {
        let ([session, turn], from) = socket.receive().await;
        if turn == 0 {
            by_address.insert(from, session);
        }
        let is_known = match host.build {
            Build::Planted => by_address.contains_key(&from),
            Build::Fixed => turn == 0 || by_id.contains_key(&session),
        };
        by_id.insert(session, from);
        host.node.count("sessions.lost", u64::from(!is_known));
        socket.send([session, turn], from).await;
    }
}

/// Hands on what comes from inside, from a port of its own that it keeps until it has been silent for too long.
async fn router(host: Host) -> Exit {
    const FORGETS_MS: u64 = 450;
    let inside = host.socket(7);
    let mut bound: Option<(Socket, SocketAddr, u64)> = None;
    loop {
        let outside = async {
            match &bound {
                Some((socket, ..)) => socket.receive::<2>().await.0,
                None => std::future::pending().await,
            }
        };
        let heard = match select(Box::pin(inside.receive::<2>()), Box::pin(outside)).await {
            Either::Left((heard, _)) => Either::Left(heard),
            Either::Right((words, _)) => Either::Right(words),
        };
        match heard {
            Either::Left((words, from)) => {
                bound = bound.filter(|(_, phone, last_ms)| *phone == from && host.now_ms() < last_ms + FORGETS_MS);
                let (socket, _, last_ms) = bound.get_or_insert_with(|| (host.socket(0), from, 0));
                *last_ms = host.now_ms();
                socket.send(words, at("10.0.0.1:7")).await;
            }
            Either::Right(words) => {
                if let Some((_, phone, _)) = &bound {
                    inside.send(words, *phone).await;
                }
            }
        }
    }
}

async fn phone(host: Host) -> Exit {
    let socket = host.socket(0);
    let mut dice = host.node.stream("dice");
    let session = dice.next_u64();
    for turn in 0.. {
        loop {
            socket.send([session, turn], at("10.0.0.2:7")).await;
            let answered = async { while socket.receive::<2>().await.0 != [session, turn] {} };
            if host.within_ms(60, answered).await.is_some() {
                break;
            }
        }
        host.sleep_ms(100 + dice.next_u64() % 345).await;
    }
    Exit::Halt
}
