//! Who is asked before a growing table grows.
//!
//! A device's memory is as large as it is, and its pools are fixed: [`Resources`](crate::Resources). Tables that grow
//! ([`Stack::shared`](crate::Stack::shared)) never run out, so what is done when a pool has run out is never tried. Whoever is
//! to try it hands the stack [`Pools`]: then it has no more than they say, and errors are those of fixed tables.

use core::fmt;

/// What a stack has several of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pool {
    /// TCP connections, those included that linger or wait to be accepted.
    Connections,
    /// UDP sockets, raw ones and those for pings.
    Sockets,
    /// Bytes of each buffer of a connection.
    StreamBytes,
    /// Bytes of each buffer of a UDP socket.
    DatagramBytes,
}

/// How much of everything there is. It is asked each time that something is opened, so it may change its mind.
pub trait Pools: fmt::Debug {
    /// How many there may be, or how many bytes. What is in use beyond that stays.
    fn room(&self, pool: Pool) -> usize;

    /// Something was refused for want of room.
    fn ran_out(&self, pool: Pool);
}
