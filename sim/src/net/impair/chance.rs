//! What chance decided about single frames, as data: recorded in one run, given to another in place of its draws.

use std::collections::VecDeque;

use super::damage::Damage;
use super::slot::Waits;
use crate::net::LinkId;
use crate::time::{Duration, nanos};

/// What chance did to one frame of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The one-way link.
    pub link: LinkId,
    /// Which frame that was offered to it, counted from 0.
    pub ordinal: u64,
    /// What.
    pub what: What,
}

/// What chance can do to a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It is lost.
    Lose,
    /// It comes a second time, so much later.
    Duplicate(Duration),
    /// It is damaged.
    Corrupt(Damage),
    /// Its latency is longer by so many nanoseconds, or shorter.
    Delay(i64),
    /// It does not wait for the latency.
    Overtake,
    /// The queue refuses (or marks) it before it is full.
    EarlyDrop,
}

impl What {
    /// The kind of chance.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Lose => Kind::Lose,
            Self::Duplicate(_) => Kind::Duplicate,
            Self::Corrupt(_) => Kind::Corrupt,
            Self::Delay(_) => Kind::Delay,
            Self::Overtake => Kind::Overtake,
            Self::EarlyDrop => Kind::EarlyDrop,
        }
    }
}

/// A kind of chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Losses.
    Lose,
    /// Duplicates.
    Duplicate,
    /// Damage.
    Corrupt,
    /// Delays, of every distribution.
    Delay,
    /// Frames that overtake.
    Overtake,
    /// Early drops and marks of a RED queue.
    EarlyDrop,
}

impl Kind {
    /// All kinds, in their order.
    pub const ALL: [Self; 6] =
        [Self::Lose, Self::Duplicate, Self::Corrupt, Self::Delay, Self::Overtake, Self::EarlyDrop];
}

/// A set of kinds of chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// All of them.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);

    /// This set and one more kind.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether a kind is in it.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}

/// What is given to a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The kinds that are not drawn: of these happens what is listed, and nothing else. Of other kinds happens what is
    /// listed as well as what is drawn.
    pub kinds: Kinds,
    /// What happens to single frames, in any order.
    pub packets: Vec<Packet>,
}

/// What is in store for a frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) lose: bool,
    /// How much later the second one comes, in nanoseconds.
    pub(crate) duplicate: Option<u64>,
    /// Seldom there, so that a fate is small.
    pub(crate) damage: Option<Box<Damage>>,
    pub(crate) delay_ns: i64,
    pub(crate) overtake: bool,
    pub(super) early: Early,
    pub(super) waits: Waits,
}

/// What a queue's early drop goes by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Early {
    /// No queue of this link draws.
    #[default]
    Never,
    /// It decides by this word.
    Word(u32),
    /// It has been decided.
    Given(bool),
}

/// What is given to one link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chances {
    given: Kinds,
    script: VecDeque<(u64, What)>,
}

impl Chances {
    pub(crate) fn not_drawn(&mut self, kinds: Kinds) {
        self.given = kinds;
    }

    /// Frames in order; those of one frame in the order of the list.
    pub(crate) fn add(&mut self, ordinal: u64, what: What) {
        let at = self.script.partition_point(|(other, _)| *other <= ordinal);
        self.script.insert(at, (ordinal, what));
    }

    /// Whether nothing is given: neither what happens, nor that nothing is drawn.
    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.given == Kinds::default() && self.script.is_empty()
    }

    /// Puts what is given in the place of what was drawn, or adds it.
    #[inline]
    pub(super) fn settle(&mut self, ordinal: u64, fate: &mut Fate) {
        if self.given != Kinds::default() {
            self.forget_drawn(fate);
        }
        while self.script.front().is_some_and(|(next, _)| *next <= ordinal) {
            if let Some((next, what)) = self.script.pop_front()
                && next == ordinal
            {
                fate.add(what);
            }
        }
    }

    fn forget_drawn(&self, fate: &mut Fate) {
        let given = |kind| self.given.has(kind);
        fate.lose &= !given(Kind::Lose);
        fate.overtake &= !given(Kind::Overtake);
        if given(Kind::Duplicate) {
            fate.duplicate = None;
        }
        if given(Kind::Corrupt) {
            fate.damage = None;
        }
        if given(Kind::Delay) {
            fate.delay_ns = 0;
        }
        if given(Kind::EarlyDrop) {
            fate.early = Early::Given(false);
        }
    }
}

impl Fate {
    fn add(&mut self, what: What) {
        match what {
            What::Lose => self.lose = true,
            What::Duplicate(later) => self.duplicate = Some(nanos(later)),
            What::Corrupt(damage) => self.damage = Some(Box::new(damage)),
            What::Delay(ns) => self.delay_ns = self.delay_ns.saturating_add(ns),
            What::Overtake => self.overtake = true,
            What::EarlyDrop => self.early = Early::Given(true),
        }
    }

    /// Whether the frame arrives otherwise than it left, or more than once.
    #[inline]
    pub(super) const fn changes_frame(&self) -> bool {
        self.damage.is_some() || self.duplicate.is_some()
    }

    /// What has been decided already; the queue's own chances come later.
    pub(super) fn decided(&self) -> impl Iterator<Item = What> + '_ {
        let delay = (self.delay_ns != 0).then_some(What::Delay(self.delay_ns));
        let duplicate = self.duplicate.map(|later| What::Duplicate(Duration::from_nanos(later)));
        let damage = self.damage.as_deref().cloned().map(What::Corrupt);
        let (lose, overtake) = (self.lose.then_some(What::Lose), self.overtake.then_some(What::Overtake));
        [lose, duplicate, damage, delay, overtake].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_takes_the_place_of_what_is_drawn() {
        let mut chances = Chances::default();
        chances.not_drawn(Kinds::default().with(Kind::Lose));
        chances.add(7, What::Delay(-5));
        chances.add(3, What::Lose);
        let drawn = || Fate { lose: true, delay_ns: 20, ..Fate::default() };
        let fates = [2, 3, 7].map(|ordinal| {
            let mut fate = drawn();
            chances.settle(ordinal, &mut fate);
            (fate.lose, fate.delay_ns)
        });
        assert_eq!(fates, [(false, 20), (true, 20), (false, 15)]);
        assert!(chances.script.is_empty());
    }

    #[test]
    fn kinds_are_a_set() {
        let kinds: Kinds = [Kind::Delay, Kind::Lose].into_iter().collect();
        assert!(kinds.has(Kind::Lose) && kinds.has(Kind::Delay) && !kinds.has(Kind::Overtake));
        assert_eq!(Kind::ALL.into_iter().collect::<Kinds>(), Kinds::ALL);
    }
}
