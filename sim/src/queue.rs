//! The event queue: a monotone timing wheel.
//!
//! Ten levels cover all 64 bits of time, the lowest three in eight bits each and the others in six. An entry lies at the level of
//! the highest bit in which its time differs from the last popped time, in the slot of that level's bits. All entries of one instant
//! are therefore always in one slot, and since slots are first in, first out, they leave in the order in which they were pushed,
//! without a stored sequence number.
//!
//! Pushing and cancelling are O(1). Popping moves an entry down at most once a level; a slot whose entries are all of
//! one instant, as those of beats and bursts are, moves as a whole. The lowest levels are so wide that an event some hundred
//! microseconds ahead goes down once or twice (bench/README.md, "Links that lose and delay"). What is further ahead is mostly
//! timeouts, which are cancelled soon: there slots are few, so that their ends have been touched a short while ago ("A million
//! devices"). Beside a binary heap it takes half the time with a thousand entries pending and a quarter with a hundred thousand
//! (`queue-…` and `heap-…` there).

use std::collections::VecDeque;

use crate::prefetch;

const NIL: u32 = u32::MAX;
/// Below this bit a level tells eight bits of a time, from it on six.
const FAR: usize = 24;
const NEAR_BITS: usize = 8;
const FAR_BITS: usize = 6;
/// The first slot of the far levels.
const FAR_PLACES: usize = (FAR / NEAR_BITS) << NEAR_BITS;
/// Slots of all levels, rounded up to a power of two: a masked index needs no check.
const PLACES: usize = (FAR_PLACES + ((64 - FAR).div_ceil(FAR_BITS) << FAR_BITS)).next_power_of_two();
/// Which slots hold something is kept in words, those of the lowest level first.
const WORDS: usize = PLACES / 64;

/// How many bits of a time tell its place in a window that is announced: those are the slots of the last near level, 66 µs each.
const WINDOW_BITS: usize = FAR - NEAR_BITS;
const WINDOWS: usize = 1 << NEAR_BITS;
/// The first of them.
const WINDOW_PLACES: usize = FAR_PLACES - WINDOWS;
/// How many of the next entries are announced at least, where as many are in the windows that are near enough.
const AHEAD: u32 = 16;
/// How many wait to be asked for at most.
const ANNOUNCED_MAX: usize = 256;

/// Names a pending entry. The id of an entry that was popped or cancelled names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId {
    index: u32,
    generation: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    payload: u64,
    next: u32,
    /// Of a slot's head: anything.
    prev: u32,
    /// Counts what this place has held.
    generation: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    head: u32,
    tail: u32,
    /// No entry of it is earlier. If it is not mixed, none is later.
    earliest: u64,
}

/// A slot of a level, counted through all levels.
#[derive(Clone, Copy)]
struct Place(usize);

impl Place {
    /// Of that time, where `bit` is the highest in which it differs from the last popped one.
    #[inline]
    const fn new(at: u64, bit: usize) -> Self {
        if bit < FAR {
            let level = bit / NEAR_BITS;
            Self((level << NEAR_BITS) + (at >> (level * NEAR_BITS)) as usize % (1 << NEAR_BITS))
        } else {
            let level = (bit - FAR) / FAR_BITS;
            Self(FAR_PLACES + (level << FAR_BITS) + (at >> (FAR + level * FAR_BITS)) as usize % (1 << FAR_BITS))
        }
    }

    #[inline]
    const fn index(self) -> usize {
        self.0 % PLACES
    }

    #[inline]
    const fn word(self) -> usize {
        self.index() / 64
    }

    #[inline]
    const fn bit(self) -> u64 {
        1 << (self.0 % 64)
    }

    #[inline]
    const fn is_ground(self) -> bool {
        self.0 < 1 << NEAR_BITS
    }
}

/// A queue of 64-bit payloads in the exact order of (time, push).
#[derive(Debug)]
pub struct Queue {
    last: u64,
    entries: Vec<Entry>,
    free: u32,
    len: u32,
    /// A bit for each word of the next that is not zero.
    words: u32,
    /// A bit for each slot that holds something.
    occupied: [u64; WORDS],
    /// A bit for each slot that may hold more than one instant.
    mixed: [u64; WORDS],
    slots: [Slot; PLACES],
    /// What leaves before is announced, or was: 0 where nobody wants to know.
    announced_until: u64,
    /// What leaves soon, if anybody wants to know.
    soon: Option<Soon>,
}

/// What leaves soon.
#[derive(Debug, Default)]
struct Soon {
    /// The window in which the last one left.
    window: u64,
    /// The windows after it that were announced, and how many entries each had.
    told: VecDeque<(u64, u32)>,
    payloads: VecDeque<u64>,
}

impl Soon {
    fn add(&mut self, payload: u64) {
        if self.payloads.len() < ANNOUNCED_MAX {
            self.payloads.push_back(payload);
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

impl Queue {
    /// An empty queue, which begins at time 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            last: 0,
            entries: Vec::new(),
            free: NIL,
            len: 0,
            words: 0,
            occupied: [0; WORDS],
            mixed: [0; WORDS],
            slots: [Slot { head: NIL, tail: NIL, earliest: 0 }; PLACES],
            announced_until: 0,
            soon: None,
        }
    }

    /// How many entries are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry. `at` must not be before the last popped time, nor before a limit that `pop` has reached.
    // It is short, and a few call it: always.
    #[inline(always)]
    pub fn push(&mut self, at: u64, payload: u64) -> EntryId {
        debug_assert!(at >= self.last, "an event may not be scheduled in the past");
        if self.free == NIL {
            self.grow();
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        (entry.at, entry.payload) = (at, payload);
        let generation = entry.generation;
        self.len += 1;
        if at < self.announced_until {
            self.announce_late(payload);
        }
        self.link(index, at);
        EntryId { index, generation }
    }

    /// Makes room for another entry.
    #[cold]
    fn grow(&mut self) {
        let index = u32::try_from(self.entries.len()).ok().filter(|index| *index != NIL);
        self.free = index.expect("fewer than 2^32 pending events");
        self.entries.push(Entry { at: 0, payload: 0, next: NIL, prev: NIL, generation: 0 });
    }

    /// The payload of an entry, if it is still pending.
    #[inline]
    pub fn payload_mut(&mut self, id: EntryId) -> Option<&mut u64> {
        let entry = &mut self.entries[id.index as usize];
        (entry.generation == id.generation).then_some(&mut entry.payload)
    }

    /// Takes out an entry, if it is still pending, and returns its payload.
    #[inline]
    pub fn cancel(&mut self, EntryId { index, generation }: EntryId) -> Option<u64> {
        let entry = self.entries[index as usize];
        (entry.generation == generation).then(|| {
            self.unlink(index, entry);
            self.release(index);
            entry.payload
        })
    }

    /// The earliest entry that is not later than `limit`, as (time, payload).
    #[inline]
    pub fn pop(&mut self, limit: u64) -> Option<(u64, u64)> {
        while self.words != 0 {
            let word = self.words.trailing_zeros() as usize;
            let place = Place(word * 64 + self.occupied[word].trailing_zeros() as usize);
            let Slot { head, tail, earliest } = self.slots[place.index()];
            if earliest > limit {
                return None;
            }
            self.last = earliest;
            let first = if self.mixed[word] & place.bit() != 0 {
                self.vacate(place);
                match self.spread(head) {
                    NIL => continue,
                    first => first,
                }
            } else {
                let next = self.entries[head as usize].next;
                if place.is_ground() && next != NIL {
                    self.slots[place.index()].head = next;
                    // Among very many it has left the near caches since it was linked.
                    prefetch::line_now(self.entries.as_ptr().wrapping_add(next as usize).cast());
                } else {
                    self.vacate(place);
                    if next != NIL {
                        let ground = Place::new(earliest, 0);
                        self.slots[ground.index()] = Slot { head: next, tail, earliest };
                        self.occupy(ground);
                    }
                }
                head
            };
            let payload = self.entries[first as usize].payload;
            self.release(first);
            if self.soon.as_ref().is_some_and(|soon| soon.window != earliest >> WINDOW_BITS) {
                self.announce_after(earliest >> WINDOW_BITS);
            }
            return Some((earliest, payload));
        }
        None
    }

    /// The payload of an entry that is among the next to leave, if one is easily named. Where it is no work it is not the
    /// very next: that one has hardly any time left to be prepared for.
    #[inline]
    pub fn upcoming(&self) -> Option<u64> {
        let word = self.words.trailing_zeros() as usize;
        let slots = *self.occupied.get(word)?;
        let later = slots & (slots - 1);
        let slot = if later != 0 { later } else { slots }.trailing_zeros() as usize;
        Some(self.entries[self.slots[Place(word * 64 + slot).index()].head as usize].payload)
    }

    /// From now on it tells what leaves soon.
    pub(crate) fn announce(&mut self) {
        self.soon.get_or_insert_default();
    }

    /// From now on it does not.
    pub(crate) fn announce_no_more(&mut self) {
        (self.soon, self.announced_until) = (None, 0);
    }

    /// The payload of an entry that leaves soon, each told once, and those first that leave first, by and large.
    #[inline]
    pub(crate) fn announced(&mut self) -> Option<u64> {
        self.soon.as_mut()?.payloads.pop_front()
    }

    /// An entry has come that leaves among others that have been announced.
    #[cold]
    fn announce_late(&mut self, payload: u64) {
        self.soon.iter_mut().for_each(|soon| soon.add(payload));
    }

    /// A window has begun: as many of the next ones are announced as have enough entries together.
    #[cold]
    fn announce_after(&mut self, window: u64) {
        let Some(soon) = &mut self.soon else { return };
        soon.window = window;
        while soon.told.front().is_some_and(|(told, _)| *told <= window) {
            soon.told.pop_front();
        }
        let mut ahead: u32 = soon.told.iter().map(|(_, entries)| entries).sum();
        let told = soon.told.back().map_or(window, |(told, _)| *told);
        // Windows that come after those of this level are one slot of the next, and told when they come near.
        let (first, mut slot) = (window - window % WINDOWS as u64, told as usize % WINDOWS);
        let windows = &self.occupied[WINDOW_PLACES / 64..][..WINDOWS / 64];
        while ahead < AHEAD {
            let Some(later) = first_after(slot, windows) else { break };
            slot = later;
            let (mut index, mut entries) = (self.slots[WINDOW_PLACES + slot].head, 0);
            while index != NIL {
                let Entry { payload, next, .. } = self.entries[index as usize];
                soon.add(payload);
                (index, entries) = (next, entries + 1);
            }
            let told = first + slot as u64;
            soon.told.push_back((told, entries));
            ahead += entries;
            self.announced_until = (told + 1) << WINDOW_BITS;
        }
    }

    /// Links a chain of entries anew, now that the last popped time is that of the earliest. The first of those is left out and
    /// returned, so that it need not be linked to be popped; there is none if what was the earliest has been cancelled.
    fn spread(&mut self, mut index: u32) -> u32 {
        let mut first = NIL;
        while index != NIL {
            let Entry { at, next, .. } = self.entries[index as usize];
            if at == self.last && first == NIL {
                first = index;
            } else {
                self.link(index, at);
            }
            index = next;
        }
        first
    }

    #[inline]
    fn place(&self, at: u64) -> Place {
        Place::new(at, ((at ^ self.last) | 1).ilog2() as usize)
    }

    #[inline(always)]
    fn link(&mut self, index: u32, at: u64) {
        let place = self.place(at);
        let slot = &mut self.slots[place.index()];
        let tail = std::mem::replace(&mut slot.tail, index);
        let entry = &mut self.entries[index as usize];
        (entry.next, entry.prev) = (NIL, tail);
        if self.occupied[place.word()] & place.bit() == 0 {
            (slot.head, slot.earliest) = (index, at);
            self.occupy(place);
            return;
        }
        if at != slot.earliest {
            slot.earliest = slot.earliest.min(at);
            self.mixed[place.word()] |= place.bit();
        }
        self.entries[tail as usize].next = index;
    }

    #[inline(never)]
    fn unlink(&mut self, index: u32, Entry { at, next, prev, .. }: Entry) {
        let place = self.place(at);
        let slot = &mut self.slots[place.index()];
        let (first, last) = (slot.head == index, slot.tail == index);
        if first && last {
            return self.vacate(place);
        }
        if first {
            slot.head = next;
        } else {
            self.entries[prev as usize].next = next;
        }
        if last {
            slot.tail = prev;
        } else {
            self.entries[next as usize].prev = prev;
        }
    }

    #[inline]
    fn occupy(&mut self, place: Place) {
        self.occupied[place.word()] |= place.bit();
        self.words |= 1 << place.word();
    }

    #[inline]
    fn vacate(&mut self, place: Place) {
        let word = place.word();
        self.mixed[word] &= !place.bit();
        self.occupied[word] &= !place.bit();
        if self.occupied[word] == 0 {
            self.words &= !(1 << word);
        }
    }

    #[inline]
    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        self.len -= 1;
    }
}

/// The first of a level's slots after that one that holds something.
fn first_after(slot: usize, occupied: &[u64]) -> Option<usize> {
    let first = slot + 1;
    (first / 64..occupied.len()).find_map(|word| {
        let here = if word == first / 64 { occupied[word] >> (first % 64) << (first % 64) } else { occupied[word] };
        (here != 0).then(|| word * 64 + here.trailing_zeros() as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Pop(u64),
        Cancel(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let of_any_level = (0..63_u32).prop_map(|bit| 1 << bit);
        let delay = prop_oneof![0..3_u64, 0..100_u64, 0..1_000_000_000_u64, of_any_level, Just(u64::MAX / 2)];
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
                    // What is not found before the limit will not come before it: time goes on to there.
                    Step::Pop(ahead) => {
                        let limit = now.saturating_add(ahead);
                        let expected = model.first_key_value().map(|(key, _)| *key).filter(|key| key.0 <= limit);
                        prop_assert_eq!(queue.pop(limit), expected);
                        if let Some(key) = expected {
                            model.remove(&key);
                        }
                        now = expected.map_or(limit, |key| key.0);
                    }
                    Step::Cancel(which) if !model.is_empty() => {
                        let key = *model.keys().nth(which % model.len()).expect("not empty");
                        let id = model.remove(&key).expect("in the model");
                        prop_assert_eq!(queue.payload_mut(id).copied(), Some(key.1));
                        prop_assert_eq!(queue.cancel(id), Some(key.1));
                        prop_assert_eq!(queue.cancel(id), None);
                    }
                    Step::Cancel(_) => {}
                }
                prop_assert_eq!(queue.len(), model.len());
                let upcoming = queue.upcoming();
                prop_assert_eq!(upcoming.is_some(), !queue.is_empty());
                prop_assert!(upcoming.is_none_or(|payload| model.keys().any(|key| key.1 == payload)));
            }
        }
    }

    /// What is announced is pending, leaves after the window that has begun, is announced once, and a good while ahead: also
    /// what comes when its window has been announced already.
    #[test]
    fn what_leaves_soon_is_announced_once() {
        let (mut queue, window) = (Queue::new(), 1_u64 << WINDOW_BITS);
        queue.announce();
        let times: Vec<u64> = (0..5_000).map(|index| index * 77_777).collect();
        let late: Vec<u64> = times.iter().map(|at| at + window).collect();
        for &at in &times {
            queue.push(at, at);
        }
        let (mut announced, mut ahead, mut left) = (BTreeSet::new(), 0, 0);
        while let Some((at, _)) = queue.pop(u64::MAX) {
            left += 1;
            if times.binary_search(&at).is_ok() {
                queue.push(at + window, at + window);
            }
            while let Some(soon) = queue.announced() {
                assert!(soon > at && (times.binary_search(&soon).is_ok() || late.binary_search(&soon).is_ok()));
                assert!(announced.insert(soon), "{soon} at {at}, once more");
            }
            ahead += announced.range(at + 1..).count();
        }
        // Not those of the first window, nor of the first after each time that a higher level was spread.
        assert_eq!(left, 10_000);
        assert!((9_400..10_000).contains(&announced.len()), "{}", announced.len());
        assert!(ahead / left > AHEAD as usize / 2, "{}", ahead / left);
    }
}
