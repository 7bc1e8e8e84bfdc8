//! The table of connections: free slots, flows, deadlines, and the list of those that want egress.

use smoltcp::{iface::SocketSet, socket::tcp::State};

use super::connection::{Connection, Flow, Role};
#[cfg(feature = "alloc")]
use crate::config::FetchLines;
use crate::{
    stats::Stats,
    table::{Deadlines, Index, List, Storage},
    tcp::Options,
    time::Instant,
};

pub(crate) struct Connections<'r> {
    pub(crate) slots: Storage<'r, Connection<'r>>,
    index: Index,
    deadlines: Deadlines<'r>,
    dirty: List,
    free: List,
    seed: u64,
}

impl<'r> Connections<'r> {
    pub(crate) fn new(
        mut slots: Storage<'r, Connection<'r>>,
        index: Index,
        deadlines: Deadlines<'r>,
        seed: u64,
    ) -> Self {
        let mut free = List::EMPTY;
        for slot in 0..slots.len() {
            free.push_back(&mut slots, |slot| &mut slot.queue, slot as u32);
        }
        Self { slots, index, deadlines, dirty: List::EMPTY, free, seed }
    }

    #[inline]
    pub(crate) fn find(&self, flow: &Flow) -> Option<u32> {
        self.index.find(&self.slots, || flow.hash(self.seed), |slot| slot.indexed && slot.flow == *flow)
    }

    /// Has fetched where a flow is looked for, by a hash which it tells.
    #[cfg(feature = "alloc")]
    pub(crate) fn fetch_place(&self, flow: &Flow, fetch: FetchLines) -> u64 {
        let hash = flow.hash(self.seed);
        if let Some(place) = self.index.place(hash) {
            fetch(place, 1);
        }
        hash
    }

    /// The slot of a flow of that hash, which is most likely the one that is meant: it is not looked into.
    #[cfg(feature = "alloc")]
    pub(crate) fn likely(&self, hash: u64) -> Option<u32> {
        self.index.likely(hash)
    }

    /// Has a slot fetched, and when it is due.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn fetch_slot(&self, at: u32, fetch: FetchLines) {
        if let (Some(slot), Some(due)) = (self.slots.get(at as usize), self.deadlines.place_of(at)) {
            slot.fetch_slot(fetch);
            fetch(core::ptr::from_ref(due).cast(), size_of_val(due));
        }
    }

    /// Has segments of `flow` go to the slot.
    pub(crate) fn index(&mut self, at: u32, flow: Flow) {
        let slot = &mut self.slots[at as usize];
        slot.flow = flow;
        slot.indexed = true;
        let seed = self.seed;
        self.index.insert(&self.slots, at, |slot| slot.flow.hash(seed));
    }

    /// Lets segments of the slot's flow go by.
    pub(crate) fn unindex(&mut self, at: u32) {
        if self.slots[at as usize].indexed {
            let seed = self.seed;
            self.index.remove(&self.slots, at, |slot| slot.flow.hash(seed));
            self.slots[at as usize].indexed = false;
        }
    }

    /// A slot ready for a new connection; one that only waits out its TIME-WAIT if there is no other.
    pub(crate) fn claim(&mut self, options: &Options, stats: &mut Stats) -> Option<u32> {
        let at = self
            .free
            .pop_front(&mut self.slots, |slot| &mut slot.queue)
            .or_else(|| self.slots.grow(vacant))
            .or_else(|| self.reclaim(stats))?;
        self.deadlines.reserve(self.slots.len());
        self.slots[at as usize].prepare(options);
        Some(at)
    }

    fn reclaim(&mut self, stats: &mut Stats) -> Option<u32> {
        self.make_way(stats).then(|| self.free.pop_front(&mut self.slots, |slot| &mut slot.queue))?
    }

    /// Frees the slot of the connection that has waited out its TIME-WAIT for longest, if there is one.
    pub(super) fn make_way(&mut self, stats: &mut Stats) -> bool {
        let spent = |slot: &Connection<'_>| slot.role == Role::Orphan && slot.socket().state() == State::TimeWait;
        let candidates = self.slots.iter().enumerate().filter(|(_, slot)| spent(slot));
        let Some((at, _)) = candidates.min_by_key(|(_, slot)| slot.heard) else { return false };
        stats.note(|stats| &mut stats.time_wait_reclaimed);
        self.release(at as u32);
        true
    }

    /// Frees a slot, which is in no listener's and no neighbour's list, without a word to the other side.
    pub(crate) fn release(&mut self, at: u32) {
        self.unindex(at);
        self.deadlines.cancel(at);
        if self.slots[at as usize].dirty.is_linked() {
            self.dirty.remove(&mut self.slots, |slot| &mut slot.dirty, at);
        }
        // Buffers are allocated for each connection, or belong to the slot.
        let owns_buffers = !matches!(self.slots, Storage::Fixed(_));
        let slot = &mut self.slots[at as usize];
        debug_assert!(!slot.waiting.is_linked() && !slot.queue.is_linked());
        slot.wipe();
        slot.release(owns_buffers);
        self.free.push_back(&mut self.slots, |slot| &mut slot.queue, at);
    }

    /// Has the connection asked for what it has to send, in its turn.
    #[inline]
    pub(crate) fn mark(&mut self, at: u32) {
        if !self.slots[at as usize].dirty.is_linked() {
            self.dirty.push_back(&mut self.slots, |slot| &mut slot.dirty, at);
        }
    }

    /// The connection whose turn it is.
    #[inline]
    pub(crate) fn dirty(&self) -> Option<u32> {
        self.dirty.front()
    }

    /// The connection has had its turn.
    #[inline]
    pub(crate) fn clean(&mut self, at: u32) {
        self.dirty.remove(&mut self.slots, |slot| &mut slot.dirty, at);
    }

    /// Marks the connection at that time, if nothing does earlier.
    #[inline]
    pub(crate) fn mark_at(&mut self, at: u32, time: Instant) {
        self.deadlines.no_later_than(at, time);
    }

    /// Whether the connection will be marked by that time.
    #[inline]
    pub(crate) fn is_marked_by(&self, at: u32, time: Instant) -> bool {
        self.deadlines.of(at).is_some_and(|deadline| deadline <= time)
    }

    /// When the connection is to be marked is found out anew.
    #[inline]
    pub(crate) fn renew(&mut self, at: u32) {
        self.deadlines.renew(at);
    }

    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    pub(crate) fn earliest_deadline(&mut self) -> Option<Instant> {
        self.deadlines.earliest()
    }

    /// Marks those whose time has come.
    #[inline]
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(at) = self.deadlines.pop_due(now) {
            self.mark(at);
        }
    }

    /// How many slots are not free.
    pub(crate) fn in_use(&self) -> usize {
        self.slots.iter().filter(|slot| slot.role != Role::Free).count()
    }
}

fn vacant<'r>() -> Connection<'r> {
    #[cfg(feature = "alloc")]
    let set = SocketSet::new(alloc::vec::Vec::with_capacity(1));
    #[cfg(not(feature = "alloc"))]
    let set = SocketSet::new(&mut [][..]);
    Connection::new(set)
}
