//! WebSocket (RFC 6455), a client's side, over any byte stream: no alloc, memory that is lent.
//!
//! [`open`] shakes hands over a stream, [`tcp::Stream`](crate::tcp::Stream), [`tls::Stream`](crate::tls) or any other, and
//! gives a [`WebSocket`] that says and hears messages. What it does on its own account: it answers pings, asks a silent
//! server by pings whether it is there and gives up on one that is not, and answers a close by a close. Messages that come
//! in pieces are put together, up to the [`Memory`] that was lent: who sends a longer one is told so (1009), and who breaks
//! the protocol (1002) or sends text that is none (1007), too. Messages that are longer than the memory for sending leave in
//! pieces.
//!
//! Its futures may be dropped and made anew, as `select` does: what was heard stays heard, and of a message that fits the
//! memory for sending all leaves or nothing. That holds as far as it does of the stream below, as of `tcp::Stream` and
//! `tls::Stream`.
//!
//! - No extensions, so no compression, and no HTTP/2 (RFC 8441). Redirects and 401 are the caller's: [`Error::Refused`] says
//!   the status.
//! - Pings are asked and answered while something is waited for with [`WebSocket::recv`]: whoever only sends selects
//!   between that and what there is to send.

mod assembler;
mod frame;
mod handshake;
mod socket;

pub use assembler::{Assembler, Event};
pub use frame::{Fault, Header, Kind, Opcode};
pub use handshake::{HandshakeError, Request};
pub use socket::{Close, Error, Message, Options, WebSocket, open};

use core::fmt;

/// Fixed memory for one socket: `IN` for what comes, the longest message and 10 bytes or the server's answer to the
/// handshake; `OUT` for the request of the handshake, then for a piece of what is sent.
pub struct Memory<const IN: usize = 1_024, const OUT: usize = 512> {
    incoming: [u8; IN],
    outgoing: [u8; OUT],
}

impl<const IN: usize, const OUT: usize> Memory<IN, OUT> {
    /// Memory that no socket uses yet. There is none of less than 256 bytes each way.
    pub const fn new() -> Self {
        const { assert!(IN >= 256 && OUT >= 256, "a handshake takes 256 bytes each way") };
        Self { incoming: [0; IN], outgoing: [0; OUT] }
    }
}

impl<const IN: usize, const OUT: usize> Default for Memory<IN, OUT> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const IN: usize, const OUT: usize> fmt::Debug for Memory<IN, OUT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
