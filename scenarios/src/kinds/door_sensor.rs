//! `kind = "door-sensor"`: tells a collector over CoAP whenever its door is opened or closed.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::door_sensor::{self, Parts};
use wavetank_sim::hw::Flash;
use wavetank_sim::hw::gpio::{Bouncing, Input, Line, Source};
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::random::Stream;

use super::board::{self, Cells, ERASE};
use super::check::Findings;
use super::coap_address::CoapAddress;
use super::defaults;
use super::firmware::{self, Loaded, Updates};
use super::health::Health;
use crate::registry::{Flow, Metric, Part, PartSort, TypedKind};
use crate::runtime::{self, Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a door sensor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the collector is: an address, and a port if it is not CoAP's own.
    pub collector: CoapAddress,
    /// The mean time that the door stays closed; each time is between half of it and one and a half.
    #[serde(default = "defaults::secs::<10>")]
    pub closed_for: Time,
    /// The mean time that it stays open, likewise.
    #[serde(default = "defaults::secs::<5>")]
    pub open_for: Time,
    /// When the door is opened for the last time at the latest; left out, people never stop coming.
    #[serde(default)]
    pub opens_until: Option<Time>,
    /// How long the contact bounces at most after each move.
    #[serde(default = "defaults::millis::<8>")]
    pub bounces_for: Time,
    /// How long the contact has to hold its level before it counts.
    #[serde(default = "defaults::millis::<20>")]
    pub debounce: Time,
    /// From one report of its health to the next.
    #[serde(default = "defaults::secs::<3_600>")]
    pub heartbeat: Time,
    /// Pages of 4 KiB of its flash that hold events; at least 3.
    #[serde(default = "defaults::pages::<4>")]
    pub flash_pages: u16,
    /// The shortest wait for an acknowledgement; doubled four times before it gives up for a while.
    #[serde(default = "defaults::secs::<2>")]
    pub ack_timeout: Time,
    /// The longest wait before the first retry; doubled for each further one.
    #[serde(default = "defaults::millis::<500>")]
    pub backoff_base: Time,
    /// The longest wait of all.
    #[serde(default = "defaults::secs::<60>")]
    pub backoff_cap: Time,
    /// Its firmware and the updates that it takes; it takes none if this is left out. It asks with each `heartbeat`, so that
    /// `period` says nothing here.
    #[serde(default)]
    pub updates: Option<Updates>,
    /// Whom it tells how it is, if it takes no updates; nobody if this is left out. It tells with each `heartbeat`, so that `every`
    /// says nothing here.
    #[serde(default)]
    pub health: Option<Health>,
}

/// What a door sensor counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "events.noted", doc: "moves of the door that are on its flash" },
    Metric { name: "events.delivered", doc: "events that the collector said it has" },
    Metric { name: "events.failed", doc: "events that the collector did not acknowledge; each is tried again" },
    Metric { name: "contact.bounces", doc: "times that the contact did not hold its new level" },
    Metric { name: "contact.errors", doc: "times that the contact could not be read" },
    Metric { name: "spool.full", doc: "times that the flash had no room for an event" },
    Metric { name: "flash.errors", doc: "times that the flash failed" },
    Metric { name: "network.starts", doc: "times that it went into the network, because there was something to say" },
    Metric { name: "health.told", doc: "reports of its health that the collector has" },
    Metric { name: "door", doc: "1 while the door is open, else 0, as it was noted last" },
    Metric { name: "backlog", doc: "events that wait for the collector" },
];

/// The events with ids that a door sensor reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "door.moved", doc: "the door was opened (odd) or closed (even), whether or not anybody has looked" },
    Flow { name: "event.noted", doc: "an event is on the sensor's flash" },
    Flow { name: "event.delivered", doc: "the collector said that it has the event" },
];

/// What of a door sensor's board can be ailing.
pub static PARTS: &[Part] = &[
    Part { name: "contact", sort: PartSort::Pin, doc: "the contact at its door; high while it is open" },
    Part { name: "flash", sort: PartSort::Flash, doc: "what its events lie on, and its images if it takes updates" },
];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary =
        "Tells a \"coap-collector\" of every opening and closing of a door, through power cuts; sleeps in between.";
    TypedKind::new("door-sensor", summary)
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(METRICS)
        .metrics(firmware::METRICS)
        .flows(FLOWS)
        .parts(PARTS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.port("collector", config.collector.0.port(), "leave the port out: CoAP's own is 5683");
    let least = Time::from_nanos(config.bounces_for.as_nanos().saturating_add(1).saturating_mul(2));
    let help = "the contact would bounce for longer than the door stays: write \"10s\", for example";
    findings.at_least("closed_for", config.closed_for, least, help);
    findings.at_least("open_for", config.open_for, least, help);
    findings.not_zero("heartbeat", config.heartbeat, "write \"1h\", for example");
    findings.not_zero("ack_timeout", config.ack_timeout, "write \"2s\", for example");
    let help = "one is erased, one takes acknowledgements, and one holds events";
    findings.pages("flash_pages", config.flash_pages, 3, help);
    findings.backoff(config.backoff_base, config.backoff_cap);
    if let Some(updates) = &config.updates {
        updates.check(None, &mut findings);
    }
    if let Some(health) = &config.health {
        health.check(None, config.updates.is_some(), &mut findings);
    }
    findings.all()
}

/// How often a contact jumps back at most.
const BOUNCES_MAX: u8 = 4;

type SensorFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// What is soldered to the board, and the door, which people use whatever happens to it.
#[derive(Clone)]
struct Board {
    door: Comings,
    contact: Line,
    flash: Cells,
    /// Where its images are on that flash, if it takes updates.
    images: Option<firmware::Board>,
    /// Moves that were told of already.
    told: Rc<Cell<u64>>,
}

/// Puts the board together, which outlives the sensor's lives, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> SensorFuture + use<> {
    let door = Comings::new(config, site.stream("door"));
    let bounces_ns = config.bounces_for.as_nanos();
    let contact = Bouncing::new(door.clone(), BOUNCES_MAX, bounces_ns, &mut site.stream("contact"));
    let contact = Line::new(contact);
    site.part("contact", Rc::new(contact.clone()));
    let images = config.updates.as_ref().map(|updates| {
        let hub = updates.hub.expect("`check` saw to it");
        firmware::Board::new("door-sensor", config.flash_pages, updates, (hub, backoff(config)), site)
    });
    let flash = match &images {
        Some(images) => images.flash.clone(),
        None => site.flash(config.flash_pages.into()),
    };
    let board = Board { door, contact, flash, images, told: Rc::default() };
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), board.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, board: Board) -> Exit {
    let Board { door, contact, flash, images, told } = board;
    let moves = door.clone();
    let past = move |now_ns| moves.past(now_ns);
    let next_ns = move |now_ns| door.next_change_ns(now_ns).unwrap_or(u64::MAX);
    node.spawn(board::tell_of(node.clone(), "door.moved", told, past, next_ns));
    let collector = config.collector.0;
    let mut memory = network.memory();
    let parts = Parts {
        contact: Input::new(contact, node.clone()),
        battery: async || None,
        flash: Flash::new(flash, node.part("flash")),
        net: network.port(&node, &mut memory),
        clock: TankClock(node.clock()),
        rng: node.stream("entropy"),
        probe: TankProbe(node.clone()),
    };
    let (address, route) = board::place(&network, &node, "collector", collector);
    let pages = u32::from(config.flash_pages) * ERASE as u32;
    let mut settings = door_sensor::Config::new(board::id(&node), address, collector, 0..pages);
    settings.route = route;
    settings.limits = runtime::limits(&node);
    settings.debounce = config.debounce.as_duration();
    settings.heartbeat = config.heartbeat.as_duration();
    settings.ack_timeout = config.ack_timeout.as_duration();
    settings.backoff = backoff(&config);
    let cause = runtime::reset_cause(&node);
    let Some(images) = images else {
        let exit = match &config.health {
            Some(health) => {
                Box::pin(door_sensor::run_kept(parts, health.reports(None, backoff(&config)), settings, cause)).await
            }
            None => door_sensor::run(parts, settings, cause).await,
        };
        return runtime::exit(exit.expect("`check` saw to the flash"));
    };
    let Some(Loaded { updates, behaves }) = images.boot(&node).await else { return Exit::Halt };
    let device = Box::pin(async {
        let exit = door_sensor::run_kept(parts, updates, settings, cause).await;
        exit.expect("`check` saw to the flash")
    });
    firmware::run(&node, images.watchdog(), behaves, device).await
}

fn backoff(config: &Config) -> Backoff {
    Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() }
}

/// A door that is closed at first, and that people open and close for as long as they come.
#[derive(Clone)]
struct Comings(Rc<RefCell<Diary>>);

struct Diary {
    stream: Stream,
    closed_for: Time,
    open_for: Time,
    end_ns: u64,
    /// When it moved, and will, as far as anybody has asked.
    moves_ns: Vec<u64>,
}

impl Comings {
    fn new(config: &Config, stream: Stream) -> Self {
        let Config { closed_for, open_for, .. } = *config;
        let end_ns = config.opens_until.map_or(u64::MAX, Time::as_nanos);
        Self(Rc::new(RefCell::new(Diary { stream, closed_for, open_for, end_ns, moves_ns: Vec::new() })))
    }

    /// How often it has moved by `now_ns`.
    fn past(&self, now_ns: u64) -> u64 {
        let diary = &mut *self.0.borrow_mut();
        diary.write_until(now_ns);
        diary.moves_ns.partition_point(|at_ns| *at_ns <= now_ns) as u64
    }
}

impl Source for Comings {
    fn is_high(&self, now_ns: u64) -> bool {
        self.past(now_ns) % 2 == 1
    }

    fn next_change_ns(&self, now_ns: u64) -> Option<u64> {
        let past = self.past(now_ns) as usize;
        self.0.borrow().moves_ns.get(past).copied()
    }
}

impl Diary {
    /// Knows all moves up to `now_ns`, and the one behind.
    fn write_until(&mut self, now_ns: u64) {
        let last_ns = |moves_ns: &[u64]| moves_ns.last().copied().unwrap_or(0);
        while last_ns(&self.moves_ns) <= now_ns {
            let open = self.moves_ns.len() % 2 == 1;
            let mean_ns = if open { self.open_for } else { self.closed_for }.as_nanos();
            let more = (u128::from(mean_ns) * u128::from(self.stream.next_u32())) >> 32;
            let more_ns = u64::try_from(more).expect("a part of a 64-bit number");
            let next_ns = last_ns(&self.moves_ns).saturating_add(mean_ns / 2).saturating_add(more_ns);
            if !open && next_ns > self.end_ns || next_ns == u64::MAX {
                // Nobody comes any more: nor will anybody who asks later be told otherwise.
                self.end_ns = 0;
                return;
            }
            self.moves_ns.push(next_ns);
        }
    }
}
