//! Faults as data: what goes wrong, where, from when and for how long.

use std::fmt;

pub use crate::affect::FaultReport;

use crate::hw::{Ailment, Odds};
use crate::net::air::AirId;
use crate::net::{CableId, LinkConfig, LinkId, Tampering};
use crate::node::NodeId;
use crate::time::{Duration, Instant};

/// A fault of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins.
    pub at: Instant,
    /// How long it lasts; `None` is for good.
    pub duration: Option<Duration>,
    /// What goes wrong, and where.
    pub kind: FaultKind,
}

/// What goes wrong. Faults that overlap compose: what two faults hold is free when both have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The cable is cut: what is on it and what is offered to it is lost, both ways.
    CutCable(CableId),
    /// The node has no power. When the fault ends, it boots with [`ResetCause::PowerOn`](crate::node::ResetCause).
    PowerCut(NodeId),
    /// The node's supply sags below what it runs at. When the fault ends, it boots with
    /// [`ResetCause::BrownOut`](crate::node::ResetCause).
    BrownOut(NodeId),
    /// The node's program dies; what its hardware holds lives on. When the fault ends, it boots again.
    Crash(NodeId),
    /// The node is reset from outside and boots at once. It has no duration.
    Reset(NodeId),
    /// The node's code does not run; its interfaces still fill their rings.
    Pause(NodeId),
    /// One direction of a cable is cut.
    CutLink(LinkId),
    /// What is offered to the link is held back, and comes to it in order when the fault ends.
    Clog(LinkId),
    /// Frames that the first nodes send do not reach the second ones, whatever lies between.
    Partition {
        /// Who is not heard.
        from: Vec<NodeId>,
        /// By whom.
        to: Vec<NodeId>,
    },
    /// The link does something else. Of several such faults the latest counts.
    Retune {
        /// Which link.
        link: LinkId,
        /// What it does.
        config: Box<LinkConfig>,
    },
    /// The link carries no longer packets than these; longer ones vanish.
    Mtu {
        /// Which link.
        link: LinkId,
        /// In bytes, without the Ethernet header.
        bytes: u32,
    },
    /// Somebody on a cable tampers with the TCP connections that go through it.
    Tamper {
        /// Which cable.
        cable: CableId,
        /// What they do to which.
        what: Tampering,
    },
    /// Every poll of the node's code takes this much longer.
    SlowCpu {
        /// Which node.
        node: NodeId,
        /// How much longer.
        poll: Duration,
    },
    /// The node's wall clock steps; it steps back when the fault ends, if it does.
    ClockStep {
        /// Which node.
        node: NodeId,
        /// How far, in nanoseconds.
        by_ns: i64,
    },
    /// The node's wall clock runs fast or slow; what it gains, it keeps.
    ClockDrift {
        /// Which node.
        node: NodeId,
        /// How much too fast, in parts in 10⁹.
        ppb: i64,
    },
    /// The node's wall clock stands still, and goes on from there when the fault ends.
    ClockStop(NodeId),
    /// The node's code goes round in circles, until its watchdog or anything else ends its life, or the fault ends.
    Hang(NodeId),
    /// With a turn of one of the node's tasks, another one of them gets a turn too, which nobody woke.
    SpuriousPolls {
        /// Which node.
        node: NodeId,
        /// With how many turns.
        odds: Odds,
    },
    /// Turns of the node's tasks come late.
    LateWakes {
        /// Which node.
        node: NodeId,
        /// How many turns.
        odds: Odds,
        /// By how much at most.
        by: Duration,
    },
    /// One of the node's tasks, which the seed draws, gets no turn.
    Starve(NodeId),
    /// Something draws from the node's battery.
    Drain {
        /// Which node.
        node: NodeId,
        /// How much, in nanoamperes.
        na: u64,
    },
    /// Tasks that the node's program spawned are dropped in place of a turn.
    DropTasks {
        /// Which node.
        node: NodeId,
        /// In place of how many turns.
        odds: Odds,
    },
    /// Operations that the node's code holds to be [cancellable](crate::node::Node::cancellable) are dropped in place of a
    /// turn, and begun anew.
    Cancel {
        /// Which node.
        node: NodeId,
        /// In place of how many turns.
        odds: Odds,
    },
    /// A part of the node's board is ailing.
    Part {
        /// Which node.
        node: NodeId,
        /// The part's name.
        part: String,
        /// What ails it.
        ailment: Ailment,
    },
    /// A cable that lay ready is plugged in, and pulled out when the fault ends.
    Join(CableId),
    /// Links carry frames that no node sent, again and again while it lasts.
    Stray {
        /// Whom it is about, in one word, and what it is.
        about: (NodeId, &'static str),
        /// Which frames, and on which links.
        frames: Vec<(LinkId, Vec<u8>)>,
        /// From one time to the next; zero is once.
        every: Duration,
    },
    /// What the node's program has several of is limited: [`Node::pool_room`](crate::node::Node::pool_room). Only nodes that
    /// have [`NodeSpec::pools`](crate::node::NodeSpec::pools) ask.
    Limit {
        /// Which node.
        node: NodeId,
        /// What, in one word.
        pool: String,
        /// How much there may be.
        room: usize,
    },
    /// Somebody says again and again, in its access point's name, that the node's radio is deauthenticated; or, if the node is
    /// an access point, all that are with it.
    Deauthenticate {
        /// Which node.
        node: NodeId,
        /// From one time to the next; zero is once.
        every: Duration,
    },
    /// A shared medium is noisier.
    Jam {
        /// Which.
        air: AirId,
        /// What it is called.
        name: String,
        /// By how much, in hundredths of a decibel.
        noise_cdb: u32,
    },
    /// The node's hardware is told: [`Powered::told`](crate::node::Powered::told).
    Tell {
        /// Which node.
        node: NodeId,
        /// The kind of fault, in one word.
        name: &'static str,
        /// What it is told.
        what: String,
    },
}

impl FaultKind {
    /// The kind as one word, which is that of the language of scenarios: there a cable is a link.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CutCable(_) | Self::CutLink(_) => "cut-link",
            Self::PowerCut(_) => "power-cut",
            Self::BrownOut(_) => "brown-out",
            Self::Drain { .. } => "battery-drain",
            Self::Crash(_) => "crash",
            Self::Reset(_) => "restart",
            Self::Pause(_) => "pause",
            Self::Clog(_) => "clog",
            Self::Partition { .. } => "partition",
            Self::Retune { .. } => "degrade",
            Self::Mtu { .. } => "mtu",
            Self::Tamper { what, .. } => what.name(),
            Self::SlowCpu { .. } => "slow-cpu",
            Self::ClockStep { .. } => "clock-step",
            Self::ClockDrift { .. } => "clock-drift",
            Self::ClockStop(_) => "clock-stop",
            Self::Hang(_) => "hang",
            Self::SpuriousPolls { .. } => "spurious-polls",
            Self::LateWakes { .. } => "late-wakes",
            Self::Starve(_) => "starve",
            Self::DropTasks { .. } => "drop-tasks",
            Self::Cancel { .. } => "cancel",
            Self::Part { ailment, .. } => ailment.name(),
            Self::Join(_) => "loop",
            Self::Limit { .. } => "shrink-pool",
            Self::Deauthenticate { .. } => "deauthenticate",
            Self::Jam { .. } => "jam",
            Self::Stray { about: (_, name), .. } | Self::Tell { name, .. } => name,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
