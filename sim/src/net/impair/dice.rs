//! The stream of one impairment, read at places that frames' ordinals decide.

use rand_core::Rng;

use super::correlated::{Correlated, Odds};
use super::luck::GROUP;
use crate::random::{Label, Stream};

/// How many words are drawn in one go: as many as ChaCha8 makes at a time.
const BLOCK: usize = 64;
/// No frame has an ordinal in it.
const NO_BLOCK: u64 = u64::MAX;

/// Random words for frames by their ordinals, so many 32-bit words for each.
pub(super) struct Dice {
    /// Which block of the stream is at hand, and the block.
    block: u64,
    drawn: Option<Box<[u32; BLOCK]>>,
    label: Label,
    words: u32,
}

impl Dice {
    pub(super) fn new(label: &str, words: u32) -> Self {
        Self { label: Label::new(label), words, drawn: None, block: NO_BLOCK }
    }

    /// A block of the stream.
    fn draw(&self, seed: u64, block: u64) -> [u32; BLOCK] {
        let (mut words, mut bytes) = ([0; BLOCK], [0; 4 * BLOCK]);
        self.stream_at(seed, u128::from(block) * BLOCK as u128).fill_bytes(&mut bytes);
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        words
    }

    fn stream_at(&self, seed: u64, word: u128) -> Stream {
        let mut stream = Stream::of(seed, self.label);
        stream.seek(word);
        stream
    }

    /// So many words from a place of the stream on; all lie in one block.
    #[inline]
    fn at<const N: usize>(&mut self, seed: u64, ordinal: u64) -> [u32; N] {
        debug_assert_eq!(self.words as usize, N);
        let first = ordinal * N as u64;
        let words = self.block(seed, first / BLOCK as u64);
        std::array::from_fn(|word| words[(first as usize + word) % BLOCK])
    }

    /// A block of the stream, which is at hand from then on.
    #[inline]
    fn block(&mut self, seed: u64, block: u64) -> &[u32; BLOCK] {
        if self.block != block {
            self.turn(seed, block);
        }
        self.drawn.as_ref().expect("a block was drawn")
    }

    #[cold]
    fn turn(&mut self, seed: u64, block: u64) {
        let words = self.draw(seed, block);
        match &mut self.drawn {
            Some(drawn) => **drawn = words,
            None => self.drawn = Some(Box::new(words)),
        }
        self.block = block;
    }

    /// The frame's one word.
    #[inline]
    pub(super) fn word(&mut self, seed: u64, ordinal: u64) -> u32 {
        let [word] = self.at(seed, ordinal);
        word
    }

    /// The two words of each frame of a group, as one.
    #[inline]
    pub(super) fn wide_group(&mut self, seed: u64, group: u64) -> [u64; GROUP] {
        debug_assert_eq!(self.words, 2);
        let words = self.block(seed, group * 2 * GROUP as u64 / BLOCK as u64);
        let at = group as usize * 2 * GROUP % BLOCK;
        std::array::from_fn(|frame| wide([words[(at + 2 * frame) % BLOCK], words[(at + 2 * frame + 1) % BLOCK]]))
    }

    /// The frame's two words, as one.
    #[inline]
    pub(super) fn wide(&mut self, seed: u64, ordinal: u64) -> u64 {
        wide(self.at(seed, ordinal))
    }

    /// The frame's four words, as two.
    pub(super) fn wide_pair(&mut self, seed: u64, ordinal: u64) -> [u64; 2] {
        let [a, b, c, d] = self.at(seed, ordinal);
        [wide([a, b]), wide([c, d])]
    }

    /// The frame's words, of which it may leave some.
    pub(super) fn some(&self, seed: u64, ordinal: u64) -> Stream {
        self.stream_at(seed, u128::from(ordinal) * u128::from(self.words))
    }
}

/// Two words as one, the lower one first.
#[inline]
fn wide([low, high]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Yes or no for frames by their ordinals, by one word of a stream for each.
pub(super) struct Coin {
    /// Where no answer depends on the one before: the answers of a block, a bit for each, and which block it is.
    yes: u64,
    block: u64,
    source: Box<Source>,
}

struct Source {
    odds: Correlated,
    dice: Dice,
}

impl Coin {
    pub(super) fn new(label: &str, odds: Odds) -> Self {
        let source = Source { odds: Correlated::new(odds), dice: Dice::new(label, 1) };
        Self { yes: 0, block: NO_BLOCK, source: Box::new(source) }
    }

    /// What it says of a frame.
    #[inline]
    pub(super) fn decides(&mut self, seed: u64, ordinal: u64) -> bool {
        let (block, at) = (ordinal / BLOCK as u64, ordinal % BLOCK as u64);
        if self.block == block { self.yes >> at & 1 == 1 } else { self.turn(seed, ordinal) }
    }

    /// Whether no answer depends on the one before.
    pub(super) fn is_forgetful(&self) -> bool {
        self.source.odds.is_independent()
    }

    /// What it says of the frames of a group, a bit for each, where no answer depends on the one before.
    pub(super) fn group(&mut self, seed: u64, group: u64) -> u8 {
        let first = group * GROUP as u64;
        if self.block != first / BLOCK as u64 {
            self.turn(seed, first);
        }
        (self.yes >> (first % BLOCK as u64)) as u8
    }

    #[cold]
    fn turn(&mut self, seed: u64, ordinal: u64) -> bool {
        let Source { odds, dice } = &mut *self.source;
        if !odds.is_independent() {
            return odds.decides(dice.word(seed, ordinal));
        }
        let block = ordinal / BLOCK as u64;
        let words = dice.draw(seed, block);
        let bits = words.iter().enumerate().map(|(at, word)| u64::from(odds.decides(*word)) << at);
        (self.yes, self.block) = (bits.fold(0, |yes, bit| yes | bit), block);
        self.decides(seed, ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Probability;

    fn in_order(seed: u64, label: &str, words: usize) -> Vec<u32> {
        let mut stream = Stream::new(seed, label);
        (0..words).map(|_| stream.next_u32()).collect()
    }

    /// Frames find their words of the stream whichever come first.
    #[test]
    fn words_are_those_of_the_stream_in_any_order() {
        let all = in_order(4, "test/dice", 1_000);
        let (mut one, mut two) = (Dice::new("test/dice", 1), Dice::new("test/dice", 2));
        let four = Dice::new("test/dice", 4);
        for ordinal in [0, 1, 2, 63, 64, 65, 200, 31, 32, 33, 7, 0, 199] {
            assert_eq!(one.word(4, ordinal as u64), all[ordinal]);
            let wide = u64::from(all[2 * ordinal + 1]) << 32 | u64::from(all[2 * ordinal]);
            assert_eq!(two.wide(4, ordinal as u64), wide);
            assert_eq!(four.some(4, ordinal as u64).next_u32(), all[4 * ordinal]);
        }
    }

    #[test]
    fn a_coin_decides_by_the_words_of_its_stream() {
        let half = Probability::from_parts_per_billion(500_000_000);
        let mut coin = Coin::new("test/coin", Odds::independent(half));
        let words = in_order(9, "test/coin", 300);
        for ordinal in (0..300).chain([5, 64, 299, 63, 0]) {
            assert_eq!(coin.decides(9, ordinal as u64), half.decides(words[ordinal]), "{ordinal}");
        }
        // And one whose answers depend on each other asks for them one by one.
        let odds = Odds { probability: half, correlation: half };
        let (mut coin, mut odds) = (Coin::new("test/coin", odds), Correlated::new(odds));
        for (ordinal, word) in words.iter().enumerate() {
            assert_eq!(coin.decides(9, ordinal as u64), odds.decides(*word), "{ordinal}");
        }
    }
}
