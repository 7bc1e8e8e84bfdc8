//! How much of the time a station may be on the air.

use std::collections::VecDeque;

use crate::time::{Duration, nanos};

/// A limit on how long a station is on the air, such as 1 % of each hour (ETSI EN 300 220-2, table B.1, band M).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DutyCycle {
    /// The share of the time, in parts in 10⁹.
    pub share_ppb: u32,
    /// Of any span of time that is so long.
    pub window: Duration,
}

impl DutyCycle {
    /// How long a station may be on the air in any window.
    #[must_use]
    pub fn budget(&self) -> Duration {
        let ns = u128::from(nanos(self.window)) * u128::from(self.share_ppb) / 1_000_000_000;
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// When a station has been on the air, as far back as it counts.
#[derive(Default)]
pub(super) struct Airtime {
    /// When each transmission ended, and how long it was.
    log: VecDeque<(u64, u64)>,
    spent_ns: u64,
}

impl Airtime {
    /// When a transmission of `airtime_ns` may begin, now at the earliest.
    pub(super) fn allows_at(&mut self, limit: &DutyCycle, now: u64, airtime_ns: u64) -> u64 {
        let (window, budget) = (nanos(limit.window), nanos(limit.budget()));
        self.forget(window, now);
        let (mut spent, mut at) = (self.spent_ns, now);
        for &(end, airtime) in &self.log {
            if spent.saturating_add(airtime_ns) <= budget {
                break;
            }
            (spent, at) = (spent - airtime, end.saturating_add(window));
        }
        at
    }

    /// A transmission of `airtime_ns` begins now.
    pub(super) fn spend(&mut self, limit: &DutyCycle, now: u64, airtime_ns: u64) {
        // Who only acknowledges asks for nothing, and is on the air all the same.
        self.forget(nanos(limit.window), now);
        self.log.push_back((now.saturating_add(airtime_ns), airtime_ns));
        self.spent_ns += airtime_ns;
    }

    /// Drops what is a window old.
    fn forget(&mut self, window: u64, now: u64) {
        while let Some(&(end, airtime)) = self.log.front()
            && end.saturating_add(window) <= now
        {
            self.log.pop_front();
            self.spent_ns -= airtime;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_never_over_its_budget() {
        let limit = DutyCycle { share_ppb: 10_000_000, window: Duration::from_secs(100) };
        assert_eq!(limit.budget(), Duration::from_secs(1));
        let (mut airtime, mut now, mut ends) = (Airtime::default(), 0, Vec::new());
        let frame = 300_000_000;
        for _ in 0..50 {
            now = airtime.allows_at(&limit, now, frame);
            airtime.spend(&limit, now, frame);
            now += frame;
            ends.push(now);
        }
        for (at, end) in ends.iter().enumerate() {
            let within = ends[..=at].iter().filter(|other| **other + 100_000_000_000 > *end).count() as u64;
            assert!(within * frame <= 1_000_000_000, "{within} frames in a window");
        }
        // Three frames fit each window: the next three wait until the first three are a window old.
        assert_eq!(&ends[..3], [300_000_000, 600_000_000, 900_000_000]);
        assert_eq!(ends[3], 300_000_000 + 100_000_000_000 + frame);
    }

    #[test]
    fn who_only_acknowledges_remembers_a_window() {
        let limit = DutyCycle { share_ppb: 10_000_000, window: Duration::from_secs(100) };
        let mut airtime = Airtime::default();
        (0..1_000).for_each(|second| airtime.spend(&limit, second * 1_000_000_000, 1_000_000));
        assert_eq!((airtime.log.len(), airtime.spent_ns), (101, 101_000_000));
    }
}
