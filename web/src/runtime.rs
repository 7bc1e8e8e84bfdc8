//! What a server needs of the world: connections, timers and the date.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use hyper::rt::{Read, Timer, Write};

/// Where connections come from.
pub trait Listener: 'static {
    /// A connection, as hyper reads and writes it.
    type Io: Read + Write + Unpin + 'static;

    /// Waits for the next connection. Dropping the future loses no connection.
    ///
    /// An error is about one connection or a passing shortage; the server goes on asking, more slowly.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>>;
}

/// The clocks that a server runs by. It spawns nothing.
pub trait Runtime: Clone + 'static {
    /// Timers. Dropping a sleep must cancel it.
    type Timer: Timer + Clone + Send + Sync + 'static;

    /// The timer, by value.
    fn timer(&self) -> Self::Timer;

    /// The date and time, for `Date` headers and for applications that record when something happened.
    fn wall_clock(&self) -> SystemTime;
}

/// Whom a request came from: a request extension if [`Options::peer_addr`](crate::Options::peer_addr) asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
