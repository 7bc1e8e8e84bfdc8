//! `kind = "coap-watcher"`: watches a `coap-sensor`, and asks anew when it has heard nothing for too long.

use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::random::Stream;
use wavetank_stack::coap::{Client, Options, Response};
use wavetank_stack::{Stack, time};

use super::check::Findings;
use super::coap_address::CoapAddress;
use super::coap_sensor::PATH;
use super::defaults;
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a watcher.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The sensor: an address, and a port if it is not CoAP's own.
    pub sensor: CoapAddress,
    /// The sensor's name, under which what was heard is reported.
    pub name: String,
    /// After so long without news it asks again to be told.
    #[serde(default = "defaults::secs::<60>")]
    pub patience: Time,
}

/// What a watcher counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "news", doc: "values that came" },
    Metric { name: "value", doc: "the last of them" },
    Metric { name: "silences", doc: "times that it had heard nothing for too long" },
    Metric { name: "observe.failed", doc: "times that it asked to be told and had no answer" },
];

/// The events with ids that it reports.
pub static FLOWS: &[Flow] = &[Flow { name: "value.heard", doc: "a value that is new to it came" }];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("coap-watcher", "Watches a \"coap-sensor\", and asks anew when it has heard nothing for too long.")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(METRICS)
        .flows(FLOWS)
        .check(|config: &Config| {
            let mut findings = Findings::default();
            findings.not_zero("patience", config.patience, "write \"60s\", for example");
            findings.all()
        })
        .program(install)
}

type WatcherFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> WatcherFuture + use<> {
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    let clock = TankClock(node.clock());
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) = Stack::shared(port, clock, &network.config_for(&node), network.seed(&node));
    let mut client =
        Client::new(&stack, clock, node.stream("coap"), Options::default()).expect("nobody else has sockets");
    let watching = pin!(async {
        let mut heard = Heard { node: &node, sensor: &config.name, latest: 0 };
        loop {
            watch(&mut client, &clock, &config, &mut heard).await;
        }
    });
    runner.run_with(stack.telling(TankProbe(node.clone()), watching)).await
}

struct Heard<'n> {
    node: &'n Node,
    sensor: &'n str,
    latest: u64,
}

impl Heard<'_> {
    fn note(&mut self, response: &Response, buffer: &[u8]) {
        let text = std::str::from_utf8(&buffer[..response.len]).unwrap_or_default();
        let Ok(value) = text.parse::<u64>() else { return };
        self.node.count("news", 1);
        self.node.gauge("value", value as i64);
        if value > self.latest {
            self.latest = value;
            self.node.flow("value.heard", self.sensor, value);
        }
    }
}

/// Asks to be told, and listens until there has been silence for too long.
async fn watch(client: &mut Client<'_, TankClock, Stream>, clock: &TankClock, config: &Config, heard: &mut Heard<'_>) {
    let mut buffer = [0; 64];
    let patience = config.patience.as_duration();
    let asked = client.observe(config.sensor.0, PATH, &mut buffer).await;
    let Ok((mut observation, response)) = asked else {
        heard.node.count("observe.failed", 1);
        return time::sleep(clock, patience.min(std::time::Duration::from_secs(5))).await;
    };
    heard.note(&response, &buffer);
    loop {
        match time::timeout(clock, patience, client.next(&mut observation, &mut buffer)).await {
            Ok(Ok(response)) => heard.note(&response, &buffer),
            // The network says that nobody is there: as good as silence, for as long.
            Ok(Err(_)) => return time::sleep(clock, patience).await,
            Err(_) => {
                heard.node.count("silences", 1);
                return;
            }
        }
    }
}
