//! The plan: a scenario with every name resolved, every quantity in integers, every glob expanded.
//!
//! A plan is plain data, made once and shared by many worlds on many threads. It is in the order
//! of the file throughout, so the same file always makes the same plan. It names no part of the
//! simulator but what can ail parts of boards and what nodes live on, which is data itself: times are nanoseconds since the start,
//! and nodes, networks and links are indices into the plan's own lists.

mod battery;
mod build;
mod demands;
mod mac;
mod media;
mod packets;
mod parts;
mod paths;
mod radio;
mod roster;
mod signals;
mod storm;
mod timeline;
mod vlan;
mod wifi;
mod wiring;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::diagnose::Problems;
use crate::expr::Program;
use crate::registry::{Config, Kind, Registry};
pub use crate::schema::impair::{self, Impair};
pub use crate::schema::{Band, Chance, Cidr, Damage, Direction, NetworkKind, Verdict, Waver, What, WifiBand};
use crate::swarm::{self, Choice, Setting};
pub use media::{AccessPoint, Radio, Track, Transceiver, Wifi};
pub use paths::Paths;
pub use signals::Signal;
pub use storm::{Storm, Strike};
use wavetank_sim::hw::battery::BatterySpec;
use wavetank_sim::hw::{Ailment, Odds};
use wavetank_sim::net::Tampering;
pub use wavetank_sim::world::Order;

/// A scenario that is ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A short name for people.
    pub name: Arc<str>,
    /// What the scenario shows; empty if the file does not say.
    pub description: Arc<str>,
    /// The seed of a run that is given none.
    pub seed: u64,
    /// How long a run lasts.
    pub duration_ns: u64,
    /// When the storm is over: no fault begins or ends later.
    pub calm_ns: u64,
    /// What a run is meant to come to.
    pub verdict: Verdict,
    /// In which order tasks run that are ready at the same instant.
    pub order: Order,
    /// The physical world.
    pub signals: Vec<Signal>,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// All networks.
    pub networks: Vec<Network>,
    /// All links, network by network.
    pub links: Vec<Link>,
    /// What goes wrong, one entry for each fault and target.
    pub faults: Vec<Fault>,
    /// How much later a fault may begin than it says, as the seed draws: which fault, and how much, in nanoseconds.
    pub late: Vec<(usize, u64)>,
    /// What goes wrong at random.
    pub storms: Vec<Storm>,
    /// What faults of this plan make of links.
    pub tunings: Vec<Tuning>,
    /// Whom faults of this plan separate.
    pub sides: Vec<Sides>,
    /// What happens to single frames.
    pub packets: Vec<Packet>,
    /// What is not drawn from the seed.
    pub given: Vec<Chance>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// What the seed settled.
    pub settings: Vec<Setting>,
    /// What it can be settled from anew.
    unsettled: Option<Arc<Unsettled>>,
}

/// A scenario that leaves something to the seed.
#[derive(Debug)]
struct Unsettled {
    name: String,
    text: String,
    registry: Registry,
    /// The seed that its plan is of.
    seed: u64,
}

/// A node.
#[derive(Clone)]
pub struct Node {
    /// Unique in the plan.
    pub name: Arc<str>,
    /// What it is.
    pub kind: Arc<dyn Kind>,
    /// What its kind made of its configuration.
    pub config: Config,
    /// How its clock differs from true time.
    pub clock: Clock,
    /// What it lives on, if that can end.
    pub battery: Option<BatterySpec>,
    /// How many received frames wait at each of its interfaces, if the file says so.
    pub ring: Option<u32>,
    /// How much it has of what its stack opens.
    pub limits: Vec<(&'static str, usize)>,
    /// Where it is, if the file says so.
    pub track: Option<Track>,
    /// What it is as an access point, if it is one.
    pub access_point: Option<AccessPoint>,
    /// Its interfaces, in the order of the networks.
    pub interfaces: Vec<Interface>,
    /// The routers that it hands packets for other networks to, at most one of each address family.
    pub gateways: Vec<IpAddr>,
}

/// How a node's clock differs from true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// How far ahead it is at the start.
    pub offset_ns: i64,
    /// How much too fast it runs, in parts in a billion.
    pub drift_ppb: i32,
}

/// Where a node is plugged into a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Which network.
    pub network: usize,
    /// That network's name.
    pub network_name: Arc<str>,
    /// Over which link.
    pub link: usize,
    /// The longest packet that the link carries from here, in bytes.
    pub mtu: u32,
    /// Unique in the plan, and the same as long as the node and network keep their names.
    pub mac: [u8; 6],
    /// At least one.
    pub addresses: Vec<Cidr>,
    /// What it is as a radio, if it is one.
    pub radio: Option<Transceiver>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Unique in the plan.
    pub name: Arc<str>,
    /// What joins its members.
    pub kind: NetworkKind,
    /// Its links: a switch's ports in the order of its members, or the one between two nodes.
    pub links: Vec<usize>,
    /// The names of its regions, if it has any.
    pub regions: Vec<Arc<str>>,
    /// What its members share, if they are radios.
    pub radio: Option<Radio>,
    /// What its stations and access points share, if it has any.
    pub wifi: Option<Wifi>,
    /// How many addresses a switch keeps, if there is a bound.
    pub table: Option<usize>,
    /// When a switch forgets an address that it has not heard.
    pub ageing_ns: Option<u64>,
    /// What a cable does that a fault plugs into its switch.
    pub patch: Impairments,
}

/// A link: two one-way pipes between two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Unique in the plan: `lan/hub`, or a point-to-point network's own name.
    pub name: Arc<str>,
    /// Which network it belongs to.
    pub network: usize,
    /// What it joins.
    pub ends: [End; 2],
    /// What it does to frames from the first end to the second, and from the second to the first.
    pub pipes: [Impairments; 2],
    /// How the ports of switches that it ends at take part in virtual networks, if its network has any.
    pub vlan: Option<Vlan>,
}

/// How a port takes part in virtual networks (IEEE 802.1Q).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vlan {
    /// It is in this one.
    Access(u16),
    /// It carries several.
    Trunk {
        /// The one whose frames bear no tag.
        native: Option<u16>,
        /// Which; all if left out.
        carries: Option<Vec<u16>>,
    },
}

/// What a link ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// An interface of a node.
    Node {
        /// Which node.
        node: usize,
        /// Which of its interfaces.
        interface: usize,
    },
    /// A switch of a network.
    Switch {
        /// Which network.
        network: usize,
        /// Which of its switches; a network with regions has one for each.
        part: usize,
    },
    /// A node that is an access point.
    AccessPoint {
        /// Which network.
        network: usize,
        /// Which node.
        node: usize,
    },
    /// A radio's antenna: the air of a network.
    Air {
        /// Which network.
        network: usize,
    },
    /// A port of such a switch that leads to the switch of another region.
    Trunk {
        /// Which network.
        network: usize,
        /// Which of its switches.
        part: usize,
    },
}

/// What a one-way pipe does to each frame. All zero and `None` is a perfect one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Impairments {
    /// How long a frame is under way at least.
    pub latency_ns: u64,
    /// The most that is added to it, evenly drawn.
    pub jitter_ns: u64,
    /// How likely a frame is lost, in parts in a billion; at most a billion.
    pub loss_ppb: u32,
    /// How fast frames are sent.
    pub rate_bits_per_second: Option<u64>,
    /// How many bytes may wait to be sent.
    pub queue_bytes: Option<u64>,
    /// What else it does, if anything.
    pub more: Option<Arc<Impair>>,
}

/// What a link does while a fault lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The profile's name.
    pub profile: Arc<str>,
    /// What it says.
    pub pipe: Impairments,
}

/// Who does not reach whom while a fault lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Whose frames do not arrive.
    pub from: Vec<usize>,
    /// Where they do not arrive.
    pub to: Vec<usize>,
}

/// What happens to one frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// On which link.
    pub link: usize,
    /// Which way.
    pub direction: Direction,
    /// Which frame that is offered to the link that way, counted from 0.
    pub frame: u64,
    /// What.
    pub what: What,
}

/// A fault and the one thing that it happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// When it begins.
    pub at_ns: u64,
    /// When it is mended; `None` if never, or if it happens in one moment.
    pub until_ns: Option<u64>,
    /// What happens, and to what.
    pub kind: FaultKind,
    /// Which `[[fault]]` of the file it comes from, counted from 0.
    pub entry: usize,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// Nothing passes the link either way; frames under way are lost.
    CutLink {
        /// Which link.
        link: usize,
    },
    /// The node loses its power: what its disk had not synced is gone too.
    PowerCut {
        /// Which node.
        node: usize,
    },
    /// The node's supply sags below what it runs at.
    BrownOut {
        /// Which node.
        node: usize,
    },
    /// Something draws from the node's battery.
    BatteryDrain {
        /// Which node.
        node: usize,
        /// How much, in nanoamperes.
        na: u64,
    },
    /// The node's program dies; its disk lives on.
    Crash {
        /// Which node.
        node: usize,
    },
    /// The node is reset from outside and boots at once.
    Restart {
        /// Which node.
        node: usize,
    },
    /// The node's code does not run; its interfaces still take in frames.
    Pause {
        /// Which node.
        node: usize,
    },
    /// Nothing passes the link this way.
    CutOneWay {
        /// Which link.
        link: usize,
        /// Which way.
        direction: Direction,
    },
    /// What is sent this way waits.
    Clog {
        /// Which link.
        link: usize,
        /// Which way.
        direction: Direction,
    },
    /// The link does something else this way.
    Degrade {
        /// Which link.
        link: usize,
        /// Which way.
        direction: Direction,
        /// What it does, an index of the plan's tunings.
        tuning: usize,
    },
    /// The link carries no longer packets this way.
    Mtu {
        /// Which link.
        link: usize,
        /// Which way.
        direction: Direction,
        /// The longest packet.
        bytes: u32,
    },
    /// Nodes do not reach others.
    Partition {
        /// Who and whom, an index of the plan's sides.
        sides: usize,
    },
    /// Every poll of the node's code takes longer.
    SlowCpu {
        /// Which node.
        node: usize,
        /// By so much.
        poll_ns: u64,
    },
    /// The node's wall clock steps.
    ClockStep {
        /// Which node.
        node: usize,
        /// So far.
        by_ns: i64,
    },
    /// The node's wall clock runs wrong.
    ClockDrift {
        /// Which node.
        node: usize,
        /// So many parts in a billion too fast.
        ppb: i32,
    },
    /// The node's wall clock stands still.
    ClockStop {
        /// Which node.
        node: usize,
    },
    /// The node's code goes round in circles.
    Hang {
        /// Which node.
        node: usize,
    },
    /// The node's tasks get turns that nobody woke them for.
    SpuriousPolls {
        /// Which node.
        node: usize,
        /// With how many turns.
        odds: Odds,
    },
    /// Turns of the node's tasks come late.
    LateWakes {
        /// Which node.
        node: usize,
        /// How many.
        odds: Odds,
        /// By how much at most.
        by_ns: u64,
    },
    /// One of the node's tasks gets no turn.
    Starve {
        /// Which node.
        node: usize,
    },
    /// The node's tasks are dropped.
    DropTasks {
        /// Which node.
        node: usize,
        /// In place of how many turns.
        odds: Odds,
    },
    /// The node's operations are dropped, and begun anew.
    Cancel {
        /// Which node.
        node: usize,
        /// In place of how many turns.
        odds: Odds,
    },
    /// A part of the node's board is ailing.
    Part {
        /// Which node.
        node: usize,
        /// Which of its kind's parts.
        part: usize,
        /// What ails it.
        ailment: Ailment,
    },
    /// A cable makes a switch flood itself.
    Loop {
        /// Which network's.
        network: usize,
    },
    /// Forged answers tell the node that an address is where nobody is.
    ArpPoison {
        /// Which node.
        node: usize,
        /// Which address.
        address: IpAddr,
        /// From one answer to the next.
        interval_ns: u64,
    },
    /// A stranger claims the node's addresses.
    IpConflict {
        /// Which node.
        node: usize,
        /// From one claim to the next.
        interval_ns: u64,
    },
    /// A stranger sends with the node's Ethernet address.
    MacDuplicate {
        /// Which node.
        node: usize,
        /// From one frame to the next.
        interval_ns: u64,
    },
    /// Somebody tampers with the connections of a link.
    Tamper {
        /// Which link.
        link: usize,
        /// What they do to which.
        what: Tampering,
    },
    /// The node has less of something.
    ShrinkPool {
        /// Which node.
        node: usize,
        /// Of what.
        pool: &'static str,
        /// So much.
        limit: usize,
    },
    /// A station, or all stations of an access point, are sent away.
    Deauthenticate {
        /// Which node.
        node: usize,
        /// From one time to the next.
        interval_ns: u64,
    },
    /// The air of a network is noisier.
    Jam {
        /// Which network.
        network: usize,
        /// By how much, in hundredths of a decibel.
        noise_cdb: u32,
    },
    /// A router forgets all connections.
    NatReboot {
        /// Which node.
        node: usize,
    },
    /// A router hands packets to the wrong neighbour, or to none.
    WrongRoute {
        /// Which node.
        node: usize,
        /// Packets for which network.
        to: Cidr,
        /// To whom.
        via: Option<IpAddr>,
    },
}

impl FaultKind {
    /// The link, node or network that it happens to; a partition's sides.
    #[must_use]
    pub fn index(&self) -> usize {
        match *self {
            Self::CutLink { link }
            | Self::CutOneWay { link, .. }
            | Self::Clog { link, .. }
            | Self::Degrade { link, .. }
            | Self::Mtu { link, .. }
            | Self::Tamper { link, .. } => link,
            Self::PowerCut { node }
            | Self::BrownOut { node }
            | Self::BatteryDrain { node, .. }
            | Self::Crash { node }
            | Self::Restart { node }
            | Self::Pause { node }
            | Self::SlowCpu { node, .. }
            | Self::ClockStep { node, .. }
            | Self::ClockDrift { node, .. }
            | Self::ClockStop { node }
            | Self::Hang { node }
            | Self::SpuriousPolls { node, .. }
            | Self::LateWakes { node, .. }
            | Self::Starve { node }
            | Self::DropTasks { node, .. }
            | Self::Cancel { node, .. }
            | Self::Part { node, .. }
            | Self::ArpPoison { node, .. }
            | Self::IpConflict { node, .. }
            | Self::MacDuplicate { node, .. }
            | Self::Deauthenticate { node, .. }
            | Self::ShrinkPool { node, .. }
            | Self::NatReboot { node }
            | Self::WrongRoute { node, .. } => node,
            Self::Loop { network } | Self::Jam { network, .. } => network,
            Self::Partition { sides } => sides,
        }
    }

    /// Whether it happens in one moment.
    #[must_use]
    pub fn is_momentary(&self) -> bool {
        matches!(
            self,
            Self::Restart { .. } | Self::NatReboot { .. } | Self::Part { ailment: Ailment::BitRot { .. }, .. }
        )
    }
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// In words; unique in the plan.
    pub name: Arc<str>,
    /// What is demanded.
    pub demand: Demand,
}

/// What is demanded, with absolute times. Moments are counted from `from_ns` on, up to and
/// including `until_ns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The condition holds at every moment.
    Always {
        /// The condition.
        condition: Program,
        /// From when on.
        from_ns: u64,
        /// Until when.
        until_ns: u64,
    },
    /// The condition holds at no moment.
    Never {
        /// The condition.
        condition: Program,
        /// From when on.
        from_ns: u64,
        /// Until when.
        until_ns: u64,
    },
    /// The condition holds at some moment.
    Eventually {
        /// The condition.
        condition: Program,
        /// From when on.
        from_ns: u64,
        /// When at the latest.
        by_ns: u64,
    },
    /// The condition holds at every moment from some moment on, which is no later than `by_ns`, to
    /// the end of the run.
    Stable {
        /// The condition.
        condition: Program,
        /// What was before this does not matter.
        after_ns: u64,
        /// From when on it holds at the latest.
        by_ns: u64,
    },
    /// The condition holds at some moment of at least one of many runs.
    Sometimes {
        /// The condition.
        condition: Program,
        /// From when on.
        from_ns: u64,
        /// Until when.
        until_ns: u64,
    },
    /// Every id seen in one flow between the times has been seen in the other, or is so in time.
    /// What is not due by `until_ns` is not held against it.
    Reaches {
        /// The flow that obliges.
        every: Arc<str>,
        /// The flow that must have the id too.
        reaches: Arc<str>,
        /// How much later it may.
        within_ns: u64,
        /// Whether it has it exactly once, and no id that the first has not.
        once: bool,
        /// From when on ids oblige.
        from_ns: u64,
        /// Until when.
        until_ns: u64,
    },
    /// What a shared object says can be explained by one that does one thing after the other.
    Linearizable {
        /// Its history, as nodes name it.
        history: Arc<str>,
    },
    /// No id is seen in the flow twice between the times.
    Unique {
        /// The flow.
        flow: Arc<str>,
        /// From when on.
        from_ns: u64,
        /// Until when.
        until_ns: u64,
    },
}

impl Demand {
    /// The condition, if the demand is on one.
    #[must_use]
    pub fn condition(&self) -> Option<&Program> {
        match self {
            Self::Always { condition, .. }
            | Self::Never { condition, .. }
            | Self::Eventually { condition, .. }
            | Self::Stable { condition, .. }
            | Self::Sometimes { condition, .. } => Some(condition),
            Self::Reaches { .. } | Self::Unique { .. } | Self::Linearizable { .. } => None,
        }
    }
}

impl Plan {
    /// Makes a plan out of a scenario file's text; `name` is the file's name, for messages and to find the files beside it
    /// that it names.
    ///
    /// # Errors
    /// With everything that is wrong with the file, in its order.
    pub fn read(name: &str, text: &str, registry: &Registry) -> Result<Self, Problems> {
        let plan = Self::settle(name, text, registry, swarm::own_seed(text))?;
        if plan.unsettled.is_some() {
            // What the seed may choose must make a plan, too: the ends of all ranges stand for what lies between.
            for choice in [Choice::First, Choice::Last] {
                if let Ok(settled) = swarm::settle(text, choice) {
                    Self::read_settled(name, &settled.text, registry)?;
                }
            }
        }
        Ok(plan)
    }

    /// Makes a plan out of a text, with all that is left to the seed as this seed has it.
    fn settle(name: &str, text: &str, registry: &Registry, seed: u64) -> Result<Self, Problems> {
        let settled = swarm::settle(text, Choice::Seed(seed));
        let settled = settled.map_err(|problems| Problems::new(name, text, problems))?;
        let mut plan = Self::read_settled(name, &settled.text, registry)?;
        if !settled.settings.is_empty() {
            let (name, text) = (name.to_owned(), text.to_owned());
            plan.unsettled = Some(Arc::new(Unsettled { name, text, registry: registry.clone(), seed }));
            plan.settings = settled.settings;
        }
        Ok(plan)
    }

    /// The plan of a run with this seed. It is this one, unless the scenario leaves something to the seed.
    ///
    /// # Errors
    /// If what the seed chooses does not go together.
    pub fn settled(self: &Arc<Self>, seed: u64) -> Result<Arc<Self>, Problems> {
        match &self.unsettled {
            Some(unsettled) if unsettled.seed != seed => {
                let Unsettled { name, text, registry, .. } = &**unsettled;
                Self::settle(name, text, registry, seed).map(Arc::new)
            }
            _ => Ok(Arc::clone(self)),
        }
    }

    fn read_settled(name: &str, text: &str, registry: &Registry) -> Result<Self, Problems> {
        let (scenario, mut problems) = crate::schema::parse(text);
        // A text that could not be read at all has nothing to be planned.
        let readable = problems.is_empty() || scenario.name.is_some() || !scenario.nodes.is_empty();
        let plan = match readable {
            true => build::build(&scenario, registry, Path::new(name).parent().unwrap_or(Path::new("")), &mut problems),
            false => None,
        };
        match plan {
            Some(plan) if problems.is_empty() => Ok(plan),
            _ => Err(Problems::new(name, text, problems)),
        }
    }

    /// The index of the node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| *node.name == *name)
    }

    /// The index of the link of that name.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<usize> {
        self.links.iter().position(|link| *link.name == *name)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("kind", &self.kind.name())
            .field("clock", &self.clock)
            .field("interfaces", &self.interfaces)
            .finish_non_exhaustive()
    }
}

// Worlds on many threads share one plan.
const _: fn() = || {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Plan>();
};
