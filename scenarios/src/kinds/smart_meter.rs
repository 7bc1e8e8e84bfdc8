//! `kind = "smart-meter"`: counts pulses, and reports every one of them to an MQTT broker.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::smart_meter::{self, Parts};
use wavetank_sim::hw::Flash;
use wavetank_sim::hw::i2c::{Bus, Controller, Speed};
use wavetank_sim::hw::pcf8583::{ADDRESS, Pcf8583};
use wavetank_sim::hw::pulses::Pulses;
use wavetank_sim::net::Nic;
use wavetank_sim::node::{Exit, Mounted, Node};
use wavetank_sim::random::Stream;

use super::board::{self, Cells, ERASE, WRITE};
use super::check::Findings;
use super::defaults;
use super::firmware::{self, Loaded, Updates, Wired};
use super::health::Health;
use crate::registry::{Flow, Metric, Part, PartSort, TypedKind};
use crate::runtime::{self, Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a smart meter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the broker, such as "10.0.0.3:1883".
    pub broker: SocketAddr,
    /// Time from one look at the counter to the next; at least 50 ms.
    #[serde(default = "defaults::secs::<1>")]
    pub period: Time,
    /// The mean time from one pulse to the next; each is between half of it and one and a half.
    #[serde(default = "defaults::millis::<400>")]
    pub pulse_interval: Time,
    /// When the last pulse comes; left out, they never end.
    #[serde(default)]
    pub pulses_until: Option<Time>,
    /// Pages of 4 KiB of its flash that hold records; at least 3.
    #[serde(default = "defaults::pages::<16>")]
    pub flash_pages: u16,
    /// How long the broker may take to answer, and a connection to open.
    #[serde(default = "defaults::secs::<5>")]
    pub patience: Time,
    /// After how long a silence it asks whether the broker is still there; whole seconds.
    #[serde(default = "defaults::secs::<30>")]
    pub keep_alive: Time,
    /// The longest wait before the first retry; doubled for each further one.
    #[serde(default = "defaults::millis::<500>")]
    pub backoff_base: Time,
    /// The longest wait of all.
    #[serde(default = "defaults::secs::<60>")]
    pub backoff_cap: Time,
    /// Its firmware and the updates that it takes; it takes none if this is left out.
    #[serde(default)]
    pub updates: Option<Updates>,
    /// Whom it tells how it is, if it takes no updates; nobody if this is left out.
    #[serde(default)]
    pub health: Option<Health>,
}

/// What a smart meter counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "pulses.counted", doc: "pulses in records that are on its flash" },
    Metric { name: "records.kept", doc: "records put on its flash" },
    Metric { name: "records.delivered", doc: "records that the broker has" },
    Metric { name: "records.sent", doc: "records put on the wire, again ones included" },
    Metric { name: "spool.full", doc: "times that the flash had no room, and pulses stayed in the counter" },
    Metric { name: "flash.errors", doc: "times that the flash failed" },
    Metric { name: "counter.errors", doc: "times that the counter or its bus did not answer" },
    Metric { name: "counter.starts", doc: "times that the counter was not counting, and was started" },
    Metric { name: "connects.failed", doc: "connections to the broker that could not be opened" },
    Metric { name: "connected", doc: "1 while it is connected to the broker, else 0" },
    Metric { name: "backlog", doc: "records that wait for the broker" },
    Metric { name: "boots.watchdog", doc: "times that its watchdog reset it" },
    Metric { name: "register", doc: "all pulses that it ever counted" },
];

/// The events with ids that a smart meter reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "pulse.made", doc: "the dial gave a pulse to the counter, whether or not anybody has looked" },
    Flow { name: "pulse.counted", doc: "a pulse is in a record on the meter's flash" },
];

/// What of a smart meter's board can be ailing.
pub static PARTS: &[Part] = &[
    Part { name: "i2c", sort: PartSort::I2c, doc: "the bus that its counter is on" },
    Part { name: "pcf8583", sort: PartSort::Chip, doc: "its counter" },
    Part { name: "flash", sort: PartSort::Flash, doc: "what its records lie on, and its images if it takes updates" },
];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("smart-meter", "Counts pulses, and reports every one of them over MQTT, through power cuts.")
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .metrics(firmware::METRICS)
        .flows(FLOWS)
        .parts(PARTS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.port("broker", config.broker.port(), "name the broker's port, such as \"10.0.0.3:1883\"");
    for (key, time, least) in [
        ("period", config.period, Time::from_millis(50)),
        ("pulse_interval", config.pulse_interval, Time::from_millis(1)),
        ("patience", config.patience, Time::from_millis(1)),
        ("keep_alive", config.keep_alive, Time::from_secs(1)),
    ] {
        findings.at_least(key, time, least, "write \"5s\", for example");
    }
    let help = "one is erased, one takes acknowledgements, and one holds records";
    findings.pages("flash_pages", config.flash_pages, PAGES_MIN, help);
    findings.backoff(config.backoff_base, config.backoff_cap);
    if let Some(updates) = &config.updates {
        updates.check(None, &mut findings);
    }
    if let Some(health) = &config.health {
        health.check(None, config.updates.is_some(), &mut findings);
    }
    findings.all()
}

const PAGES_MIN: u16 = 3;

type MeterFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// What is soldered to the board, and the dial that turns whatever happens to it.
#[derive(Clone)]
struct Board {
    bus: Bus,
    counter: Rc<RefCell<Pcf8583>>,
    pulses: Pulses,
    flash: Cells,
    /// Where its images are on that flash, if it takes updates.
    images: Option<firmware::Board>,
    /// Pulses that were told of already.
    told: Rc<Cell<u64>>,
}

/// Puts the board together, which outlives the meter's lives, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> MeterFuture + use<> {
    let end_ns = config.pulses_until.map_or(u64::MAX, Time::as_nanos);
    let pulses = Pulses::new(config.pulse_interval.as_duration(), site.stream("pulses")).until(end_ns);
    let counter = Rc::new(RefCell::new(Pcf8583::new(pulses.clone())));
    let bus = site.i2c_bus(Speed::Fast);
    bus.attach(ADDRESS, Rc::clone(&counter)).expect("the bus is empty");
    site.part("pcf8583", Rc::new(bus.chip(ADDRESS)));
    let images = config.updates.as_ref().map(|updates| {
        let hub = updates.hub.expect("`check` saw to it");
        firmware::Board::new("smart-meter", config.flash_pages, updates, (hub, backoff(config)), site)
    });
    let flash = match &images {
        Some(images) => images.flash.clone(),
        None => site.flash(config.flash_pages.into()),
    };
    let board = Board { bus, counter, pulses, flash, images, told: Rc::default() };
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), board.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, board: Board) -> Exit {
    let Board { bus, counter, pulses, flash, images, told } = board;
    let past = move |now_ns| counter.borrow_mut().total(now_ns);
    node.spawn(board::tell_of(node.clone(), "pulse.made", told, past, move |_| pulses.next_ns()));
    let bus = Controller::new(bus, node.part("i2c"));
    let (settings, cause) = (settings(&config, &node, &network), runtime::reset_cause(&node));
    let Some(images) = images else {
        let parts = parts(&node, bus, flash);
        let exit = match &config.health {
            Some(health) => {
                Box::pin(smart_meter::run_kept(parts, health.reports(None, backoff(&config)), settings, cause)).await
            }
            None => smart_meter::run(parts, settings, cause).await,
        };
        return runtime::exit(exit.expect("`check` saw to the flash"));
    };
    let Some(Loaded { updates, behaves }) = images.boot(&node).await else { return Exit::Halt };
    let parts = parts(&node, Wired::new(bus, behaves), flash);
    let device = Box::pin(async {
        let exit = smart_meter::run_kept(parts, updates, settings, cause).await;
        exit.expect("`check` saw to the flash")
    });
    firmware::run(&node, images.watchdog(), behaves, device).await
}

type TankParts<I> = Parts<I, Flash<Mounted, WRITE, ERASE>, Nic, TankClock, Stream, TankProbe>;

/// The parts of the board, with that bus and that flash.
fn parts<I>(node: &Node, i2c: I, flash: Cells) -> TankParts<I> {
    Parts {
        i2c,
        flash: Flash::new(flash, node.part("flash")),
        net: node.nic(0).expect("a plan's nodes are plugged in"),
        clock: TankClock(node.clock()),
        rng: node.stream("entropy"),
        probe: TankProbe(node.clone()),
    }
}

fn settings(config: &Config, node: &Node, network: &Network) -> smart_meter::Config {
    let (address, route) = board::place(network, node, "broker", config.broker);
    let pages = u32::from(config.flash_pages) * ERASE as u32;
    let mut settings = smart_meter::Config::new(board::id(node), address, config.broker, 0..pages);
    settings.route = route;
    settings.limits = runtime::limits(node);
    settings.period = config.period.as_duration();
    settings.patience = config.patience.as_duration();
    settings.keep_alive = config.keep_alive.as_duration();
    settings.backoff = backoff(config);
    settings
}

fn backoff(config: &Config) -> Backoff {
    Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() }
}
