//! `kind = "coap-collector"`: where devices tell of events over CoAP, and each event is taken once.

use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::{Either, select};
use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::disk::Disk;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::Stack;
use wavetank_stack::coap::{Answer, Asked, Code, Message, OptionNumber, Resource, Server, serve};

use super::ledger::{self, Numbers};
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a collector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long the disk takes to make one event durable; the collector can do nothing else meanwhile.
    pub commit_cost: Time,
}

impl Default for Config {
    fn default() -> Self {
        Self { commit_cost: Time::from_millis(2) }
    }
}

/// What a collector counts.
pub static METRICS: &[Metric] = &[
    Metric { name: "events.heard", doc: "events that were new" },
    Metric { name: "events.duplicate", doc: "events that it had already" },
    Metric { name: "events.missing", doc: "events whose place was empty when a later one came" },
    Metric { name: "events.unreadable", doc: "requests that are no event" },
    Metric { name: "health.heard", doc: "reports of devices' health that came" },
    Metric { name: "store.failures", doc: "times that its database failed, and it started again" },
];

/// The events with ids that a collector reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "event.heard", doc: "an event is on its disk that was not there before" },
    Flow { name: "event.kept", doc: "an event that came is on its disk: written now, or found there" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary =
        "Hears of devices' events over CoAP, POST events/NAME, and takes each once, in the order of their ids.";
    TypedKind::new("coap-collector", summary)
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(ledger::PARTS)
        .program(install)
}

/// The longest event.
const EVENT_MAX: usize = 512;

type CollectorFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// Gives the collector its disk, which outlives it, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> CollectorFuture + use<> {
    let disk = ledger::disk(config.commit_cost, site);
    let network = Network::of(site);
    move |node| Box::pin(run(node, network.clone(), disk.clone()))
}

async fn run(node: Node, network: Network, disk: Disk) -> Exit {
    let clock = TankClock(node.clock());
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, clock, &network.config_for(&node), network.seed(&node));
    if let Ok(newest) = Numbers::open(&disk, "events.redb") {
        let (fail, failed) = oneshot::channel();
        let desk = Desk { node: node.clone(), newest, fail: Some(fail) };
        let mut server = Server::<_, EVENT_MAX>::new(desk, node.stream("coap").next_u32() as u16);
        let serving = pin!(serve(&stack, &clock, &mut server, std::future::pending::<()>));
        let serving = pin!(select(serving, failed));
        if let Either::Left((Err(error), _)) = runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await {
            panic!("{} cannot serve: {error}", node.name());
        }
    }
    node.count("store.failures", 1);
    ledger::start_again(&node)
}

struct Desk {
    node: Node,
    /// By device: the number of its newest event.
    newest: Numbers,
    /// Ends the serving.
    fail: Option<oneshot::Sender<()>>,
}

impl Resource for Desk {
    fn answer(&mut self, asked: &Asked<'_>, _buffer: &mut [u8]) -> Answer {
        let mut segments =
            asked.message.all(OptionNumber::UriPath).map(|bytes| str::from_utf8(bytes).unwrap_or_default());
        let path = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default(), segments.next());
        let (resource @ ("events" | "health"), device, None) = path else {
            return Answer::just(Code::NOT_FOUND);
        };
        Answer::just(match (asked.method, resource) {
            (Code::POST, "events") => self.enter(device, asked.payload),
            (Code::POST, _) => {
                self.node.count("health.heard", 1);
                Code::CHANGED
            }
            _ => Code::METHOD_NOT_ALLOWED,
        })
    }

    /// An event that it has is known by its number, and of what devices say of their health the last word counts.
    fn is_idempotent(&self, _message: &Message<'_>) -> bool {
        true
    }
}

impl Desk {
    /// Takes an event, and says how that went.
    fn enter(&mut self, device: &str, payload: &[u8]) -> Code {
        let Ok(Event { id }) = serde_json::from_slice(payload) else {
            self.node.count("events.unreadable", 1);
            return Code::BAD_REQUEST;
        };
        let Ok(before) = self.newest.reach(device, id) else {
            // A database that failed goes on failing until it is opened anew.
            if let Some(fail) = self.fail.take() {
                // Nobody waits for it any more if it has ended already.
                let _ = fail.send(());
            }
            return Code::INTERNAL_ERROR;
        };
        if id <= before {
            self.node.count("events.duplicate", 1);
        } else {
            self.node.count("events.heard", 1);
            self.node.count("events.missing", id - before - 1);
            self.node.flow("event.heard", device, id);
        }
        self.node.flow("event.kept", device, id);
        Code::CHANGED
    }
}

/// All that the collector wants to know of an event.
#[derive(Deserialize)]
struct Event {
    #[serde(alias = "sequence")]
    id: u64,
}
