//! `kind = "ntp-server"`: tells the time, right or wrong, or does not.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::sntp::{Kiss, PORT, Reply, respond};
use wavetank_stack::{Stack, udp};

use crate::registry::{Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::{SignedTime, Time};

/// What a scenario tells a time server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How far ahead of its own clock it says that it is.
    pub offset: SignedTime,
    /// How far its time jumps, `after` its boot.
    pub jump: SignedTime,
    /// When it jumps.
    pub after: Time,
    /// How far from a reference clock it is; 16 does not know the time.
    pub stratum: u8,
    /// How it answers.
    pub answers: Answers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            offset: SignedTime::default(),
            jump: SignedTime::default(),
            after: Time::from_secs(60),
            stratum: 2,
            answers: Answers::default(),
        }
    }
}

/// How a time server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// As it should.
    #[default]
    Honest,
    /// Never.
    Silent,
    /// With the kiss-o'-death RATE: it is asked too often.
    Rate,
    /// With the kiss-o'-death DENY: it does not serve us.
    Deny,
    /// Without the question's number, as somebody would who guesses it.
    Forged,
}

/// What a time server counts.
pub static METRICS: &[Metric] = &[Metric { name: "questions", doc: "questions that came" }];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("ntp-server", "Tells the time (NTP), right or wrong, or does not.")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(METRICS)
        .check(|config: &Config| {
            let problem = || ConfigProblem::at("stratum", "a stratum is between 1 and 16").help("write 2, for example");
            (!(1..=16).contains(&config.stratum)).then(problem).into_iter().collect()
        })
        .program(install)
}

type ServerFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> ServerFuture + use<> {
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) =
        Stack::shared(port, TankClock(node.clock()), &network.config_for(&node), network.seed(&node));
    let socket = udp::Socket::bind(&stack, PORT, udp::Options::default()).expect("nobody else has the port");
    let serving = pin!(async {
        loop {
            let heard = poll_fn(|cx| {
                socket.poll_recv_with(cx, |question, arrival| (answer(&node, &config, question), arrival.remote))
            });
            if let (Some(packet), remote) = heard.await {
                // Whoever asked from where no route leads gets no answer.
                let _ = socket.send_to(&packet, remote).await;
            }
        }
    });
    runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await
}

fn answer(node: &Node, config: &Config, question: &[u8]) -> Option<[u8; wavetank_stack::sntp::PACKET_LEN]> {
    let kiss = match config.answers {
        Answers::Silent => {
            node.count("questions", 1);
            return None;
        }
        Answers::Rate => Some(Kiss::Rate),
        Answers::Deny => Some(Kiss::Deny),
        Answers::Honest | Answers::Forged => None,
    };
    let jumped = node.clock().now().as_nanos() >= config.after.as_nanos();
    let jump_ns = if jumped { config.jump.as_nanos() } else { 0 };
    let own_micros = u64::try_from(node.clock().wall().as_micros()).unwrap_or(u64::MAX);
    let said_micros = own_micros.saturating_add_signed(config.offset.as_nanos().saturating_add(jump_ns) / 1_000);
    let reply = Reply { stratum: config.stratum, kiss, repeats: config.answers != Answers::Forged };
    let packet = respond(question, said_micros, &reply)?;
    node.count("questions", 1);
    Some(packet)
}
