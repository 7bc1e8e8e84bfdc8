//! `kind = "telemetry-hub"`: keeps the readings of all devices, and says which of them are alive.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_hub::{Hub, Observer, RedbStore, Store, StoreError};
use wavetank_sim::disk::Disk;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::{Stack, tcp};

use super::check::Findings;
use super::ledger;
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankListener, TankRuntime};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a hub.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The TCP port that it serves HTTP on.
    pub port: u16,
    /// A device that has not been heard for longer than this is offline.
    pub online_window: Time,
    /// How long the disk takes to make one reading durable; the hub can do nothing else meanwhile.
    pub commit_cost: Time,
}

impl Default for Config {
    fn default() -> Self {
        Self { port: 8080, online_window: Time::from_secs(60), commit_cost: Time::from_millis(2) }
    }
}

/// What a hub counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "readings.stored", doc: "readings that were new and are now kept" },
    Metric { name: "readings.duplicate", doc: "readings that it had already" },
    Metric { name: "store.failures", doc: "times that the database failed, and the program was started anew" },
    Metric { name: "devices.known", doc: "devices ever heard" },
    Metric { name: "devices.online", doc: "devices heard within the online window" },
];

/// The events with ids that a hub reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "reading.stored", doc: "a reading was written that was not there before" },
    Flow { name: "reading.kept", doc: "a reading that came is on the disk: written now, or found there" },
];

/// The kind, with a redb database on the node's disk.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    kind_over(|disk| RedbStore::open(ledger::database(disk, "hub.redb").map_err(StoreError::new)?))
}

/// The kind, with another store: `open` opens what the disk keeps, at each boot.
#[must_use]
pub fn kind_over<S: Store>(
    open: impl Fn(&Disk) -> Result<S, StoreError> + Copy + Send + Sync + 'static,
) -> TypedKind<Config> {
    TypedKind::new("telemetry-hub", "Keeps the readings of all devices; a web application over a database.")
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(ledger::PARTS)
        .check(check)
        .program(move |config, site| install(config, site, open))
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.port("port", config.port, "write 8080, for example");
    let help = "no device would ever be online: write \"5s\", for example";
    findings.not_zero("online_window", config.online_window, help);
    findings.all()
}

/// Connections that may wait to be accepted.
const BACKLOG: usize = 64;

/// Gives the hub its disk, which outlives it, and says what it runs.
fn install<S, O>(config: &Arc<Config>, site: &mut Site<'_>, open: O) -> impl Fn(Node) -> HubFuture + use<S, O>
where
    S: Store,
    O: Fn(&Disk) -> Result<S, StoreError> + Copy + 'static,
{
    let disk = ledger::disk(config.commit_cost, site);
    let network = Network::of(site);
    let config = Arc::clone(config);
    move |node| {
        let (config, network, disk) = (Arc::clone(&config), network.clone(), disk.clone());
        Box::pin(async move { run(node, &config, &network, open(&disk)).await })
    }
}

type HubFuture = Pin<Box<dyn Future<Output = Exit>>>;

async fn run(node: Node, config: &Config, network: &Network, store: Result<impl Store, StoreError>) -> Exit {
    let clock = node.clock();
    let (fail, failed) = oneshot::channel();
    let observer = TankObserver { node: node.clone(), fail: RefCell::new(Some(fail)) };
    let again = || ledger::start_again(&node);
    let Ok(store) = store.inspect_err(|error| observer.store_failed(error)) else { return again() };
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(clock), &network.config(), network.seed(&node));
    let runtime = TankRuntime::new(clock);
    let behaviour =
        wavetank_hub::Config { online_window: config.online_window.as_duration(), ..wavetank_hub::Config::default() };
    let observer = Rc::new(observer);
    let hub = Hub::new(store, &runtime, Rc::clone(&observer), behaviour);
    let Ok(hub) = hub.inspect_err(|error| observer.store_failed(error)) else { return again() };
    let mut options = tcp::Options::default();
    options.nagle = false;
    let listener = tcp::Listener::bind(&stack, config.port, BACKLOG, options).expect("nobody else listens here");
    let failed = failed.map(|_| ());
    let serving = pin!(hub.serve(TankListener(listener), runtime, failed));
    runner.run_with(serving).await;
    again()
}

/// Turns what a hub tells into its node's metrics and flows.
struct TankObserver {
    node: Node,
    /// Ends the serving.
    fail: RefCell<Option<oneshot::Sender<()>>>,
}

impl Observer for TankObserver {
    fn stored(&self, device: &str, sequence: u64) {
        self.node.count("readings.stored", 1);
        self.node.flow("reading.stored", device, sequence);
        self.node.flow("reading.kept", device, sequence);
    }

    fn duplicate(&self, device: &str, sequence: u64) {
        self.node.count("readings.duplicate", 1);
        self.node.flow("reading.kept", device, sequence);
    }

    fn known(&self, devices: usize) {
        self.node.gauge("devices.known", devices as i64);
    }

    fn online(&self, devices: usize) {
        self.node.gauge("devices.online", devices as i64);
    }

    fn store_failed(&self, _error: &StoreError) {
        // A database that failed goes on failing until it is opened anew: that is told once.
        if let Some(fail) = self.fail.take() {
            self.node.count("store.failures", 1);
            // Nobody waits for it yet if the database could not be opened.
            let _ = fail.send(());
        }
    }
}
