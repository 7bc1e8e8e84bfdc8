//! Connections that go over to another protocol after a response (RFC 9110, 7.8).

use std::cell::Cell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use futures_util::future::LocalBoxFuture;
use hyper::rt::{Read, ReadBufCursor, Write};

/// What is done with a connection that has gone over.
pub(crate) type OnUpgrade = Box<dyn FnOnce(Upgraded) -> LocalBoxFuture<'static, ()>>;

pub(crate) trait ReadWrite: Read + Write + Unpin {}

impl<Io: Read + Write + Unpin> ReadWrite for Io {}

/// A connection whose kind is not told any more.
pub(crate) type Io = Box<dyn ReadWrite>;

/// Where a connection is left by whoever is done with it.
pub(crate) type Left = Rc<Cell<Option<Io>>>;

/// A connection that speaks HTTP no more. It need not be `Send`.
///
/// When it is dropped, the server closes it as it closes others: what was written still arrives, even if the peer is sending.
pub struct Upgraded {
    read_ahead: Bytes,
    /// There until it is dropped.
    io: Option<Io>,
    left: Option<Left>,
}

impl Upgraded {
    pub(crate) fn new(io: impl Read + Write + Unpin + 'static, read_ahead: Bytes) -> Self {
        Self { read_ahead, io: Some(Box::new(io)), left: None }
    }

    /// The same, which is left here when it is dropped.
    pub(crate) fn leaving(mut self, left: &Left) -> Self {
        self.left = Some(Rc::clone(left));
        self
    }

    fn io(&mut self) -> Pin<&mut dyn ReadWrite> {
        Pin::new(self.io.as_deref_mut().expect("it is taken when it is dropped"))
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        if let Some(left) = &self.left {
            left.set(self.io.take());
        }
    }
}

impl Read for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            return self.io().poll_read(cx, buf);
        }
        let count = buf.remaining().min(self.read_ahead.len());
        buf.put_slice(&self.read_ahead[..count]);
        self.read_ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl Write for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("read_ahead", &self.read_ahead.len()).finish_non_exhaustive()
    }
}
