//! A store on two machines: one takes the writes, the other is told of them and takes reads.

use rand_core::Rng;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::History;
use wavetank_sim::check::history::{Answer, Call};
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "stale-reads",
    bug: "reads go to a copy that hears of writes a little later, and the store is not linearizable",
    scenario: r#"
version = 1
name = "Reads of a stale copy"
duration = "2s"
[profile.air]
latency = "1ms"
jitter = "4ms"
loss = "1 %"
[node.store]
kind = "store"
count = 2
address = "10.0.0.1/24"
[node.client]
kind = "client"
count = 3
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["store-*", "client-*"]
profile = "air"
[[expect]]
name = "the store is one store"
linearizable = "store"
"#,
    kinds,
    seeds_max: 40,
};

fn kinds(build: Build) -> Registry {
    const HISTORIES: &[History] = &[History { name: "store", doc: "what clients ask of the store" }];
    let mut registry = Registry::new();
    registry.add(kind("store", build, NOTHING, store));
    registry.add(kind("client", build, NOTHING, client).histories(HISTORIES));
    registry
}

/// Words are (number of the question, what is written, 0 to read).
async fn store(host: Host) -> Exit {
    let socket = host.socket(7);
    let is_first = host.node.name().ends_with('1');
    let mut value = 0;
    loop {
        let ([question, written], from) = socket.receive().await;
        if written > 0 {
            value = written;
            if is_first {
                // The copy is told, and nobody waits for it.
                socket.send([0, written], at("10.0.0.2:7")).await;
            }
        }
        if question > 0 {
            socket.send([question, value], from).await;
        }
    }
}

async fn client(host: Host) -> Exit {
    let (socket, mut dice) = (host.socket(0), host.node.stream("dice"));
    let name = host.node.id().index() as u64;
    for question in 1..30 {
        host.sleep_ms(20 + dice.next_u64() % 40).await;
        let writes = dice.next_u64() % 4 == 0;
        let written = if writes { question * 100 + name } else { 0 };
        let to = match (writes, host.build) {
            (false, Build::Planted) => at("10.0.0.2:7"),
            _ => at("10.0.0.1:7"),
        };
        let call = if writes { Call::Write(Some(written)) } else { Call::Read };
        let called = host.node.call("store", "the value", call);
        socket.send([question, written], to).await;
        let answered = async {
            loop {
                let ([number, value], _) = socket.receive().await;
                if number == question {
                    return value;
                }
            }
        };
        // Without an answer, nobody knows whether it was written.
        if let Some(value) = host.within_ms(60, answered).await {
            let held = (value > 0).then_some(value);
            called.answered(if writes { Answer::Written } else { Answer::Read(held) });
        }
    }
    Exit::Halt
}
