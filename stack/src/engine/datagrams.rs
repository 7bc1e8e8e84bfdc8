//! Datagrams in the order in which they came, the bytes of each in one piece.

use core::net::Ipv4Addr;

use super::neighbours::Hint;
use crate::{
    ip::{IpAddr, SocketAddr},
    table::Storage,
};

/// What is known of a datagram beside its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram {
    pub(crate) remote: SocketAddr,
    /// Which of our addresses it came to, or is to come from.
    pub(crate) local: Option<IpAddr>,
    /// The neighbour that it is to be sent to, if that was known when it was written.
    pub(crate) hint: Option<Hint>,
}

/// Room for what is known of one datagram in a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    about: Datagram,
    start: usize,
    len: usize,
    /// The payload and what was skipped before it, to have it in one piece.
    taken: usize,
}

impl Entry {
    /// No datagram.
    pub(crate) const EMPTY: Entry = Entry {
        about: Datagram { remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), local: None, hint: None },
        start: 0,
        len: 0,
        taken: 0,
    };
}

/// A ring of as many datagrams as it has entries, and of so many bytes.
pub(crate) struct Datagrams<'r> {
    entries: Storage<'r, Entry>,
    bytes: Storage<'r, u8>,
    first: usize,
    count: usize,
    /// Where the oldest datagram begins, with what was skipped before it.
    start: usize,
    /// The bytes from there on that are taken.
    taken: usize,
}

impl<'r> Datagrams<'r> {
    pub(crate) fn new(entries: Storage<'r, Entry>, bytes: Storage<'r, u8>) -> Self {
        Self { entries, bytes, first: 0, count: 0, start: 0, taken: 0 }
    }

    /// The longest datagram that there is ever room for.
    #[inline]
    pub(crate) fn longest(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a datagram; answers whether there is room for it.
    #[inline]
    pub(crate) fn push(&mut self, payload: &[u8], about: Datagram) -> bool {
        let (entries, bytes) = (&mut *self.entries, &mut *self.bytes);
        // What is empty begins anew, where memory is still warm.
        if self.count == 0 {
            (self.first, self.start) = (0, 0);
        }
        let end = around(self.start + self.taken, bytes.len());
        let free = bytes.len() - self.taken;
        let room = free.min(bytes.len() - end);
        let (start, skipped) = if payload.len() <= room { (end, 0) } else { (0, bytes.len() - end) };
        let taken = skipped + payload.len();
        if taken > free || self.count == entries.len() {
            return false;
        }
        let Some(entry) = entries.get_mut(around(self.first + self.count, entries.len())) else {
            return false;
        };
        *entry = Entry { about, start, len: payload.len(), taken };
        bytes[start..start + payload.len()].copy_from_slice(payload);
        self.count += 1;
        self.taken += taken;
        true
    }

    /// The oldest datagram.
    #[inline]
    pub(crate) fn front(&self) -> Option<(&Datagram, &[u8])> {
        if self.count == 0 {
            return None;
        }
        let entry = &self.entries[self.first];
        Some((&entry.about, &self.bytes[entry.start..entry.start + entry.len]))
    }

    /// Drops the oldest datagram, if there is one.
    #[inline]
    pub(crate) fn pop(&mut self) {
        if self.count == 0 {
            return;
        }
        let taken = self.entries[self.first].taken;
        self.first = around(self.first + 1, self.entries.len());
        self.count -= 1;
        self.start = around(self.start + taken, self.bytes.len());
        self.taken -= taken;
    }

    pub(crate) fn clear(&mut self) {
        (self.first, self.count, self.start, self.taken) = (0, 0, 0, 0);
    }
}

/// A position that is at most once around the ring too far.
#[inline]
fn around(position: usize, len: usize) -> usize {
    if position >= len { position - len } else { position }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::VecDeque, vec::Vec};

    proptest! {
        #[test]
        fn datagrams_leave_as_they_came(steps in proptest::collection::vec(proptest::option::of(0_usize..40), 0..200)) {
            let (mut entries, mut bytes) = ([Entry::EMPTY; 4], [0; 64]);
            let mut ring = Datagrams::new(Storage::Fixed(&mut entries), Storage::Fixed(&mut bytes));
            let mut model: VecDeque<Vec<u8>> = VecDeque::new();
            for (step, len) in steps.into_iter().enumerate() {
                if let Some(len) = len {
                    let payload: Vec<u8> = (0..len).map(|i| (step + i) as u8).collect();
                    let pushed = ring.push(&payload, Entry::EMPTY.about);
                    // What is skipped to keep a datagram in one piece is less than the datagram, and only
                    // one of those in the ring can have gone around its end.
                    let held: usize = model.iter().map(Vec::len).sum();
                    prop_assert!(pushed || model.len() == 4 || held + len + len.max(40) > 64);
                    prop_assert!(!pushed || (model.len() < 4 && held + len <= 64));
                    if pushed {
                        model.push_back(payload);
                    }
                } else {
                    ring.pop();
                    model.pop_front();
                }
                prop_assert_eq!(ring.front().map(|(_, payload)| payload), model.front().map(Vec::as_slice));
                prop_assert_eq!(ring.is_empty(), model.is_empty());
            }
        }
    }
}
