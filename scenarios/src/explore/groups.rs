//! Failures of one signature, counted.

use serde::Serialize;

use super::{FailureKind, Outcome, Signature};

/// All failures of one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What broke and where.
    pub signature: Signature,
    /// What kind of thing.
    pub kind: FailureKind,
    /// With how many seeds.
    pub count: u64,
    /// The one that was found first.
    pub first_seed: u64,
    /// The smallest of them.
    pub smallest_seed: u64,
    /// When it broke with the first seed, in nanoseconds of virtual time.
    pub at_ns: Option<u64>,
    /// What was said with the first seed.
    pub message: String,
    /// The first seed's fingerprint; empty if nobody lived to tell.
    pub fingerprint: String,
}

/// Failures as they come, by their signatures, in the order in which each was first seen.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    groups: Vec<Group>,
    failures: u64,
}

impl Groups {
    /// Counts what a seed came to. Returns the group, if it is the first of a new one.
    pub fn add(&mut self, outcome: &Outcome) -> Option<&Group> {
        let (seed, failure) = (outcome.seed, outcome.failure.as_ref()?);
        self.failures += 1;
        match self.groups.iter_mut().find(|group| group.signature == failure.signature) {
            Some(group) => {
                group.count += 1;
                group.smallest_seed = group.smallest_seed.min(seed);
                None
            }
            None => {
                self.groups.push(Group {
                    signature: failure.signature.clone(),
                    kind: failure.kind,
                    count: 1,
                    first_seed: seed,
                    smallest_seed: seed,
                    at_ns: failure.at_ns,
                    message: failure.message.clone(),
                    fingerprint: outcome.fingerprint.clone(),
                });
                self.groups.last()
            }
        }
    }

    /// How many there were.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The groups, in the order in which each was first seen.
    #[must_use]
    pub fn all(&self) -> &[Group] {
        &self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::Failure;

    #[test]
    fn the_same_place_is_one_group() {
        let mut groups = Groups::default();
        let at = |seed, place, at_ns| {
            Outcome::lost(seed, Failure::new(FailureKind::Panic, place, Some(at_ns), format!("at {at_ns}")))
        };
        assert!(groups.add(&at(9, "a.rs:1:1 in lamp", 5)).is_some());
        assert!(groups.add(&at(7, "b.rs:1:1 in lamp", 6)).is_some());
        assert!(groups.add(&at(3, "a.rs:1:1 in lamp", 7)).is_none());
        assert!(groups.add(&Outcome { failure: None, ..at(4, "", 0) }).is_none());
        let [a, b] = groups.all() else { panic!("{groups:?}") };
        assert_eq!((a.count, a.first_seed, a.smallest_seed, a.at_ns), (2, 9, 3, Some(5)));
        assert_eq!((b.count, b.signature.as_str()), (1, "panic: b.rs:1:1 in lamp"));
        assert_eq!(b.signature.place(), "b.rs:1:1 in lamp");
        assert_eq!(groups.failures(), 3);
    }
}
