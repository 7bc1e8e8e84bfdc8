//! The events of a trace.

use super::Fingerprint;
use crate::check::Verdict;
use crate::net::air::wifi::Parting;
use crate::net::{DropReason, LinkId};
use crate::node::{Exit, NodeId, ResetCause};
use crate::time::Instant;

/// The version of the events' meaning and of their place in the fingerprint. It changes when either does.
pub const TRACE_VERSION: u32 = 2;

/// A text that events refer to: a flow's kind, a device's name, a refusal's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub(crate) u32);

/// Something that happened in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A node's boot closure was run.
    Boot {
        /// The node.
        node: NodeId,
        /// Why it starts.
        cause: ResetCause,
    },
    /// A node's main future ended.
    Exit {
        /// The node.
        node: NodeId,
        /// What it asked for.
        exit: Exit,
    },
    /// A node lost its power; its tasks are gone.
    PowerCut {
        /// The node.
        node: NodeId,
    },
    /// A node lost its power because its supply sagged; its tasks are gone.
    BrownOut {
        /// The node.
        node: NodeId,
    },
    /// A node's program was ended from outside; its tasks are gone.
    Crash {
        /// The node.
        node: NodeId,
    },
    /// A node's code panicked; its tasks are gone.
    Panic {
        /// The node.
        node: NodeId,
        /// The panic's message.
        message: Symbol,
    },
    /// A node's code asked for what cannot be had in a world; its tasks are gone.
    Refusal {
        /// The node.
        node: NodeId,
        /// What it asked for.
        what: Symbol,
    },
    /// A frame was offered to a link.
    FrameSent {
        /// The one-way link.
        link: LinkId,
        /// Which frame of that link, counted from 0.
        ordinal: u64,
        /// Its length in bytes.
        bytes: u32,
        /// The XXH3 of its bytes.
        digest: u128,
    },
    /// A frame came out of a link.
    FrameDelivered {
        /// The one-way link.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
    },
    /// A frame was lost on a link.
    FrameDropped {
        /// The one-way link.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
        /// Why.
        reason: DropReason,
    },
    /// A frame will come out of its link twice.
    FrameDuplicated {
        /// The one-way link.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
    },
    /// A frame was damaged on a link.
    FrameDamaged {
        /// The one-way link.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
        /// The XXH3 of what is left of its bytes.
        digest: u128,
    },
    /// A queue marked a frame as having met congestion.
    FrameMarked {
        /// The one-way link.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
        /// The XXH3 of its bytes with the mark.
        digest: u128,
    },
    /// A station drew how long to wait before it senses the air for a frame.
    FrameBackoff {
        /// The link to the station.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
        /// So many backoff periods.
        periods: u32,
    },
    /// A station began to send a frame.
    FrameOnAir {
        /// The link to the station.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
        /// How often it was sent before.
        attempt: u32,
    },
    /// A station has been on the air for so long that a frame must wait.
    FrameHeld {
        /// The link to the station.
        link: LinkId,
        /// Which frame of that link.
        ordinal: u64,
        /// For so many nanoseconds.
        ns: u64,
    },
    /// A node's program was refused something for want of room.
    RanOut {
        /// The node.
        node: NodeId,
        /// What it asked for.
        pool: Symbol,
        /// How much there may be.
        room: u64,
    },
    /// A station joined a network of IEEE 802.11.
    Associated {
        /// The link from the station's node.
        link: LinkId,
        /// The access point.
        access_point: NodeId,
        /// How strongly it is heard, in dBm.
        dbm: i32,
    },
    /// A station changed over to another access point of its network.
    Roamed {
        /// The link from the station's node.
        link: LinkId,
        /// The access point that it is with now.
        access_point: NodeId,
        /// How strongly it is heard, in dBm.
        dbm: i32,
    },
    /// A station is in a network no longer.
    Disassociated {
        /// The link from the station's node.
        link: LinkId,
        /// The access point that it was with.
        access_point: NodeId,
        /// Why.
        reason: Parting,
    },
    /// A fault of the timeline began.
    FaultBegan {
        /// Its place in the timeline.
        fault: u32,
    },
    /// A fault of the timeline ended.
    FaultEnded {
        /// Its place in the timeline.
        fault: u32,
    },
    /// A node's watchdog was not fed in time and ended its program.
    Bitten {
        /// The node.
        node: NodeId,
    },
    /// Of tasks that were ready, one had its turn before others that were woken earlier, as the seed drew.
    OutOfTurn {
        /// Its place among them, counted from 0.
        place: u32,
        /// How many there were.
        of: u32,
    },
    /// A fault did something: it was drawn, counted, or felt by what it ails.
    FaultFelt {
        /// Its place in the timeline.
        fault: u32,
        /// What, as a word of the fault's own: nanoseconds, a number, a bit's place.
        what: u64,
    },
    /// A node passed a point in the life of something that it counts one by one.
    Flow {
        /// The node.
        node: NodeId,
        /// The point, such as `reading.stored`.
        kind: Symbol,
        /// Where the thing came from, such as a device's name.
        source: Symbol,
        /// Its number there.
        sequence: u64,
    },
    /// A node asked something of a shared object.
    Called {
        /// The node.
        node: NodeId,
        /// The object's history.
        history: Symbol,
        /// Which operation.
        operation: u64,
        /// Of which register, and what.
        what: Symbol,
    },
    /// A node was told what became of that.
    Answered {
        /// The node.
        node: NodeId,
        /// The object's history.
        history: Symbol,
        /// Which operation.
        operation: u64,
        /// What it was told.
        what: Symbol,
    },
    /// An expectation was decided.
    Verdict {
        /// Its place in the list of expectations.
        expectation: u32,
        /// How.
        verdict: Verdict,
    },
    /// Something entered the world from outside.
    Input {
        /// What.
        what: Symbol,
    },
}

/// An event with its place in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, counted from 0.
    pub index: u64,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub event: Event,
}

/// What happened when to whom, as the word that enters the fingerprint.
#[inline]
fn happening(at: Instant, tag: u64, subject: u32, value: u64) -> u128 {
    let what = (tag << 32 | u64::from(subject)) ^ value.rotate_left(40);
    u128::from(at.as_nanos()) << 64 | u128::from(what)
}

impl Event {
    /// Mixes (time, kind, fields) into the fingerprint. The tags are part of the trace's version.
    #[inline]
    pub(super) fn mix_into(&self, at: Instant, fingerprint: &mut Fingerprint) {
        let (tag, subject, value) = match *self {
            Self::FrameSent { link, ordinal, digest, .. } => {
                // The digest tells the bytes and their length; the rest is mixed with it in one go.
                return fingerprint.mix(digest ^ happening(at, 1, link.bits(), ordinal));
            }
            Self::FrameDelivered { link, ordinal } => (2, link.bits(), ordinal),
            Self::FrameDropped { link, ordinal, reason } => (3, link.bits(), ordinal | (reason as u64) << 56),
            Self::Boot { node, cause } => (4, node.bits(), cause as u64),
            Self::Exit { node, exit } => (5, node.bits(), exit.bits()),
            Self::PowerCut { node } => (6, node.bits(), 0),
            Self::Panic { node, message } => (7, node.bits(), message.0.into()),
            Self::Refusal { node, what } => (8, node.bits(), what.0.into()),
            Self::FaultBegan { fault } => (9, fault, 0),
            Self::FaultEnded { fault } => (10, fault, 0),
            Self::Flow { node, kind, source, sequence } => {
                fingerprint.mix(u128::from(u64::from(kind.0) << 32 | u64::from(source.0)) << 64);
                (11, node.bits(), sequence)
            }
            Self::Verdict { expectation, verdict } => (12, expectation, verdict as u64),
            Self::Input { what } => (13, what.0, 0),
            Self::Crash { node } => (14, node.bits(), 0),
            Self::BrownOut { node } => (27, node.bits(), 0),
            Self::FaultFelt { fault, what } => (24, fault, what),
            Self::Bitten { node } => (25, node.bits(), 0),
            Self::OutOfTurn { place, of } => (26, place, of.into()),
            Self::FrameDuplicated { link, ordinal } => (15, link.bits(), ordinal),
            Self::FrameDamaged { link, ordinal, digest } => {
                fingerprint.mix(digest);
                (16, link.bits(), ordinal)
            }
            Self::FrameMarked { link, ordinal, digest } => {
                fingerprint.mix(digest);
                (17, link.bits(), ordinal)
            }
            Self::FrameBackoff { link, ordinal, periods } => (30, link.bits(), ordinal | u64::from(periods) << 48),
            Self::FrameOnAir { link, ordinal, attempt } => (28, link.bits(), ordinal | u64::from(attempt) << 48),
            Self::FrameHeld { link, ordinal, ns } => {
                fingerprint.mix(u128::from(ns));
                (29, link.bits(), ordinal)
            }
            Self::RanOut { node, pool, room } => {
                fingerprint.mix(u128::from(room));
                (34, node.bits(), pool.0.into())
            }
            Self::Associated { link, access_point, dbm } => {
                (31, link.bits(), u64::from(access_point.bits()) | u64::from(dbm as u32) << 32)
            }
            Self::Roamed { link, access_point, dbm } => {
                (32, link.bits(), u64::from(access_point.bits()) | u64::from(dbm as u32) << 32)
            }
            Self::Disassociated { link, access_point, reason } => {
                (33, link.bits(), u64::from(access_point.bits()) | (reason as u64) << 32)
            }
            Self::Called { node, history, operation, what } => {
                fingerprint.mix(u128::from(u64::from(history.0) << 32 | u64::from(what.0)) << 64);
                (18, node.bits(), operation)
            }
            Self::Answered { node, history, operation, what } => {
                fingerprint.mix(u128::from(u64::from(history.0) << 32 | u64::from(what.0)) << 64);
                (19, node.bits(), operation)
            }
        };
        fingerprint.mix(happening(at, tag, subject, value));
    }

    /// The node that it happened to, if it happened to one.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        match *self {
            Self::Boot { node, .. }
            | Self::Exit { node, .. }
            | Self::PowerCut { node }
            | Self::Crash { node }
            | Self::BrownOut { node }
            | Self::Bitten { node }
            | Self::Panic { node, .. }
            | Self::Refusal { node, .. }
            | Self::Called { node, .. }
            | Self::Answered { node, .. }
            | Self::RanOut { node, .. }
            | Self::Flow { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The link that it happened on, if it happened on one.
    #[must_use]
    pub fn link(&self) -> Option<LinkId> {
        match *self {
            Self::FrameSent { link, .. }
            | Self::FrameDelivered { link, .. }
            | Self::FrameDropped { link, .. }
            | Self::FrameDuplicated { link, .. }
            | Self::FrameDamaged { link, .. }
            | Self::FrameMarked { link, .. }
            | Self::FrameBackoff { link, .. }
            | Self::FrameOnAir { link, .. }
            | Self::FrameHeld { link, .. }
            | Self::Associated { link, .. }
            | Self::Roamed { link, .. }
            | Self::Disassociated { link, .. } => Some(link),
            _ => None,
        }
    }

    /// The kind of event, as one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Boot { .. } => "boot",
            Self::Exit { .. } => "exit",
            Self::PowerCut { .. } => "power-cut",
            Self::Crash { .. } => "crash",
            Self::BrownOut { .. } => "brown-out",
            Self::Panic { .. } => "panic",
            Self::Refusal { .. } => "refusal",
            Self::FrameSent { .. } => "frame-sent",
            Self::FrameDelivered { .. } => "frame-delivered",
            Self::FrameDropped { .. } => "frame-dropped",
            Self::FrameDuplicated { .. } => "frame-duplicated",
            Self::FrameDamaged { .. } => "frame-damaged",
            Self::FrameMarked { .. } => "frame-marked",
            Self::FrameBackoff { .. } => "frame-backoff",
            Self::FrameOnAir { .. } => "frame-on-air",
            Self::FrameHeld { .. } => "frame-held",
            Self::RanOut { .. } => "ran-out",
            Self::Associated { .. } => "associated",
            Self::Roamed { .. } => "roamed",
            Self::Disassociated { .. } => "disassociated",
            Self::FaultBegan { .. } => "fault-began",
            Self::FaultEnded { .. } => "fault-ended",
            Self::FaultFelt { .. } => "fault-felt",
            Self::Bitten { .. } => "watchdog",
            Self::OutOfTurn { .. } => "out-of-turn",
            Self::Flow { .. } => "flow",
            Self::Called { .. } => "called",
            Self::Answered { .. } => "answered",
            Self::Verdict { .. } => "verdict",
            Self::Input { .. } => "input",
        }
    }
}
