//! `kind = "telemetry-hub"`: keeps the readings of all devices, and says which of them are alive.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use redb::Database;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_hub::{Hub, Observer, RedbStore, Store, StoreError};
use wavetank_sim::disk::{Disk, File, RedbBackend, Spec};
use wavetank_sim::node::{Charge, Exit, Node, Powered};
use wavetank_sim::random::Stream;
use wavetank_sim::time::{Duration, Instant};
use wavetank_stack::{Stack, tcp};

use crate::registry::{Flow, Metric, Part, PartSort, TypedKind};
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

/// What of a hub's machine can be ailing.
pub static PARTS: &[Part] = &[Part { name: "disk", sort: PartSort::Disk, doc: "what its database lies on" }];

/// The kind, with a redb database on the node's disk.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    kind_over(|disk| {
        let file = disk.open("hub.redb");
        discard_unfinished(&file).map_err(StoreError::new)?;
        RedbStore::open(Database::builder().create_with_backend(RedbBackend::new(file))?)
    })
}

/// What every finished redb file begins with (redb's docs/design.md, “Super-header”).
const REDB_MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";

/// Empties a database file whose making was cut short. redb writes its magic number last and refuses a file without one;
/// such a file never held anything.
fn discard_unfinished(file: &File) -> io::Result<()> {
    let mut magic = [0; REDB_MAGIC.len()];
    if file.len()? >= magic.len() as u64 {
        file.read_at(0, &mut magic)?;
    }
    if magic == REDB_MAGIC { Ok(()) } else { file.set_len(0) }
}

/// The kind, with another store: `open` opens what the disk keeps, at each boot.
#[must_use]
pub fn kind_over<S: Store>(
    open: impl Fn(&Disk) -> Result<S, StoreError> + Copy + Send + Sync + 'static,
) -> TypedKind<Config> {
    TypedKind::new("telemetry-hub", "Keeps the readings of all devices; a web application over a database.")
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(PARTS)
        .check(check)
        .program(move |config, site| install(config, site, open))
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if config.port == 0 {
        let problem = ConfigProblem::at("port", "port 0 is no port");
        problems.push(problem.help("write 8080, for example"));
    }
    if config.online_window.as_nanos() == 0 {
        let problem = ConfigProblem::at("online_window", "`online_window` cannot be 0");
        problems.push(problem.help("no device would ever be online: write \"5s\", for example"));
    }
    problems
}

/// Connections that may wait to be accepted.
const BACKLOG: usize = 64;

/// Gives the hub its disk, which outlives it, and says what it runs.
fn install<S, O>(config: &Arc<Config>, site: &mut Site<'_>, open: O) -> impl Fn(Node) -> HubFuture + use<S, O>
where
    S: Store,
    O: Fn(&Disk) -> Result<S, StoreError> + Copy + 'static,
{
    let spec = Spec { flush: config.commit_cost.as_duration(), ..Spec::default() };
    let disk = Disk::new(spec, Charge);
    site.powered(Rc::new(PoweredDisk(disk.clone())));
    site.part("disk", Rc::new(disk.clone()));
    let network = Network::of(site);
    let config = Arc::clone(config);
    move |node| {
        let (config, network, disk) = (Arc::clone(&config), network.clone(), disk.clone());
        Box::pin(async move { run(node, &config, &network, open(&disk)).await })
    }
}

type HubFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// How long whoever keeps the hub's program waits before starting it again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

async fn run(node: Node, config: &Config, network: &Network, store: Result<impl Store, StoreError>) -> Exit {
    let clock = node.clock();
    let (fail, failed) = oneshot::channel();
    let observer = TankObserver { node: node.clone(), fail: RefCell::new(Some(fail)) };
    let again = || Exit::SleepUntil(clock.now() + RESTART_AFTER);
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

/// A disk as what the node's power does to it.
struct PoweredDisk(Disk);

impl Powered for PoweredDisk {
    fn power_cut(&self, now: Instant, stream: &mut Stream) {
        self.0.cut(now.as_nanos(), stream);
    }

    fn program_ended(&self, now: Instant) {
        self.0.crash(now.as_nanos());
    }
}
