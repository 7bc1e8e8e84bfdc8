//! `kind = "rogue"`: a peer that keeps to no manners. What it sends is real: bytes of the protocol that it abuses.

mod guest;
mod raw;

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};

use super::check::Findings;
use super::defaults;
use crate::registry::{Metric, TypedKind};
use crate::runtime::Network;
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a rogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it does: "slow-loris", "zero-window", "tiny-mss", "reset-flood", "syn-flood", "nak-storm", "option-bomb" or
    /// "oversized-topics".
    pub does: Does,
    /// To whom. Not for "nak-storm", which is for everybody on its link.
    #[serde(default)]
    pub to: Option<Ipv4Addr>,
    /// At which port; if it is not said, where what is abused is usually had: 8080, 5683 or 1883.
    #[serde(default)]
    pub port: Option<u16>,
    /// For whom it gives itself out; "reset-flood" only.
    #[serde(default)]
    pub pretends: Option<Ipv4Addr>,
    /// So many connections at a time, or messages each time.
    #[serde(default = "times")]
    pub times: u16,
    /// From one time to the next; a "nak-storm" is there whenever somebody asks.
    #[serde(default = "defaults::millis::<500>")]
    pub period: Time,
    /// When it begins.
    #[serde(default)]
    pub from: Time,
    /// When it has enough.
    pub until: Time,
}

fn times() -> u16 {
    4
}

/// What a rogue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    /// Asks by HTTP, a byte of its head at a time, and never comes to the end of it.
    SlowLoris,
    /// Asks by HTTP again and again, and takes nothing of what it is answered: its window stays closed.
    ZeroWindow,
    /// Asks by HTTP again and again, and wants no more than one byte in a segment (a maximum segment size of 1). A stack need not
    /// grant that: ours and Linux send 48.
    TinyMss,
    /// Sends resets (TCP) with ports and numbers that it guesses, in somebody else's name.
    ResetFlood,
    /// Calls (TCP) from ports that it guesses, and answers nothing that it is answered.
    SynFlood,
    /// Refuses every address that somebody asks for (DHCP), many times over, before the server can answer.
    NakStorm,
    /// Sends messages (CoAP) of hundreds of options, options that nobody knows, and options that end nowhere.
    OptionBomb,
    /// Publishes (MQTT) under names that are as long as names can be, and begins packets longer than any.
    OversizedTopics,
}

impl Does {
    const fn port(self) -> u16 {
        match self {
            Does::SlowLoris | Does::ZeroWindow | Does::TinyMss | Does::ResetFlood | Does::SynFlood => 8080,
            Does::NakStorm => 68,
            Does::OptionBomb => 5683,
            Does::OversizedTopics => 1883,
        }
    }
}

/// What a rogue counts.
pub static METRICS: &[Metric] = &[
    Metric { name: "rogue.tries", doc: "connections that it opened, or messages that it sent" },
    Metric { name: "rogue.heard", doc: "segments or messages that came back" },
    Metric { name: "rogue.cut", doc: "connections that were refused, or ended by the other side" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("rogue", "A peer that keeps to no manners: slow, greedy, forging, or sending nonsense.")
        .counting_its_stack()
        .metrics(METRICS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    match (config.does, config.to) {
        (Does::NakStorm, Some(_)) => {
            findings.refuse("to", "a \"nak-storm\" is for everybody on the link", "leave `to` out");
        }
        (Does::NakStorm, None) | (_, Some(_)) => {}
        (_, None) => findings.refuse("does", "it does that to nobody", "write whom: to = \"10.0.0.2\", for example"),
    }
    match (config.does, config.pretends) {
        (Does::ResetFlood, None) => {
            findings.refuse("does", "it gives itself out for nobody", "write pretends = \"10.0.0.3\", for example");
        }
        (Does::ResetFlood, Some(_)) | (_, None) => {}
        (_, Some(_)) => findings.refuse("pretends", "only a \"reset-flood\" forges addresses", "leave `pretends` out"),
    }
    if config.port == Some(0) {
        findings.port("port", 0, "leave it out for the usual one");
    }
    if config.times == 0 || config.times > 64 {
        findings.refuse("times", "`times` is from 1 to 64", "write 4, for example");
    }
    findings.at_least("period", config.period, Time::from_millis(1), "write \"500ms\", for example");
    if config.until <= config.from {
        findings.refuse("until", "it has enough before it begins", "make `until` later than `from`");
    }
    findings.all()
}

type RogueFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> RogueFuture + use<> {
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    node.clock().sleep(config.from.as_duration()).await;
    match config.does {
        Does::TinyMss | Does::ResetFlood | Does::SynFlood => raw::run(&node, &config, &network).await,
        _ => guest::run(&node, &config, &network).await,
    }
    std::future::pending().await
}
