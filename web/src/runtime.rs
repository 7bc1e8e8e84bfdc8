//! What a server needs of the world: connections, timers and the date.

use std::fmt;
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
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Peer)>>;
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

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// Somewhere on a network.
    Ip(SocketAddr),
    /// On this machine, without an address of its own: a Unix socket.
    Local,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

/// Whom a request came from: a request extension if [`Options::peer_addr`](crate::Options::peer_addr) asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub Peer);
