//! TCP: streams, and the listeners that accept them.

mod io;
mod listener;
mod split;
mod stream;

pub use listener::Listener;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use stream::Stream;

use crate::time::Duration;

/// How a connection behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The receive buffer's size, and so the largest window; only with growing tables, fixed ones have their
    /// size. Default: 4,096 bytes.
    pub receive_bytes: usize,
    /// The send buffer's size; only with growing tables. Default: 4,096 bytes.
    pub send_bytes: usize,
    /// Whether small segments wait until what was sent before is acknowledged (RFC 9293, section 3.7.4).
    /// What is written between two turns of the stack shares segments anyway. Default: yes.
    pub nagle: bool,
    /// How long an acknowledgement may wait for data to travel with. Default: 10 ms.
    pub ack_delay: Option<Duration>,
    /// After how long a silence the other side is asked whether it is still there. Default: never.
    pub keep_alive: Option<Duration>,
    /// How long the other side may owe us an answer: to the handshake, to data, to the end, or to a
    /// keep-alive (RFC 9293, section 3.8.3). Default: 60 s.
    pub timeout: Option<Duration>,
    /// Whether the sending rate yields to congestion (RFC 5681). Default: yes.
    pub congestion_control: bool,
    /// How many routers a segment may pass. Default: 64.
    pub hop_limit: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            receive_bytes: 4_096,
            send_bytes: 4_096,
            nagle: true,
            ack_delay: Some(Duration::from_millis(10)),
            keep_alive: None,
            timeout: Some(Duration::from_secs(60)),
            congestion_control: true,
            hop_limit: 64,
        }
    }
}

/// Why a connection, or an operation on one, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The other side broke the connection off.
    #[error("connection reset by the other side")]
    Reset,
    /// The other side owed an answer for too long.
    #[error("connection timed out")]
    TimedOut,
    /// The next hop did not answer.
    #[error("host unreachable")]
    Unreachable,
    /// No route leads there, or no address of ours is of its family.
    #[error("no route to host")]
    NoRoute,
    /// Our address was taken from us: its lease ran out, for example.
    #[error("our address is no longer ours")]
    AddressLost,
    /// The connection was aborted on this side.
    #[error("connection aborted")]
    Aborted,
    /// The write half was closed.
    #[error("the write half is closed")]
    Closed,
    /// Every slot for a connection is taken.
    #[error("no free connection slot")]
    Full,
    /// Every slot for a listener is taken.
    #[error("no free listener slot")]
    ListenersFull,
    /// The port is taken, or all are.
    #[error("address in use")]
    InUse,
    /// The address or port cannot be connected to.
    #[error("not an address of a station, or port zero")]
    BadAddress,
}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        use embedded_io_async::ErrorKind;
        match self {
            Error::Refused => ErrorKind::ConnectionRefused,
            Error::Reset => ErrorKind::ConnectionReset,
            Error::TimedOut => ErrorKind::TimedOut,
            Error::Unreachable | Error::NoRoute => ErrorKind::NotConnected,
            Error::Aborted | Error::AddressLost => ErrorKind::ConnectionAborted,
            Error::Closed => ErrorKind::BrokenPipe,
            Error::Full | Error::ListenersFull => ErrorKind::OutOfMemory,
            Error::InUse => ErrorKind::AddrInUse,
            Error::BadAddress => ErrorKind::InvalidInput,
        }
    }
}
