//! Connections that go over to another protocol after a response (RFC 9110, 7.8).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use futures_util::future::LocalBoxFuture;
use hyper::rt::{Read, ReadBufCursor, Write};

/// What is done with a connection that has gone over.
pub(crate) type OnUpgrade = Box<dyn FnOnce(Upgraded) -> LocalBoxFuture<'static, ()>>;

pub(crate) trait ReadWrite: Read + Write + Unpin {}

impl<Io: Read + Write + Unpin> ReadWrite for Io {}

/// A connection that speaks HTTP no more. It need not be `Send`.
pub struct Upgraded {
    read_ahead: Bytes,
    io: Box<dyn ReadWrite>,
}

impl Upgraded {
    pub(crate) fn new(io: impl Read + Write + Unpin + 'static, read_ahead: Bytes) -> Self {
        Self { read_ahead, io: Box::new(io) }
    }
}

impl Read for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            return Pin::new(&mut *self.io).poll_read(cx, buf);
        }
        let count = buf.remaining().min(self.read_ahead.len());
        buf.put_slice(&self.read_ahead[..count]);
        self.read_ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl Write for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("read_ahead", &self.read_ahead.len()).finish_non_exhaustive()
    }
}
