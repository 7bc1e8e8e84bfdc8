//! When each item next wants attention: a binary heap that knows where each item lies in it.
//!
//! Each item has at most one deadline, so the heap never holds more entries than there are items, and moving
//! or cancelling one costs the logarithm of their number. A deadline that moves later moves in the heap only when it
//! is looked at on the top of it: deadlines mostly move later with each packet, and so a packet touches no more than its own item.
//! And the last one that moved earlier moves in the heap only when it is looked at, or another one does: mostly that is an
//! acknowledgement that may wait, and goes with the answer a moment later.

use super::super::storage::Storage;
use crate::time::Instant;

/// Room for one deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Of this place in the heap: when it is looked at, and whose it is.
    at: Instant,
    item: u32,
    /// Of the item whose *index* is this entry's place in the array: where it lies in the heap, and whether its deadline is
    /// [`VOID`];
    position: u32,
    /// and when it is due, or was: no earlier than it is looked at.
    due: Instant,
}

const ABSENT: u32 = u32::MAX;
/// The bit of a position that says that nothing is due, though the heap has the item.
const VOID: u32 = 1 << 31;

impl Deadline {
    /// No deadline.
    pub(crate) const NONE: Deadline = Deadline { at: Instant::MAX, item: ABSENT, position: ABSENT, due: Instant::MAX };

    /// When the item is due; [`Instant::MAX`] if it is not.
    #[inline]
    fn due(&self) -> Instant {
        if self.position & VOID == 0 { self.due } else { Instant::MAX }
    }
}

/// The deadlines of the items of one table. `entries[..len]` is the heap.
pub(crate) struct Deadlines<'r> {
    entries: Storage<'r, Deadline>,
    len: u32,
    /// The item, if any, that may be due before the heap says,
    hasty: u32,
    /// unless it is due no earlier than then.
    hasty_until: Instant,
}

impl<'r> Deadlines<'r> {
    /// No deadlines, for as many items as `entries` has room.
    pub(crate) fn new(entries: Storage<'r, Deadline>) -> Self {
        Self { entries, len: 0, hasty: ABSENT, hasty_until: Instant::MAX }
    }

    /// Makes room for the items below `items`.
    pub(crate) fn reserve(&mut self, items: usize) {
        while self.entries.len() < items && self.entries.grow(|| Deadline::NONE).is_some() {}
    }

    /// When the earliest deadline is, or before.
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        let hasty = self.entries.get(self.hasty as usize).map_or(Instant::MAX, Deadline::due);
        (self.len > 0).then(|| self.entries[0].at.min(hasty))
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn earliest(&mut self) -> Option<Instant> {
        self.advance_hasty();
        while self.len > 0 {
            let Deadline { at, item, .. } = self.entries[0];
            let due = self.entries[item as usize].due();
            if due == at {
                return Some(at);
            }
            self.put_off(item, due);
        }
        None
    }

    /// The deadline of the first has moved, or there is none any more.
    #[inline(never)]
    fn put_off(&mut self, first: u32, due: Instant) {
        if due == Instant::MAX {
            return self.cancel(first);
        }
        self.entries[0].at = due;
        self.sift_down(0);
    }

    /// What of the item's is looked at whenever its deadline moves, for having it fetched.
    #[inline]
    pub(crate) fn place_of(&self, item: u32) -> Option<&Deadline> {
        self.entries.get(item as usize)
    }

    /// The item's deadline.
    #[inline]
    pub(crate) fn of(&self, item: u32) -> Option<Instant> {
        let due = self.entries[item as usize].due();
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
        // Of one that is absent it says nothing.
        self.entries[item as usize].position |= VOID;
    }

    /// Sets `item`'s deadline, unless it has an earlier one already. [`Instant::MAX`] is none.
    #[inline]
    pub(crate) fn no_later_than(&mut self, item: u32, at: Instant) {
        if at == Instant::MAX {
            return;
        }
        let entry = &mut self.entries[item as usize];
        let position = entry.position;
        if position == ABSENT {
            entry.due = at;
            let end = self.len;
            self.len += 1;
            self.place(end, at, item);
            return self.sift_up(end);
        }
        // The heap has it for that time or an earlier one.
        let before = entry.due;
        entry.due = at.min(entry.due());
        entry.position = position & !VOID;
        let (is_hasty, is_earlier) = (self.hasty == item, at < before);
        if is_earlier && !is_hasty {
            self.advance_hasty();
            (self.hasty, self.hasty_until) = (item, before);
        } else if is_hasty && !is_earlier && self.entries[item as usize].due >= self.hasty_until {
            self.hasty = ABSENT;
        }
    }

    /// Has the heap be right of the one that may be due before it says.
    #[inline]
    fn advance_hasty(&mut self) {
        if self.hasty != ABSENT {
            self.advance(self.hasty);
            self.hasty = ABSENT;
        }
    }

    /// Moves an item that is there to where it is due, if that is earlier.
    #[inline(never)]
    fn advance(&mut self, item: u32) {
        let entry = &mut self.entries[item as usize];
        let due = entry.due();
        if due >= self.hasty_until {
            // Also of one that is not due: what it was due at is no longer before what the heap says.
            entry.due = due.min(entry.due.max(self.hasty_until));
            return;
        }
        let place = self.position(item);
        if due < self.entries[place as usize].at {
            self.entries[place as usize].at = due;
            self.sift_up(place);
        }
    }

    /// Forgets `item`'s deadline.
    pub(crate) fn cancel(&mut self, item: u32) {
        if self.hasty == item {
            self.hasty = ABSENT;
        }
        let entry = &mut self.entries[item as usize];
        let position = core::mem::replace(&mut entry.position, ABSENT);
        entry.due = Instant::MAX;
        if position == ABSENT {
            return;
        }
        let position = position & !VOID;
        self.len -= 1;
        if position != self.len {
            let last = self.entries[self.len as usize];
            self.place(position, last.at, last.item);
            self.sift_down(position);
            self.sift_up(self.position(last.item));
        }
    }

    /// Where an item that is there lies.
    #[inline]
    fn position(&self, item: u32) -> u32 {
        self.entries[item as usize].position & !VOID
    }

    /// Has the heap have `item` for that time there; whether it is void does not change.
    #[inline]
    fn place(&mut self, position: u32, at: Instant, item: u32) {
        let entry = &mut self.entries[position as usize];
        entry.at = at;
        entry.item = item;
        let of = &mut self.entries[item as usize];
        of.position = position | if of.position == ABSENT { 0 } else { of.position & VOID };
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
