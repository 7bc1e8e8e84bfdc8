//! When each item next wants attention: a binary heap that knows where each item lies in it.
//!
//! Each item has at most one deadline, so the heap never holds more entries than there are items, and moving
//! or cancelling one costs the logarithm of their number. A deadline that moves later moves in the heap only when it
//! is looked at on the top of it: deadlines mostly move later with each packet, and so a packet touches no more than its own item.

use super::super::storage::Storage;
use crate::time::Instant;

/// Room for one deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Of this place in the heap: when it is looked at, and whose it is.
    at: Instant,
    item: u32,
    /// Of the item whose *index* is this entry's place in the array: where it lies in the heap,
    position: u32,
    /// when that is looked at,
    looked_at: Instant,
    /// and when the item is due, which is no earlier.
    due: Instant,
}

const ABSENT: u32 = u32::MAX;

impl Deadline {
    /// No deadline.
    pub(crate) const NONE: Deadline =
        Deadline { at: Instant::MAX, item: ABSENT, position: ABSENT, looked_at: Instant::MAX, due: Instant::MAX };
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

    /// When the earliest deadline is, or before.
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.entries[0].at)
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn earliest(&mut self) -> Option<Instant> {
        while self.len > 0 {
            let Deadline { at, item, .. } = self.entries[0];
            let due = self.entries[item as usize].due;
            if due == at {
                return Some(at);
            }
            // It has moved, or there is none any more.
            self.put_off(item, due);
        }
        None
    }

    #[inline(never)]
    fn put_off(&mut self, first: u32, due: Instant) {
        if due == Instant::MAX {
            return self.cancel(first);
        }
        self.entries[0].at = due;
        self.entries[first as usize].looked_at = due;
        self.sift_down(0);
    }

    /// The item's deadline.
    #[inline]
    pub(crate) fn of(&self, item: u32) -> Option<Instant> {
        let due = self.entries[item as usize].due;
        (due != Instant::MAX).then_some(due)
    }

    /// Takes out an item whose deadline has come.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        if self.earliest()? > now {
            return None;
        }
        let item = self.entries[0].item;
        self.cancel(item);
        Some(item)
    }

    /// Forgets `item`'s deadline, which is mostly set anew at once.
    #[inline]
    pub(crate) fn renew(&mut self, item: u32) {
        self.entries[item as usize].due = Instant::MAX;
    }

    /// Sets `item`'s deadline, unless it has an earlier one already.
    #[inline]
    pub(crate) fn no_later_than(&mut self, item: u32, at: Instant) {
        let entry = &mut self.entries[item as usize];
        entry.due = entry.due.min(at);
        if at >= entry.looked_at {
            return;
        }
        entry.looked_at = at;
        let position = match entry.position {
            ABSENT => {
                let end = self.len;
                self.len += 1;
                end
            }
            position => position,
        };
        self.place(position, at, item);
        self.sift_up(position);
    }

    /// Forgets `item`'s deadline.
    pub(crate) fn cancel(&mut self, item: u32) {
        let entry = &mut self.entries[item as usize];
        let position = core::mem::replace(&mut entry.position, ABSENT);
        (entry.looked_at, entry.due) = (Instant::MAX, Instant::MAX);
        if position == ABSENT {
            return;
        }
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
