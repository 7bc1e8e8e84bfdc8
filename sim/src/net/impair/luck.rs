//! What is in store for the next frames of links that do no more to frames than to lose or to delay them.
//!
//! Where what befalls a frame is a matter of its ordinal alone, that is found out for eight frames at once: it takes hardly
//! more than for one, and is at hand for the others in a line of the cache of which each link has one.

/// What is in store for a frame on a link that does no more to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::net) struct Luck {
    pub(in crate::net) lose: bool,
    /// How much longer its latency is, in nanoseconds.
    pub(in crate::net) delay_ns: i64,
}

/// How many frames there are in a group; blocks of words are a multiple of it.
pub(super) const GROUP: usize = 8;

/// What is in store for the frames of a group.
pub(super) struct Foretold {
    /// The ordinals of its frames, divided by their number.
    group: u64,
    /// How many nanoseconds each takes longer, or that it is lost.
    fates: [u32; GROUP],
}

const LOST: u32 = u32::MAX;

impl Foretold {
    /// Delays that can be foretold are below this, and not negative.
    pub(super) const DELAY_NS_MAX: u64 = LOST as u64;

    /// By how much the frames of a group are delayed, and which of them are lost, a bit for each.
    pub(super) fn new(group: u64, delays_ns: [u32; GROUP], lost: u8) -> Self {
        let mut foretold = Self { group, fates: delays_ns };
        let mut left = lost;
        while left != 0 {
            foretold.fates[left.trailing_zeros() as usize] = LOST;
            left &= left - 1;
        }
        foretold
    }

    /// What is in store for a frame, if that is known.
    #[inline]
    pub(super) fn luck(&self, ordinal: u64) -> Option<Luck> {
        let fate = self.fates[ordinal as usize % GROUP];
        let luck =
            if fate == LOST { Luck { lose: true, delay_ns: 0 } } else { Luck { lose: false, delay_ns: fate.into() } };
        (self.group == group(ordinal)).then_some(luck)
    }
}

/// The group that a frame is in.
pub(super) const fn group(ordinal: u64) -> u64 {
    ordinal / GROUP as u64
}

impl Default for Foretold {
    /// Nothing is known of any frame.
    fn default() -> Self {
        Self { group: u64::MAX, fates: [0; GROUP] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luck_is_known_for_the_frames_of_a_group() {
        let foretold = Foretold::new(3, [0, 1, 2, 3, 4, 5, 6, u32::MAX - 1], 0b0001_0010);
        let known = (20..36).map(|ordinal| foretold.luck(ordinal).map(|luck| (luck.lose, luck.delay_ns)));
        let lucky = |delay_ns: u32| Some((false, delay_ns.into()));
        let lost = Some((true, 0));
        let here = [lucky(0), lost, lucky(2), lucky(3), lost, lucky(5), lucky(6), lucky(u32::MAX - 1)];
        assert_eq!(known.collect::<Vec<_>>(), [&[None; 4][..], &here, &[None; 4]].concat());
        assert!((0..100).all(|ordinal| Foretold::default().luck(ordinal).is_none()));
    }
}
