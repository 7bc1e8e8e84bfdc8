//! `kind = "token-server"` and `kind = "token-device"`: reports that are taken only with a token that has not expired, by the
//! server's clock, from devices whose own clocks may be wrong.
//!
//! They speak lines of text over UDP. A keyed checksum stands where a signature would: in this tank nobody forges any, and
//! what is looked at is time.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use twox_hash::XxHash3_128;
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::time::Instant;
use wavetank_stack::{Stack, udp};

use super::check::Findings;
use super::defaults;
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::site::Site;
use crate::units::Time;

/// The server's port.
pub const PORT: u16 = 4_444;

/// What a scenario tells a token server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// For how long a token holds.
    pub lifetime: Time,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { lifetime: Time::from_secs(60) }
    }
}

/// What a scenario tells a device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// The server.
    pub server: IpAddr,
    /// From one report to the next.
    #[serde(default = "defaults::secs::<2>")]
    pub period: Time,
    /// By what it knows that a token has expired.
    #[serde(default)]
    pub by: By,
    /// How long before that it asks for another one.
    #[serde(default = "defaults::secs::<5>")]
    pub margin: Time,
}

/// By what a device knows that a token has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// By how long it has had it.
    #[default]
    Lifetime,
    /// By its own wall clock, which may be wrong.
    WallClock,
}

/// What a token server counts.
pub static SERVER_METRICS: &[Metric] = &[
    Metric { name: "logins", doc: "tokens that were given out" },
    Metric { name: "reports.accepted", doc: "reports with a token that holds, again ones included" },
    Metric { name: "reports.expired", doc: "reports whose token had expired" },
    Metric { name: "reports.forged", doc: "reports whose token it never gave out" },
];

/// The events with ids that a token server reports.
pub static SERVER_FLOWS: &[Flow] = &[Flow { name: "report.accepted", doc: "a report came with a token that holds" }];

/// What a device counts.
pub static DEVICE_METRICS: &[Metric] = &[
    Metric { name: "reports.made", doc: "reports that it has to bring" },
    Metric { name: "reports.brought", doc: "reports that the server took" },
    Metric { name: "logins", doc: "tokens that it was given" },
    Metric { name: "tokens.refused", doc: "times that the server said that its token has expired" },
    Metric { name: "timeouts", doc: "questions that nobody answered in time" },
];

/// The events with ids that a device reports.
pub static DEVICE_FLOWS: &[Flow] = &[Flow { name: "report.made", doc: "there is something to report" }];

/// The server.
#[must_use]
pub fn server() -> TypedKind<ServerConfig> {
    TypedKind::new("token-server", "Gives out tokens that expire, and takes reports with them.")
        .pooled()
        .counting_its_stack()
        .metrics(SERVER_METRICS)
        .flows(SERVER_FLOWS)
        .check(|config: &ServerConfig| {
            let mut findings = Findings::default();
            findings.not_zero("lifetime", config.lifetime, "write \"60s\", for example");
            findings.all()
        })
        .program(install_server)
}

/// The device.
#[must_use]
pub fn device() -> TypedKind<DeviceConfig> {
    TypedKind::new("token-device", "Reports with tokens that expire, by a clock that may be wrong.")
        .pooled()
        .counting_its_stack()
        .metrics(DEVICE_METRICS)
        .flows(DEVICE_FLOWS)
        .check(|config: &DeviceConfig| {
            let mut findings = Findings::default();
            findings.not_zero("period", config.period, "write \"2s\", for example");
            findings.all()
        })
        .program(install_device)
}

type Running = Pin<Box<dyn Future<Output = Exit>>>;

fn install_server(config: &Arc<ServerConfig>, site: &mut Site<'_>) -> impl Fn(Node) -> Running + use<> {
    let (network, config, secret) = (Network::of(site), Arc::clone(config), site.stream("secret").next_u64());
    move |node| Box::pin(run_server(node, Arc::clone(&config), network.clone(), secret))
}

/// What makes a token this server's.
fn seal(secret: u64, name: &str, expires_s: u64) -> u64 {
    XxHash3_128::oneshot_with_seed(secret, format!("{name} {expires_s}").as_bytes()) as u64
}

async fn run_server(node: Node, config: Arc<ServerConfig>, network: Network, secret: u64) -> Exit {
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) =
        Stack::shared(nic, TankClock(node.clock()), &network.config_for(&node), network.seed(&node));
    let socket = udp::Socket::bind(&stack, PORT, udp::Options::default()).expect("nobody else has the port");
    let serving = pin!(async {
        loop {
            let heard = poll_fn(|cx| {
                socket.poll_recv_with(cx, |question, arrival| {
                    let question = std::str::from_utf8(question).ok();
                    (question.and_then(|question| answer(&node, &config, secret, question)), arrival.remote)
                })
            });
            if let (Some(said), remote) = heard.await {
                // Whoever asked from where no route leads gets no answer.
                let _ = socket.send_to(said.as_bytes(), remote).await;
            }
        }
    });
    runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await
}

/// `login NAME` is answered by `token EXPIRES SEAL LIFETIME`, `report NUMBER NAME EXPIRES SEAL` by a word and the number.
fn answer(node: &Node, config: &ServerConfig, secret: u64, question: &str) -> Option<String> {
    let now_s = node.clock().wall().as_secs();
    let words: Vec<&str> = question.split(' ').collect();
    match words[..] {
        ["login", name] => {
            let lifetime_s = config.lifetime.as_duration().as_secs().max(1);
            let expires_s = now_s + lifetime_s;
            node.count("logins", 1);
            Some(format!("token {expires_s} {} {lifetime_s}", seal(secret, name, expires_s)))
        }
        ["report", number, name, expires, sealed] => {
            let (sequence, expires_s, sealed): (u64, u64, u64) =
                (number.parse().ok()?, expires.parse().ok()?, sealed.parse().ok()?);
            let said = if sealed != seal(secret, name, expires_s) {
                node.count("reports.forged", 1);
                "forged"
            } else if now_s >= expires_s {
                node.count("reports.expired", 1);
                "expired"
            } else {
                node.count("reports.accepted", 1);
                node.flow("report.accepted", name, sequence);
                "accepted"
            };
            Some(format!("{said} {number}"))
        }
        _ => None,
    }
}

fn install_device(config: &Arc<DeviceConfig>, site: &mut Site<'_>) -> impl Fn(Node) -> Running + use<> {
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run_device(node, Arc::clone(&config), network.clone()))
}

/// A token as a device has it.
struct Token {
    expires_s: u64,
    sealed: u64,
    lifetime: Duration,
    since: Instant,
}

impl Token {
    fn read(words: &[&str], since: Instant) -> Option<Self> {
        let [expires, sealed, lifetime] = *words else { return None };
        let lifetime = Duration::from_secs(lifetime.parse().ok()?);
        Some(Self { expires_s: expires.parse().ok()?, sealed: sealed.parse().ok()?, lifetime, since })
    }

    /// Whether the device holds it to have expired, or nearly.
    fn seems_over(&self, node: &Node, config: &DeviceConfig) -> bool {
        let margin = config.margin.as_duration();
        match config.by {
            By::Lifetime => node.clock().now() - self.since + margin >= self.lifetime,
            By::WallClock => node.clock().wall() + margin >= Duration::from_secs(self.expires_s),
        }
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(500);

async fn run_device(node: Node, config: Arc<DeviceConfig>, network: Network) -> Exit {
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) =
        Stack::shared(nic, TankClock(node.clock()), &network.config_for(&node), network.seed(&node));
    let socket = udp::Socket::bind(&stack, PORT, udp::Options::default()).expect("nobody else has the port");
    let server = SocketAddr::new(config.server, PORT);
    let reporting = pin!(async {
        let (mut token, mut number) = (None, 0_u64);
        loop {
            node.clock().sleep(config.period.as_duration()).await;
            number += 1;
            node.count("reports.made", 1);
            node.flow("report.made", node.name(), number);
            while !brought(&node, &config, &socket, server, &mut token, number).await {}
            node.count("reports.brought", 1);
        }
    });
    runner.run_with(stack.telling(TankProbe(node.clone()), reporting)).await
}

/// Tries once to bring a report, with another token first if need be.
async fn brought(
    node: &Node,
    config: &DeviceConfig,
    socket: &udp::Socket<'_>,
    server: SocketAddr,
    token: &mut Option<Token>,
    number: u64,
) -> bool {
    if token.as_ref().is_none_or(|token| token.seems_over(node, config)) {
        let said = ask(node, socket, server, &format!("login {}", node.name()), "token").await;
        let given = said.and_then(|said| {
            let words: Vec<&str> = said.split(' ').skip(1).collect();
            Token::read(&words, node.clock().now())
        });
        node.count("logins", given.is_some().into());
        *token = given;
    }
    let Some(Token { expires_s, sealed, .. }) = token else { return false };
    let report = format!("report {number} {} {expires_s} {sealed}", node.name());
    let said = ask(node, socket, server, &report, &number.to_string()).await;
    if said.as_deref().is_some_and(|said| said.starts_with("expired")) {
        node.count("tokens.refused", 1);
        *token = None;
    }
    said.is_some_and(|said| said.starts_with("accepted"))
}

/// Asks, and waits for an answer that has `word` in it.
async fn ask(node: &Node, socket: &udp::Socket<'_>, server: SocketAddr, question: &str, word: &str) -> Option<String> {
    // Where no route leads nobody answers.
    let _ = socket.send_to(question.as_bytes(), server).await;
    let answered = pin!(async {
        loop {
            let heard =
                poll_fn(|cx| socket.poll_recv_with(cx, |bytes, _| std::str::from_utf8(bytes).ok().map(str::to_owned)));
            if let Some(said) = heard.await
                && said.split(' ').any(|said| said == word)
            {
                return said;
            }
        }
    });
    match select(answered, node.clock().sleep(PATIENCE)).await {
        Either::Left((said, _)) => Some(said),
        Either::Right(_) => {
            node.count("timeouts", 1);
            None
        }
    }
}
