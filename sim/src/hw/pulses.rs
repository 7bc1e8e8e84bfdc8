//! Pulses of a meter's dial: one for each unit that was used, at intervals that chance decides.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rand_core::Rng;

use crate::random::Stream;

/// A train of pulses; a cheap handle. They come whether anybody counts them or not.
#[derive(Clone, Debug)]
pub struct Pulses {
    train: Rc<RefCell<Train>>,
}

#[derive(Debug)]
struct Train {
    stream: Stream,
    /// Half the mean interval, and so the shortest.
    least_ns: u64,
    next_ns: u64,
    end_ns: u64,
    past: u64,
}

impl Pulses {
    /// Pulses with intervals between half the mean and one and a half of it. The first comes after one interval.
    pub fn new(mean: Duration, stream: Stream) -> Self {
        let least_ns = u64::try_from(mean.as_nanos() / 2).unwrap_or(u64::MAX / 4).max(1);
        let mut train = Train { stream, least_ns, next_ns: 0, end_ns: u64::MAX, past: 0 };
        train.advance();
        Pulses { train: Rc::new(RefCell::new(train)) }
    }

    /// The same pulses, as long as they come before `end_ns`, the world's time.
    #[must_use]
    pub fn until(self, end_ns: u64) -> Self {
        self.train.borrow_mut().end_ns = end_ns;
        self
    }

    /// How many have come by `now_ns`, the world's time. Never asked of the past.
    pub fn past(&self, now_ns: u64) -> u64 {
        let train = &mut *self.train.borrow_mut();
        while train.next_ns <= now_ns && train.next_ns < train.end_ns {
            train.past += 1;
            train.advance();
        }
        train.past
    }

    /// When the next one comes, in the world's nanoseconds; `u64::MAX` if none does.
    pub fn next_ns(&self) -> u64 {
        let train = self.train.borrow();
        if train.next_ns < train.end_ns { train.next_ns } else { u64::MAX }
    }
}

impl Train {
    fn advance(&mut self) {
        let spread = u128::from(self.least_ns) * 2 * u128::from(self.stream.next_u32());
        let more_ns = u64::try_from(spread >> 32).expect("a part of a 64-bit number");
        self.next_ns = self.next_ns.saturating_add(self.least_ns).saturating_add(more_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_keep_their_mean_and_their_bounds() {
        let pulses = Pulses::new(Duration::from_millis(100), Stream::new(1, "pulses"));
        let mut last_ns = 0;
        for past in 0..1_000 {
            let next_ns = pulses.next_ns();
            assert!((50_000_000..=150_000_000).contains(&(next_ns - last_ns)), "{last_ns} {next_ns}");
            assert_eq!((pulses.past(next_ns - 1), pulses.past(next_ns)), (past, past + 1));
            last_ns = next_ns;
        }
        assert!((95..=105).contains(&(last_ns / 1_000_000_000)), "{last_ns}");
    }
}
