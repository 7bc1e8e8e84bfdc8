//! A connection's IO, with a record of whether it gets anywhere.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// What a connection is doing, as its own timeout needs to know it.
#[derive(Default)]
pub(super) struct Meter {
    /// Whether a request is being answered.
    pub(super) answering: Cell<bool>,
    /// Grows with every request and with every write.
    pub(super) steps: Cell<u64>,
    /// Whether the peer has yet to make room for what is written.
    pub(super) blocked: Cell<bool>,
}

impl Meter {
    pub(super) fn step(&self) {
        self.steps.set(self.steps.get().wrapping_add(1));
    }

    fn written<T>(&self, poll: &Poll<T>) {
        self.blocked.set(poll.is_pending());
        if poll.is_ready() {
            self.step();
        }
    }
}

/// IO that counts its writes.
pub(super) struct Metered<Io> {
    io: Io,
    meter: Rc<Meter>,
}

impl<Io> Metered<Io> {
    pub(super) fn new(io: Io, meter: Rc<Meter>) -> Self {
        Self { io, meter }
    }
}

impl<Io: Read + Unpin> Read for Metered<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<Io: Write + Unpin> Write for Metered<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, buf);
        self.meter.written(&poll);
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.meter.written(&poll);
        poll
    }
}
