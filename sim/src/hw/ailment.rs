//! What can ail a part of a board: faults of hardware as data, and how a part is told of them.
//!
//! A part that can be ailing is [`Faulty`]. The world tells it when an ailment begins and ends; what is felt of it
//! meanwhile the part reports through its [`Case`], so that a fault that hit nothing can be named. A part without
//! ailments pays one comparison.

use std::fmt;

use rand_core::Rng;

use crate::current;
use crate::disk::Operation;
use crate::kernel::WorldId;
use crate::random::{Probability, Stream};

/// What can ail a part of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ailment {
    /// A disk's operations of one kind take longer.
    DiskSlow {
        /// Which.
        operation: Operation,
        /// How many times as long.
        factor: u32,
        /// How much longer on top, in nanoseconds.
        extra_ns: u64,
    },
    /// A disk's operations fail with an I/O error, and change nothing.
    DiskError {
        /// Which; all if none is named.
        operation: Option<Operation>,
        /// How many of them.
        odds: Odds,
    },
    /// A disk has no room beyond what its files take already, but for this.
    DiskFull {
        /// How many bytes may still be taken, in whole pages.
        free_bytes: u64,
    },
    /// The power fails in the midst of one of the disk's operations.
    DiskCut {
        /// Of which kind; of any if none is named.
        operation: Option<Operation>,
        /// Which, counted from 1.
        nth: u64,
        /// When the power is back, in nanoseconds after that.
        off_ns: u64,
    },
    /// Bits of what is stored change.
    BitRot {
        /// How many.
        bits: u32,
    },
}

impl Ailment {
    /// The kind as one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DiskSlow { .. } => "disk-slow",
            Self::DiskError { .. } => "disk-error",
            Self::DiskFull { .. } => "disk-full",
            Self::DiskCut { .. } => "disk-cut",
            Self::BitRot { .. } => "bit-rot",
        }
    }
}

/// How many of the occasions an ailment takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Odds {
    /// All.
    #[default]
    Always,
    /// The next so many.
    Next(u32),
    /// So many of a thousand million, as the ailment's own stream draws.
    PartsPerBillion(u32),
}

/// A part of a board that can be ailing. It outlives its node's restarts, and ailments outlive them too.
pub trait Faulty {
    /// An ailment begins. A part that cannot have it does nothing.
    fn begin(&self, ailment: Ailment, onset: Onset);

    /// The ailment that began as this case is over.
    fn end(&self, case: Case);
}

/// The beginning of an ailment.
#[derive(Debug)]
pub struct Onset {
    /// When, in nanoseconds of the world's time.
    pub now_ns: u64,
    /// What tells it from others, and hears of what is felt of it.
    pub case: Case,
    /// What its chance is drawn from: its own stream.
    pub stream: Stream,
}

/// One fault of a world's timeline, as a part that it ails knows it. Outside its world it is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub(crate) world: WorldId,
    pub(crate) fault: u32,
}

impl Case {
    /// A case of no world, for parts that are tried alone.
    #[must_use]
    pub const fn detached(number: u32) -> Self {
        Self { world: WorldId(0), fault: number }
    }

    /// The ailment was felt. `what` is a word about it for the trace, such as a number of nanoseconds or bits.
    pub fn felt(self, what: u64) {
        current::with(self.world, |kernel| kernel.felt(self.fault, what));
    }

    /// The ailment brings its node's power down at `at_ns`, as [`Ailment::DiskCut`] does.
    pub(crate) fn trip(self, at_ns: u64) {
        current::with(self.world, |kernel| kernel.trip(self.fault, at_ns));
    }
}

/// The ailments that a part has. Empty in most runs.
#[derive(Debug, Default)]
pub struct Ills {
    active: Vec<Ill>,
}

/// An ailment that a part has.
pub struct Ill {
    /// What it is.
    pub ailment: Ailment,
    /// Which fault it is.
    pub case: Case,
    /// What its chance is drawn from.
    pub stream: Stream,
    /// When it began.
    pub since_ns: u64,
    /// On how many occasions it could have been felt.
    pub occasions: u64,
    /// What the part notes of it: the value at which it is stuck, a limit.
    pub note: i64,
}

impl Ills {
    /// One more.
    pub fn begin(&mut self, ailment: Ailment, onset: Onset, note: i64) {
        let Onset { now_ns, case, stream } = onset;
        self.active.push(Ill { ailment, case, stream, since_ns: now_ns, occasions: 0, note });
    }

    /// One less.
    pub fn end(&mut self, case: Case) {
        self.active.retain(|ill| ill.case != case);
    }

    /// Whether the part is well.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Those that there are, in the order of their beginning.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ill> {
        self.active.iter_mut()
    }

    /// Those that there are, in the order of their beginning.
    pub fn iter(&self) -> impl Iterator<Item = &Ill> {
        self.active.iter()
    }
}

impl Ill {
    /// One more occasion: whether it is felt on this one. Every occasion draws alike.
    pub fn strikes(&mut self, odds: Odds) -> bool {
        self.occasions += 1;
        match odds {
            Odds::Always => true,
            Odds::Next(count) => self.occasions <= count.into(),
            Odds::PartsPerBillion(parts) => {
                Probability::from_parts_per_billion(parts.into()).decides(self.stream.next_u32())
            }
        }
    }
}

impl fmt::Debug for Ill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ill").field("ailment", &self.ailment).field("case", &self.case).finish_non_exhaustive()
    }
}
