//! How long to wait before the next attempt.

use rand_core::Rng;
use wavetank_stack::Duration;

/// Exponential backoff, capped, with full jitter: before attempt `n` a uniform draw from
/// 0 ..= min(cap, base · 2ⁿ).
///
/// Full jitter spreads a herd of devices that lost the same hub at the same instant better than any
/// fixed part would. Its price, that a wait may be short, is bounded by the doubling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry.
    pub base: Duration,
    /// The longest wait of all. Above 71 minutes (2³² µs) it counts as that.
    pub cap: Duration,
}

impl Default for Backoff {
    /// From half a second to a minute.
    fn default() -> Self {
        Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after `failures` failed retries in a row. Draws one word from `rng`, always.
    pub fn delay(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        let draw = u64::from(rng.next_u32());
        let ceiling_us = u64::from(self.ceiling_us(failures));
        Duration::from_micros((draw * (ceiling_us + 1)) >> 32)
    }

    fn ceiling_us(&self, failures: u32) -> u32 {
        let doubled_us = u64::from(micros(self.base)) << failures.min(32);
        u32::try_from(doubled_us).unwrap_or(u32::MAX).min(micros(self.cap))
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Words;

    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(3) };

    fn extremes(failures: u32) -> (Duration, Duration) {
        (BACKOFF.delay(failures, &mut Words::new(&[0])), BACKOFF.delay(failures, &mut Words::new(&[u32::MAX])))
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        for (failures, ceiling_ms) in [(0, 100), (1, 200), (4, 1600), (5, 3000), (31, 3000), (u32::MAX, 3000)] {
            assert_eq!(extremes(failures), (Duration::ZERO, Duration::from_millis(ceiling_ms)));
        }
    }

    #[test]
    fn silly_settings_are_harmless() {
        let never = Backoff { base: Duration::ZERO, cap: Duration::MAX };
        assert_eq!(never.delay(u32::MAX, &mut Words::new(&[u32::MAX])), Duration::ZERO);
        let always = Backoff { base: Duration::MAX, cap: Duration::MAX };
        assert_eq!(always.delay(9, &mut Words::new(&[u32::MAX])), Duration::from_micros(u32::MAX.into()));
    }
}
