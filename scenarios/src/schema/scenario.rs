//! What a scenario file says, typed, each value with its place.
//!
//! Whatever could not be read is `None` (or left out), and then its problem has been noted.

use std::net::IpAddr;

use toml::Spanned;
use wavetank_sim::net::Tampering;
use wavetank_sim::world::Order;

use super::address::Cidr;
use super::ailments::{AilmentKind, Told};
use super::battery::Battery;
use super::config::ConfigText;
use super::impair::Impair;
use super::language::{FAULTS, FaultShape};
use super::limits::Limits;
use super::radio::{Air, Move, Position};
use super::signal::Signal;
use super::tamper::TamperKind;
use super::text::Text;
use super::wifi::Wifi;
use crate::diagnose::Span;
use crate::units::{Current, Drift, Probability, Rate, SignedTime, Size, Time};

/// A scenario file.
#[derive(Clone, Debug, Default)]
pub struct Scenario<'i> {
    /// A short name for people.
    pub name: Option<Text>,
    /// What it shows.
    pub description: Option<Text>,
    /// How long the run lasts.
    pub duration: Option<Spanned<Time>>,
    /// The seed of a run that is given none.
    pub seed: u64,
    /// When the storm is over.
    pub calm_after: Option<Spanned<Time>>,
    /// What a run is meant to come to.
    pub verdict: Verdict,
    /// In which order tasks run.
    pub order: Order,
    /// Link profiles.
    pub profiles: Vec<Profile>,
    /// Quantities of the physical world.
    pub signals: Vec<Signal>,
    /// Nodes, each standing for one or several.
    pub nodes: Vec<Node<'i>>,
    /// Networks.
    pub networks: Vec<Network>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What goes wrong at random.
    pub storms: Vec<Storm>,
    /// What happens to single frames.
    pub packets: Vec<Packet>,
    /// What is not drawn from the seed.
    pub given: Vec<Chance>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
}

/// `[[packet]]`.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The whole entry.
    pub span: Span,
    /// The link.
    pub link: Option<Text>,
    /// Which way.
    pub direction: Option<Direction>,
    /// Which frame, counted from 0.
    pub frame: Option<u64>,
    /// What happens to it.
    pub what: Option<What>,
}

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first end to the second: from the node to the switch.
    Up,
    /// From the second end to the first.
    Down,
}

/// What chance decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chance {
    /// Losses of links.
    Lose,
    /// Duplicates.
    Duplicate,
    /// Damage.
    Corrupt,
    /// Delays.
    Delay,
    /// Frames that overtake.
    Overtake,
    /// Early drops and marks.
    EarlyDrop,
    /// Storms.
    Storm,
}

impl Chance {
    /// All of them, in the order of the language.
    pub const ALL: [Self; 7] =
        [Self::Lose, Self::Duplicate, Self::Corrupt, Self::Delay, Self::Overtake, Self::EarlyDrop, Self::Storm];

    /// As `given` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        super::language::GIVEN[self as usize].0
    }
}

/// What happens to a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// It is lost.
    Lose,
    /// It comes twice.
    Duplicate {
        /// The second time so much later.
        later_ns: u64,
    },
    /// It is damaged.
    Corrupt(Damage),
    /// Its latency is longer, or shorter.
    Delay {
        /// By so much.
        by_ns: i64,
    },
    /// It does not wait for the latency.
    Overtake,
    /// A queue drops or marks it before it is full.
    EarlyDrop,
}

/// What is done to a frame's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// These bits are flipped, counted from the first byte's highest.
    Flip(Vec<u32>),
    /// Only so many bytes are left.
    Truncate(u16),
    /// Bytes are replaced.
    Garble {
        /// From this one on.
        at: u16,
        /// By these.
        bytes: Vec<u8>,
    },
}

/// What a run of a scenario is meant to come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Every expectation holds.
    #[default]
    Pass,
    /// At least one breaks: the scenario shows what failing looks like.
    Fail,
}

/// `[profile.NAME]`.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: Text,
    /// What it says of a link.
    pub link: LinkProfile,
}

/// What a link does to each frame, as far as it is said.
#[derive(Clone, Debug, Default)]
pub struct LinkProfile {
    /// One way.
    pub latency: Option<Spanned<Time>>,
    /// At most this much more.
    pub jitter: Option<Spanned<Time>>,
    /// How likely a frame is lost.
    pub loss: Option<Spanned<Probability>>,
    /// How fast frames are sent.
    pub rate: Option<Spanned<Rate>>,
    /// How much may wait.
    pub queue: Option<Spanned<Size>>,
    /// Where a queue is spoken of.
    pub queue_key: Option<Span>,
    /// Where it is said what a frame costs at the rate.
    pub costs_key: Option<Span>,
    /// What else it does.
    pub impair: Impair,
    /// What is different from the first end to the second.
    pub up: Option<Box<LinkProfile>>,
    /// What is different from the second end to the first.
    pub down: Option<Box<LinkProfile>>,
}

impl LinkProfile {
    /// What `change` says wins; a plain value takes the place of a table, and the other way round.
    pub(crate) fn overlay(&mut self, change: &Self) {
        fn put<T: Clone>(old: &mut Option<T>, new: Option<&T>) {
            if let Some(new) = new {
                *old = Some(new.clone());
            }
        }
        if change.jitter.is_some() {
            self.impair.delay = None;
        }
        if change.loss.is_some() {
            self.impair.loss = None;
            self.impair.marks_losses = None;
        }
        if change.queue.is_some() {
            self.impair.queue = None;
        }
        put(&mut self.latency, change.latency.as_ref());
        put(&mut self.jitter, change.jitter.as_ref());
        put(&mut self.loss, change.loss.as_ref());
        put(&mut self.rate, change.rate.as_ref());
        put(&mut self.queue, change.queue.as_ref());
        put(&mut self.queue_key, change.queue_key.as_ref());
        put(&mut self.costs_key, change.costs_key.as_ref());
        self.impair.overlay(&change.impair);
        for (way, change) in [(&mut self.up, &change.up), (&mut self.down, &change.down)] {
            if let Some(change) = change {
                way.get_or_insert_default().overlay(change);
            }
        }
    }

    /// What it says of one direction.
    pub(crate) fn way(&self, direction: Direction) -> Self {
        let mut whole = self.clone();
        let (up, down) = (whole.up.take(), whole.down.take());
        if let Some(way) = if direction == Direction::Up { up } else { down } {
            whole.overlay(&way);
        }
        whole
    }
}

/// `[node.NAME]`.
#[derive(Clone, Debug)]
pub struct Node<'i> {
    /// The table's name.
    pub key: Text,
    /// As in the registry.
    pub kind: Option<Text>,
    /// How many, if it is said; `Err` if it is said and could not be read.
    pub count: Result<Option<Spanned<u32>>, ()>,
    /// The name pattern.
    pub name: Option<Text>,
    /// Its addresses; empty if they could not be read.
    pub addresses: Vec<Address>,
    /// Where it says anything of that; `Err` with where to say that it does not.
    pub address_key: Result<Span, Span>,
    /// Where it says that the node asks for its address.
    pub dhcp: Option<Span>,
    /// Where it is; `Err` if that could not be read.
    pub position: Result<Option<Spanned<Position>>, ()>,
    /// Where it goes.
    pub moves: Vec<Move>,
    /// The routers that lead to other networks.
    pub gateways: Vec<Spanned<IpAddr>>,
    /// How many received frames wait at each of its interfaces.
    pub ring: Option<u32>,
    /// How its clock differs.
    pub clock_offset: Option<Spanned<SignedTime>>,
    /// How its clock drifts.
    pub clock_drift: Option<Spanned<Drift>>,
    /// What it lives on.
    pub battery: Option<Battery>,
    /// How much it has of what its stack opens.
    pub limits: Option<Limits>,
    /// The kind's own configuration.
    pub config: ConfigText<'i>,
}

/// An address of a node, and the network that it is for.
#[derive(Clone, Debug)]
pub struct Address {
    /// The network, where the file says it.
    pub network: Option<Text>,
    /// The first instance's address.
    pub cidr: Spanned<Cidr>,
}

/// `[network.NAME]`.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its name.
    pub name: Text,
    /// What joins its members.
    pub kind: Option<NetworkKind>,
    /// Names and globs of nodes.
    pub members: Option<Vec<Text>>,
    /// The profile of its links.
    pub profile: Option<Text>,
    /// Where its members' addresses must lie.
    pub subnets: Vec<Spanned<Cidr>>,
    /// What is different for some.
    pub overrides: Vec<Override>,
    /// How radios reach each other.
    pub radio: Option<Air>,
    /// Where that is said.
    pub radio_key: Option<Span>,
    /// How access points and stations share the air.
    pub wifi: Option<Wifi>,
    /// Where that is said.
    pub wifi_key: Option<Span>,
    /// How many addresses a switch keeps.
    pub table: Option<usize>,
    /// When a switch forgets.
    pub ageing: Option<Spanned<Time>>,
    /// Where `region` and `path` stand.
    pub region_keys: Vec<Span>,
    /// The members of each region.
    pub regions: Vec<(Text, Vec<Text>)>,
    /// What lies between regions; `members` are two of them.
    pub paths: Vec<Override>,
}

/// What joins the members of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// A learning switch, one link to each member.
    Switch,
    /// One link between two members.
    PointToPoint,
    /// A switch for each region, and a link between any two of them.
    Regions,
    /// The air, which all members share.
    Radio,
    /// Access points at a switch, and stations that join them.
    Wifi,
}

/// `[network.NAME.link.GLOB]`.
#[derive(Clone, Debug)]
pub struct Override {
    /// The members whose links are meant.
    pub members: Text,
    /// Another profile.
    pub profile: Option<Text>,
    /// The virtual network of a switch's port, or the one of a trunk whose frames bear no tag.
    pub vlan: Option<u16>,
    /// The virtual networks of a trunk.
    pub trunk: Option<Vec<u16>>,
    /// Where one of these is said.
    pub vlan_key: Option<Span>,
    /// Single settings on top.
    pub link: LinkProfile,
}

/// `[[fault]]`.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The whole entry.
    pub span: Span,
    /// When.
    pub at: Option<Spanned<Time>>,
    /// How long; `Err` if it is said and could not be read.
    pub lasts: Result<Option<Spanned<Time>>, ()>,
    /// What.
    pub kind: Option<FaultKind>,
    /// To whom.
    pub targets: Option<Vec<Text>>,
    /// Which way only.
    pub direction: Option<Direction>,
    /// Whom a partition separates the targets from.
    pub others: Option<Vec<Text>>,
    /// What a link does meanwhile.
    pub profile: Option<Text>,
    /// The longest packet, in bytes.
    pub mtu: Option<u32>,
    /// How much longer polls take.
    pub poll: Option<Spanned<Time>>,
    /// How far a clock steps.
    pub by: Option<Spanned<SignedTime>>,
    /// How a clock drifts.
    pub drift: Option<Spanned<Drift>>,
    /// What is drawn from a battery.
    pub current: Option<Current>,
    /// Whose place is forged.
    pub address: Option<Spanned<IpAddr>>,
    /// From one forged frame to the next.
    pub interval: Option<Spanned<Time>>,
    /// Which pool shrinks, and to what.
    pub shrinks: Option<(&'static str, usize)>,
    /// By how much the air is noisier, in hundredths of a decibel.
    pub noise_cdb: Option<u32>,
    /// What it does to connections.
    pub tampering: Option<Tampering>,
    /// The network whose packets go astray.
    pub to: Option<Spanned<Cidr>>,
    /// The neighbour that they are handed to.
    pub via: Option<Spanned<IpAddr>>,
    /// From one beginning to the next.
    pub every: Option<Spanned<Time>>,
    /// How many times.
    pub times: Option<Spanned<i64>>,
    /// What it says of an ailing part.
    pub told: Told,
    /// How much later it may begin.
    pub jitter: Option<Spanned<Time>>,
}

/// `[[storm]]`.
#[derive(Clone, Debug)]
pub struct Storm {
    /// The whole entry.
    pub span: Span,
    /// Which faults.
    pub kinds: Vec<FaultKind>,
    /// To whom.
    pub targets: Option<Vec<Text>>,
    /// When it begins.
    pub from: Option<Spanned<Time>>,
    /// When it is over.
    pub until: Option<Spanned<Time>>,
    /// From one fault to the next, on average.
    pub every: Option<Spanned<Time>>,
    /// How long faults last at least.
    pub shortest: Option<Spanned<Time>>,
    /// How long at most.
    pub longest: Option<Spanned<Time>>,
    /// How many targets suffer at once.
    pub at_once: Option<usize>,
    /// How many are spared.
    pub spare: Option<usize>,
    /// Whether more than half of them are.
    pub keep_majority: bool,
    /// Whether a way is left between those named.
    pub keep_path: bool,
    /// Whom.
    pub between: Option<Vec<Text>>,
}

/// What goes wrong. The parameters of a kind are the fault's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// Nothing passes the link.
    CutLink,
    /// What is sent on the link waits.
    Clog,
    /// The link does something else.
    Degrade,
    /// The link carries no longer packets.
    Mtu,
    /// Nodes do not reach others.
    Partition,
    /// The node loses power.
    PowerCut,
    /// The node's supply sags.
    BrownOut,
    /// Something draws from the node's battery.
    BatteryDrain,
    /// The node's program dies.
    Crash,
    /// The node is reset from outside and boots at once.
    Restart,
    /// The node's code does not run.
    Pause,
    /// The node's code takes longer.
    SlowCpu,
    /// The node's wall clock steps.
    ClockStep,
    /// The node's wall clock runs wrong.
    ClockDrift,
    /// The node's wall clock stands still.
    ClockStop,
    /// The node's code goes round in circles.
    Hang,
    /// The node's tasks get turns that nobody woke them for.
    SpuriousPolls,
    /// Turns of the node's tasks come late.
    LateWakes,
    /// One of the node's tasks gets no turn.
    Starve,
    /// The node's tasks are dropped.
    DropTasks,
    /// The node's operations are dropped, and begun anew.
    Cancel,
    /// A part of the node's board is ailing.
    Part(AilmentKind),
    /// Somebody tampers with connections.
    Tamper(TamperKind),
    /// A cable makes a switch flood itself.
    Loop,
    /// The node has less of something.
    ShrinkPool,
    /// The node's radio is sent away in its access point's name.
    Deauthenticate,
    /// The air is noisy.
    Jam,
    /// Forged answers tell the node where an address is not.
    ArpPoison,
    /// A stranger claims the node's addresses.
    IpConflict,
    /// A stranger sends with the node's Ethernet address.
    MacDuplicate,
    /// A router forgets all connections.
    NatReboot,
    /// A router has a wrong route.
    WrongRoute,
}

impl FaultKind {
    /// The kind's row in [`FAULTS`].
    ///
    /// # Panics
    /// Never: every variant has a row, which a test proves.
    #[must_use]
    pub fn shape(self) -> &'static FaultShape {
        let name = match self {
            Self::CutLink => "cut-link",
            Self::Clog => "clog",
            Self::Degrade => "degrade",
            Self::Mtu => "mtu",
            Self::Partition => "partition",
            Self::PowerCut => "power-cut",
            Self::BrownOut => "brown-out",
            Self::BatteryDrain => "battery-drain",
            Self::Crash => "crash",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::SlowCpu => "slow-cpu",
            Self::ClockStep => "clock-step",
            Self::ClockDrift => "clock-drift",
            Self::ClockStop => "clock-stop",
            Self::Hang => "hang",
            Self::SpuriousPolls => "spurious-polls",
            Self::LateWakes => "late-wakes",
            Self::Starve => "starve",
            Self::DropTasks => "drop-tasks",
            Self::Cancel => "cancel",
            Self::Part(kind) => kind.name(),
            Self::Tamper(kind) => kind.name(),
            Self::Loop => "loop",
            Self::ShrinkPool => "shrink-pool",
            Self::Deauthenticate => "deauthenticate",
            Self::Jam => "jam",
            Self::ArpPoison => "arp-poison",
            Self::IpConflict => "ip-conflict",
            Self::MacDuplicate => "mac-duplicate",
            Self::NatReboot => "nat-reboot",
            Self::WrongRoute => "wrong-route",
        };
        let row = FAULTS.iter().find(|row| row.name == name);
        row.expect("every kind of fault has a row")
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "cut-link" => Some(Self::CutLink),
            "clog" => Some(Self::Clog),
            "degrade" => Some(Self::Degrade),
            "mtu" => Some(Self::Mtu),
            "partition" => Some(Self::Partition),
            "power-cut" => Some(Self::PowerCut),
            "brown-out" => Some(Self::BrownOut),
            "battery-drain" => Some(Self::BatteryDrain),
            "crash" => Some(Self::Crash),
            "restart" => Some(Self::Restart),
            "pause" => Some(Self::Pause),
            "slow-cpu" => Some(Self::SlowCpu),
            "clock-step" => Some(Self::ClockStep),
            "clock-drift" => Some(Self::ClockDrift),
            "clock-stop" => Some(Self::ClockStop),
            "loop" => Some(Self::Loop),
            "shrink-pool" => Some(Self::ShrinkPool),
            "deauthenticate" => Some(Self::Deauthenticate),
            "jam" => Some(Self::Jam),
            "arp-poison" => Some(Self::ArpPoison),
            "ip-conflict" => Some(Self::IpConflict),
            "mac-duplicate" => Some(Self::MacDuplicate),
            "nat-reboot" => Some(Self::NatReboot),
            "wrong-route" => Some(Self::WrongRoute),
            "hang" => Some(Self::Hang),
            "spurious-polls" => Some(Self::SpuriousPolls),
            "late-wakes" => Some(Self::LateWakes),
            "starve" => Some(Self::Starve),
            "drop-tasks" => Some(Self::DropTasks),
            "cancel" => Some(Self::Cancel),
            other => TamperKind::named(other).map(Self::Tamper).or_else(|| AilmentKind::named(other).map(Self::Part)),
        }
    }
}

/// `[[expect]]`.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The whole entry.
    pub span: Span,
    /// In words.
    pub name: Option<Text>,
    /// What is demanded.
    pub demand: Option<Demand>,
    /// How long it may take.
    pub within: Option<Spanned<Time>>,
    /// What `stable` waits for.
    pub after: Option<Spanned<Moment>>,
    /// When it begins to count.
    pub from: Option<Spanned<Moment>>,
    /// When it ceases to count.
    pub until: Option<Spanned<Moment>>,
}

/// What an expectation demands.
#[derive(Clone, Debug)]
pub enum Demand {
    /// The condition holds all the time.
    Always(Text),
    /// The condition holds at no time.
    Never(Text),
    /// The condition comes to hold.
    Eventually(Text),
    /// The condition comes to hold and stays.
    Stable(Text),
    /// The condition holds at some moment of at least one of many runs.
    Sometimes(Text),
    /// A demand on events with ids.
    Flow(FlowDemand),
    /// What a shared object says can be explained by one that does one thing after the other.
    Linearizable(Text),
}

impl Demand {
    /// The condition, if the demand is on one. Its grammar is that of [`expr`](crate::expr).
    #[must_use]
    pub fn expression(&self) -> Option<&Text> {
        match self {
            Self::Always(text)
            | Self::Never(text)
            | Self::Eventually(text)
            | Self::Stable(text)
            | Self::Sometimes(text) => Some(text),
            Self::Flow(_) | Self::Linearizable(_) => None,
        }
    }
}

/// What is demanded of flows.
#[derive(Clone, Debug)]
pub enum FlowDemand {
    /// Every id of one flow is seen in another.
    Reaches {
        /// The flow that obliges.
        every: Text,
        /// The flow that must have the id too.
        reaches: Text,
        /// How much later at most.
        within: Option<Spanned<Time>>,
        /// Whether it is seen there exactly once.
        once: bool,
    },
    /// No id is seen twice.
    Unique(Text),
}

/// A moment of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// So long after the start.
    At(Time),
    /// When the storm is over.
    Calm,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_fault_table_is_a_kind_and_back() {
        for row in FAULTS {
            let kind = FaultKind::named(row.name).expect("a kind for every row");
            assert!(std::ptr::eq(kind.shape(), row));
        }
    }
}
