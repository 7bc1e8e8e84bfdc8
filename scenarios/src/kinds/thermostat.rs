//! `kind = "thermostat"`: measures the temperature and reports it to a telemetry hub.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::thermostat::{self, Fixed, Hub, Parts};
use wavetank_sim::hw::Sense;
use wavetank_sim::hw::i2c::{Ack, Bus, Controller, Direction, Speed, Target};
use wavetank_sim::hw::sht4x::Sht4x;
use wavetank_sim::hw::signal::{Micro, Seconds, Shape, Signal};
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::random::{self, Stream};
use wavetank_stack::dns::Name;

use super::board;
use super::check::Findings;
use super::defaults;
use super::firmware::{self, Absent, Board, Loaded, Updates, Wired};
use super::health::Health;
use crate::registry::{Flow, Metric, Part, PartSort, TypedKind};
use crate::runtime::{self, Network, Port, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::{Probability, Time};

/// What a scenario tells a thermostat.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the hub that it reports to, such as "10.0.0.2:8080"; or its name and port, such as
    /// "hub.lan:8080", for a thermostat with `address = "dhcp"`.
    pub hub: HubAddress,
    /// Time from one measurement to the next; at least 20 ms.
    #[serde(default = "defaults::secs::<1>")]
    pub period: Time,
    /// How long opening a connection may take.
    #[serde(default = "defaults::secs::<5>")]
    pub connect_timeout: Time,
    /// How long the hub may take to answer one request.
    #[serde(default = "defaults::secs::<5>")]
    pub exchange_timeout: Time,
    /// The longest wait before the first retry; doubled for each further one.
    #[serde(default = "defaults::millis::<500>")]
    pub backoff_base: Time,
    /// The longest wait of all.
    #[serde(default = "defaults::secs::<60>")]
    pub backoff_cap: Time,
    /// How long its watchdog waits to be fed before it resets the device; none watches if it is left out.
    #[serde(default)]
    pub watchdog: Option<Time>,
    /// The sensor on its I2C bus, and the temperature around it.
    #[serde(default)]
    pub sensor: Sensor,
    /// Its firmware and the updates that it takes; it takes none if this is left out.
    #[serde(default)]
    pub updates: Option<Updates>,
    /// Whom it tells how it is, if it takes no updates; nobody if this is left out.
    #[serde(default)]
    pub health: Option<Health>,
}

/// Where the hub is, in words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct HubAddress(pub Hub);

impl TryFrom<String> for HubAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Ok(address) = text.parse() {
            return Ok(Self(Hub::At(address)));
        }
        let named = text.rsplit_once(':').and_then(|(name, port)| {
            // "10.0.0.256" is a mistake, not a name: no top-level name is a number (RFC 3696, section 2).
            let is_name = name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()));
            Some(Hub::Named(Name::new(name).ok().filter(|_| is_name)?, port.parse().ok()?))
        });
        named.map(Self).ok_or("expected an address and a port, such as \"10.0.0.2:8080\", or \"hub.lan:8080\"")
    }
}

impl HubAddress {
    /// The address, if that is what was written.
    fn at(&self) -> Option<SocketAddr> {
        match self.0 {
            Hub::At(address) => Some(address),
            Hub::Named(..) => None,
        }
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sensor, and the temperature that it measures: a slow swing around a mean, with noise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sensor {
    /// The signal that it feels, in degrees Celsius, in place of what the next four keys say.
    pub signal: Option<String>,
    /// The mean temperature, in thousandths of a degree Celsius.
    pub mean_millicelsius: i32,
    /// How far the temperature swings either way, in thousandths of a degree Celsius.
    pub swing_millicelsius: u32,
    /// How long one swing takes.
    pub swing_period: Time,
    /// The most that noise adds or takes away, in thousandths of a degree Celsius.
    pub noise_millicelsius: u32,
    /// The probability that the sensor does not acknowledge a transfer.
    pub nack: Probability,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            signal: None,
            mean_millicelsius: 21_000,
            swing_millicelsius: 2_000,
            swing_period: Time::from_secs(600),
            noise_millicelsius: 50,
            nack: Probability::default(),
        }
    }
}

/// What a thermostat counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "readings.taken", doc: "readings measured, numbered or not" },
    Metric { name: "readings.acknowledged", doc: "readings that the hub said it has" },
    Metric { name: "readings.dropped", doc: "readings that went because the backlog was full" },
    Metric { name: "readings.rejected", doc: "readings that the hub refused for good" },
    Metric { name: "posts.sent", doc: "POST requests begun, retries included" },
    Metric { name: "posts.failed", doc: "POST requests without an answer, or with one that says to try again" },
    Metric { name: "connects.failed", doc: "connections to the hub that could not be opened" },
    Metric { name: "sensor.errors", doc: "measurements that the sensor or its bus did not give" },
    Metric { name: "lease", doc: "1 while it has an address that a DHCP server lent, else 0" },
    Metric { name: "leases.bound", doc: "addresses that a DHCP server lent" },
    Metric { name: "leases.renewed", doc: "leases that were prolonged" },
    Metric { name: "leases.refused", doc: "times that a DHCP server refused what was asked for" },
    Metric { name: "leases.contested", doc: "addresses that somebody else had, too" },
    Metric { name: "leases.expired", doc: "leases that ran out" },
    Metric { name: "names.failed", doc: "times that the hub's name led to no address" },
    Metric { name: "boots.watchdog", doc: "times that its watchdog reset it" },
    Metric { name: "temperature", doc: "what was measured last, in thousandths of a degree Celsius" },
    Metric { name: "backlog", doc: "readings that wait for the hub" },
];

/// The events with ids that a thermostat reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "reading.taken", doc: "a reading was measured and numbered" },
    Flow { name: "reading.acknowledged", doc: "the hub said that it has the reading" },
];

/// What of a thermostat's board can be ailing.
pub static PARTS: &[Part] = &[
    Part { name: "i2c", sort: PartSort::I2c, doc: "the bus that its sensor is on" },
    Part { name: "sht4x", sort: PartSort::Chip, doc: "its sensor" },
    Part { name: "temperature", sort: PartSort::Sense, doc: "what the sensor feels, in °C" },
    Part { name: "flash", sort: PartSort::Flash, doc: "what its images lie on, if it takes updates" },
];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("thermostat", "Measures the temperature over I2C and reports it over HTTP.")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(METRICS)
        .metrics(firmware::METRICS)
        .flows(FLOWS)
        .parts(PARTS)
        .check(check)
        .fit(|config, place| place.lacks_signal("sensor.signal", config.sensor.signal.as_deref()).into_iter().collect())
        .asking_for_address()
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    let least = Time::from_millis(20);
    findings.at_least("period", config.period, least, "the sensor takes most of that to measure");
    for (key, time) in [("connect_timeout", config.connect_timeout), ("exchange_timeout", config.exchange_timeout)] {
        findings.not_zero(key, time, "nothing could ever be reported: write \"5s\", for example");
    }
    if let Some(timeout) = config.watchdog {
        let help = "it is fed three times as often: write \"8s\", for example";
        findings.at_least("watchdog", timeout, Time::from_millis(10), help);
    }
    findings.backoff(config.backoff_base, config.backoff_cap);
    if config.sensor.swing_period.as_nanos() == 0 {
        let help = "write \"10min\", for example, or swing_millicelsius = 0 for no swing";
        findings.refuse("sensor", "`swing_period` cannot be 0", help);
    }
    let port = match &config.hub.0 {
        Hub::At(address) => address.port(),
        Hub::Named(_, port) => *port,
    };
    findings.port("hub", port, "name the hub's port, such as \"10.0.0.2:8080\"");
    if let Some(updates) = &config.updates {
        updates.check(config.hub.at(), &mut findings);
    }
    if let Some(health) = &config.health {
        health.check(config.hub.at(), config.updates.is_some(), &mut findings);
    }
    findings.all()
}

/// The sensor's address (SHT4x-A, datasheet section 4.2).
const SENSOR_ADDRESS: u8 = 0x44;
/// The room's relative humidity, in millionths of a per cent: the thermostat does not look at it.
const HUMIDITY: i64 = 45_000_000;

/// Gives the thermostat its sensor, which outlives it, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> DeviceFuture + use<> {
    let (bus, temperature) = sensor_bus(&config.sensor, site);
    site.part("sht4x", Rc::new(bus.chip(SENSOR_ADDRESS)));
    site.part("temperature", Rc::new(temperature));
    let board = config.updates.as_ref().map(|updates| {
        let hub = updates.hub.or(config.hub.at()).expect("`check` saw to it");
        Board::new("thermostat", 0, updates, (hub, backoff(config)), site)
    });
    if board.is_none() {
        site.part("flash", Rc::new(Absent));
    }
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| {
        let (config, network, bus) = (Arc::clone(&config), network.clone(), bus.clone());
        match board.clone() {
            Some(board) => Box::pin(run_updated(node, config, network, bus, board)),
            None => Box::pin(run(node, config, network, bus)),
        }
    }
}

type DeviceFuture = Pin<Box<dyn Future<Output = Exit>>>;

type TankParts<'m, I> = Parts<I, Port<'m>, TankClock, Stream, TankProbe>;

/// The parts of the board, with that bus and that interface.
fn parts<'m, I>(node: &Node, i2c: I, net: Port<'m>) -> TankParts<'m, I> {
    Parts { i2c, net, clock: TankClock(node.clock()), rng: node.stream("entropy"), probe: TankProbe(node.clone()) }
}

async fn run(node: Node, config: Arc<Config>, network: Network, bus: Bus) -> Exit {
    let mut memory = network.memory();
    let parts = parts(&node, Controller::new(bus, node.part("i2c")), network.port(&node, &mut memory));
    let cause = runtime::reset_cause(&node);
    let reports = config.health.as_ref().map(|health| health.reports(config.hub.at(), backoff(&config)));
    // On the heap, so that a thermostat with a fixed place that reports nothing is not as large as the others.
    let device: Pin<Box<dyn Future<Output = wavetank_devices::Exit>>> = if network.is_empty() {
        let settings = settings(&config, &node, config.hub.0.clone());
        match reports {
            Some(reports) => Box::pin(thermostat::run_by_dhcp_kept(parts, reports, settings, cause)),
            None => Box::pin(thermostat::run_by_dhcp(parts, settings, cause)),
        }
    } else {
        let settings = settings(&config, &node, fixed(&config, &node, &network));
        match (reports, config.watchdog) {
            (Some(reports), _) => Box::pin(thermostat::run_kept(parts, reports, settings, cause)),
            (None, Some(_)) => Box::pin(thermostat::run(parts, settings, cause)),
            (None, None) => return runtime::exit(thermostat::run(parts, settings, cause).await),
        }
    };
    match config.watchdog {
        Some(timeout) => runtime::watched(&node, timeout.as_duration(), device).await,
        None => runtime::exit(device.await),
    }
}

/// Runs what the board's boot loader starts.
async fn run_updated(node: Node, config: Arc<Config>, network: Network, bus: Bus, board: Board) -> Exit {
    let Some(Loaded { updates, behaves }) = board.boot(&node).await else { return Exit::Halt };
    let mut memory = network.memory();
    let bus = Wired::new(Controller::new(bus, node.part("i2c")), behaves);
    let parts = parts(&node, bus, network.port(&node, &mut memory));
    let cause = runtime::reset_cause(&node);
    let watchdog = config.watchdog.map_or(board.watchdog(), Time::as_duration);
    if network.is_empty() {
        let settings = settings(&config, &node, config.hub.0.clone());
        let device = Box::pin(thermostat::run_by_dhcp_kept(parts, updates, settings, cause));
        return firmware::run(&node, watchdog, behaves, device).await;
    }
    let settings = settings(&config, &node, fixed(&config, &node, &network));
    let device = Box::pin(thermostat::run_kept(parts, updates, settings, cause));
    firmware::run(&node, watchdog, behaves, device).await
}

/// Its place on the network, for a hub at an address.
fn fixed(config: &Config, node: &Node, network: &Network) -> Fixed {
    let Some(hub) = config.hub.at() else {
        panic!(
            "{} cannot find the hub \"{}\" by its name: write address = \"dhcp\", or the hub's own address",
            node.name(),
            config.hub
        );
    };
    let (address, route) = board::place(network, node, "hub", hub);
    Fixed { address, route, hub }
}

fn backoff(config: &Config) -> Backoff {
    Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() }
}

/// What the thermostat is told, on that network.
fn settings<N>(config: &Config, node: &Node, network: N) -> thermostat::Config<N> {
    let mut settings = thermostat::Config::on(network, board::id(node));
    settings.limits = runtime::limits(node);
    settings.period = config.period.as_duration();
    settings.connect_timeout = config.connect_timeout.as_duration();
    settings.exchange_timeout = config.exchange_timeout.as_duration();
    settings.backoff = backoff(config);
    settings
}

/// An I2C bus with one sensor in a room whose temperature swings.
fn sensor_bus(sensor: &Sensor, site: &mut Site<'_>) -> (Bus, Sense) {
    let milli = |value: i64| Micro(value * 1_000);
    let noise = Shape::Noise {
        amplitude: milli(sensor.noise_millicelsius.into()),
        interval_s: Seconds::from_secs(10),
        octaves: 1,
    };
    let swing = Shape::Sine {
        mean: milli(sensor.mean_millicelsius.into()),
        amplitude: milli(sensor.swing_millicelsius.into()),
        period_s: Seconds::from_nanos(sensor.swing_period.as_nanos()),
        offset_s: Seconds::from_secs(0),
    };
    let shape = Shape::Sum { of: vec![swing, noise] };
    let own = || Signal::new(&shape, &mut site.stream("temperature")).expect("`check` saw to the periods");
    let temperature = Sense::new(site.signal(sensor.signal.as_deref()).unwrap_or_else(own));
    let mut serial = site.stream("sensor/serial-number");
    let part =
        Sht4x::new(temperature.clone(), Signal::constant(HUMIDITY), serial.next_u32(), site.stream("sensor/noise"));
    let bus = site.i2c_bus(Speed::Fast);
    let refusal = random::Probability::from_parts_per_billion(sensor.nack.as_ppb().into());
    let part = Reluctant { part, refusal, stream: site.stream("sensor/nack") };
    bus.attach(SENSOR_ADDRESS, part).expect("the bus is empty");
    (bus, temperature)
}

/// A part that now and then does not acknowledge its address.
struct Reluctant<T> {
    part: T,
    refusal: random::Probability,
    stream: Stream,
}

impl<T: Target> Target for Reluctant<T> {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        let refuses = self.refusal.decides(self.stream.next_u32());
        if refuses { Ack::Nack } else { self.part.start(now_ns, direction) }
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        self.part.write(now_ns, byte)
    }

    fn read(&mut self, now_ns: u64) -> u8 {
        self.part.read(now_ns)
    }

    fn stop(&mut self, now_ns: u64) {
        self.part.stop(now_ns);
    }

    fn power_cycle(&mut self, now_ns: u64) {
        self.part.power_cycle(now_ns);
    }
}
