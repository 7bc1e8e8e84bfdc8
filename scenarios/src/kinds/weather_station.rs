//! `kind = "weather-station"`: looks at several instruments on one bus, and reports by HTTP, CoAP or MQTT.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use embedded_hal_async::i2c::I2c;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::report::{Coap, Http, Mqtt, Report};
use wavetank_devices::weather_station::{self, Parts};
use wavetank_sim::hw::i2c::{Bus, Controller, Speed};
use wavetank_sim::hw::signal::Signal;
use wavetank_sim::hw::{Flash, Sense, bme280, lis3dh, tmp117};
use wavetank_sim::node::{Exit, Mounted, Node};
use wavetank_sim::random::Stream;

use super::board::{self, Cells, ERASE, WRITE};
use super::check::Findings;
use super::defaults;
use super::firmware::{self, Loaded, Updates, Wired};
use super::health::Health;
use crate::registry::{Flow, Metric, Part, PartSort, TypedKind};
use crate::runtime::{self, Network, Port, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a weather station.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// By which protocol it reports.
    #[serde(default)]
    pub protocol: Protocol,
    /// Address and port of whoever it reports to, such as "10.0.0.2:8080": a "telemetry-hub" by HTTP, a "coap-collector" by
    /// CoAP, an "mqtt-broker" by MQTT.
    pub server: SocketAddr,
    /// From one look at the instruments to the next; at least 750 ms.
    #[serde(default = "defaults::secs::<10>")]
    pub period: Time,
    /// How long whoever it reports to may take to answer, and a connection to open; by CoAP, the shortest wait for an
    /// acknowledgement.
    #[serde(default = "defaults::secs::<5>")]
    pub patience: Time,
    /// By how many thousandths of a degree thermometer and barometer may differ before that is counted.
    #[serde(default = "agreement")]
    pub agreement_millicelsius: u32,
    /// Pages of 4 KiB of its flash that hold readings; at least 3.
    #[serde(default = "defaults::pages::<4>")]
    pub flash_pages: u16,
    /// The longest wait before the first retry; doubled for each further one.
    #[serde(default = "defaults::millis::<500>")]
    pub backoff_base: Time,
    /// The longest wait of all.
    #[serde(default = "defaults::secs::<60>")]
    pub backoff_cap: Time,
    /// The signal that is the air's temperature, in degrees Celsius; 15 if it is left out.
    #[serde(default)]
    pub temperature: Option<String>,
    /// The signal that is the air's pressure, in pascal; 101,325 if it is left out.
    #[serde(default)]
    pub pressure: Option<String>,
    /// The signal that is the relative humidity, in per cent; 50 if it is left out.
    #[serde(default)]
    pub humidity: Option<String>,
    /// Its firmware and the updates that it takes; it takes none if this is left out.
    #[serde(default)]
    pub updates: Option<Updates>,
    /// Whom it tells how it is, if it takes no updates; nobody if this is left out.
    #[serde(default)]
    pub health: Option<Health>,
}

/// By which protocol a device reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `POST /readings`.
    #[default]
    Http,
    /// `POST events/NAME`, confirmable.
    Coap,
    /// Messages to `readings/NAME`, of quality 1.
    Mqtt,
}

const fn agreement() -> u32 {
    2_000
}

impl Config {
    /// The hub that it reports to, if it is one.
    fn hub(&self) -> Option<SocketAddr> {
        (self.protocol == Protocol::Http).then_some(self.server)
    }
}

/// What a weather station counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "readings.kept", doc: "looks at the weather that are on its flash" },
    Metric { name: "readings.acknowledged", doc: "readings that whoever keeps them said they have" },
    Metric { name: "readings.rejected", doc: "readings that were refused for good" },
    Metric { name: "readings.dropped", doc: "readings for which the flash had no room" },
    Metric { name: "readings.empty", doc: "looks at which no instrument measured anything" },
    Metric { name: "reports.failed", doc: "times that reporting came to nothing; it is tried again" },
    Metric { name: "flash.errors", doc: "times that the flash failed" },
    Metric { name: "thermometer.errors", doc: "measurements that the thermometer did not give" },
    Metric { name: "barometer.errors", doc: "measurements that the barometer did not give" },
    Metric { name: "mast.errors", doc: "measurements that the accelerometer did not give" },
    Metric { name: "sensors.disagree", doc: "looks at which thermometer and barometer differed too much" },
    Metric { name: "temperature", doc: "the thermometer's last temperature, in thousandths of a degree Celsius" },
    Metric { name: "pressure", doc: "the last air pressure, in thousandths of a pascal" },
    Metric { name: "humidity", doc: "the last relative humidity, in thousandths of a per cent" },
    Metric { name: "battery.millivolts", doc: "what its battery gives, if the node has one" },
    Metric { name: "backlog", doc: "readings that wait to be brought" },
];

/// The events with ids that a weather station reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "reading.taken", doc: "a reading is on the station's flash" },
    Flow { name: "reading.acknowledged", doc: "whoever keeps the readings said that they have it" },
];

/// What of a weather station's board can be ailing.
pub static PARTS: &[Part] = &[
    Part { name: "i2c", sort: PartSort::I2c, doc: "the bus that its instruments share" },
    Part { name: "tmp117", sort: PartSort::Chip, doc: "its thermometer" },
    Part { name: "bme280", sort: PartSort::Chip, doc: "its barometer, which feels humidity and temperature, too" },
    Part { name: "lis3dh", sort: PartSort::Chip, doc: "the accelerometer on its mast" },
    Part { name: "temperature", sort: PartSort::Sense, doc: "what the thermometer feels, in °C" },
    Part { name: "case", sort: PartSort::Sense, doc: "the temperature that the barometer feels, in °C" },
    Part { name: "pressure", sort: PartSort::Sense, doc: "the pressure that the barometer feels, in Pa" },
    Part { name: "humidity", sort: PartSort::Sense, doc: "the humidity that the barometer feels, in %" },
    Part { name: "flash", sort: PartSort::Flash, doc: "what its readings lie on, and its images if it takes updates" },
];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary =
        "Looks at three instruments on one I2C bus, and reports all of it by HTTP, CoAP or MQTT, through power cuts.";
    TypedKind::new("weather-station", summary)
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(METRICS)
        .metrics(firmware::METRICS)
        .flows(FLOWS)
        .parts(PARTS)
        .check(check)
        .fit(|config, place| {
            let Config { temperature, pressure, humidity, .. } = config;
            let signals = [("temperature", temperature), ("pressure", pressure), ("humidity", humidity)];
            signals.into_iter().filter_map(|(key, signal)| place.lacks_signal(key, signal.as_deref())).collect()
        })
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.port("server", config.server.port(), "name the port, such as \"10.0.0.2:8080\"");
    let help = "three instruments that are stuck take that long";
    findings.at_least("period", config.period, Time::from_millis(750), help);
    findings.at_least("patience", config.patience, Time::from_millis(1), "write \"5s\", for example");
    if i32::try_from(config.agreement_millicelsius).is_err() {
        findings.refuse("agreement_millicelsius", "nothing differs by that much", "write 2000, for example");
    }
    let help = "one is erased, one takes acknowledgements, and one holds readings";
    findings.pages("flash_pages", config.flash_pages, 3, help);
    findings.backoff(config.backoff_base, config.backoff_cap);
    if let Some(updates) = &config.updates {
        updates.check(config.hub(), &mut findings);
    }
    if let Some(health) = &config.health {
        health.check(config.hub(), config.updates.is_some(), &mut findings);
    }
    findings.all()
}

/// The air, unless the scenario says otherwise, and how a mast stands that stands: in millionths.
const CELSIUS: i64 = 15_000_000;
const PASCAL: i64 = 101_325_000_000;
const PERCENT: i64 = 50_000_000;
const UPRIGHT: [i64; 3] = [0, 0, 1_000_000];

type StationFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// What is soldered to the board.
#[derive(Clone)]
struct Board {
    bus: Bus,
    flash: Cells,
    /// Where its images are on that flash, if it takes updates.
    images: Option<firmware::Board>,
}

/// Puts the board together, which outlives the station's lives, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> StationFuture + use<> {
    let bus = instruments(config, site);
    let images = config.updates.as_ref().map(|updates| {
        let hub = updates.hub.unwrap_or(config.server);
        firmware::Board::new("weather-station", config.flash_pages, updates, (hub, backoff(config)), site)
    });
    let flash = match &images {
        Some(images) => images.flash.clone(),
        None => site.flash(config.flash_pages.into()),
    };
    let board = Board { bus, flash, images };
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| {
        let (config, network, board) = (Arc::clone(&config), network.clone(), board.clone());
        let Config { server, patience, .. } = *config;
        let patience = patience.as_duration();
        match config.protocol {
            Protocol::Http => Box::pin(run(node, config, network, board, Http { hub: server, patience })),
            Protocol::Coap => Box::pin(run(node, config, network, board, Coap { server, ack_timeout: patience })),
            Protocol::Mqtt => {
                // Whole seconds, and no fewer than one: what a broker is told.
                let keep_alive = std::time::Duration::from_secs(patience.as_secs().max(1) * 6);
                Box::pin(run(node, config, network, board, Mqtt { broker: server, patience, keep_alive }))
            }
        }
    }
}

/// The bus, and what is on it.
fn instruments(config: &Config, site: &mut Site<'_>) -> Bus {
    let felt = |name: &Option<String>, usual: i64| {
        Sense::new(site.signal(name.as_deref()).unwrap_or_else(|| Signal::constant(usual)))
    };
    let (air, case) = (felt(&config.temperature, CELSIUS), felt(&config.temperature, CELSIUS));
    let (pressure, humidity) = (felt(&config.pressure, PASCAL), felt(&config.humidity, PERCENT));
    let bus = site.i2c_bus(Speed::Fast);
    let empty = "each has an address of its own";
    bus.attach(tmp117::ADDRESS, tmp117::Tmp117::new(air.clone(), site.stream("tmp117"))).expect(empty);
    bus.attach(bme280::ADDRESS, bme280::bme280(case.clone(), pressure.clone(), humidity.clone())).expect(empty);
    let axes = UPRIGHT.map(|micro| Sense::new(Signal::constant(micro)));
    bus.attach(lis3dh::ADDRESS, lis3dh::lis3dh(axes)).expect(empty);
    for (name, address) in [("tmp117", tmp117::ADDRESS), ("bme280", bme280::ADDRESS), ("lis3dh", lis3dh::ADDRESS)] {
        site.part(name, Rc::new(bus.chip(address)));
    }
    for (name, sense) in [("temperature", air), ("case", case), ("pressure", pressure), ("humidity", humidity)] {
        site.part(name, Rc::new(sense));
    }
    bus
}

async fn run(node: Node, config: Arc<Config>, network: Network, board: Board, report: impl Report) -> Exit {
    let Board { bus, flash, images } = board;
    let bus = Controller::new(bus, node.part("i2c"));
    let (settings, cause) = (settings(&config, &node, &network, report), runtime::reset_cause(&node));
    let mut memory = network.memory();
    let Some(images) = images else {
        let parts = parts(&node, bus, flash, network.port(&node, &mut memory));
        let exit = match &config.health {
            Some(health) => {
                let reports = health.reports(config.hub(), backoff(&config));
                Box::pin(weather_station::run_kept(parts, reports, settings, cause)).await
            }
            None => weather_station::run(parts, settings, cause).await,
        };
        return runtime::exit(exit.expect("`check` saw to the flash"));
    };
    let Some(Loaded { updates, behaves }) = images.boot(&node).await else { return Exit::Halt };
    let parts = parts(&node, Wired::new(bus, behaves), flash, network.port(&node, &mut memory));
    let device = Box::pin(async {
        let exit = weather_station::run_kept(parts, updates, settings, cause).await;
        exit.expect("`check` saw to the flash")
    });
    firmware::run(&node, images.watchdog(), behaves, device).await
}

type TankParts<'m, I, B> = Parts<I, B, Flash<Mounted, WRITE, ERASE>, Port<'m>, TankClock, Stream, TankProbe>;

/// The parts of the board, with that bus, that flash and that interface.
fn parts<'m, I: I2c>(
    node: &Node,
    i2c: I,
    flash: Cells,
    net: Port<'m>,
) -> TankParts<'m, I, impl AsyncFnMut() -> Option<u16> + use<I>> {
    Parts {
        i2c,
        battery: async || None,
        flash: Flash::new(flash, node.part("flash")),
        net,
        clock: TankClock(node.clock()),
        rng: node.stream("entropy"),
        probe: TankProbe(node.clone()),
    }
}

fn settings<U>(config: &Config, node: &Node, network: &Network, report: U) -> weather_station::Config<U> {
    let (address, route) = board::place(network, node, "server", config.server);
    let pages = u32::from(config.flash_pages) * ERASE as u32;
    let mut settings = weather_station::Config::by(report, board::id(node), address, 0..pages);
    settings.route = route;
    settings.limits = runtime::limits(node);
    settings.period = config.period.as_duration();
    settings.agreement = i32::try_from(config.agreement_millicelsius).expect("`check` saw to it");
    settings.backoff = backoff(config);
    settings
}

fn backoff(config: &Config) -> Backoff {
    Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() }
}
