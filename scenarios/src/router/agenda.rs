//! What is due, and when.

use std::collections::BTreeSet;

use wavetank_sim::time::Instant;

/// Times at which something is due. When the first of them is, is known without a look at the others.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    next: Option<Instant>,
    all: BTreeSet<(Instant, T)>,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { next: None, all: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> Agenda<T> {
    /// When the first is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn add(&mut self, at: Instant, what: T) {
        self.all.insert((at, what));
        self.next = self.next.min(Some(at)).or(Some(at));
    }

    pub(super) fn remove(&mut self, at: Instant, what: T) {
        self.all.remove(&(at, what));
        self.look();
    }

    /// Takes the first that is due by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Instant, T)> {
        self.next.filter(|at| *at <= now)?;
        let first = self.all.pop_first();
        self.look();
        first
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn look(&mut self) {
        self.next = self.all.first().map(|(at, _)| *at);
    }
}
