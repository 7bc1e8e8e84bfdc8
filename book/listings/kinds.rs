//! Two kinds of node of one's own: a meter that reports its pulses, and a tally that counts them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank::Registry;
use wavetank::scenarios::registry::{Flow, Metric, TypedKind};
use wavetank::scenarios::runtime::{Network, TankClock};
use wavetank::scenarios::schema::ConfigProblem;
use wavetank::scenarios::site::Site;
use wavetank::scenarios::units::Time;
use wavetank::sim::node::{Exit, Node};
use wavetank_stack::time::{Duration, sleep, timeout};
use wavetank_stack::{Stack, udp};

/// The kinds that wavetank brings along, those of the example, and ours.
pub fn registry() -> Registry {
    let mut registry = own_device::registry();
    registry.add(meter()).add(tally());
    registry
}

/// What a scenario tells a meter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterConfig {
    /// Address and port of the tally, such as "10.0.0.2:7".
    pub tally: SocketAddr,
    /// How many pulses it sees, one a second.
    pub pulses: u64,
    /// How long it waits for an acknowledgement before it reports again.
    #[serde(default = "ack_timeout")]
    pub ack_timeout: Time,
}

fn ack_timeout() -> Time {
    Time::from_millis(200)
}

/// `kind = "pulse-meter"`.
fn meter() -> TypedKind<MeterConfig> {
    TypedKind::new("pulse-meter", "Reports each pulse by a datagram, until it is acknowledged.")
        .metrics(&[
            Metric { name: "pulses.seen", doc: "pulses so far" },
            Metric { name: "reports.sent", doc: "datagrams, those that are sent again included" },
        ])
        .check(|config: &MeterConfig| {
            let problem = || {
                ConfigProblem::at("ack_timeout", "an acknowledgement takes time")
                    .help("write \"200ms\"")
            };
            (config.ack_timeout.as_nanos() == 0).then(problem).into_iter().collect()
        })
        .program(|config: &Arc<MeterConfig>, site: &mut Site<'_>| {
            let (config, network) = (Arc::clone(config), Network::of(site));
            move |node: Node| {
                let (config, network) = (Arc::clone(&config), network.clone());
                async move {
                    let nic = node.nic(0).expect("a plan plugs every node in");
                    let clock = TankClock(node.clock());
                    let (stack, mut runner) =
                        Stack::shared(nic, clock, &network.config(), network.seed(&node));
                    runner.run_with(report(&node, &stack, &config)).await;
                    Exit::Halt
                }
            }
        })
}

async fn report(node: &Node, stack: &Stack<'static>, config: &MeterConfig) {
    let clock = TankClock(node.clock());
    let socket =
        udp::Socket::bind(stack, 0, udp::Options::default()).expect("there is a free port");
    for number in 1..=config.pulses {
        sleep(&clock, Duration::from_secs(1)).await;
        node.count("pulses.seen", 1);
        loop {
            node.count("reports.sent", 1);
            // What cannot be sent is a report that was lost.
            let _ = socket.send_to(&number.to_be_bytes(), config.tally).await;
            let acknowledged = std::pin::pin!(acknowledgement(&socket, number));
            if timeout(&clock, config.ack_timeout.as_duration(), acknowledged).await.is_ok() {
                break;
            }
        }
    }
}

/// Waits until the report of this number is acknowledged.
async fn acknowledgement(socket: &udp::Socket<'static>, number: u64) {
    let mut datagram = [0; 8];
    loop {
        if let Ok((8, _)) = socket.recv_from(&mut datagram).await
            && u64::from_be_bytes(datagram) == number
        {
            return;
        }
    }
}

/// What a scenario tells a tally.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TallyConfig {
    /// The UDP port that it listens on.
    pub port: u16,
    /// Whether a pulse that is reported again counts only once.
    pub once: bool,
}

impl Default for TallyConfig {
    fn default() -> Self {
        Self { port: 7, once: false }
    }
}

/// `kind = "pulse-tally"`.
fn tally() -> TypedKind<TallyConfig> {
    TypedKind::new("pulse-tally", "Counts the pulses of all meters, and acknowledges them.")
        .metrics(&[Metric { name: "pulses", doc: "pulses that were counted" }])
        .flows(&[Flow { name: "pulse.counted", doc: "a pulse of a meter was counted" }])
        .program(|config: &Arc<TallyConfig>, site: &mut Site<'_>| {
            let (config, network) = (Arc::clone(config), Network::of(site));
            move |node: Node| {
                let (config, network) = (Arc::clone(&config), network.clone());
                async move {
                    let nic = node.nic(0).expect("a plan plugs every node in");
                    let clock = TankClock(node.clock());
                    let (stack, mut runner) =
                        Stack::shared(nic, clock, &network.config(), network.seed(&node));
                    runner.run_with(count(&node, &stack, &config)).await;
                    Exit::Halt
                }
            }
        })
}

async fn count(node: &Node, stack: &Stack<'static>, config: &TallyConfig) {
    let socket = udp::Socket::bind(stack, config.port, udp::Options::default())
        .expect("nobody else listens here");
    let mut counted = BTreeSet::new();
    let mut datagram = [0; 8];
    loop {
        let Ok((8, meter)) = socket.recv_from(&mut datagram).await else { continue };
        let number = u64::from_be_bytes(datagram);
        if counted.insert((meter, number)) || !config.once {
            node.count("pulses", 1);
            node.flow("pulse.counted", &meter.ip().to_string(), number);
        }
        // Also of a pulse that was counted before: its acknowledgement may be what was lost.
        let _ = socket.send_to(&datagram, meter).await;
    }
}
