//! `kind = "sntp-client"`: keeps a clock right by what time servers say.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::world::WorldConfig;
use wavetank_stack::Stack;
use wavetank_stack::sntp::{Client, Error, Event, Options};
use wavetank_stack::time::{SetClock, WallClock};

use super::check::Findings;
use super::defaults;
use crate::registry::{Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells such a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The addresses of the servers that it asks.
    pub servers: Vec<IpAddr>,
    /// The shortest time between two questions.
    #[serde(default = "defaults::secs::<64>")]
    pub interval: Time,
}

/// What such a client counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "clock.set", doc: "times that its clock was set" },
    Metric { name: "clock.right", doc: "answers by which its clock was right" },
    Metric { name: "clock.doubted", doc: "answers that would have moved its clock too far to be believed" },
    Metric {
        name: "clock.error.us",
        doc: "how far its clock was ahead of true time after the last answer, in microseconds",
    },
    Metric { name: "servers.failed", doc: "questions that brought no time" },
    Metric { name: "servers.kissed", doc: "answers that asked to be left alone" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("sntp-client", "Keeps a clock right by what time servers say (SNTP).")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(METRICS)
        .check(|config: &Config| {
            let mut findings = Findings::default();
            if config.servers.is_empty() {
                findings.refuse("servers", "nobody is asked", "write [\"10.0.0.2\"], for example");
            }
            findings.not_zero("interval", config.interval, "write \"64s\", for example");
            findings.all()
        })
        .program(install)
}

type ClientFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> ClientFuture + use<> {
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    let clock = TankClock(node.clock());
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) = Stack::shared(port, clock, &network.config_for(&node), network.seed(&node));
    let wall = SetClock::new(clock);
    let mut options = Options::default();
    options.interval_min = config.interval.as_duration();
    options.interval_max = options.interval_max.max(options.interval_min);
    let mut client = Client::new(&stack, &clock, &wall, node.stream("sntp"), options);
    let asking = pin!(client.run(&config.servers, |event| {
        match event {
            Event::Set { .. } => node.count("clock.set", 1),
            Event::Right(_) => node.count("clock.right", 1),
            Event::Doubted(_) => node.count("clock.doubted", 1),
            Event::Failed(_, Error::Kissed(_)) => node.count("servers.kissed", 1),
            _ => node.count("servers.failed", 1),
        }
        if let Some(own_micros) = wall.now_unix_micros() {
            // Every world of a plan begins at the same time of day.
            let true_ns = WorldConfig::default().epoch_ns + node.world_now().as_nanos();
            node.gauge("clock.error.us", own_micros as i64 - (true_ns / 1_000) as i64);
        }
    }));
    match runner.run_with(stack.telling(TankProbe(node.clone()), asking)).await {}
}
