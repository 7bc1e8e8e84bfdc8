//! `kind = "camera"`: takes pictures, and brings them to an image store over whatever link there is.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use embedded_io_async::{ErrorType, Read};
use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::camera::{self, Parts, SLOTS_MAX};
use wavetank_sim::hw::Flash;
use wavetank_sim::node::{Exit, Mounted, Node};
use wavetank_sim::random::Stream;

use super::board::{self, Cells, ERASE, WRITE};
use super::check::Findings;
use super::defaults;
use super::firmware::{self, Loaded, Updates};
use super::health::Health;
use crate::registry::{Flow, Metric, Part, PartSort, TypedKind};
use crate::runtime::{self, Network, Port, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::{Size, Time};

/// What a scenario tells a camera.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the image store, such as "10.0.0.2:8080".
    pub server: SocketAddr,
    /// How long a frame is; from 1 KiB to 1 MiB.
    #[serde(default = "frame")]
    pub frame: Size,
    /// How many frames its flash holds; from 3 to 8.
    #[serde(default = "frames")]
    pub frames: u8,
    /// From one frame to the next. Its flash takes about 22 ms for each KiB, which is the least.
    #[serde(default = "defaults::secs::<10>")]
    pub period: Time,
    /// How long a connection may take to open, and the network to take anything at all.
    #[serde(default = "defaults::secs::<10>")]
    pub patience: Time,
    /// How long the last bytes of a frame may take to arrive, and the answer.
    #[serde(default = "defaults::secs::<20>")]
    pub drain: Time,
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

fn frame() -> Size {
    Size::parse("64 KiB").expect("it is a size")
}

const fn frames() -> u8 {
    4
}

/// What a camera counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "frames.taken", doc: "frames that are on its flash" },
    Metric { name: "frames.acknowledged", doc: "frames that the store said it has" },
    Metric { name: "frames.dropped", doc: "frames that went, unsent, because the link could not bear them" },
    Metric { name: "frames.rejected", doc: "frames that the store refused for good" },
    Metric { name: "frames.damaged", doc: "frames that arrived, and were not what was sent; each is sent again" },
    Metric { name: "frames.rotten", doc: "frames that the flash did not give back as they were written" },
    Metric { name: "uploads.begun", doc: "uploads that were begun" },
    Metric { name: "uploads.failed", doc: "uploads, or connections, that came to nothing; they are tried again" },
    Metric { name: "bytes.sent", doc: "bytes of frames that the network took" },
    Metric { name: "sensor.errors", doc: "frames that the sensor did not give" },
    Metric { name: "flash.errors", doc: "times that the flash failed" },
    Metric { name: "backlog", doc: "frames that wait to be sent" },
    Metric { name: "latest", doc: "the number of the newest frame that the store said it has" },
];

/// The events with ids that a camera reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "frame.taken", doc: "a frame is on the camera's flash" },
    Flow { name: "frame.dropped", doc: "a frame went unsent" },
    Flow { name: "frame.acknowledged", doc: "the store said that it has the frame" },
];

/// What of a camera's board can be ailing.
pub static PARTS: &[Part] =
    &[Part { name: "flash", sort: PartSort::Flash, doc: "what its frames lie on, and its images if it takes updates" }];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary =
        "Takes pictures, and brings them to an \"image-store\"; drops the oldest when the link cannot bear them.";
    TypedKind::new("camera", summary)
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
    findings.port("server", config.server.port(), "name the store's port, such as \"10.0.0.2:8080\"");
    if !(1_024..=1 << 20).contains(&config.frame.as_bytes()) {
        findings.refuse("frame", "a frame is between 1 KiB and 1 MiB", "write \"64 KiB\", for example");
    }
    if !(3..=SLOTS_MAX).contains(&usize::from(config.frames)) {
        findings.refuse("frames", format!("the flash holds 3 to {SLOTS_MAX} frames"), "write 4, for example");
    }
    for (key, time) in [("period", config.period), ("patience", config.patience), ("drain", config.drain)] {
        findings.not_zero(key, time, "write \"10s\", for example");
    }
    findings.backoff(config.backoff_base, config.backoff_cap);
    if let Some(updates) = &config.updates {
        updates.check(None, &mut findings);
    }
    if let Some(health) = &config.health {
        health.check(None, config.updates.is_some(), &mut findings);
    }
    findings.all()
}

/// Pages of flash that its frames take, each behind a page of its own.
fn pages(config: &Config) -> u16 {
    let frame = config.frame.as_bytes().div_ceil(ERASE as u64) + 1;
    u16::try_from(frame * u64::from(config.frames)).expect("`check` saw to both")
}

type CameraFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// What is soldered to the board, and what is in front of it.
#[derive(Clone)]
struct Board {
    scene: Rc<RefCell<Stream>>,
    flash: Cells,
    /// Where its images are on that flash, if it takes updates.
    images: Option<firmware::Board>,
}

/// Puts the board together, which outlives the camera's lives, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> CameraFuture + use<> {
    let pages = pages(config);
    let images = config.updates.as_ref().map(|updates| {
        let hub = updates.hub.expect("`check` saw to it");
        firmware::Board::new("camera", pages, updates, (hub, backoff(config)), site)
    });
    let flash = match &images {
        Some(images) => images.flash.clone(),
        None => site.flash(pages.into()),
    };
    let board = Board { scene: Rc::new(RefCell::new(site.stream("scene"))), flash, images };
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), board.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, board: Board) -> Exit {
    let Board { scene, flash, images } = board;
    let (settings, cause) = (settings(&config, &node, &network), runtime::reset_cause(&node));
    let mut memory = network.memory();
    let Some(images) = images else {
        let parts = parts(&node, scene, flash, network.port(&node, &mut memory));
        let exit = match &config.health {
            Some(health) => {
                Box::pin(camera::run_kept(parts, health.reports(None, backoff(&config)), settings, cause)).await
            }
            None => Box::pin(camera::run(parts, settings, cause)).await,
        };
        return runtime::exit(exit.expect("`check` saw to the flash"));
    };
    let Some(Loaded { updates, behaves }) = images.boot(&node).await else { return Exit::Halt };
    let parts = parts(&node, scene, flash, network.port(&node, &mut memory));
    let device = Box::pin(async {
        let exit = camera::run_kept(parts, updates, settings, cause).await;
        exit.expect("`check` saw to the flash")
    });
    firmware::run(&node, images.watchdog(), behaves, device).await
}

type TankParts<'m> = Parts<Sensor, Flash<Mounted, WRITE, ERASE>, Port<'m>, TankClock, Stream, TankProbe>;

fn parts<'m>(node: &Node, scene: Rc<RefCell<Stream>>, flash: Cells, net: Port<'m>) -> TankParts<'m> {
    Parts {
        sensor: Sensor(scene),
        flash: Flash::new(flash, node.part("flash")),
        net,
        clock: TankClock(node.clock()),
        rng: node.stream("entropy"),
        probe: TankProbe(node.clone()),
    }
}

fn settings(config: &Config, node: &Node, network: &Network) -> camera::Config {
    let (address, route) = board::place(network, node, "store", config.server);
    let room = u32::from(pages(config)) * ERASE as u32;
    let mut settings = camera::Config::new(board::id(node), address, config.server, 0..room);
    settings.route = route;
    settings.limits = runtime::limits(node);
    settings.frame_bytes = u32::try_from(config.frame.as_bytes()).expect("`check` saw to it");
    settings.period = config.period.as_duration();
    settings.exposure = settings.period.max(std::time::Duration::from_secs(60));
    settings.patience = config.patience.as_duration();
    settings.drain = config.drain.as_duration();
    settings.backoff = backoff(config);
    settings
}

fn backoff(config: &Config) -> Backoff {
    Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() }
}

/// A sensor in front of which something else happens all the time. What it sees does not wait for anybody.
struct Sensor(Rc<RefCell<Stream>>);

impl ErrorType for Sensor {
    type Error = Infallible;
}

impl Read for Sensor {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        self.0.borrow_mut().fill_bytes(out);
        Ok(out.len())
    }
}
