//! `kind = "telemetry-hub"`: keeps the readings of all devices, and says which of them are alive.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{pending, select};
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_hub::firmware::{Manifest, Update, UpdateState};
use wavetank_hub::health::{Condition, Health};
use wavetank_hub::{Hub, Observer, RedbStore, Store, StoreError};
use wavetank_sim::disk::Disk;
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::time::Instant;
use wavetank_stack::{Stack, tcp};

use super::check::Findings;
use super::firmware::{self, Firmware, Rollout};
use super::ledger;
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{self, Network, TankClock, TankListener, TankProbe, TankRuntime};
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
    /// Images of firmware that it hands out, such as { name = "thermostat", version = "1.1.0" }.
    pub firmware: Vec<Firmware>,
    /// Which of them it rolls out, how far and from when on, such as { name = "thermostat", version = "1.1.0", at = "20s" };
    /// a later one of the same name takes an earlier one's place.
    pub rollouts: Vec<Rollout>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 8080,
            online_window: Time::from_secs(60),
            commit_cost: Time::from_millis(2),
            firmware: Vec::new(),
            rollouts: Vec::new(),
        }
    }
}

/// What a hub counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "readings.stored", doc: "readings that were new and are now kept" },
    Metric { name: "readings.duplicate", doc: "readings that it had already" },
    Metric { name: "store.failures", doc: "times that the database failed, and the program was started anew" },
    Metric { name: "devices.known", doc: "devices ever heard" },
    Metric { name: "devices.online", doc: "devices heard within the online window; none while it does not run" },
    Metric { name: "updates.offered", doc: "devices that were told of an update" },
    Metric { name: "updates.installed", doc: "devices that run what was rolled out, by their own word" },
    Metric { name: "updates.failed", doc: "devices that could not take an update" },
    Metric { name: "updates.rolled-back", doc: "devices that tried an update and went back" },
    Metric { name: "health.reports", doc: "reports of devices' health that it has kept" },
    Metric { name: "health.devices", doc: "devices that have ever reported their health" },
    Metric { name: "health.restarts", doc: "times that a device had started anew since its last report" },
    Metric {
        name: "health.sensor-errors",
        doc: "failures of sensors, and of parts that devices drive, by their reports",
    },
    Metric { name: "health.flash-errors", doc: "failures of devices' flash, by their reports" },
    Metric {
        name: "health.link-failures",
        doc: "attempts of devices to reach whom they work for that came to nothing, by their reports",
    },
    Metric { name: "health.lost", doc: "readings, records, events and frames that devices lost, by their reports" },
];

/// The events with ids that a hub reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "reading.stored", doc: "a reading was written that was not there before" },
    Flow { name: "reading.kept", doc: "a reading that came is on the disk: written now, or found there" },
];

/// The kind, with a redb database on the node's disk.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    kind_over(|disk| RedbStore::open(runtime::database(disk, "hub.redb").map_err(StoreError::new)?))
}

/// The kind, with another store: `open` opens what the disk keeps, at each boot.
#[must_use]
pub fn kind_over<S: Store>(
    open: impl Fn(&Disk) -> Result<S, StoreError> + Copy + Send + Sync + 'static,
) -> TypedKind<Config> {
    TypedKind::new("telemetry-hub", "Keeps the readings of all devices; a web application over a database.")
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(ledger::PARTS)
        .check(check)
        .fit(|config, place| firmware::fit(&config.firmware, place))
        .program(move |config, site| install(config, site, open))
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.port("port", config.port, "write 8080, for example");
    let help = "no device would ever be online: write \"5s\", for example";
    findings.not_zero("online_window", config.online_window, help);
    firmware::check(&config.firmware, &config.rollouts, &mut findings);
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
    let images: Rc<[_]> = config.firmware.iter().map(Firmware::image).collect();
    let config = Arc::clone(config);
    move |node| {
        let (config, network, disk, images) = (Arc::clone(&config), network.clone(), disk.clone(), Rc::clone(&images));
        Box::pin(async move { run(node, &config, &network, &images, open(&disk)).await })
    }
}

type HubFuture = Pin<Box<dyn Future<Output = Exit>>>;

async fn run(
    node: Node,
    config: &Config,
    network: &Network,
    images: &[(Manifest, Vec<u8>)],
    store: Result<impl Store, StoreError>,
) -> Exit {
    let clock = node.clock();
    let (fail, failed) = oneshot::channel();
    let observer = TankObserver { node: node.clone(), fail: RefCell::new(Some(fail)) };
    let again = || ledger::start_again(&node);
    let Ok(store) = store.inspect_err(|error| observer.store_failed(error)) else { return again() };
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(clock), &network.config_for(&node), network.seed(&node));
    runtime::foresee(&node, 0, &stack);
    let runtime = TankRuntime::new(clock);
    let behaviour =
        wavetank_hub::Config { online_window: config.online_window.as_duration(), ..wavetank_hub::Config::default() };
    let observer = Rc::new(observer);
    let hub = Hub::new(store, &runtime, Rc::clone(&observer), behaviour);
    let Ok(hub) = hub.inspect_err(|error| observer.store_failed(error)) else { return again() };
    for (manifest, image) in images {
        if hub.put_firmware(manifest, image).is_err() {
            return again();
        }
    }
    let mut options = tcp::Options::default();
    options.nagle = false;
    let listener = tcp::Listener::bind(&stack, config.port, BACKLOG, options).expect("nobody else listens here");
    let failed = failed.map(|_| ());
    let serving = pin!(hub.serve(TankListener(listener), runtime, failed));
    if config.rollouts.is_empty() {
        runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await;
        return again();
    }
    let rolling = pin!(roll_out(&node, &hub, &config.rollouts));
    runner.run_with(stack.telling(TankProbe(node.clone()), select(serving, rolling))).await;
    again()
}

/// Rolls out what is due, and then what becomes due. Ends if the store fails.
async fn roll_out(node: &Node, hub: &Hub, rollouts: &[Rollout]) {
    let mut rollouts: Vec<&Rollout> = rollouts.iter().collect();
    rollouts.sort_by_key(|rollout| rollout.at);
    for rollout in rollouts {
        node.world_timer(Instant::from_nanos(rollout.at.as_nanos())).await;
        let Rollout { version, permille, failures_max, .. } = *rollout;
        let so_far = wavetank_hub::firmware::Rollout { version: version.0, permille: permille.into(), failures_max };
        if hub.roll_out(&rollout.name.parse().expect("`check` saw to it"), &so_far).is_err() {
            return;
        }
    }
    pending::<()>().await;
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
        self.node.gauge_while_running("devices.online", devices as i64);
    }

    fn updated(&self, _device: &str, update: &Update) {
        match update.state {
            UpdateState::Offered => self.node.count("updates.offered", 1),
            UpdateState::Installed => self.node.count("updates.installed", 1),
            UpdateState::Failed => self.node.count("updates.failed", 1),
            UpdateState::RolledBack => self.node.count("updates.rolled-back", 1),
            _ => {}
        }
    }

    fn reported(&self, _device: &str, now: &Condition, before: Option<&Condition>) {
        self.node.count("health.reports", 1);
        self.node.count("health.devices", before.is_none().into());
        let restarts = now.restarts() - before.map_or(0, Condition::restarts);
        self.node.count("health.restarts", restarts.into());
        // A device counts from its start on.
        let before = before.map(|before| before.report).filter(|before| before.life == now.report.life);
        let news = |name, count: fn(&Health) -> u32| {
            let news = count(&now.report).saturating_sub(before.as_ref().map_or(0, count));
            self.node.count(name, news.into());
        };
        news("health.sensor-errors", |report| report.sensor_errors);
        news("health.flash-errors", |report| report.flash_errors);
        news("health.link-failures", |report| report.link_failures);
        news("health.lost", |report| report.lost);
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
