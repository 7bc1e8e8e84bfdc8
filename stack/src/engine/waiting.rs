//! Packets that wait until it is known where their next hop is.

use super::neighbours::Neighbour;
use crate::{
    stats::{Reason, Stats},
    table::{Link, List, Storage},
};

/// How many packets wait for one neighbour; a newer one pushes the oldest out (RFC 4861, section 7.2.2).
const PER_NEIGHBOUR: u8 = 4;

/// Room for one packet.
pub(crate) struct Room<'r> {
    link: Link,
    len: usize,
    bytes: Storage<'r, u8>,
}

impl<'r> Room<'r> {
    pub(crate) fn new(bytes: Storage<'r, u8>) -> Self {
        Self { link: Link::APART, len: 0, bytes }
    }

    /// Has it over these bytes.
    pub(crate) fn lend(&mut self, bytes: Storage<'r, u8>) {
        self.bytes = bytes;
    }
}

/// The packets that wait, in lists by neighbour.
pub(crate) struct Waiting<'r> {
    rooms: Storage<'r, Room<'r>>,
    free: List,
    /// How many rooms there may be, where they grow.
    #[cfg(feature = "alloc")]
    max: usize,
}

impl<'r> Waiting<'r> {
    pub(crate) fn new(mut rooms: Storage<'r, Room<'r>>) -> Self {
        let mut free = List::EMPTY;
        for room in 0..rooms.len() {
            free.push_back(&mut rooms, |room| &mut room.link, room as u32);
        }
        Self {
            rooms,
            free,
            #[cfg(feature = "alloc")]
            max: usize::MAX,
        }
    }

    /// The same with so many rooms at most.
    #[cfg(feature = "alloc")]
    pub(crate) fn of_at_most(self, max: usize) -> Self {
        Self { max, ..self }
    }

    /// Lets a packet of `len` bytes, which `write` writes, wait for `neighbour`.
    pub(crate) fn push(
        &mut self,
        neighbour: &mut Neighbour,
        len: usize,
        stats: &mut Stats,
        write: impl FnOnce(&mut [u8]),
    ) {
        if neighbour.frame_count >= PER_NEIGHBOUR {
            self.pop_with(neighbour, |_| ());
            stats.drop(Reason::NeighbourQueueFull);
        }
        let Some(room) = self.claim(len) else {
            stats.drop(Reason::NeighbourQueueFull);
            return;
        };
        self.rooms[room as usize].len = len;
        write(&mut self.rooms[room as usize].bytes[..len]);
        neighbour.frames.push_back(&mut self.rooms, |room| &mut room.link, room);
        neighbour.frame_count += 1;
    }

    fn claim(&mut self, len: usize) -> Option<u32> {
        let room = match self.free.pop_front(&mut self.rooms, |room| &mut room.link) {
            Some(room) => room,
            #[cfg(feature = "alloc")]
            None if self.rooms.len() >= self.max => return None,
            None => self.rooms.grow(|| Room::new(empty()))?,
        };
        let bytes = &mut self.rooms[room as usize].bytes;
        while bytes.len() < len {
            if bytes.grow(|| 0).is_none() {
                self.free.push_back(&mut self.rooms, |room| &mut room.link, room);
                return None;
            }
        }
        Some(room)
    }

    /// Takes the packet that waits longest for `neighbour`.
    pub(crate) fn pop_with<R>(&mut self, neighbour: &mut Neighbour, use_: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let room = neighbour.frames.pop_front(&mut self.rooms, |room| &mut room.link)?;
        neighbour.frame_count -= 1;
        let Room { bytes, len, .. } = &self.rooms[room as usize];
        let result = use_(&bytes[..*len]);
        self.free.push_back(&mut self.rooms, |room| &mut room.link, room);
        Some(result)
    }
}

fn empty<'r>() -> Storage<'r, u8> {
    #[cfg(feature = "alloc")]
    let storage = Storage::Grown(alloc::vec::Vec::new());
    #[cfg(not(feature = "alloc"))]
    let storage = Storage::Fixed(&mut []);
    storage
}
