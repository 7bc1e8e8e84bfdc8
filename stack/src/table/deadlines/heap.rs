//! When each item next wants attention: a binary heap that knows where each item lies in it.
//!
//! Each item has at most one deadline, so the heap never holds more entries than there are items, and moving
//! or cancelling one costs the logarithm of their number.

use super::super::storage::Storage;
use crate::time::Instant;

/// Room for one deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    item: u32,
    /// Where the item whose *index* is this entry's place in the array lies in the heap.
    position: u32,
}

const ABSENT: u32 = u32::MAX;

impl Deadline {
    /// No deadline.
    pub(crate) const NONE: Deadline = Deadline { at: Instant::MAX, item: ABSENT, position: ABSENT };
}

/// The deadlines of the items of one table. `entries[..len]` is the heap.
pub(crate) struct Deadlines<'r> {
    entries: Storage<'r, Deadline>,
    len: u32,
}

impl<'r> Deadlines<'r> {
    /// No deadlines, for as many items as `entries` has room.
    pub(crate) fn new(entries: Storage<'r, Deadline>) -> Self {
        Self { entries, len: 0 }
    }

    /// Makes room for the items below `items`.
    pub(crate) fn reserve(&mut self, items: usize) {
        while self.entries.len() < items && self.entries.grow(|| Deadline::NONE).is_some() {}
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.entries[0].at)
    }

    /// The item's deadline.
    #[inline]
    pub(crate) fn of(&self, item: u32) -> Option<Instant> {
        let position = self.entries[item as usize].position;
        (position != ABSENT).then(|| self.entries[position as usize].at)
    }

    /// Takes out an item whose deadline has come.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        if self.next()? > now {
            return None;
        }
        let item = self.entries[0].item;
        self.cancel(item);
        Some(item)
    }

    /// Sets `item`'s deadline, unless it has an earlier one already.
    ///
    /// An earlier deadline is left to come in vain rather than moved: deadlines mostly move later with each
    /// packet, and one vain wake-up per period is cheaper than that many moves.
    #[inline]
    pub(crate) fn no_later_than(&mut self, item: u32, at: Instant) {
        let position = self.entries[item as usize].position;
        if position == ABSENT {
            let end = self.len;
            self.len += 1;
            self.place(end, at, item);
            self.sift_up(end);
        } else if at < self.entries[position as usize].at {
            self.entries[position as usize].at = at;
            self.sift_up(position);
        }
    }

    /// Forgets `item`'s deadline.
    pub(crate) fn cancel(&mut self, item: u32) {
        let position = self.entries[item as usize].position;
        if position == ABSENT {
            return;
        }
        self.entries[item as usize].position = ABSENT;
        self.len -= 1;
        if position != self.len {
            let last = self.entries[self.len as usize];
            self.place(position, last.at, last.item);
            self.sift_down(position);
            self.sift_up(self.entries[last.item as usize].position);
        }
    }

    #[inline]
    fn place(&mut self, position: u32, at: Instant, item: u32) {
        let entry = &mut self.entries[position as usize];
        entry.at = at;
        entry.item = item;
        self.entries[item as usize].position = position;
    }

    fn sift_up(&mut self, mut position: u32) {
        let Deadline { at, item, .. } = self.entries[position as usize];
        while position > 0 {
            let above = (position - 1) / 2;
            let parent = self.entries[above as usize];
            if parent.at <= at {
                break;
            }
            self.place(position, parent.at, parent.item);
            position = above;
        }
        self.place(position, at, item);
    }

    fn sift_down(&mut self, mut position: u32) {
        let Deadline { at, item, .. } = self.entries[position as usize];
        loop {
            let mut below = 2 * position + 1;
            if below >= self.len {
                break;
            }
            if below + 1 < self.len && self.entries[below as usize + 1].at < self.entries[below as usize].at {
                below += 1;
            }
            let child = self.entries[below as usize];
            if child.at >= at {
                break;
            }
            self.place(position, child.at, child.item);
            position = below;
        }
        self.place(position, at, item);
    }
}
