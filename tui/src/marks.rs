//! What stands out in a run's history, for the line of time. It is kept when the person goes back: it will come again.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use wavetank_sim::check::Verdict;
use wavetank_sim::time::Instant;
use wavetank_sim::trace::Event;
use wavetank_sim::world::Snapshot;

/// Why a time stands out; what matters most comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// A fault began.
    Fault,
    /// A node's code failed.
    Failed,
    /// An expectation broke.
    Broken,
}

/// More than a line of time has room for.
const MARKS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Marks {
    at: BTreeMap<Instant, Mark>,
    /// How many events of the trace were looked at.
    seen: u64,
}

impl Marks {
    /// Takes in what a look at the world shows.
    pub(crate) fn add(&mut self, snapshot: &Snapshot) {
        let fresh = snapshot.recent.partition_point(|record| record.index < self.seen);
        for record in &snapshot.recent[fresh..] {
            match record.event {
                Event::FaultBegan { .. } | Event::Input { .. } => self.mark(record.at, Mark::Fault),
                Event::Panic { .. } | Event::Refusal { .. } => self.mark(record.at, Mark::Failed),
                Event::Verdict { verdict: Verdict::Broken, .. } => self.mark(record.at, Mark::Broken),
                _ => {}
            }
        }
        self.seen = snapshot.recent.last().map_or(self.seen, |record| self.seen.max(record.index + 1));
        for report in snapshot.expectations.iter().filter(|report| report.verdict == Verdict::Broken) {
            self.mark(report.at, Mark::Broken);
        }
    }

    /// What comes after `now` is no longer known: something was done to the run that was not done before.
    pub(crate) fn forget_after(&mut self, snapshot: &Snapshot) {
        self.at.split_off(&snapshot.now);
        self.seen = snapshot.recent.last().map_or(0, |record| record.index + 1);
    }

    fn mark(&mut self, at: Instant, mark: Mark) {
        if self.at.len() < MARKS_MAX || self.at.contains_key(&at) {
            let known = self.at.entry(at).or_insert(mark);
            *known = mark.max(*known);
        }
    }

    /// The time next to `now`, after it or before, at which something stands out.
    pub(crate) fn beside(&self, now: Instant, is_after: bool) -> Option<Instant> {
        let known =
            if is_after { self.at.range((Excluded(now), Unbounded)).next() } else { self.at.range(..now).next_back() };
        known.map(|(at, _)| *at)
    }

    /// What matters most in a stretch of time, without its end.
    pub(crate) fn within(&self, from: Instant, to: Instant) -> Option<Mark> {
        self.at.range(from..to).map(|(_, mark)| *mark).max()
    }
}
