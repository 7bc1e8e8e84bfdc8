//! Faults as data: what goes wrong, where, from when and for how long.

use std::fmt;

use crate::net::CableId;
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
    /// The node's program dies; what its hardware holds lives on. When the fault ends, it boots again.
    Crash(NodeId),
    /// The node is reset from outside and boots at once. It has no duration.
    Reset(NodeId),
    /// The node's code does not run; its interfaces still fill their rings.
    Pause(NodeId),
}

impl FaultKind {
    /// The kind as one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CutCable(_) => "cut-cable",
            Self::PowerCut(_) => "power-cut",
            Self::Crash(_) => "crash",
            Self::Reset(_) => "reset",
            Self::Pause(_) => "pause",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
