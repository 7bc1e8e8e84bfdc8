//! Two auctioneers hear the same bids and must name the same winner.

use std::collections::{BTreeMap, HashMap};

use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_sim::node::Exit;

use crate::kit::{Host, NOTHING, Reports, at, kind};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "order-of-a-map",
    bug: "of equal bids the first of an unordered map wins, which is another one on each machine",
    scenario: r#"
version = 1
name = "The order of a map decides"
duration = "2s"
calm_after = "1s"
[profile.air]
latency = "2ms"
jitter = "1ms"
[node.auctioneer]
kind = "auctioneer"
count = 2
address = "10.0.0.1/24"
[node.bidder]
kind = "bidder"
count = 4
address = "10.0.0.11/24"
[network.lan]
kind = "switch"
members = ["auctioneer-*", "bidder-*"]
profile = "air"
[[expect]]
name = "all name the same winner"
stable = 'min("auctioneer-*", "winner") == max("auctioneer-*", "winner")'
"#,
    kinds,
    seeds_max: 40,
};

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "winner", doc: "whom it names" }];
    let mut registry = Registry::new();
    registry.add(kind("auctioneer", build, Reports { metrics: METRICS, ..NOTHING }, auctioneer));
    registry.add(kind("bidder", build, NOTHING, bidder));
    registry
}

async fn auctioneer(host: Host) -> Exit {
    let socket = host.socket(7);
    let mut bids = BTreeMap::new();
    let hearing = async {
        loop {
            let ([bidder, bid], _) = socket.receive().await;
            bids.insert(bidder, bid);
        }
    };
    let _: Option<()> = host.within_ms(800, hearing).await;
    let winner = match host.build {
        Build::Planted => highest(bids.into_iter().collect::<HashMap<_, _>>()),
        Build::Fixed => highest(bids),
    };
    host.node.gauge("winner", winner as i64);
    Exit::Halt
}

/// The first of the highest bidders.
fn highest(bids: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let first_wins = |best: (u64, u64), bid: (u64, u64)| if bid.1 > best.1 { bid } else { best };
    bids.into_iter().reduce(first_wins).map_or(0, |(bidder, _)| bidder)
}

async fn bidder(host: Host) -> Exit {
    let (socket, mut dice) = (host.socket(0), host.node.stream("dice"));
    let (name, bid) = (host.node.id().index() as u64, dice.below(20));
    for _ in 0..4 {
        for auctioneer in ["10.0.0.1:7", "10.0.0.2:7"] {
            socket.send([name, bid], at(auctioneer)).await;
        }
        host.sleep_ms(100).await;
    }
    Exit::Halt
}
