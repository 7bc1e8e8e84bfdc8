//! `kind = "smart-meter"`: counts pulses, and reports every one of them to an MQTT broker.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::smart_meter::{self, Parts};
use wavetank_devices::{Backoff, DeviceId};
use wavetank_sim::hw::flash::{Memory, Timing};
use wavetank_sim::hw::i2c::{Bus, Controller, Speed};
use wavetank_sim::hw::pcf8583::{ADDRESS, Pcf8583};
use wavetank_sim::hw::pulses::Pulses;
use wavetank_sim::hw::{Flash, flash};
use wavetank_sim::node::{Exit, Node, Powered};
use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;

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
    #[serde(default = "defaults::period")]
    pub period: Time,
    /// The mean time from one pulse to the next; each is between half of it and one and a half.
    #[serde(default = "defaults::pulse_interval")]
    pub pulse_interval: Time,
    /// When the last pulse comes; left out, they never end.
    #[serde(default)]
    pub pulses_until: Option<Time>,
    /// Pages of 4 KiB of its flash that hold records; at least 3.
    #[serde(default = "defaults::flash_pages")]
    pub flash_pages: u16,
    /// How long the broker may take to answer, and a connection to open.
    #[serde(default = "defaults::patience")]
    pub patience: Time,
    /// After how long a silence it asks whether the broker is still there; whole seconds.
    #[serde(default = "defaults::keep_alive")]
    pub keep_alive: Time,
    /// The longest wait before the first retry; doubled for each further one.
    #[serde(default = "defaults::backoff_base")]
    pub backoff_base: Time,
    /// The longest wait of all.
    #[serde(default = "defaults::backoff_cap")]
    pub backoff_cap: Time,
}

mod defaults {
    use crate::units::Time;

    pub(super) fn period() -> Time {
        Time::from_secs(1)
    }

    pub(super) fn pulse_interval() -> Time {
        Time::from_millis(400)
    }

    pub(super) fn flash_pages() -> u16 {
        16
    }

    pub(super) fn patience() -> Time {
        Time::from_secs(5)
    }

    pub(super) fn keep_alive() -> Time {
        Time::from_secs(30)
    }

    pub(super) fn backoff_base() -> Time {
        Time::from_millis(500)
    }

    pub(super) fn backoff_cap() -> Time {
        Time::from_secs(60)
    }
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
    Part { name: "flash", sort: PartSort::Flash, doc: "what its records lie on" },
];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("smart-meter", "Counts pulses, and reports every one of them over MQTT, through power cuts.")
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(PARTS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if config.broker.port() == 0 {
        let problem = ConfigProblem::at("broker", "port 0 is no port");
        problems.push(problem.help("name the broker's port, such as \"10.0.0.3:1883\""));
    }
    for (key, time, least) in [
        ("period", config.period, Time::from_millis(50)),
        ("pulse_interval", config.pulse_interval, Time::from_millis(1)),
        ("patience", config.patience, Time::from_millis(1)),
        ("keep_alive", config.keep_alive, Time::from_secs(1)),
    ] {
        if time < least {
            let problem = ConfigProblem::at(key, format!("`{key}` is at least {least}"));
            problems.push(problem.help("write \"5s\", for example"));
        }
    }
    if config.flash_pages < PAGES_MIN {
        let problem = ConfigProblem::at("flash_pages", format!("`flash_pages` is at least {PAGES_MIN}"));
        problems.push(problem.help("one is erased, one takes acknowledgements, and one holds records"));
    }
    if config.backoff_cap < config.backoff_base {
        let problem = ConfigProblem::at("backoff_cap", "`backoff_cap` is shorter than `backoff_base`");
        problems.push(problem.help(format!("make it at least {}", config.backoff_base)));
    }
    problems
}

const PAGES_MIN: u16 = 3;
/// The nRF52840's flash: written by the word, erased by 4 KiB.
const WRITE: usize = 4;
const ERASE: usize = 4_096;

type MeterFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// What is soldered to the board, and the dial that turns whatever happens to it.
#[derive(Clone)]
struct Board {
    bus: Bus,
    counter: Rc<RefCell<Pcf8583>>,
    pulses: Pulses,
    flash: Memory<WRITE, ERASE>,
    was_cut: Rc<Cell<bool>>,
    /// Pulses that were told of already.
    told: Rc<Cell<u64>>,
}

/// Puts the board together, which outlives the meter's lives, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> MeterFuture + use<> {
    let end_ns = config.pulses_until.map_or(u64::MAX, Time::as_nanos);
    let pulses = Pulses::new(config.pulse_interval.as_duration(), site.stream("pulses")).until(end_ns);
    let counter = Rc::new(RefCell::new(Pcf8583::new(pulses.clone())));
    let bus = Bus::new(Speed::Fast, site.stream("i2c"));
    bus.attach(ADDRESS, Rc::clone(&counter)).expect("the bus is empty");
    site.part("i2c", Rc::new(bus.clone()));
    site.part("pcf8583", Rc::new(bus.chip(ADDRESS)));
    let flash = flash::Memory::new(config.flash_pages.into(), Timing::NRF52840);
    site.part("flash", Rc::new(flash.clone()));
    let board = Board { bus, counter, pulses, flash, was_cut: Rc::default(), told: Rc::default() };
    site.powered(Rc::new(board.clone()));
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), board.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, board: Board) -> Exit {
    node.spawn(tell(node.clone(), board.clone()));
    let parts = Parts {
        i2c: Controller::new(board.bus, node.part("i2c")),
        flash: Flash::new(board.flash, node.part("flash")),
        net: node.nic(0).expect("a plan's nodes are plugged in"),
        clock: TankClock(node.clock()),
        rng: node.stream("entropy"),
        probe: TankProbe(node.clone()),
    };
    let Some(address) = network.address_towards(config.broker.ip()) else {
        panic!(
            "{} has no address to reach the broker at {} from: give it one of the same family",
            node.name(),
            config.broker
        );
    };
    let id = DeviceId::new(node.name()).expect("a plan's node names are short and plain");
    let pages = u32::from(config.flash_pages) * ERASE as u32;
    let mut settings = smart_meter::Config::new(id, address, config.broker, 0..pages);
    settings.route = network.route_towards(config.broker.ip());
    settings.period = config.period.as_duration();
    settings.patience = config.patience.as_duration();
    settings.keep_alive = config.keep_alive.as_duration();
    settings.backoff = Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() };
    let exit = smart_meter::run(parts, settings, runtime::reset_cause(&node)).await;
    runtime::exit(exit.expect("`check` saw to the flash"))
}

/// Tells of every pulse that the counter has: when it comes, or when the power is back.
async fn tell(node: Node, board: Board) {
    loop {
        let made = board.counter.borrow_mut().total(node.world_now().as_nanos());
        for pulse in board.told.replace(made) + 1..=made {
            node.flow("pulse.made", node.name(), pulse);
        }
        let next_ns = board.pulses.next_ns();
        node.world_timer(Instant::from_nanos(next_ns)).await;
    }
}

impl Powered for Board {
    fn power_cut(&self, now: Instant, stream: &mut Stream) {
        self.was_cut.set(true);
        self.flash.cut(now.as_nanos(), stream);
    }

    fn program_ended(&self, now: Instant) {
        self.flash.crash(now.as_nanos());
    }

    fn boot(&self, now: Instant) {
        if self.was_cut.take() {
            self.bus.power_cycle(now.as_nanos());
        }
    }
}
