//! 128 bits that tell one run from another.

use std::fmt;

use serde::{Serialize, Serializer};
use twox_hash::XxHash3_128;

/// The XXH3 of a frame's bytes, computed once where the frame enters the network.
#[inline]
pub(crate) fn digest(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

/// The fingerprint of a run: equal runs have equal ones, in every process, on every machine, in debug and in release.
///
/// It is no cryptographic hash; it tells runs apart that differ by accident, not by intent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

/// Odd, so that multiplying by it is a bijection of 128-bit words.
const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

impl Fingerprint {
    pub(crate) const fn new() -> Self {
        Self(super::TRACE_VERSION as u128)
    }

    #[inline]
    pub(crate) fn mix(&mut self, word: u128) {
        let state = (self.0 ^ word).wrapping_mul(MULTIPLIER);
        self.0 = state ^ state >> 61;
    }

    pub(crate) fn mix_text(&mut self, text: &str) {
        self.mix(digest(text.as_bytes()));
    }

    /// The 128 bits.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
