//! Deadlines that are looked at one after the other.

use super::super::storage::Storage;
use crate::time::Instant;

/// Room for one deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// No deadline: as [`Instant::MAX`] is, which never comes.
    pub(crate) const NONE: Deadline = Deadline(Instant::MAX);
}

/// The deadlines of the items of one table.
pub(crate) struct Deadlines<'r>(Storage<'r, Deadline>);

impl<'r> Deadlines<'r> {
    /// No deadlines, for as many items as `entries` has room.
    pub(crate) fn new(entries: Storage<'r, Deadline>) -> Self {
        Self(entries)
    }

    /// There is room for the items already.
    #[cfg(not(feature = "alloc"))]
    #[expect(clippy::unused_self, reason = "where there is a heap, it grows")]
    pub(crate) fn reserve(&mut self, _items: usize) {}

    /// The earliest deadline.
    #[inline(never)]
    pub(crate) fn next(&self) -> Option<Instant> {
        let first = self.0.iter().map(|deadline| deadline.0).min()?;
        (first != Instant::MAX).then_some(first)
    }

    /// The earliest deadline, again.
    pub(crate) fn earliest(&mut self) -> Option<Instant> {
        self.next()
    }

    /// The item's deadline.
    pub(crate) fn of(&self, item: u32) -> Option<Instant> {
        let Deadline(at) = self.0[item as usize];
        (at != Instant::MAX).then_some(at)
    }

    /// Takes out an item whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let first = self.next().filter(|first| *first <= now)?;
        let item = self.0.iter().position(|deadline| deadline.0 == first)? as u32;
        self.cancel(item);
        Some(item)
    }

    /// Forgets `item`'s deadline, which is mostly set anew at once.
    pub(crate) fn renew(&mut self, item: u32) {
        self.cancel(item);
    }

    /// Sets `item`'s deadline, unless it has an earlier one already.
    pub(crate) fn no_later_than(&mut self, item: u32, at: Instant) {
        let deadline = &mut self.0[item as usize];
        deadline.0 = deadline.0.min(at);
    }

    /// Forgets `item`'s deadline.
    pub(crate) fn cancel(&mut self, item: u32) {
        self.0[item as usize] = Deadline::NONE;
    }
}
