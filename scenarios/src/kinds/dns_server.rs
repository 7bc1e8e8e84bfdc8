//! `kind = "dns-server"`: tells the addresses of names, or does not.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::dns::{Name, PORT, Rcode, Record, Reply, parse_question, respond};
use wavetank_stack::{Stack, udp};

use crate::registry::{Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a name server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it knows: by name, an address, or another name that the first is an alias of.
    pub names: BTreeMap<String, String>,
    /// What it knew before: where `answers` is "stale", it goes on saying this.
    #[serde(default)]
    pub former: BTreeMap<String, String>,
    /// For how long its answers hold; whole seconds.
    #[serde(default = "defaults::ttl")]
    pub ttl: Time,
    /// How long it takes to answer one question, one after the other.
    #[serde(default)]
    pub delay: Time,
    /// How it answers.
    #[serde(default)]
    pub answers: Answers,
}

/// How a name server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// As it should.
    #[default]
    Honest,
    /// With what it knew before, where that is another thing.
    Stale,
    /// Never.
    Silent,
    /// That it does not want to.
    Refusing,
    /// That there is no such name (NXDOMAIN), whatever the name.
    Unknown,
    /// That it could not find out (SERVFAIL).
    Failing,
    /// That the answer is too long for UDP, and without it (TC).
    Truncated,
    /// With an address that the name does not have: the next one.
    Wrong,
    /// With another id than that of the question, as somebody would who guesses it.
    Forged,
}

mod defaults {
    use crate::units::Time;

    pub(super) fn ttl() -> Time {
        Time::from_secs(60)
    }
}

/// What a name server counts.
pub static METRICS: &[Metric] = &[
    Metric { name: "questions", doc: "questions that came" },
    Metric { name: "questions.unknown", doc: "questions for a name that it does not know" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("dns-server", "Tells the addresses of names, or does not.")
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if config.answers == Answers::Stale && config.former.is_empty() {
        let problem = ConfigProblem::at("answers", "stale answers are those of `former`, which is empty");
        problems.push(problem.help("write former = { \"hub.lan\" = \"10.0.0.9\" }, for example"));
    }
    let former = config.former.iter().map(|entry| ("former", entry));
    for (key, (name, target)) in config.names.iter().map(|entry| ("names", entry)).chain(former) {
        if Name::new(name).is_err() {
            problems.push(ConfigProblem::at(key, format!("\"{name}\" is no host's name")).help(NAME_HELP));
        }
        if target.parse::<IpAddr>().is_err() && Name::new(target).is_err() {
            problems.push(ConfigProblem::at(key, format!("\"{target}\" is no address, and no name")).help(NAME_HELP));
        }
    }
    let seconds = config.ttl.as_duration().as_secs();
    if seconds > i32::MAX as u64 || config.ttl.as_duration().subsec_nanos() != 0 {
        let problem = ConfigProblem::at("ttl", "`ttl` is a whole number of seconds");
        problems.push(problem.help("write \"60s\", for example"));
    }
    problems
}

const NAME_HELP: &str = "write names = { \"hub.lan\" = \"10.0.0.2\", \"www.lan\" = \"hub.lan\" }, for example";

type ServerFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> ServerFuture + use<> {
    let (network, known) = (Network::of(site), Arc::new(Known::of(config)));
    let config = Arc::clone(config);
    move |node| Box::pin(run(node, Arc::clone(&config), Arc::clone(&known), network.clone()))
}

/// The names, read.
struct Known(Vec<(Name, Target)>);

enum Target {
    Address(IpAddr),
    Alias(Name),
}

impl Known {
    fn of(config: &Config) -> Self {
        let read = |text: &str| Name::new(text).expect("names were checked");
        let target = |text: &str| text.parse().map_or_else(|_| Target::Alias(read(text)), Target::Address);
        let mut names = config.names.clone();
        if config.answers == Answers::Stale {
            names.extend(config.former.clone());
        }
        Self(names.iter().map(|(name, text)| (read(name), target(text))).collect())
    }

    /// What is known of a name: its own record, and those that its aliases lead to.
    fn records(&self, name: &Name) -> Vec<(&Name, Record<'_>)> {
        let mut records = Vec::new();
        let mut next = Some(name);
        // Aliases may lead around in a circle: no more of them than there are names.
        while let Some(name) = next.take().filter(|_| records.len() < self.0.len()) {
            match self.0.iter().find(|(owner, _)| owner == name) {
                Some((owner, Target::Address(address))) => records.push((owner, Record::Address(*address))),
                Some((owner, Target::Alias(target))) => {
                    records.push((owner, Record::Alias(target)));
                    next = Some(target);
                }
                None => {}
            }
        }
        records
    }
}

async fn run(node: Node, config: Arc<Config>, known: Arc<Known>, network: Network) -> Exit {
    let clock = TankClock(node.clock());
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, clock, &network.config_for(&node), network.seed(&node));
    let socket = udp::Socket::bind(&stack, PORT, udp::Options::default()).expect("nobody else has the port");
    let serving = pin!(async {
        let mut buffer = [0; 512];
        loop {
            let heard = poll_fn(|cx| {
                socket.poll_recv_with(cx, |question, arrival| {
                    (answer(&node, &config, &known, question, &mut buffer), arrival.remote)
                })
            });
            if let (Some(len), remote) = heard.await {
                node.clock().sleep(config.delay.as_duration()).await;
                // Whoever asked from where no route leads gets no answer.
                let _ = socket.send_to(&buffer[..len], remote).await;
            }
        }
    });
    runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await
}

fn answer(node: &Node, config: &Config, known: &Known, bytes: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let question = parse_question(bytes).ok()?;
    node.count("questions", 1);
    let mut records = known.records(&question.name);
    let rcode = match config.answers {
        Answers::Silent => return None,
        Answers::Refusing => Rcode::Refused,
        Answers::Unknown => Rcode::NoSuchName,
        Answers::Failing => Rcode::ServerFailure,
        _ if records.is_empty() => Rcode::NoSuchName,
        Answers::Honest | Answers::Stale | Answers::Forged | Answers::Truncated | Answers::Wrong => Rcode::NoError,
    };
    if records.is_empty() {
        node.count("questions.unknown", 1);
    }
    let truncated = config.answers == Answers::Truncated;
    if truncated {
        records.clear();
    }
    if config.answers == Answers::Wrong {
        records.iter_mut().for_each(|(_, record)| next_address(record));
    }
    let ttl = config.ttl.as_duration().as_secs() as u32;
    let len = respond(bytes, &Reply { rcode, records: &records, ttl, truncated }, buffer)?;
    if config.answers == Answers::Forged {
        buffer[1] ^= 0xff;
    }
    Some(len)
}

/// Somebody else's address.
fn next_address(record: &mut Record<'_>) {
    match record {
        Record::Address(IpAddr::V4(address)) => *address = Ipv4Addr::from_bits(address.to_bits().wrapping_add(1)),
        Record::Address(IpAddr::V6(address)) => *address = Ipv6Addr::from_bits(address.to_bits().wrapping_add(1)),
        _ => {}
    }
}
