//! Randomness: one seed, and a stream of its own for every consumer.

use std::convert::Infallible;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use twox_hash::XxHash3_128;

/// Marks the key's last eight bytes, so that a stream's key is no hash of anything else.
const DOMAIN: [u8; 8] = *b"wavetank";

/// A stream of random words, told apart from all others of the same seed by its label.
///
/// Streams are ChaCha8 generators keyed by the seed (64 bits) and the label's XXH3 (128 bits): adding a consumer never
/// shifts another's draws. A stream is made when it is first drawn from; it takes 70 ns and 304 bytes.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed` that bears `label`, from its beginning.
    #[must_use]
    pub fn new(seed: u64, label: &str) -> Self {
        Self::of(seed, Label::new(label))
    }

    /// The stream of `seed` that bears a label that was read already, from its beginning.
    pub(crate) fn of(seed: u64, label: Label) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..24].copy_from_slice(&label.0.to_le_bytes());
        key[24..].copy_from_slice(&DOMAIN);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Goes on with the 32-bit word of that number, counted from the stream's beginning.
    pub(crate) fn seek(&mut self, word: u128) {
        self.0.set_word_pos(word);
    }

    /// A number from `0..bound`, by one draw of 64 bits; the bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        below(self.next_u64(), bound)
    }
}

/// What a word comes to in `0..bound`, all numbers alike; the bias is below `bound / 2^64`.
#[inline]
pub(crate) fn below(word: u64, bound: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

/// A stream's label, as what enters its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(u128);

impl Label {
    pub(crate) fn new(label: &str) -> Self {
        Self(XxHash3_128::oneshot(label.as_bytes()))
    }
}

/// ChaCha8 is good enough for keys; that its seed is known to whoever has the scenario is what the tank is for.
impl TryCryptoRng for Stream {}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

/// A probability, as the share of all 32-bit words that mean "yes".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probability(u64);

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1 << 32);

    /// `parts` in a thousand million; more than that many is always.
    #[must_use]
    pub const fn from_parts_per_billion(parts: u64) -> Self {
        if parts >= 1_000_000_000 { Self::ALWAYS } else { Self((parts << 32) / 1_000_000_000) }
    }

    /// How many of the 2³² words mean "yes".
    #[must_use]
    pub const fn of_two_to_the_32(self) -> u64 {
        self.0
    }

    /// The probability of one of two that exclude each other.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        let sum = self.0 + other.0;
        if sum > 1 << 32 { Self::ALWAYS } else { Self(sum) }
    }

    /// Whether it can never be.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }

    /// Decides by one drawn word.
    #[must_use]
    pub const fn decides(self, word: u32) -> bool {
        (word as u64) < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_always_gives_the_same_words() {
        let (mut a, mut b) = (Stream::new(42, "link/a/tx/loss"), Stream::new(42, "link/a/tx/loss"));
        assert_eq!([a.next_u64(), a.next_u64()], [b.next_u64(), b.next_u64()]);
        assert_ne!(a.next_u64(), Stream::new(42, "link/a/rx/loss").next_u64());
        assert_ne!(a.next_u64(), Stream::new(43, "link/a/tx/loss").next_u64());
    }

    #[test]
    fn probabilities_hit_their_share() {
        let (mut stream, one_percent) = (Stream::new(1, "test"), Probability::from_parts_per_billion(10_000_000));
        let hits = (0..1_000_000).filter(|_| one_percent.decides(stream.next_u32())).count();
        assert!((9_600..10_400).contains(&hits), "{hits}");
        assert!(!Probability::NEVER.decides(0) && Probability::ALWAYS.decides(u32::MAX));
    }

    #[test]
    fn below_stays_below() {
        let mut stream = Stream::new(1, "test");
        assert!((0..1_000).all(|_| stream.below(7) < 7));
        assert_eq!(stream.below(1), 0);
    }
}
