//! The event queue: a monotone timing wheel.
//!
//! Eleven levels of 64 slots cover all 64 bits of time, six bits a level. An entry lies at the level of the highest
//! six-bit digit in which its time differs from the last popped time, in the slot of that digit. All entries of one
//! instant are therefore always in one slot, and since slots are first in, first out, they leave in the order in which
//! they were pushed, without a stored sequence number. Pushing and cancelling are O(1); popping moves an entry down at
//! most once a level.

const NIL: u32 = u32::MAX;
const LEVELS: usize = 11;
const SLOTS: usize = 64;

/// Names a pending entry, to cancel it. Valid until the entry is popped or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryId(u32);

#[derive(Clone, Copy)]
struct Entry {
    at: u64,
    payload: u64,
    next: u32,
    /// Of a slot's head: `NIL`.
    prev: u32,
}

/// A queue of 64-bit payloads in the exact order of (time, push).
pub(crate) struct Queue {
    last: u64,
    entries: Vec<Entry>,
    free: u32,
    heads: [[u32; SLOTS]; LEVELS],
    tails: [[u32; SLOTS]; LEVELS],
    /// Per level, a bit for each slot that holds something.
    occupied: [u64; LEVELS],
    /// A bit for each level that holds something.
    levels: u32,
    len: usize,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            last: 0,
            entries: Vec::new(),
            free: NIL,
            heads: [[NIL; SLOTS]; LEVELS],
            tails: [[NIL; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            levels: 0,
            len: 0,
        }
    }

    /// How many entries are pending.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry. `at` must not be before the last popped time.
    #[inline]
    pub(crate) fn push(&mut self, at: u64, payload: u64) -> EntryId {
        debug_assert!(at >= self.last, "an event may not be scheduled in the past");
        let entry = Entry { at, payload, next: NIL, prev: NIL };
        let index = if self.free == NIL {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 pending events")
        } else {
            let index = self.free;
            self.free = self.entries[index as usize].next;
            self.entries[index as usize] = entry;
            index
        };
        self.len += 1;
        self.link(index, at);
        EntryId(index)
    }

    /// Takes out an entry that is still pending.
    #[inline]
    pub(crate) fn cancel(&mut self, EntryId(index): EntryId) {
        let Entry { at, next, prev, .. } = self.entries[index as usize];
        let (level, slot) = self.place(at);
        match (prev, next) {
            (NIL, NIL) => self.vacate(level, slot),
            (NIL, _) => self.heads[level][slot] = next,
            _ => self.entries[prev as usize].next = next,
        }
        if next != NIL {
            self.entries[next as usize].prev = prev;
        } else if prev != NIL {
            self.tails[level][slot] = prev;
        }
        self.release(index);
    }

    /// The earliest entry that is not later than `limit`, as (time, payload).
    #[inline]
    pub(crate) fn pop(&mut self, limit: u64) -> Option<(u64, u64)> {
        while self.levels != 0 {
            let level = self.levels.trailing_zeros() as usize;
            let slot = self.occupied[level].trailing_zeros() as usize;
            let head = self.heads[level][slot];
            let Entry { at, payload, next, .. } = self.entries[head as usize];
            if level == 0 || next == NIL {
                if at > limit {
                    return None;
                }
                self.last = at;
                if next == NIL {
                    self.vacate(level, slot);
                } else {
                    self.heads[level][slot] = next;
                    self.entries[next as usize].prev = NIL;
                }
                self.release(head);
                return Some((at, payload));
            }
            let earliest = self.earliest_of(head);
            if earliest > limit {
                return None;
            }
            self.vacate(level, slot);
            self.last = earliest;
            let mut index = head;
            while index != NIL {
                let Entry { at, next, .. } = self.entries[index as usize];
                self.link(index, at);
                index = next;
            }
        }
        None
    }

    fn earliest_of(&self, mut index: u32) -> u64 {
        let mut earliest = u64::MAX;
        while index != NIL {
            let entry = &self.entries[index as usize];
            earliest = earliest.min(entry.at);
            index = entry.next;
        }
        earliest
    }

    #[inline]
    fn place(&self, at: u64) -> (usize, usize) {
        let level = (63 - ((at ^ self.last) | 1).leading_zeros() as usize) / 6;
        (level, (at >> (6 * level)) as usize & (SLOTS - 1))
    }

    #[inline]
    fn link(&mut self, index: u32, at: u64) {
        let (level, slot) = self.place(at);
        let tail = self.tails[level][slot];
        let entry = &mut self.entries[index as usize];
        entry.next = NIL;
        entry.prev = tail;
        if tail == NIL {
            self.heads[level][slot] = index;
            self.occupied[level] |= 1 << slot;
            self.levels |= 1 << level;
        } else {
            self.entries[tail as usize].next = index;
        }
        self.tails[level][slot] = index;
    }

    #[inline]
    fn vacate(&mut self, level: usize, slot: usize) {
        self.heads[level][slot] = NIL;
        self.tails[level][slot] = NIL;
        self.occupied[level] &= !(1 << slot);
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    #[inline]
    fn release(&mut self, index: u32) {
        self.entries[index as usize].next = self.free;
        self.free = index;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Pop(u64),
        Cancel(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delay = prop_oneof![0..3_u64, 0..100_u64, 0..1_000_000_000_u64, Just(u64::MAX / 2)];
        let step = prop_oneof![
            3 => delay.clone().prop_map(Step::Push),
            2 => delay.prop_map(Step::Pop),
            1 => any::<usize>().prop_map(Step::Cancel),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        /// The queue agrees with a map ordered by (time, sequence) whatever is pushed, popped and cancelled.
        #[test]
        fn agrees_with_an_ordered_map(steps in steps()) {
            let (mut queue, mut model, mut sequence, mut now) = (Queue::new(), BTreeMap::new(), 0_u64, 0_u64);
            for step in steps {
                match step {
                    Step::Push(delay) => {
                        let at = now.saturating_add(delay);
                        model.insert((at, sequence), queue.push(at, sequence));
                        sequence += 1;
                    }
                    Step::Pop(ahead) => {
                        let limit = now.saturating_add(ahead);
                        let expected = model.first_key_value().map(|(key, _)| *key).filter(|key| key.0 <= limit);
                        prop_assert_eq!(queue.pop(limit), expected);
                        if let Some(key) = expected {
                            model.remove(&key);
                            now = key.0;
                        }
                    }
                    Step::Cancel(which) if !model.is_empty() => {
                        let key = *model.keys().nth(which % model.len()).expect("not empty");
                        queue.cancel(model.remove(&key).expect("in the model"));
                    }
                    Step::Cancel(_) => {}
                }
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }
}
