//! What links do to frames besides passing them: delays with a distribution, losses, duplicates, damage, reordering,
//! queues that manage themselves, and the largest frame.
//!
//! Every frame that is offered to a link draws the same number of words for each impairment, whatever comes of them, at
//! a place of the impairment's own stream that its ordinal alone decides: one frame's fate never shifts another's. What
//! chance decided can be written down and given to another run in place of its draws: see [`Packet`].
//!
//! Floating point chooses nothing here but through `libm` and plain arithmetic, which are the same on every platform.

mod chance;
mod checksum;
mod correlated;
mod damage;
mod delay;
mod dice;
mod line;
mod loss;
mod luck;
mod slot;
mod special;
mod transit;

pub use chance::{Given, Kind, Kinds, Packet, What};
pub use correlated::Odds;
pub use damage::{Corrupt, Damage, How};
pub use delay::{Delay, Shape};
pub use line::{CoDelConfig, FqCoDelConfig, LineConfig, RedConfig, TailConfig};
pub use loss::Loss;

pub(crate) use chance::{Chances, Fate};
pub(crate) use checksum::is_sound;
pub(in crate::net) use checksum::{complement, sum};
pub(in crate::net) use delay::{normal, unit};
pub(crate) use line::Wire;
pub(in crate::net) use luck::Luck;
pub(crate) use special::Special;

use crate::time::Duration;

/// What a link does to frames besides passing them. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impairments {
    /// How much is added to the latency, in place of [`LinkConfig::jitter`](super::LinkConfig::jitter).
    pub delay: Option<Delay>,
    /// Whether frames may overtake each other where their delays differ. Otherwise none arrives before an earlier one.
    pub unordered: bool,
    /// Which frames are lost, in place of [`LinkConfig::loss`](super::LinkConfig::loss).
    pub loss: Option<Loss>,
    /// Whether a packet that would be lost is marked instead as having met congestion, if its ends understand that (RFC 3168).
    pub marks_losses: bool,
    /// Which frames come twice.
    pub duplicate: Option<Duplicate>,
    /// Which frames are damaged.
    pub corrupt: Option<Corrupt>,
    /// Which frames overtake those before them.
    pub reorder: Option<Reorder>,
    /// The longest packet that the link carries, in bytes without the Ethernet header. Longer ones vanish without a word.
    pub mtu: Option<u32>,
    /// How many bytes each frame costs on top of its own where there is a rate, or fewer; Ethernet's 24 if left out.
    pub overhead_bytes: Option<i32>,
    /// What carries frames, and their overhead, in pieces of one length, where there is a rate.
    pub cells: Option<Cells>,
    /// When frames come out of it, if not as soon as they are through.
    pub slots: Option<Slots>,
    /// The queue in front of the link, in place of [`LinkConfig::queue_bytes_max`](super::LinkConfig::queue_bytes_max).
    pub line: Option<LineConfig>,
}

impl Impairments {
    /// Whether they do nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Frames that come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// How likely.
    pub odds: Odds,
    /// How much later than the first the second comes.
    pub later: Duration,
}

/// Cells of one length, such as ATM's, which carry frames: a frame that does not fill its last cell costs all of it. These
/// are CELLSIZE and CELLOVERHEAD of netem's `rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    /// How many bytes of frames each carries. Not 0.
    pub bytes: u32,
    /// How many bytes it costs on top of that, or fewer.
    pub overhead_bytes: i32,
}

/// Frames that come out at certain instants only, as those of a medium whose stations take turns: netem's `slot`.
///
/// A frame that is through waits for the slot that is open next. Once that has let pass what it can, the next one opens
/// after a time that is drawn; so it does where a slot went by that nobody waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The time to the next slot: the shortest one, or where there is a shape that about which it varies.
    pub shortest: Duration,
    /// The longest one, if there is no shape.
    pub longest: Duration,
    /// How it is distributed, if not evenly from the shortest to the longest. No slot opens earlier than a nanosecond after the last.
    pub shape: Option<Shape>,
    /// How many frames a slot lets pass.
    pub frames_max: Option<u32>,
    /// How many bytes; a frame that begins within them passes.
    pub bytes_max: Option<u64>,
}

/// Frames that overtake: they do not wait for the latency, and so come before those that do.
///
/// As netem's `reorder`: once `gap - 1` frames have gone the slow way, each next one overtakes with the odds, and the
/// count begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorder {
    /// How likely, once the gap is full.
    pub odds: Odds,
    /// At least every so many frames; 1 tries every frame.
    pub gap: u32,
}
