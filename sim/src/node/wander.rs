//! How faults lead a node's wall clock astray.

/// What faults have made of a wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wander {
    step_ns: i64,
    drift_ppb: i64,
    /// When the drift last changed.
    since: u64,
    /// How many faults hold it.
    stops: u32,
    /// Where they hold it.
    stopped_ns: u64,
}

impl Wander {
    /// What the wall clock shows where it would show `true_ns`.
    #[inline]
    pub(crate) fn wall_ns(&self, now: u64, true_ns: u64) -> u64 {
        if self.stops > 0 { self.stopped_ns } else { self.running_ns(now, true_ns) }
    }

    /// What it would show if nothing held it.
    pub(crate) fn running_ns(&self, now: u64, true_ns: u64) -> u64 {
        true_ns.saturating_add_signed(self.step_ns.saturating_add(self.drifted(now)))
    }

    #[inline]
    fn drifted(&self, now: u64) -> i64 {
        if self.drift_ppb == 0 { 0 } else { self.gained(now) }
    }

    /// What the drift has made since it last changed.
    #[inline(never)]
    fn gained(&self, now: u64) -> i64 {
        let drifted = i128::from(now.saturating_sub(self.since)) * i128::from(self.drift_ppb) / 1_000_000_000;
        i64::try_from(drifted).unwrap_or(if drifted < 0 { i64::MIN } else { i64::MAX })
    }

    pub(crate) fn step(&mut self, by_ns: i64) {
        self.step_ns = self.step_ns.saturating_add(by_ns);
        self.stopped_ns = self.stopped_ns.saturating_add_signed(by_ns);
    }

    /// Drifts by so much more from `now` on; what it has gained stays.
    pub(crate) fn drift(&mut self, now: u64, ppb: i64) {
        self.step_ns = self.step_ns.saturating_add(self.drifted(now));
        (self.since, self.drift_ppb) = (now, self.drift_ppb.saturating_add(ppb));
    }

    pub(crate) fn stop(&mut self, running_ns: u64) {
        if self.stops == 0 {
            self.stopped_ns = running_ns;
        }
        self.stops += 1;
    }

    /// Goes on from where it was held, once nothing holds it.
    pub(crate) fn go(&mut self, running_ns: u64) {
        self.stops = self.stops.saturating_sub(1);
        if self.stops == 0 {
            let lost = i64::try_from(running_ns.saturating_sub(self.stopped_ns)).unwrap_or(i64::MAX);
            self.step_ns = self.step_ns.saturating_sub(lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn it_steps_drifts_and_stands_still() {
        let mut wander = Wander::default();
        let wall = |wander: &Wander, now: u64| wander.wall_ns(now, 100 * S + now) as i64 - (100 * S + now) as i64;
        wander.step(-5 * S as i64);
        assert_eq!(wall(&wander, S), -5 * S as i64);
        wander.drift(10 * S, 1_000_000);
        assert_eq!(wall(&wander, 20 * S), -5 * S as i64 + 10_000_000);
        wander.drift(20 * S, -1_000_000);
        assert_eq!(wall(&wander, 90 * S), -5 * S as i64 + 10_000_000, "what it gained stays");
        let mut wander = Wander::default();
        wander.stop(wander.running_ns(S, 101 * S));
        wander.stop(wander.running_ns(2 * S, 102 * S));
        wander.go(wander.running_ns(3 * S, 103 * S));
        assert_eq!(wander.wall_ns(4 * S, 104 * S), 101 * S);
        wander.go(wander.running_ns(5 * S, 105 * S));
        assert_eq!(wander.wall_ns(6 * S, 106 * S), 102 * S, "it goes on from where it stood");
    }
}
