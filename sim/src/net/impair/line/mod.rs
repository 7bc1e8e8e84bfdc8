//! Queues that hold frames until the link is free, and that manage themselves.
//!
//! A plain queue of so many bytes needs none of this: when a frame leaves is known as it comes. These queues decide only
//! when the link is free, or go by what has waited how long.

mod codel;
mod ecn;
mod fair;
mod red;
mod tail;

pub use codel::CoDelConfig;
pub use fair::FqCoDelConfig;
pub use red::RedConfig;
pub use tail::TailConfig;

use codel::CoDelLine;
use fair::FqCoDel;
use red::Red;
use tail::Tail;

use super::Fate;
use crate::net::{DropReason, Frame};

/// A queue in front of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineConfig {
    /// First in, first out, until it is full.
    Tail(TailConfig),
    /// Random early detection.
    Red(RedConfig),
    /// Controlled delay.
    CoDel(CoDelConfig),
    /// A controlled delay for each flow, and turns among them.
    FqCoDel(FqCoDelConfig),
}

impl LineConfig {
    /// Whether it draws a word for each frame.
    pub(super) const fn draws(&self) -> bool {
        matches!(self, Self::Red(_))
    }
}

/// A frame that waits.
struct Waiting {
    frame: Box<Frame>,
    fate: Fate,
    since: u64,
    marked: bool,
}

impl Waiting {
    fn len(&self) -> u64 {
        self.frame.len() as u64
    }

    /// Tells its ends about the congestion, if they asked for that.
    fn mark(&mut self) -> bool {
        let marked = self.frame.mark_congestion();
        self.marked |= marked;
        marked
    }
}

/// A frame whose turn it is.
pub(super) struct Served {
    pub(super) frame: Box<Frame>,
    pub(super) fate: Fate,
    pub(super) marked: bool,
}

/// Frames that a queue has thrown away, until the network has noted it.
#[derive(Default)]
struct Refused(Vec<(Box<Frame>, DropReason)>);

impl Refused {
    fn push(&mut self, waiting: Waiting, reason: DropReason) {
        self.0.push((waiting.frame, reason));
    }
}

enum Discipline {
    Tail(Tail),
    Red(Red),
    CoDel(CoDelLine),
    FqCoDel(Box<FqCoDel>),
}

/// How long a link takes for a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wire {
    /// Picoseconds a byte; 0 is without limit.
    pub(crate) byte_ps: u64,
    /// What each frame costs on top of its own bytes.
    pub(crate) overhead_bytes: i64,
    /// How many bytes a cell carries; 0 is without cells.
    pub(crate) cell_bytes: u64,
    /// What it costs altogether.
    pub(crate) cell_costs_bytes: u64,
}

impl Wire {
    /// How long it takes for a frame of so many bytes, in nanoseconds.
    #[inline]
    pub(crate) fn takes_ns(&self, bytes: u64) -> u64 {
        let mut costs = bytes.saturating_add_signed(self.overhead_bytes);
        if self.cell_bytes > 0 {
            costs = costs.div_ceil(self.cell_bytes) * self.cell_costs_bytes;
        }
        costs.saturating_mul(self.byte_ps) / 1_000
    }
}

/// A queue at work.
pub(crate) struct Line {
    discipline: Discipline,
    refused: Refused,
    /// Whether the kernel calls when the link is free.
    called: bool,
}

impl Line {
    pub(super) fn new(config: &LineConfig, wire: Wire) -> Self {
        let discipline = match config {
            LineConfig::Tail(config) => Discipline::Tail(Tail::new(*config)),
            LineConfig::Red(config) => Discipline::Red(Red::new(*config, wire)),
            LineConfig::CoDel(config) => Discipline::CoDel(CoDelLine::new(*config)),
            LineConfig::FqCoDel(config) => Discipline::FqCoDel(Box::new(FqCoDel::new(*config))),
        };
        Self { discipline, refused: Refused::default(), called: false }
    }

    /// Takes a frame, or refuses it or another. Returns whether its own early drop came to something.
    pub(super) fn enqueue(&mut self, now: u64, frame: Box<Frame>, fate: Fate) -> bool {
        let waiting = Waiting { frame, fate, since: now, marked: false };
        let refused = &mut self.refused;
        match &mut self.discipline {
            Discipline::Tail(tail) => tail.enqueue(waiting, refused),
            Discipline::Red(red) => return red.enqueue(now, waiting, refused),
            Discipline::CoDel(codel) => codel.enqueue(waiting, refused),
            Discipline::FqCoDel(fair) => fair.enqueue(waiting, refused),
        }
        false
    }

    /// The next frame to send. It may have refused others on the way.
    pub(super) fn dequeue(&mut self, now: u64) -> Option<Served> {
        let refused = &mut self.refused;
        let waiting = match &mut self.discipline {
            Discipline::Tail(tail) => tail.dequeue(),
            Discipline::Red(red) => red.dequeue(now),
            Discipline::CoDel(codel) => codel.dequeue(now, refused),
            Discipline::FqCoDel(fair) => fair.dequeue(now, refused),
        };
        waiting.map(|Waiting { frame, fate, marked, .. }| Served { frame, fate, marked })
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.discipline {
            Discipline::Tail(tail) => tail.is_empty(),
            Discipline::Red(red) => red.is_empty(),
            Discipline::CoDel(codel) => codel.is_empty(),
            Discipline::FqCoDel(fair) => fair.is_empty(),
        }
    }

    /// A frame that it has refused and that nobody has heard of yet.
    pub(super) fn refused(&mut self) -> Option<(Box<Frame>, DropReason)> {
        if self.refused.0.is_empty() { None } else { Some(self.refused.0.remove(0)) }
    }

    pub(super) fn has_refused(&self) -> bool {
        !self.refused.0.is_empty()
    }

    /// Whether to call when the link is free, which then is to be done.
    pub(super) fn wants_call(&mut self) -> bool {
        let wants = !self.called && !self.is_empty();
        self.called |= wants;
        wants
    }

    pub(super) fn called(&mut self) {
        self.called = false;
    }

    /// All that waits, in an order that it could leave in.
    pub(super) fn into_waiting(mut self) -> Vec<(Box<Frame>, Fate)> {
        let mut all = Vec::new();
        while let Some(waiting) = match &mut self.discipline {
            Discipline::Tail(tail) => tail.dequeue(),
            Discipline::Red(red) => red.pop(),
            Discipline::CoDel(codel) => codel.pop(),
            Discipline::FqCoDel(fair) => fair.pop(),
        } {
            all.push((waiting.frame, waiting.fate));
        }
        all
    }
}
