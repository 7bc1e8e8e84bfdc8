//! `kind = "pinger"`: asks a station again and again whether it is there, and measures how long the answer takes.
//!
//! In several networks it has a stack in each, and asks by the one that is the best way then.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::Stack;
use wavetank_stack::icmp::{Error, PAYLOAD_MAX, Pinger};
use wavetank_stack::multihome::{INTERFACES_MAX, Multihomed};
use wavetank_stack::udp;

use super::check::Findings;
use super::defaults;
use crate::diagnose::list;
use crate::registry::{Metric, Place, TypedKind};
use crate::runtime::{Network, RadioMemory, TankClock, TankProbe};
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
    /// Of several networks that lead there as far, which it prefers: their names, best first; those that are not named come
    /// last, in their order. Only those count whose cable is not cut.
    #[serde(default)]
    pub prefer: Vec<String>,
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
    Metric {
        name: "interface",
        doc: "in several networks: by which interface the last question left, 0 for the first",
    },
    Metric { name: "reroutes", doc: "in several networks: times that another interface became the way" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("pinger", "Asks a station whether it is there (ICMP echo), and measures how long the answer takes.")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .multihomed()
        .metrics(METRICS)
        .check(check)
        .fit(fit)
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

fn fit(config: &Config, place: &Place<'_>) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    let networks = || place.interfaces.iter().map(|interface| &*interface.network_name);
    if place.interfaces.len() > INTERFACES_MAX {
        findings.refuse("to", "a pinger is in four networks at most", "take it out of one of the networks");
    }
    for name in &config.prefer {
        if place.interfaces.len() == 1 {
            findings.refuse("prefer", "there is one network only, and nothing to prefer", "leave it out");
        } else if !networks().any(|network| network == name) {
            let help = format!("its networks are {}", list(networks()));
            findings.refuse("prefer", format!("it is in no network called \"{name}\""), help);
        }
    }
    findings.all()
}

type PingerFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> PingerFuture + use<> {
    let (networks, config) = (Network::each(site), Arc::clone(config));
    let metrics: Vec<u32> =
        site.interfaces().iter().map(|interface| metric(&config, &interface.network_name)).collect();
    let one = Network::of(site);
    move |node| match networks.len() {
        0 | 1 => Box::pin(run(node, Arc::clone(&config), one.clone())),
        _ => Box::pin(run_in_several(node, Arc::clone(&config), networks.clone(), metrics.clone())),
    }
}

/// The lower, the more a network is preferred.
fn metric(config: &Config, network: &str) -> u32 {
    config.prefer.iter().position(|name| name == network).unwrap_or(config.prefer.len()) as u32
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    let clock = TankClock(node.clock());
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) = Stack::shared(port, clock, &network.config_for(&node), network.seed(&node));
    let asking = pin!(async {
        let mut pinger = Pinger::new(&stack).expect("nobody else has sockets");
        ask(&node, &config, std::slice::from_mut(&mut pinger), || Some(0)).await
    });
    runner.run_with(stack.telling(TankProbe(node.clone()), asking)).await
}

/// A stack for each network, and for each question the way that is the best then.
async fn run_in_several(node: Node, config: Arc<Config>, networks: Vec<Network>, metrics: Vec<u32>) -> Exit {
    let clock = TankClock(node.clock());
    let mut memories: Vec<RadioMemory> = networks.iter().map(Network::memory).collect();
    let stacks = networks.iter().zip(&mut memories).map(|(network, memory)| {
        let port = network.port(&node, memory);
        Stack::shared(port, clock, &network.config_for(&node), network.seed(&node))
    });
    let (stacks, mut runners): (Vec<_>, Vec<_>) = stacks.unzip();
    let interfaces: Vec<_> = stacks.iter().cloned().zip(metrics).collect();
    let home = Multihomed::new(&interfaces);
    let mut pingers: Vec<Pinger<'_>> =
        stacks.iter().map(|stack| Pinger::new(stack).expect("nobody else has sockets")).collect();
    let mut last = None;
    let route = || {
        let way = home.route(SocketAddr::new(config.to, 0));
        if let Some(at) = way {
            if last.is_some_and(|last| last != at) {
                node.count("reroutes", 1);
            }
            if last != Some(at) {
                node.gauge("interface", at as i64);
            }
            last = Some(at);
        }
        way
    };
    let mut asking = pin!(ask(&node, &config, &mut pingers, route));
    let mut running: Vec<_> = runners.iter_mut().map(|runner| Box::pin(runner.run())).collect();
    poll_fn(|cx| {
        let asked = asking.as_mut().poll(cx);
        for runner in &mut running {
            if let Poll::Ready(never) = runner.as_mut().poll(cx) {
                match never {}
            }
        }
        asked
    })
    .await
}

/// Asks for ever, each time by the pinger that `route` says.
async fn ask(
    node: &Node,
    config: &Config,
    pingers: &mut [Pinger<'_>],
    mut route: impl FnMut() -> Option<usize>,
) -> Exit {
    let clock = TankClock(node.clock());
    pingers.iter_mut().for_each(|pinger| pinger.set_hop_limit(config.hops));
    let (mut worst_us, mut next) = (0, node.clock().now());
    loop {
        node.count("pings.sent", 1);
        let answer = match route() {
            Some(at) => pingers[at].ping(&clock, config.to, config.bytes, config.patience.as_duration()).await,
            None => Err(udp::Error::NoRoute.into()),
        };
        match answer {
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
}
