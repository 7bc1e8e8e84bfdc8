//! `kind = "head-end"`: where the readings of smart meters arrive, and every pulse is billed once.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_sim::disk::Disk;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::mqtt::packet::Subscription;
use wavetank_stack::mqtt::{Client, Event, Options, QoS};
use wavetank_stack::time::sleep;
use wavetank_stack::{Stack, tcp};

use super::check::Findings;
use super::defaults;
use super::ledger::{self, Numbers};
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a head-end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the broker, such as "10.0.0.3:1883".
    pub broker: SocketAddr,
    /// How long the disk takes to make one reading durable; the head-end can do nothing else meanwhile.
    #[serde(default = "defaults::millis::<2>")]
    pub commit_cost: Time,
    /// After how long a silence it asks whether the broker is still there; whole seconds.
    #[serde(default = "defaults::secs::<10>")]
    pub keep_alive: Time,
}

/// What a head-end counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "records.billed", doc: "records that were new" },
    Metric { name: "records.duplicate", doc: "records that it had already" },
    Metric { name: "records.missing", doc: "records whose place was empty when a later one came" },
    Metric { name: "records.unreadable", doc: "messages that are no record" },
    Metric { name: "pulses.billed", doc: "pulses in records that were new" },
    Metric { name: "connected", doc: "1 while it is connected to the broker, else 0" },
    Metric { name: "connects.failed", doc: "connections to the broker that could not be opened" },
    Metric { name: "store.failures", doc: "times that its database failed, and it started again" },
];

/// The events with ids that a head-end reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "pulse.billed", doc: "a pulse is on the bill that was not there before" },
    Flow { name: "pulse.kept", doc: "a pulse that came is on the bill: written now, or found there" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("head-end", "Collects the readings of \"smart-meter\"s from a broker, and bills every pulse once.")
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(ledger::PARTS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.port("broker", config.broker.port(), "name the broker's port, such as \"10.0.0.3:1883\"");
    findings.at_least("keep_alive", config.keep_alive, Time::from_secs(1), "write \"10s\", for example");
    findings.all()
}

const FILTER: &str = "meters/+/pulses";
const BACKOFF: Backoff =
    Backoff { base: std::time::Duration::from_millis(200), cap: std::time::Duration::from_secs(5) };

type HeadEndFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> HeadEndFuture + use<> {
    let disk = ledger::disk(config.commit_cost, site);
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), disk.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, disk: Disk) -> Exit {
    let clock = TankClock(node.clock());
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, clock, &network.config_for(&node), network.seed(&node));
    let again = || {
        node.count("store.failures", 1);
        ledger::start_again(&node)
    };
    let Ok(bill) = Numbers::open(&disk, "bill.redb") else { return again() };
    let office = Office { node: &node, bill, is_heard: Cell::new(false) };
    let (mut received, mut to_send, mut jitter) = (vec![0; 2_048], vec![0; 2_048], node.stream("jitter"));
    let mut client = Client::<_, _, 16>::new(clock, (), &mut received, &mut to_send);
    let mut options = Options::new(node.name());
    options.keep_alive = config.keep_alive.as_duration();
    options.session_expiry_s = u32::MAX;
    let collecting = pin!(async {
        let mut failures = 0;
        while let Ok(served) = office.collect(&stack, &mut client, &config, &options).await {
            if served {
                failures = 0;
            }
            node.gauge_while_running("connected", 0);
            sleep(&clock, BACKOFF.delay(failures, &mut jitter)).await;
            failures += 1;
        }
    });
    runner.run_with(stack.telling(TankProbe(node.clone()), collecting)).await;
    again()
}

struct Office<'n> {
    node: &'n Node,
    /// By meter: the number of its newest record.
    bill: Numbers,
    /// Whether the broker has said that it sends what is wanted. A session that is there may have begun without that.
    is_heard: Cell<bool>,
}

impl Office<'_> {
    /// One connection to the broker, to its end; answers whether it served.
    async fn collect(
        &self,
        stack: &Stack<'static>,
        client: &mut Client<'_, TankClock, (), 16>,
        config: &Config,
        options: &Options<'_>,
    ) -> Result<bool, redb::Error> {
        let mut tcp_options = tcp::Options::default();
        tcp_options.timeout = Some(options.patience);
        let connected = match tcp::Stream::connect(stack, config.broker, tcp_options).await {
            Ok(stream) => client.connect(stream, options).await.ok(),
            Err(_) => None,
        };
        let Some(mut connection) = connected else {
            self.node.count("connects.failed", 1);
            return Ok(false);
        };
        self.node.gauge_while_running("connected", 1);
        if !connection.session_present() || !self.is_heard.get() {
            let wanted = connection.subscribe(&[Subscription::new(FILTER, QoS::AtLeastOnce)]);
            debug_assert!(wanted.is_ok(), "nothing else waits to be sent");
        }
        while let Ok(event) = connection.next().await {
            let message = match event {
                Event::Message(message) => message,
                Event::Subscribed(_) => {
                    self.is_heard.set(true);
                    continue;
                }
                _ => continue,
            };
            self.enter(message.topic, message.payload)?;
            if let Some(receipt) = message.receipt
                && !connection.acknowledge(receipt)
            {
                // The broker sends it again.
                break;
            }
        }
        connection.into_stream().abort();
        Ok(true)
    }

    /// Puts what a meter has counted on the bill.
    fn enter(&self, topic: &str, payload: &[u8]) -> Result<(), redb::Error> {
        let meter = topic.split('/').nth(1).unwrap_or_default();
        let Ok(record) = serde_json::from_slice::<Record>(payload) else {
            self.node.count("records.unreadable", 1);
            return Ok(());
        };
        let before = self.bill.reach(meter, record.id)?;
        let pulses = record.register.saturating_sub(record.pulses)..record.register;
        let pulses = pulses.map(|pulse| pulse + 1);
        if record.id <= before {
            self.node.count("records.duplicate", 1);
        } else {
            self.node.count("records.billed", 1);
            self.node.count("pulses.billed", record.pulses);
            self.node.count("records.missing", record.id - before - 1);
            pulses.clone().for_each(|pulse| self.node.flow("pulse.billed", meter, pulse));
        }
        pulses.for_each(|pulse| self.node.flow("pulse.kept", meter, pulse));
        Ok(())
    }
}

/// What a meter has counted since its last record.
#[derive(Deserialize)]
struct Record {
    id: u64,
    register: u64,
    pulses: u64,
}
