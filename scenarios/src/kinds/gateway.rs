//! `kind = "gateway"`: a border router between a network of radios and an Ethernet, as a device.

use std::net::{IpAddr, Ipv6Addr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use embassy_net_driver::{Driver, HardwareAddress};
use futures::future::{Either, select};
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::gateway::{self, Parts};
use wavetank_devices::{Backoff, ResetCause};
use wavetank_sim::hw::gpio::{Changes, Input, Line, Output};
use wavetank_sim::hw::rcp::{Module, Whims};
use wavetank_sim::hw::uart::Serial;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::{Cidr, Route, lowpan, rcp};

use super::board;
use super::check::Findings;
use super::defaults;
use super::firmware::{self, Absent, Loaded, Updates};
use super::health::Health;
use super::relayed::{Frames, Passing, Relayed, Senders};
use crate::plan::Interface;
use crate::registry::{Metric, Part, PartSort, Place, TypedKind};
use crate::runtime::{self, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whom it asks whether its uplink is there: an address on the Ethernet, or beyond; if left out, the hub of its `updates` or
    /// its `health`.
    #[serde(default)]
    pub uplink: Option<IpAddr>,
    /// From one such question to the next.
    #[serde(default = "defaults::secs::<10>")]
    pub beat: Time,
    /// How long an answer may take.
    #[serde(default = "defaults::secs::<2>")]
    pub patience: Time,
    /// For how long the radios' hosts may rely on it without hearing of it again; whole seconds, at most 9,000.
    #[serde(default = "defaults::secs::<1_800>")]
    pub lifetime: Time,
    /// When somebody presses its button, and for how long; held for `hold`, it starts anew.
    #[serde(default)]
    pub presses: Vec<Press>,
    /// How long the button has to be held.
    #[serde(default = "defaults::secs::<3>")]
    pub hold: Time,
    /// Its radio is a co-processor at a serial line, as `{ resets = ["20s"] }`; if left out, it has a radio of its own.
    #[serde(default)]
    pub rcp: Option<Rcp>,
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

/// A radio co-processor (RCP) that speaks Spinel in HDLC-lite frames over a serial line, as those of OpenThread do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rcp {
    /// How many bits a second the line carries.
    #[serde(default = "defaults::baud::<460_800>")]
    pub baud: u32,
    /// When it resets itself, since the world's start.
    #[serde(default)]
    pub resets: Vec<Time>,
    /// When it hangs, and for how long: it neither hears nor says anything.
    #[serde(default)]
    pub hangs: Vec<Press>,
}

impl Rcp {
    fn whims(&self) -> Whims {
        let hangs = self.hangs.iter().map(Press::times_ns);
        Whims { resets_ns: self.resets.iter().map(|at| at.as_nanos()).collect(), hangs_ns: hangs.collect() }
    }
}

/// Somebody presses the button, or something hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Press {
    /// When, since the world's start.
    pub at: Time,
    /// For how long.
    pub r#for: Time,
}

impl Press {
    /// From when to when, in nanoseconds.
    fn times_ns(&self) -> (u64, u64) {
        (self.at.as_nanos(), self.at.as_nanos().saturating_add(self.r#for.as_nanos()))
    }
}

impl Config {
    fn uplink(&self) -> Option<IpAddr> {
        let hub = self.updates.as_ref().and_then(|updates| updates.hub);
        let hub = hub.or(self.health.as_ref().and_then(|health| health.hub));
        self.uplink.or(hub.map(|hub| hub.ip()))
    }
}

/// What a gateway counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "packets.forwarded", doc: "packets that it passed from one network to the other" },
    Metric { name: "packets.expired", doc: "packets whose hops were used up" },
    Metric { name: "packets.too-big", doc: "packets that were too long for the next link" },
    Metric { name: "packets.no-route", doc: "packets to what is in neither network, and by no route" },
    Metric { name: "packets.silent", doc: "packets whose next neighbour does not answer" },
    Metric {
        name: "packets.stray",
        doc: "packets from where none can come from, or that are not for beyond their link",
    },
    Metric { name: "packets.no-room", doc: "packets that found no room to wait for their link" },
    Metric { name: "packets.told", doc: "senders that were told what became of their packet" },
    Metric { name: "uplink", doc: "1 while its uplink answers, else 0" },
    Metric { name: "uplink.misses", doc: "questions that its uplink did not answer" },
    Metric { name: "light", doc: "1 while its light is on, else 0" },
    Metric { name: "panel.errors", doc: "times that the pin of its light or its button failed" },
    Metric { name: "rcp", doc: "1 while its radio co-processor is set up and answers, else 0" },
    Metric { name: "rcp.set-up", doc: "times that it set its radio co-processor up" },
    Metric { name: "rcp.resets", doc: "times that its radio co-processor was reset, and it had not asked for it" },
    Metric { name: "rcp.silences", doc: "questions that its radio co-processor did not answer in time" },
    Metric { name: "rcp.refused", doc: "what its radio co-processor refused" },
    Metric { name: "rcp.unasked", doc: "what its radio co-processor said without being asked, or too late" },
    Metric { name: "rcp.malformed", doc: "what its radio co-processor said that is none of Spinel" },
    Metric { name: "rcp.bad-check", doc: "frames on the line with a wrong check sequence" },
    Metric { name: "rcp.too-long", doc: "frames on the line that were longer than any that is of use" },
    Metric { name: "rcp.aborted", doc: "frames on the line that were given up, or of which bytes were lost" },
    Metric { name: "rcp.line-errors", doc: "times that the line failed" },
    Metric { name: "rcp.damaged", doc: "frames by radio that its co-processor heard damaged" },
    Metric { name: "rcp.no-room", doc: "frames by radio that found no room" },
    Metric { name: "rcp.unsent", doc: "frames that its radio co-processor dropped, or did not say it has sent" },
    Metric { name: "rcp.no-ack", doc: "frames that nobody acknowledged, as its radio co-processor says" },
    Metric { name: "rcp.busy", doc: "frames that found no free channel, as its radio co-processor says" },
    Metric { name: "button.held", doc: "times that its button was held for long enough to start it anew" },
];

/// What of a gateway's board can be ailing.
pub static PARTS: &[Part] = &[
    Part { name: "button", sort: PartSort::Pin, doc: "its button; high while it is pressed" },
    Part { name: "rcp", sort: PartSort::Uart, doc: "the line to its radio co-processor, if it has one" },
    Part { name: "flash", sort: PartSort::Flash, doc: "what its images lie on, if it takes updates" },
];

/// The kind, as far as it is data.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary = "Passes packets of IPv6 between a network of radios and an Ethernet; a device that takes updates.";
    TypedKind::new("gateway", summary)
        .pooled()
        .counting_its_stack()
        .by_radio()
        .passing_on()
        .metrics(METRICS)
        .metrics(firmware::METRICS)
        .parts(PARTS)
        .check(check)
        .fit(fit)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    if config.uplink().is_none() {
        let help = "write uplink = \"fd00:2::2\", the address of a station on the Ethernet, for example";
        findings.refuse("uplink", "nobody is named who has to answer for the uplink to be there", help);
    }
    findings.at_least("beat", config.beat, Time::from_millis(100), "write \"10s\", for example");
    findings.at_least("patience", config.patience, Time::from_millis(1), "write \"2s\", for example");
    findings.at_least("hold", config.hold, Time::from_millis(100), "write \"3s\", for example");
    let help = "write \"30min\", for example";
    findings.at_least("lifetime", config.lifetime, Time::from_millis(12_000), help);
    if config.lifetime > Time::from_millis(9_000_000) {
        findings.refuse("lifetime", "a router is relied on for 9000 s at most (RFC 4861, section 6.2.1)", help);
    }
    let mut free_from = Time::from_nanos(0);
    for press in &config.presses {
        if press.at < free_from || press.r#for == Time::from_nanos(0) {
            let help = "name them in their order, each after the end of the one before: { at = \"30s\", for = \"4s\" }";
            findings.refuse("presses", "a button is let go before it is pressed again", help);
        }
        free_from = Time::from_nanos(press.at.as_nanos().saturating_add(press.r#for.as_nanos()).saturating_add(1));
    }
    findings.backoff(config.backoff_base, config.backoff_cap);
    if let Some(rcp) = &config.rcp {
        if !(9_600..=4_000_000).contains(&rcp.baud) {
            findings.refuse(
                "rcp",
                "a line carries 9,600 to 4,000,000 bits a second",
                "write baud = 115200, for example",
            );
        }
        let hangs = rcp.hangs.iter().map(Press::times_ns);
        if !rcp.resets.is_sorted() || !hangs.is_sorted_by(|earlier, later| earlier.1 <= later.0) {
            findings.refuse("rcp", "what it does is not in order", "name its resets and hangs in their order");
        }
    }
    if let Some(updates) = &config.updates {
        updates.check(None, &mut findings);
    }
    if let Some(health) = &config.health {
        health.check(None, config.updates.is_some(), &mut findings);
    }
    findings.all()
}

/// It has one radio and one cable, and an address of IPv6 on each.
fn fit(_: &Config, place: &Place<'_>) -> Vec<ConfigProblem> {
    let Some((radio, cable)) = sides(place.interfaces) else {
        let names: Vec<&str> = place.interfaces.iter().map(|interface| &*interface.network_name).collect();
        let what = format!("a gateway is in one network of radios and in one of cables, not in {}", names.join(", "));
        let help = "name it in a network of kind \"radio\" and in one of kind \"switch\", with an address of IPv6 in each: \
                    address = { air = \"fd00:1::1/64\", lan = \"fd00:2::1/64\" }";
        return vec![ConfigProblem::at("uplink", what).help(help)];
    };
    let mut problems = Vec::new();
    for interface in [radio, cable].map(|at| &place.interfaces[at]) {
        if own(interface).is_none() {
            let what = format!("the gateway has no address of IPv6 on \"{}\"", interface.network_name);
            problems
                .push(ConfigProblem::at("uplink", what).help("add one to its `address`: it passes nothing but IPv6"));
        }
    }
    let prefixes = place.interfaces[radio].radio.as_ref().map_or(0, |radio| radio.prefixes.len());
    if prefixes > 1 {
        let what = format!("there are {prefixes} prefixes on \"{}\"", place.interfaces[radio].network_name);
        problems.push(ConfigProblem::at("uplink", what).help("a gateway offers one: put all its radios under it"));
    }
    problems
}

/// Which interface is the radio, and which one the cable.
fn sides(interfaces: &[Interface]) -> Option<(usize, usize)> {
    match interfaces {
        [one, other] if one.radio.is_some() && other.radio.is_none() => Some((0, 1)),
        [one, other] if one.radio.is_none() && other.radio.is_some() => Some((1, 0)),
        _ => None,
    }
}

/// The first address of IPv6.
fn own(interface: &Interface) -> Option<(Ipv6Addr, u8)> {
    interface.addresses.iter().find_map(|own| match own.ip {
        IpAddr::V6(address) => Some((address, own.prefix)),
        IpAddr::V4(_) => None,
    })
}

/// The channel of a tank's radios at 2.4 GHz, which have but one.
const CHANNEL: u8 = 15;
/// What the receiver of the line to a radio co-processor has room for; a frame is longer.
const FIFO: usize = 256;
/// Frames that wait on either side of a radio co-processor's driver.
const FRAMES: usize = 8;

type GatewayFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// What is soldered to the board, and where it stands.
#[derive(Clone)]
struct Board {
    button: Line,
    module: Option<Module>,
    images: Option<firmware::Board>,
    radio: usize,
    cable: usize,
    own_by_cable: Ipv6Addr,
    address: Cidr,
    route: Option<Route>,
    pan: u16,
    prefix: Ipv6Addr,
}

/// Puts the board together, which outlives the gateway's lives, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> GatewayFuture + use<> {
    let moves = config.presses.iter().map(Press::times_ns).flat_map(|(from_ns, until_ns)| [from_ns, until_ns]);
    let button = Line::new(Changes::new(false, moves.collect()));
    site.part("button", Rc::new(button.clone()));
    let images = config.updates.as_ref().map(|updates| {
        let hub = updates.hub.expect("`check` saw to it");
        firmware::Board::new("gateway", 0, updates, (hub, backoff(config)), site)
    });
    if images.is_none() {
        site.part("flash", Rc::new(Absent));
    }
    let module = config.rcp.as_ref().map(|rcp| Module::new(CHANNEL, rcp.baud, FIFO, rcp.whims()));
    match &module {
        Some(module) => site.part("rcp", Rc::new(module.port().clone())),
        None => site.part("rcp", Rc::new(Absent)),
    }
    let (interfaces, fits) = (site.interfaces(), "`fit` saw to it");
    let (radio, cable) = sides(interfaces).expect(fits);
    let (own_by_cable, (own_by_radio, _)) =
        (own(&interfaces[cable]).expect(fits), own(&interfaces[radio]).expect(fits));
    let address = Cidr::v6(own_by_cable.0, own_by_cable.1);
    let is_way = |gateway: &&IpAddr| address.contains(**gateway);
    let board = Board {
        button,
        module,
        images,
        radio,
        cable,
        own_by_cable: own_by_cable.0,
        address,
        route: site.gateways().iter().find(is_way).map(|via| Route::default_via(*via)),
        pan: interfaces[radio].radio.as_ref().expect(fits).pan,
        prefix: own_by_radio,
    };
    let config = Arc::clone(config);
    move |node| Box::pin(run(node, Arc::clone(&config), board.clone()))
}

async fn run(node: Node, config: Arc<Config>, board: Board) -> Exit {
    let nic = |at| node.nic(at).expect("a plan's nodes are plugged in");
    let (lan, radio) = (nic(board.cable), nic(board.radio));
    // What it sends from these is its own; what it sends from others it passes on.
    let mut own = vec![board.own_by_cable, board.prefix];
    if let HardwareAddress::Ieee802154(eui) = radio.hardware_address() {
        let by_radio = lowpan::Address::Extended(eui).within(board.prefix).address();
        own.extend(match by_radio {
            IpAddr::V6(own) => Some(own),
            IpAddr::V4(_) => None,
        });
    }
    let (senders, agreed) = (Senders::new(own), lowpan::Options::new(board.pan).with_prefix(board.prefix));
    let lan = Relayed::new(lan, Passing::new(Frames::Ethernet, &senders));
    let radio = Relayed::new(radio, Passing::new(Frames::Lowpan(agreed), &senders));
    match board.module.clone() {
        None => live(node, config, board, (lan, radio)).await,
        Some(module) => by_module(node, config, board, module, (lan, radio)).await,
    }
}

/// The gateway, whose radio is a co-processor.
async fn by_module(
    node: Node,
    config: Arc<Config>,
    board: Board,
    module: Module,
    (lan, mut nic): (Relayed, Relayed),
) -> Exit {
    let HardwareAddress::Ieee802154(eui) = nic.hardware_address() else {
        unreachable!("`fit` saw to it that this interface is a radio");
    };
    let now_ns = node.world_now().as_nanos();
    module.port().switch_on(now_ns);
    if matches!(runtime::reset_cause(&node), ResetCause::PowerOn) {
        module.power_on(now_ns);
    }
    let serial = Serial::new(module.port().clone(), node.part("rcp"));
    let mut memory = Box::new(rcp::Memory::<FRAMES>::new());
    let (radio, mut link) = rcp::split(&mut memory, rcp::Options::new(eui, board.pan, CHANNEL));
    let (clock, probe) = (TankClock(node.clock()), TankProbe(node.clone()));
    let (bench, watch) = (node.part("rcp"), nic.watch().expect("its interface is a radio at a station"));
    node.spawn(async move { module.serve(nic, |cx| watch.poll_next(cx), bench).await });
    let passing = pin!(link.run(serial.clone(), serial, &clock, &probe));
    match select(passing, pin!(live(node, config, board, (lan, radio)))).await {
        Either::Left((never, _)) => match never {},
        Either::Right((exit, _)) => exit,
    }
}

/// The gateway by that radio.
async fn live(node: Node, config: Arc<Config>, board: Board, (lan, radio): (Relayed, impl Driver)) -> Exit {
    let parts = Parts {
        lan,
        radio,
        // A pin is an input, and the light off, until the program says otherwise.
        light: Output::new(),
        button: Input::new(board.button, node.clone()),
        clock: TankClock(node.clock()),
        rng: node.stream("entropy"),
        probe: TankProbe(node.clone()),
    };
    let uplink = config.uplink().expect("`check` saw to it");
    let mut settings = gateway::Config::new(board::id(&node), board.address, board.pan, board.prefix, uplink);
    settings.route = board.route;
    settings.limits = runtime::limits(&node);
    settings.beat = config.beat.as_duration();
    settings.patience = config.patience.as_duration();
    settings.hold = config.hold.as_duration();
    settings.lifetime = config.lifetime.as_duration();
    let cause = runtime::reset_cause(&node);
    let Some(images) = board.images else {
        return runtime::exit(match &config.health {
            Some(health) => {
                Box::pin(gateway::run_kept(parts, health.reports(None, backoff(&config)), settings, cause)).await
            }
            None => gateway::run(parts, settings, cause).await,
        });
    };
    let Some(Loaded { updates, behaves }) = images.boot(&node).await else { return Exit::Halt };
    let device = Box::pin(gateway::run_kept(parts, updates, settings, cause));
    firmware::run(&node, images.watchdog(), behaves, device).await
}

fn backoff(config: &Config) -> Backoff {
    Backoff { base: config.backoff_base.as_duration(), cap: config.backoff_cap.as_duration() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_radio_co_processor_s_driver_counts_is_a_metric() {
        let names = rcp::Count::ALL.map(rcp::Count::name);
        for name in names.into_iter().chain([rcp::UP]) {
            assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
        }
    }
}
