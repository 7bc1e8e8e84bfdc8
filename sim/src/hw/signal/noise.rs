//! Value noise: random values at regular instants, joined smoothly.
//!
//! The value at an instant is a hash of the seed and the instant's number, so any instant can be asked for without
//! those before it.

use twox_hash::XxHash3_128;

/// Values are drawn in -2³¹..2³¹, a thing of the hash's width.
const ONE_BITS: u32 = 31;
/// Positions between two values are in 0..2³⁰.
const POSITION_BITS: u32 = 30;

#[derive(Clone, Debug)]
pub(super) struct Noise {
    amplitude: i64,
    octaves: Vec<Octave>,
    weight_sum: i64,
}

#[derive(Clone, Debug)]
struct Octave {
    seed: u64,
    interval_ns: u64,
    weight: i64,
}

impl Noise {
    /// The slowest of 24 octaves over a second's interval takes 97 days.
    pub(super) const OCTAVES_MAX: u8 = 24;

    pub(super) fn new(seed: u64, amplitude: i64, interval_ns: u64, octaves: u8) -> Self {
        let octaves: Vec<_> = (0..octaves)
            .map(|number| Octave {
                seed: seed.wrapping_add(u64::from(number)),
                interval_ns: interval_ns.saturating_mul(1 << number),
                weight: root_of_two_to_the(number),
            })
            .collect();
        let weight_sum = octaves.iter().map(|octave| octave.weight).sum();
        Noise { amplitude, octaves, weight_sum }
    }

    pub(super) fn at(&self, now_ns: u64) -> i64 {
        let weighed = self.octaves.iter().map(|octave| i128::from(octave.at(now_ns)) * i128::from(octave.weight));
        let value = weighed.sum::<i128>() / i128::from(self.weight_sum);
        let value = (value * i128::from(self.amplitude)) >> ONE_BITS;
        i64::try_from(value).expect("at most the amplitude")
    }
}

impl Octave {
    fn at(&self, now_ns: u64) -> i64 {
        let number = now_ns / self.interval_ns;
        let position = (u128::from(now_ns % self.interval_ns) << POSITION_BITS) / u128::from(self.interval_ns);
        let position = i64::try_from(position).expect("below one");
        let (before, after) = (self.drawn(number), self.drawn(number + 1));
        before + (((after - before) * smoothstep(position)) >> POSITION_BITS)
    }

    fn drawn(&self, number: u64) -> i64 {
        let hash = XxHash3_128::oneshot_with_seed(self.seed, &number.to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "the hash's low bits are as good as any")]
        let word = hash as u32;
        i64::from(word.cast_signed())
    }
}

/// `x²(3 − 2x)`: level at both ends.
fn smoothstep(x: i64) -> i64 {
    let square = (x * x) >> POSITION_BITS;
    (square * ((3 << POSITION_BITS) - 2 * x)) >> POSITION_BITS
}

/// √2ⁿ in units of 1/1024.
fn root_of_two_to_the(n: u8) -> i64 {
    let whole = 1024 << (n / 2);
    if n.is_multiple_of(2) { whole } else { whole * 1448 / 1024 }
}
