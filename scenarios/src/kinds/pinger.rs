//! `kind = "pinger"`: asks a station again and again whether it is there, and measures how long the answer takes.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::Stack;
use wavetank_stack::icmp::{Error, PAYLOAD_MAX, Pinger};

use super::check::Findings;
use super::defaults;
use crate::registry::{Metric, TypedKind};
use crate::runtime::{Network, TankClock};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a pinger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whom it asks: an address.
    pub to: IpAddr,
    /// From one question to the next.
    #[serde(default = "defaults::secs::<1>")]
    pub period: Time,
    /// How long an answer may take.
    #[serde(default = "defaults::secs::<1>")]
    pub patience: Time,
    /// How many bytes a question carries; at most 64.
    #[serde(default = "bytes")]
    pub bytes: usize,
    /// How many routers a question may pass.
    #[serde(default = "hops")]
    pub hops: u8,
}

fn bytes() -> usize {
    56
}

fn hops() -> u8 {
    64
}

/// What a pinger counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "pings.sent", doc: "questions that were sent" },
    Metric { name: "pings.answered", doc: "questions that were answered in time" },
    Metric { name: "pings.lost", doc: "questions without an answer in time" },
    Metric { name: "pings.refused", doc: "questions that somebody on the way said to be undeliverable" },
    Metric { name: "round-trip.us", doc: "from the last question to its answer, in microseconds" },
    Metric { name: "round-trip.worst.us", doc: "the longest of them" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("pinger", "Asks a station whether it is there (ICMP echo), and measures how long the answer takes.")
        .by_radio()
        .metrics(METRICS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.not_zero("period", config.period, "write \"1s\", for example");
    if config.bytes > PAYLOAD_MAX {
        findings.refuse("bytes", "a question carries at most 64 bytes", "write 56, for example");
    }
    if config.hops == 0 {
        findings.refuse("hops", "a question with no hops goes nowhere", "write 64, for example");
    }
    findings.all()
}

type PingerFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> PingerFuture + use<> {
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    let clock = TankClock(node.clock());
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) = Stack::shared(port, clock, &network.config(), network.seed(&node));
    let asking = pin!(async {
        let mut pinger = Pinger::new(&stack).expect("nobody else has sockets");
        pinger.set_hop_limit(config.hops);
        let (mut worst_us, mut next) = (0, node.clock().now());
        loop {
            node.count("pings.sent", 1);
            match pinger.ping(&clock, config.to, config.bytes, config.patience.as_duration()).await {
                Ok(reply) => {
                    let round_trip_us = i64::try_from(reply.round_trip.as_micros()).unwrap_or(i64::MAX);
                    node.count("pings.answered", 1);
                    node.gauge("round-trip.us", round_trip_us);
                    if round_trip_us > worst_us {
                        worst_us = round_trip_us;
                        node.gauge("round-trip.worst.us", worst_us);
                    }
                }
                Err(Error::Unreachable { .. }) => node.count("pings.refused", 1),
                Err(_) => node.count("pings.lost", 1),
            }
            next = next.max(node.clock().now()) + config.period.as_duration();
            node.clock().timer(next).await;
        }
    });
    runner.run_with(asking).await
}
