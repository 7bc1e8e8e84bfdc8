//! Chances that depend on the last one.

use crate::random::Probability;

/// How likely something is, and how much each chance resembles the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    /// How likely.
    pub probability: Probability,
    /// The share of the last chance in the next. What comes more than once in a row comes more often then, and the
    /// overall share is no longer exactly the probability, as with netem, whose formula this is.
    pub correlation: Probability,
}

impl Odds {
    /// Every chance on its own.
    #[must_use]
    pub const fn independent(probability: Probability) -> Self {
        Self { probability, correlation: Probability::NEVER }
    }
}

/// Odds with the last chance.
#[derive(Clone, Debug)]
pub(super) struct Correlated {
    odds: Odds,
    last: Option<u32>,
}

impl Correlated {
    pub(super) const fn new(odds: Odds) -> Self {
        Self { odds, last: None }
    }

    /// Whether no chance depends on the one before.
    #[inline]
    pub(super) const fn is_independent(&self) -> bool {
        self.odds.correlation.is_never()
    }

    #[inline]
    pub(super) fn decides(&mut self, word: u32) -> bool {
        if self.is_independent() {
            return self.odds.probability.decides(word);
        }
        let blended = self.last.map_or(word, |last| blend(word.into(), last.into(), self.odds.correlation, 32) as u32);
        self.last = Some(blended);
        self.odds.probability.decides(blended)
    }
}

/// `word · (1 - correlation) + last · correlation`, all of so many bits.
pub(super) fn blend(word: u64, last: u64, correlation: Probability, bits: u32) -> u64 {
    let share = u128::from(correlation.of_two_to_the_32());
    let rest = (1 << 32) - share;
    let blended = (u128::from(word) * rest + u128::from(last) * share) >> 32;
    debug_assert!(blended >> bits == 0);
    blended as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use rand_core::Rng;

    fn percent(percent: u64) -> Probability {
        Probability::from_parts_per_billion(percent * 10_000_000)
    }

    /// The blended words have the autocorrelation that a first-order process with that share has: the share itself.
    #[test]
    fn neighbours_resemble_each_other_as_much_as_is_said() {
        for share in [25, 50, 90] {
            let mut stream = Stream::new(1, "correlation");
            let (mut last, mut words) = (stream.next_u32(), Vec::new());
            for _ in 0..1_000_000 {
                last = blend(stream.next_u32().into(), last.into(), percent(share), 32) as u32;
                words.push(f64::from(last) / 4_294_967_296.0);
            }
            let count = words.len() as f64;
            let mean = words.iter().sum::<f64>() / count;
            let variance = words.iter().map(|word| (word - mean).powi(2)).sum::<f64>() / count;
            let covariance = words.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / count;
            let rho = share as f64 / 100.0;
            assert!((mean - 0.5).abs() < 0.01, "{mean}");
            assert!((covariance / variance - rho).abs() < 0.005, "{} for {rho}", covariance / variance);
            // The variance of such a process, of uniform words: 1/12 · (1-ρ)/(1+ρ).
            let expected = (1.0 - rho) / (1.0 + rho) / 12.0;
            assert!((variance / expected - 1.0).abs() < 0.02, "{variance} for {expected}");
        }
    }

    #[test]
    fn without_correlation_the_share_is_exact() {
        let (mut odds, mut stream) = (Correlated::new(Odds::independent(percent(3))), Stream::new(2, "odds"));
        let hits = (0..1_000_000).filter(|_| odds.decides(stream.next_u32())).count() as f64;
        // Binomial: 30,000 ± 4 · 170.6.
        assert!((hits - 30_000.0).abs() < 4.0 * 170.6, "{hits}");
    }
}
