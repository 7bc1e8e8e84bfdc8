//! What must hold in some run, and has held in none.

use wavetank_sim::check::{Verdict, VerdictReport};

use super::Outcome;

/// Expectations that no run has met so far. Those that need to hold `sometimes` are met by the first run in which they do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untested {
    runs: u64,
    unmet: Vec<usize>,
}

impl Untested {
    /// A run has come to this. One of which nothing is known tells nothing.
    pub fn take(&mut self, outcome: &Outcome) {
        if !outcome.fingerprint.is_empty() {
            self.keep(&outcome.unseen);
        }
    }

    /// A run's expectations have come to this.
    pub fn see(&mut self, reports: &[VerdictReport]) {
        self.keep(&unseen(reports).collect::<Vec<_>>());
    }

    fn keep(&mut self, unseen: &[usize]) {
        match self.runs {
            0 => self.unmet = unseen.to_vec(),
            _ => self.unmet.retain(|index| unseen.contains(index)),
        }
        self.runs += 1;
    }

    /// The places of those that no run has met.
    #[must_use]
    pub fn unmet(&self) -> &[usize] {
        &self.unmet
    }
}

pub(super) fn unseen(reports: &[VerdictReport]) -> impl Iterator<Item = usize> {
    let unseen = reports.iter().enumerate().filter(|(_, report)| report.verdict == Verdict::Unseen);
    unseen.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::{Failure, FailureKind};

    #[test]
    fn one_run_is_enough_and_a_lost_one_tells_nothing() {
        let outcome = |unseen: &[usize]| Outcome {
            seed: 0,
            fingerprint: "ab".into(),
            events: 1,
            virtual_ns: 1,
            failure: None,
            unseen: unseen.to_vec(),
        };
        let mut untested = Untested::default();
        untested.take(&Outcome::lost(0, Failure::new(FailureKind::Abort, "gone", None, "gone")));
        untested.take(&outcome(&[1, 4, 7]));
        untested.take(&Outcome::lost(0, Failure::new(FailureKind::Abort, "gone", None, "gone")));
        assert_eq!(untested.unmet(), [1, 4, 7]);
        untested.take(&outcome(&[2, 4, 7]));
        untested.take(&outcome(&[1, 2, 4]));
        assert_eq!(untested.unmet(), [4]);
    }
}
