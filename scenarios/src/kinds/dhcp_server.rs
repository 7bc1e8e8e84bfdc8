//! `kind = "dhcp-server"`: gives addresses to those who ask, or does not.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::Stack;
use wavetank_stack::dhcp::{Kind, Message, Pool, Server, ServerConfig, serve};

use crate::registry::{Metric, Place, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a DHCP server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The first address that it gives away.
    pub first: Ipv4Addr,
    /// How many addresses it gives away, in a row.
    pub count: u32,
    /// For how long; whole seconds.
    #[serde(default = "defaults::lease")]
    pub lease: Time,
    /// The router that it names.
    #[serde(default)]
    pub router: Option<Ipv4Addr>,
    /// The name servers that it names; up to three.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
    /// How long it takes to answer one message, one after the other.
    #[serde(default)]
    pub delay: Time,
    /// How it answers.
    #[serde(default)]
    pub answers: Answers,
}

/// How a DHCP server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// As it should.
    #[default]
    Honest,
    /// Never.
    Silent,
    /// Offers addresses, then refuses every request.
    Refusing,
    /// Gives everyone the first address.
    Doubling,
}

mod defaults {
    use crate::units::Time;

    pub(super) fn lease() -> Time {
        Time::from_secs(3_600)
    }
}

/// How many leases it can remember.
const LEASES_MAX: usize = 256;

/// What a DHCP server counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "leases", doc: "addresses that are given away, or offered; none while it does not run" },
    Metric { name: "leases.granted", doc: "requests that were granted, renewals included" },
    Metric { name: "leases.refused", doc: "requests that were refused" },
    Metric { name: "pool.exhausted", doc: "clients that were left without an address" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("dhcp-server", "Gives addresses to those who ask, or does not.")
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .check(check)
        .fit(fit)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if config.count == 0 || config.count as usize > LEASES_MAX {
        let problem = ConfigProblem::at("count", format!("a pool has 1 to {LEASES_MAX} addresses"));
        problems.push(problem.help("write 20, for example"));
    }
    let seconds = config.lease.as_duration().as_secs();
    if seconds == 0 || seconds >= u32::MAX.into() || config.lease.as_duration().subsec_nanos() != 0 {
        let problem = ConfigProblem::at("lease", "`lease` is a whole number of seconds, at least one");
        problems.push(problem.help("write \"1h\", for example"));
    }
    if config.dns.len() > wavetank_stack::DNS_SERVERS_MAX {
        let problem = ConfigProblem::at("dns", "a server names at most three name servers");
        problems.push(problem.help("leave the others out"));
    }
    problems
}

/// The pool is in the server's own network, and nobody there has one of its addresses already.
fn fit(config: &Config, place: &Place<'_>) -> Vec<ConfigProblem> {
    let interface = place.interfaces.first();
    let own =
        interface.and_then(|interface| Some((interface, interface.addresses.iter().find(|own| own.ip.is_ipv4())?)));
    let Some((interface, own)) = own else {
        let what = "a DHCP server has an IPv4 address of the network that it serves";
        return vec![ConfigProblem::at("first", what).help("add one to its `address`")];
    };
    let first = u64::from(config.first.to_bits());
    let mut pool =
        (first..first + u64::from(config.count)).map(|bits| u32::try_from(bits).ok().map(Ipv4Addr::from_bits));
    let stranger = pool.clone().position(|address| address.is_none_or(|address| !own.contains(address.into())));
    if let Some(at) = stranger {
        let what = format!("the pool goes past the server's network, {own}: with its address number {}", at + 1);
        return vec![ConfigProblem::at("first", what).help("give it addresses of that network, or fewer")];
    }
    let taken = pool.find_map(|address| Some((address?, place.holder(interface, address?.into())?)));
    let told = taken.map(|(address, name)| {
        let what = format!("the pool has {address}, which is \"{name}\"'s already: two nodes would have it");
        ConfigProblem::at("first", what)
            .help("begin it elsewhere; for two nodes with one address there is the fault `ip-conflict`")
    });
    told.into_iter().collect()
}

type ServerFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> ServerFuture + use<> {
    let network = Network::of(site);
    let config = Arc::clone(config);
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    let Some((own, prefix)) = network.v4() else {
        panic!("{} has no IPv4 address: give it one in the network that it serves", node.name());
    };
    let clock = TankClock(node.clock());
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, clock, &network.config_for(&node), network.seed(&node));
    let mut server = Server::<LEASES_MAX>::new(ServerConfig {
        own,
        prefix,
        pool: Pool { first: config.first, count: config.count },
        lease_secs: config.lease.as_duration().as_secs() as u32,
        router: config.router,
        dns: config.dns.iter().copied().collect(),
        ntp: [].into_iter().collect(),
    });
    let exhausted = Cell::new(0);
    let serving = pin!(serve(&stack, &clock, |message, now| {
        let answer = match config.answers {
            Answers::Silent => None,
            Answers::Honest => server.answer(message, now),
            Answers::Refusing => server.answer(message, now).map(refused),
            Answers::Doubling => doubled(&mut server, &config, message, now),
        };
        if let Some(answer) = &answer {
            // What it sends now leaves it when the work is done.
            node.busy(config.delay.as_duration());
            match answer.kind {
                Kind::Ack => node.count("leases.granted", 1),
                Kind::Nak => node.count("leases.refused", 1),
                _ => {}
            }
        }
        node.count("pool.exhausted", server.exhausted() - exhausted.replace(server.exhausted()));
        node.gauge_while_running("leases", server.in_use(now) as i64);
        answer
    }));
    match runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await {
        Ok(never) => match never {},
        Err(error) => panic!("{} cannot serve: {error}", node.name()),
    }
}

fn refused(mut answer: Message) -> Message {
    if answer.kind == Kind::Ack {
        answer.kind = Kind::Nak;
    }
    answer
}

/// The same address for everyone: each is taken for one client.
fn doubled(
    server: &mut Server<LEASES_MAX>,
    config: &Config,
    message: &Message,
    now: wavetank_stack::Instant,
) -> Option<Message> {
    if message.kind == Kind::Decline {
        // Whoever finds that it is another's is offered it again.
        return None;
    }
    let mut one = message.clone();
    one.mac = [2, 0, 0, 0, 0, 0];
    one.requested = one.requested.map(|_| config.first);
    let mut answer = server.answer(&one, now)?;
    answer.mac = message.mac;
    Some(answer)
}
