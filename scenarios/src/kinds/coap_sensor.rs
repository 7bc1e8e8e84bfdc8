//! `kind = "coap-sensor"`: a value that changes, for whoever asks over CoAP or wants to be told (RFC 7641).

use std::pin::{Pin, pin};
use std::sync::Arc;

use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::Stack;
use wavetank_stack::coap::{Answer, Asked, Code, Resource, Server, serve};

use super::check::Findings;
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::site::Site;
use crate::units::Time;

/// Where the value is.
pub const PATH: &str = "value";

/// What a scenario tells such a sensor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// From one change of its value to the next.
    pub period: Time,
}

impl Default for Config {
    fn default() -> Self {
        Self { period: Time::from_secs(10) }
    }
}

/// What such a sensor counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "value", doc: "its value, which counts up" },
    Metric { name: "requests", doc: "requests that came" },
];

/// The events with ids that it reports.
pub static FLOWS: &[Flow] = &[Flow { name: "value.changed", doc: "its value is another one" }];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("coap-sensor", "Has a value that changes, for whoever asks over CoAP or wants to be told.")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(METRICS)
        .flows(FLOWS)
        .check(|config: &Config| {
            let mut findings = Findings::default();
            findings.not_zero("period", config.period, "write \"10s\", for example");
            findings.all()
        })
        .program(install)
}

type SensorFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> SensorFuture + use<> {
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone()))
}

/// A value that depends on nothing but how long the sensor has been on.
struct Value {
    node: Node,
    period_ns: u64,
    told: u64,
}

impl Value {
    fn current(&self) -> u64 {
        self.node.clock().now().as_nanos() / self.period_ns
    }

    /// Tells the sensor's keeper what the value is.
    fn tell(&mut self) {
        while self.told < self.current() {
            self.told += 1;
            self.node.gauge("value", self.told as i64);
            self.node.flow("value.changed", self.node.name(), self.told);
        }
    }
}

impl Resource for Value {
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer {
        self.node.count("requests", 1);
        if !asked.message.is_at(PATH) {
            return Answer::just(Code::NOT_FOUND);
        }
        if asked.method != Code::GET {
            return Answer::just(Code::METHOD_NOT_ALLOWED);
        }
        let text = self.current().to_string();
        buffer[..text.len()].copy_from_slice(text.as_bytes());
        // Plain text (RFC 7252, section 12.3).
        Answer { code: Code::CONTENT, format: Some(0), len: text.len(), observable: true }
    }

    fn edition(&self) -> u32 {
        self.current() as u32
    }
}

async fn run(node: Node, config: Arc<Config>, network: Network) -> Exit {
    let clock = TankClock(node.clock());
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) = Stack::shared(port, clock, &network.config_for(&node), network.seed(&node));
    let period_ns = config.period.as_nanos();
    let value = |told| Value { node: node.clone(), period_ns, told };
    let (mut keeper, seed) = (value(0), node.stream("coap").next_u32() as u16);
    let mut server = Server::<_, 64>::new(value(0), seed);
    let changes = || {
        keeper.tell();
        let next_ns = (keeper.current() + 1) * period_ns;
        node.clock().timer(wavetank_sim::time::Instant::from_nanos(next_ns))
    };
    let serving = pin!(serve(&stack, &clock, &mut server, changes));
    match runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await {
        Ok(never) => match never {},
        Err(error) => panic!("{} cannot serve: {error}", node.name()),
    }
}
