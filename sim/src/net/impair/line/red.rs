//! Random early detection (Floyd and Jacobson, "Random Early Detection Gateways for Congestion Avoidance", 1993), in
//! fixed point, with the gentle slope above the upper threshold.

use super::tail::{Tail, TailConfig};
use super::{Refused, Waiting, Wire};
use crate::net::DropReason;
use crate::net::impair::chance::Early;
use crate::random::Probability;

/// How a RED queue decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedConfig {
    /// Below so many bytes on average nothing is dropped.
    pub min_bytes: u64,
    /// At so many bytes on average the probability is the largest of the slope.
    pub max_bytes: u64,
    /// The probability there.
    pub probability: Probability,
    /// The average follows the queue with a weight of 2 to the minus this: 9 is the usual 0.002.
    pub weight_log2: u8,
    /// Whether packets whose ends understand it are marked instead of dropped.
    pub ecn: bool,
    /// How many bytes may wait at all.
    pub limit_bytes: u64,
}

/// Fractional bits of the average.
const POINT: u32 = 16;
const USUAL_FRAME_BYTES: u64 = 1_000;
pub(super) struct Red {
    config: RedConfig,
    wire: Wire,
    /// How long the line takes for a usual frame: while it is idle, the average falls as if such frames left.
    frame_ns: u64,
    queue: Tail,
    /// In bytes, with `POINT` fractional bits.
    average: u64,
    /// Frames since the last early drop.
    count: u64,
    idle_since: Option<u64>,
}

impl Red {
    pub(super) fn new(config: RedConfig, wire: Wire) -> Self {
        let bounds = TailConfig { frames_max: None, bytes_max: Some(config.limit_bytes) };
        let frame_ns = (USUAL_FRAME_BYTES * wire.byte_ps / 1_000).max(1);
        Self { config, wire, frame_ns, queue: Tail::new(bounds), average: 0, count: 0, idle_since: Some(0) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.queue.dequeue()
    }

    pub(super) fn dequeue(&mut self, now: u64) -> Option<Waiting> {
        let waiting = self.queue.dequeue()?;
        if self.queue.is_empty() {
            // The line is idle once it has sent the last frame.
            let takes_ns = self.wire.takes_ns(waiting.len());
            self.idle_since = Some(now.saturating_add(takes_ns));
        }
        Some(waiting)
    }

    /// Returns whether chance hit the frame.
    pub(super) fn enqueue(&mut self, now: u64, mut waiting: Waiting, refused: &mut Refused) -> bool {
        self.follow(now);
        let average = self.average >> POINT;
        if average >= self.config.max_bytes.saturating_mul(2) {
            self.count = 0;
            refused.push(waiting, DropReason::QueueFull);
            return false;
        }
        let hit = self.hits(average, waiting.fate.early);
        if hit {
            self.count = 0;
            if !(self.config.ecn && waiting.mark()) {
                refused.push(waiting, DropReason::EarlyDrop);
                return true;
            }
        }
        self.queue.enqueue(waiting, refused);
        hit
    }

    /// Moves the average on.
    fn follow(&mut self, now: u64) {
        let weight = u32::from(self.config.weight_log2.min(32));
        if let Some(since) = self.idle_since.take() {
            self.average = decayed(self.average, weight, now.saturating_sub(since) / self.frame_ns);
        }
        let current = self.queue.bytes() << POINT;
        if current >= self.average {
            self.average += (current - self.average) >> weight;
        } else {
            self.average -= (self.average - current) >> weight;
        }
    }

    fn hits(&mut self, average: u64, early: Early) -> bool {
        let RedConfig { min_bytes, max_bytes, probability, .. } = self.config;
        if average < min_bytes {
            self.count = 0;
            return matches!(early, Early::Given(true));
        }
        let whole = 1_u128 << 32;
        let top = u128::from(probability.of_two_to_the_32());
        let share = if average < max_bytes {
            top * u128::from(average - min_bytes) / u128::from((max_bytes - min_bytes).max(1))
        } else {
            top + (whole - top) * u128::from(average - max_bytes) / u128::from(max_bytes.max(1))
        };
        let before = self.count;
        self.count += 1;
        match early {
            Early::Given(hit) => hit,
            Early::Never => false,
            // Spread evenly: share / (1 - before · share).
            Early::Word(word) => {
                let left = whole.saturating_sub(u128::from(before) * share);
                left == 0 || u128::from(word) * left < share << 32
            }
        }
    }
}

/// `value · (1 - 2^-weight)^steps`.
fn decayed(value: u64, weight: u32, mut steps: u64) -> u64 {
    const WHOLE: u128 = 1 << 32;
    let (mut factor, mut power) = (WHOLE - (WHOLE >> weight), WHOLE);
    while steps > 0 && power > 0 {
        if steps & 1 == 1 {
            power = (power * factor) >> 32;
        }
        factor = (factor * factor) >> 32;
        steps >>= 1;
    }
    ((u128::from(value) * power) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use rand_core::Rng;

    const CONFIG: RedConfig = RedConfig {
        min_bytes: 10_000,
        max_bytes: 30_000,
        probability: Probability::from_parts_per_billion(100_000_000),
        weight_log2: 9,
        ecn: false,
        limit_bytes: 100_000,
    };

    const WIRE: Wire = Wire { byte_ps: 80_000, overhead_bytes: 24, cell_bytes: 0, cell_costs_bytes: 0 };

    #[test]
    fn an_idle_lines_average_falls_as_frames_would_make_it() {
        let expected = 1e9 * (1.0 - 1.0 / 512.0_f64).powi(1_000);
        let got = decayed(1_000_000_000, 9, 1_000) as f64;
        assert!((got / expected - 1.0).abs() < 1e-5, "{got} for {expected}");
        assert_eq!(decayed(u64::MAX >> 8, 9, u64::MAX), 0);
    }

    /// Floyd and Jacobson, section 8: the gap between two drops is uniform in 1..=1/p, so its mean is (1/p + 1) / 2.
    #[test]
    fn drops_are_spread_evenly() {
        let (mut red, mut stream) = (Red::new(CONFIG, WIRE), Stream::new(1, "red"));
        // Halfway the probability is 5 %: gaps of 1 to 20.
        let mut gaps = Vec::new();
        let mut since = 0;
        while gaps.len() < 50_000 {
            since += 1;
            if red.hits(20_000, Early::Word(stream.next_u32())) {
                red.count = 0;
                gaps.push(since);
                since = 0;
            }
        }
        let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        assert!((mean - 10.5).abs() < 0.1, "{mean}");
        assert_eq!(gaps.iter().max(), Some(&20));
        let seen = (1..=20).map(|gap| gaps.iter().filter(|other| **other == gap).count() as f64);
        let chi2: f64 = seen.map(|seen| (seen - 2_500.0).powi(2) / 2_500.0).sum();
        // 19 degrees of freedom, at 0.1 %.
        assert!(chi2 < 43.8, "{chi2}");
    }

    #[test]
    fn below_the_threshold_nothing_is_dropped_and_far_above_everything() {
        let mut red = Red::new(CONFIG, WIRE);
        assert!((0..10_000).all(|_| !red.hits(9_999, Early::Word(0))));
        assert!(red.hits(60_000, Early::Word(u32::MAX)));
    }
}
