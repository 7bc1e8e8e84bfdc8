//! `kind = "lamp"`: a light that is commanded by MQTT and by CoAP.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::lamp::{self, Parts};
use wavetank_sim::hw::Flash;
use wavetank_sim::hw::gpio::Output;
use wavetank_sim::node::{Exit, Node};

use super::board::{self, Cells, ERASE};
use super::check::Findings;
use super::defaults;
use super::firmware::{self, Loaded, Updates};
use super::health::Health;
use crate::registry::{Flow, Metric, Part, PartSort, TypedKind};
use crate::runtime::{self, Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a lamp.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the broker, such as "10.0.0.3:1883".
    pub broker: SocketAddr,
    /// Pages of 4 KiB of its flash that hold its state; at least 2.
    #[serde(default = "defaults::pages::<2>")]
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

/// What a lamp counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "commands.obeyed", doc: "commands that were newer than all before them, and are on its flash" },
    Metric { name: "commands.known", doc: "commands that came again" },
    Metric { name: "commands.stale", doc: "commands that were older than the one that it obeys" },
    Metric { name: "commands.unreadable", doc: "messages and requests that are no command" },
    Metric { name: "flash.errors", doc: "times that the flash failed" },
    Metric { name: "connects.failed", doc: "connections to the broker that could not be opened" },
    Metric { name: "states.published", doc: "times that the broker has its state" },
    Metric { name: "connected", doc: "1 while it is connected to the broker, else 0" },
    Metric { name: "lamp", doc: "1 while it is on, else 0" },
    Metric { name: "command", doc: "the command that it obeys, as a number: the higher, the newer" },
];

/// The events with ids that a lamp reports.
pub static FLOWS: &[Flow] = &[Flow { name: "command.obeyed", doc: "a command is obeyed, and on the lamp's flash" }];

/// What of a lamp's board can be ailing.
pub static PARTS: &[Part] =
    &[Part { name: "flash", sort: PartSort::Flash, doc: "what its state lies on, and its images if it takes updates" }];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary =
        "A light that is commanded by MQTT and by CoAP, tells both what it is, and remembers it without power.";
    TypedKind::new("lamp", summary)
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
    findings.at_least("patience", config.patience, Time::from_millis(1), "write \"5s\", for example");
    findings.at_least("keep_alive", config.keep_alive, Time::from_secs(1), "write \"30s\", for example");
    findings.pages("flash_pages", config.flash_pages, 2, "one is erased, and one holds the state");
    findings.backoff(config.backoff_base, config.backoff_cap);
    if let Some(updates) = &config.updates {
        updates.check(None, &mut findings);
    }
    if let Some(health) = &config.health {
        health.check(None, config.updates.is_some(), &mut findings);
    }
    findings.all()
}

type LampFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// Puts the board together, which outlives the lamp's lives, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> LampFuture + use<> {
    let images = config.updates.as_ref().map(|updates| {
        let hub = updates.hub.expect("`check` saw to it");
        firmware::Board::new("lamp", config.flash_pages, updates, (hub, backoff(config)), site)
    });
    let flash = match &images {
        Some(images) => images.flash.clone(),
        None => site.flash(config.flash_pages.into()),
    };
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), flash.clone(), images.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, flash: Cells, images: Option<firmware::Board>) -> Exit {
    let parts = Parts {
        // A pin is an input, and the light off, until the program says otherwise.
        output: Output::new(),
        flash: Flash::new(flash, node.part("flash")),
        net: node.nic(0).expect("a plan's nodes are plugged in"),
        clock: TankClock(node.clock()),
        rng: node.stream("entropy"),
        probe: TankProbe(node.clone()),
    };
    let (address, route) = board::place(&network, &node, "broker", config.broker);
    let pages = u32::from(config.flash_pages) * ERASE as u32;
    let mut settings = lamp::Config::new(board::id(&node), address, config.broker, 0..pages);
    settings.route = route;
    settings.limits = runtime::limits(&node);
    settings.patience = config.patience.as_duration();
    settings.keep_alive = config.keep_alive.as_duration();
    settings.backoff = backoff(&config);
    let cause = runtime::reset_cause(&node);
    let Some(images) = images else {
        let exit = match &config.health {
            Some(health) => {
                Box::pin(lamp::run_kept(parts, health.reports(None, backoff(&config)), settings, cause)).await
            }
            None => lamp::run(parts, settings, cause).await,
        };
        return runtime::exit(exit.expect("`check` saw to the flash"));
    };
    let Some(Loaded { updates, behaves }) = images.boot(&node).await else { return Exit::Halt };
    let device = Box::pin(async {
        let exit = lamp::run_kept(parts, updates, settings, cause).await;
        exit.expect("`check` saw to the flash")
    });
    firmware::run(&node, images.watchdog(), behaves, device).await
}

fn backoff(config: &Config) -> Backoff {
    Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() }
}
