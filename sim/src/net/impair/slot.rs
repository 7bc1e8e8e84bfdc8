//! Instants at which frames come out of a link.

use super::dice::Dice;
use super::{Shape, Slots};
use crate::random::below;
use crate::time::nanos;

/// The slots of a link, the next of which is open for what is to come.
pub(super) struct SlotModel {
    shortest_ns: u64,
    /// One more than by how much the longest is longer.
    span_ns: u64,
    shape: Option<Shape>,
    frames_max: u32,
    bytes_max: u64,
    dice: Dice,
    /// The slot that the next frame can take, and what it lets pass still.
    opens_at: u64,
    frames_left: u32,
    bytes_left: u64,
}

/// The times to the next slot that a frame draws: should one have gone by, and should it be full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits([u64; 2]);

impl SlotModel {
    /// One that draws from the stream of that label.
    pub(super) fn new(slots: &Slots, label: &str) -> Self {
        let shortest_ns = nanos(slots.shortest);
        let span_ns = nanos(slots.longest).saturating_sub(shortest_ns).saturating_add(1);
        let (frames_max, bytes_max) = (slots.frames_max.unwrap_or(u32::MAX), slots.bytes_max.unwrap_or(u64::MAX));
        let (dice, shape) = (Dice::new(label, 4), slots.shape.clone());
        // Before the first frame, a slot has gone by.
        Self { shortest_ns, span_ns, shape, frames_max, bytes_max, dice, opens_at: 0, frames_left: 0, bytes_left: 0 }
    }

    /// What a frame draws.
    pub(super) fn draw(&mut self, seed: u64, ordinal: u64) -> Waits {
        let words = self.dice.wide_pair(seed, ordinal);
        Waits(words.map(|word| match &self.shape {
            None => self.shortest_ns.saturating_add(below(word, self.span_ns)),
            Some(shape) => self.shortest_ns.saturating_add_signed(shape.extra_ns(word)).max(1),
        }))
    }

    /// When a frame comes out that is through at `due`.
    pub(super) fn pass(&mut self, due: u64, bytes: usize, Waits([if_gone, if_full]): Waits) -> u64 {
        if self.frames_left == 0 || self.opens_at < due {
            self.open(due.saturating_add(if_gone));
        }
        let at = self.opens_at;
        self.frames_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes as u64);
        if self.frames_left == 0 || self.bytes_left == 0 {
            self.open(at.saturating_add(if_full));
        }
        at
    }

    fn open(&mut self, at: u64) {
        (self.opens_at, self.frames_left, self.bytes_left) = (at, self.frames_max, self.bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn model(shortest_us: u64, longest_us: u64, frames_max: Option<u32>, bytes_max: Option<u64>) -> SlotModel {
        let (shortest, longest) = (Duration::from_micros(shortest_us), Duration::from_micros(longest_us));
        SlotModel::new(&Slots { shortest, longest, shape: None, frames_max, bytes_max }, "test/slot")
    }

    /// Passes frames of 100 bytes that are through at those times, in microseconds.
    fn passed(model: &mut SlotModel, due: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let due = due.into_iter().zip(0..);
        due.map(|(due, ordinal)| {
            let waits = model.draw(3, ordinal);
            model.pass(due * 1_000, 100, waits) / 1_000
        })
        .collect()
    }

    #[test]
    fn so_many_come_out_together_and_the_rest_in_the_next() {
        let mut by_frames = model(1_000, 1_000, Some(3), None);
        assert_eq!(passed(&mut by_frames, [0, 1, 2, 3, 4, 5, 6]), [1_000, 1_000, 1_000, 2_000, 2_000, 2_000, 3_000]);
        let mut by_bytes = model(1_000, 1_000, None, Some(150));
        assert_eq!(passed(&mut by_bytes, [0, 1, 2, 3]), [1_000, 1_000, 2_000, 2_000], "one that begins within passes");
    }

    #[test]
    fn where_nobody_waited_the_next_slot_is_counted_from_who_comes() {
        let mut slots = model(1_000, 1_000, Some(3), None);
        assert_eq!(passed(&mut slots, [0, 900, 5_000, 5_500, 7_000]), [1_000, 1_000, 6_000, 6_000, 8_000]);
    }

    /// Kolmogorov and Smirnov's distance to the normal distribution, which exceeds 1.95 / sqrt(draws) in one case of 1,000. None
    /// of the 10⁶ is so short that it would be cut off.
    #[test]
    fn slots_are_apart_as_is_said() {
        const DRAWS: u64 = 1_000_000;
        let shape = Some(Shape::Normal(Duration::from_micros(100)));
        let [shortest, longest] = [Duration::from_millis(1); 2];
        let slots = Slots { shortest, longest, shape, frames_max: Some(1), bytes_max: None };
        let mut slots = SlotModel::new(&slots, "test/slot");
        let mut last = 0;
        let waits = (0..DRAWS).map(|ordinal| {
            let waits = slots.draw(5, ordinal);
            let at = slots.pass(0, 100, waits);
            at - std::mem::replace(&mut last, at)
        });
        let mut waits: Vec<u64> = waits.collect();
        waits.sort_unstable();
        let normal = |ns: u64| 0.5 * libm::erfc((1e6 - ns as f64) / 1e5 / std::f64::consts::SQRT_2);
        let distance = |(rank, wait): (usize, &u64)| ((rank + 1) as f64 / DRAWS as f64 - normal(*wait)).abs();
        let farthest = waits.iter().enumerate().map(distance).fold(0.0, f64::max);
        assert!(farthest < 1.95 / (DRAWS as f64).sqrt(), "{farthest}");
    }

    /// Of full slots of one frame, the times between are even from the shortest to the longest: χ² over 50 bins, 49 degrees of
    /// freedom, 85.4 at 0.1 %.
    #[test]
    fn slots_are_evenly_apart() {
        const DRAWS: u64 = 1_000_000;
        let mut slots = model(200, 700, Some(1), None);
        let mut bins = [0.0; 50];
        let mut last = None;
        for ordinal in 0..DRAWS {
            let waits = slots.draw(7, ordinal);
            let at = slots.pass(0, 100, waits);
            if let Some(last) = last.replace(at) {
                bins[((at - last - 200_000) / 10_000).min(49) as usize] += 1.0;
            }
        }
        let expected = (DRAWS - 1) as f64 / 50.0;
        let chi2: f64 = bins.iter().map(|seen| (seen - expected) * (seen - expected) / expected).sum();
        assert!(chi2 < 85.4, "{chi2}");
    }
}
