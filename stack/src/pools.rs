//! Who is asked how much a stack has of what runs out.
//!
//! A device's memory is as large as it is ([`Resources`](crate::Resources)), and tables that grow
//! ([`Stack::shared`](crate::Stack::shared)) never run out: either way, what is done when a pool has run out is hardly ever
//! tried. Whoever is to try it hands the stack [`Pools`] in its [`Limits`]: then it has no more than they say, and errors are those
//! of tables that are full. Fixed memory does not become more by it, only less.

#[cfg(feature = "alloc")]
use alloc::rc::Rc;
use core::fmt;

/// What a stack has several of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pool {
    /// TCP connections, those included that linger or wait to be accepted. Asked at each opening.
    Connections,
    /// UDP sockets, raw ones and those for pings. Asked at each opening.
    Sockets,
    /// Bytes of each buffer of a connection. Asked at each opening; of fixed memory when the stack is made.
    StreamBytes,
    /// Bytes of each buffer of a UDP socket. Asked at each opening; of fixed memory when the stack is made.
    DatagramBytes,
    /// Neighbours that are remembered, at least one. Asked when the stack is made.
    Neighbours,
    /// Packets that wait at a time until it is known where their next hop is. Asked when the stack is made.
    Waiting,
    /// Bytes of the longest payload that is put together of fragments. Asked when the stack is made.
    Reassembly,
    /// Answers that a resolver remembers. Asked with each.
    Names,
}

/// How much of everything there is. It is asked as each [`Pool`] says, so it may change its mind.
pub trait Pools: fmt::Debug {
    /// How many there may be, or how many bytes. What is in use beyond that stays.
    fn room(&self, pool: Pool) -> usize;

    /// Something was refused for want of room.
    fn ran_out(&self, pool: Pool);

    /// There is less than was asked for, and no error: a shorter buffer, a word that is not remembered.
    fn made_do(&self, pool: Pool) {
        let _ = pool;
    }
}

/// Who limits a stack: nobody, by default. Without the feature `alloc` nobody ever does, and this takes no memory.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    #[cfg(feature = "alloc")]
    pools: Option<Rc<dyn Pools>>,
}

impl Limits {
    /// Those of `pools`.
    #[cfg(feature = "alloc")]
    pub fn of(pools: Rc<dyn Pools>) -> Self {
        Self { pools: Some(pools) }
    }

    /// Who is asked.
    #[cfg(feature = "alloc")]
    pub(crate) fn pools(&self) -> Option<&dyn Pools> {
        self.pools.as_deref()
    }

    /// How much there may be, of so much that there is or is asked for.
    pub(crate) fn within(&self, pool: Pool, wanted: usize) -> usize {
        #[cfg(feature = "alloc")]
        if let Some(pools) = self.pools() {
            let room = pools.room(pool);
            if room < wanted {
                pools.made_do(pool);
            }
            return wanted.min(room);
        }
        let _ = pool;
        wanted
    }
}
