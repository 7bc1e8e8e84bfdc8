//! Three nodes agree on who leads, by terms and votes; a leader that was away must notice that it was.

use rand_core::Rng;
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "healed-into-two-leaders",
    bug: "a leader that was cut off goes on leading beside the one that was elected meanwhile",
    scenario: r#"
version = 1
name = "A partition healed into two leaders"
duration = "8s"
calm_after = "4s"
[profile.air]
latency = "2ms"
jitter = "1ms"
[node.member]
kind = "member"
count = 3
address = "10.0.0.1/24"
[network.lan]
kind = "switch"
members = ["member-*"]
profile = "air"
[[storm]]
kinds = ["cut-link"]
target = "lan/member-*"
from = "1s"
until = "4s"
every = "2s"
shortest = "300ms"
longest = "1200ms"
[[expect]]
name = "in the end one leads"
stable = 'count("member-*", "leads") == 1'
within = "3s"
"#,
    kinds,
    seeds_max: 60,
};

const BEAT: u64 = 1;
const ASK: u64 = 2;
const VOTE: u64 = 3;

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "leads", doc: "1 while it leads" }];
    let mut registry = Registry::new();
    registry.add(kind("member", build, Reports { metrics: METRICS, ..NOTHING }, member));
    registry
}

async fn member(host: Host) -> Exit {
    let (socket, mut dice) = (host.socket(7), host.node.stream("dice"));
    let own = host.node.id().index() as u64 + 1;
    let others = || (1..=3).filter(|other| *other != own).map(|other| at(&format!("10.0.0.{other}:7")));
    let (mut term, mut voted, mut votes, mut leads) = (0, 0, 0, false);
    let mut patience_ms = 100 + dice.next_u64() % 200;
    loop {
        let wait_ms = if leads { 50 } else { patience_ms };
        match host.within_ms(wait_ms, socket.receive()).await {
            None if leads => {
                for other in others() {
                    socket.send([BEAT, term, own], other).await;
                }
            }
            None => {
                (term, voted, votes) = (term.max(voted) + 1, term.max(voted) + 1, 1);
                for other in others() {
                    socket.send([ASK, term, own], other).await;
                }
                patience_ms = 150 + dice.next_u64() % 300;
            }
            Some(([BEAT, theirs, _], _)) if theirs >= term => {
                let steps_down = match host.build {
                    // It leads, so it need not follow.
                    Build::Planted => !leads,
                    Build::Fixed => theirs > term || !leads,
                };
                if steps_down {
                    (term, leads) = (theirs, false);
                }
            }
            Some(([ASK, theirs, _], from)) if theirs > voted && theirs > term => {
                voted = theirs;
                socket.send([VOTE, theirs, own], from).await;
            }
            Some(([VOTE, theirs, _], _)) if theirs == term && !leads => {
                votes += 1;
                leads = votes >= 2;
            }
            Some(_) => {}
        }
        host.node.gauge("leads", leads.into());
    }
}
