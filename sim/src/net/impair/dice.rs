//! The stream of one impairment, read at places that frames' ordinals decide.

use rand_core::Rng;

use crate::random::Stream;

/// Random words for frames by their ordinals, so many 32-bit words for each.
pub(super) struct Dice {
    label: Box<str>,
    words: u32,
    /// The frame whose words the stream stands at.
    next: u64,
    stream: Option<Box<Stream>>,
}

impl Dice {
    pub(super) fn new(label: String, words: u32) -> Self {
        Self { label: label.into(), words, next: 0, stream: None }
    }

    #[inline]
    fn at(&mut self, seed: u64, ordinal: u64) -> &mut Stream {
        let stream = self.stream.get_or_insert_with(|| Box::new(Stream::new(seed, &self.label)));
        if self.next != ordinal {
            stream.seek(u128::from(ordinal) * u128::from(self.words));
        }
        self.next = ordinal + 1;
        stream
    }

    /// The frame's one word.
    #[inline]
    pub(super) fn word(&mut self, seed: u64, ordinal: u64) -> u32 {
        debug_assert_eq!(self.words, 1);
        self.at(seed, ordinal).next_u32()
    }

    /// The frame's two words, as one.
    #[inline]
    pub(super) fn wide(&mut self, seed: u64, ordinal: u64) -> u64 {
        debug_assert_eq!(self.words, 2);
        self.at(seed, ordinal).next_u64()
    }

    /// The frame's words, of which it may leave some.
    pub(super) fn some(&mut self, seed: u64, ordinal: u64) -> &mut Stream {
        // What is left of the last frame's words is skipped.
        self.next = u64::MAX;
        self.at(seed, ordinal)
    }
}
