//! A byte stream that takes and gives a few bytes at a time, or none for now.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::{Script, Step};

/// A stream is not ready once in so many times.
const NOT_NOW_ONE_IN: u64 = 3;

/// A byte stream of a schedule: what is to be read is there from the beginning, what is written can be looked at. It
/// speaks futures' traits and embedded-io-async's. By schedule 0 it gives and takes all at once, and makes everybody wait
/// before it does.
#[derive(Clone, Debug)]
pub struct Stream {
    script: Script,
    inner: Rc<RefCell<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    incoming: VecDeque<u8>,
    written: Vec<u8>,
    closed: bool,
    /// Whether it was not ready the last time: it is not so for ever.
    was_not_ready: bool,
}

impl Stream {
    /// A stream with these bytes to be read, and then its end.
    #[must_use]
    pub fn new(script: &Script, incoming: &[u8]) -> Self {
        let inner = Inner { incoming: incoming.iter().copied().collect(), ..Inner::default() };
        Self { script: script.clone(), inner: Rc::new(RefCell::new(inner)) }
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        self.inner.borrow().written.clone()
    }

    /// Whether its writing side was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.borrow().closed
    }

    fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        let not_now = match self.script.number() {
            0 => !inner.was_not_ready,
            _ => self.script.happens(NOT_NOW_ONE_IN),
        };
        inner.was_not_ready = not_now;
        if not_now {
            self.script.note(Step::NotNow);
            self.script.wait(cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Part of what is possible, at least one if any is.
    fn part(&self, possible: usize) -> usize {
        possible.min(1 + self.script.below(possible.max(1) as u64) as usize)
    }

    fn poll_take(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_ready(cx));
        let inner = &mut *self.inner.borrow_mut();
        let count = self.part(buffer.len().min(inner.incoming.len()));
        for (place, byte) in buffer.iter_mut().zip(inner.incoming.drain(..count)) {
            *place = byte;
        }
        self.script.note(Step::Read(count));
        Poll::Ready(Ok(count))
    }

    fn poll_put(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_ready(cx));
        let inner = &mut *self.inner.borrow_mut();
        if inner.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = self.part(bytes.len());
        inner.written.extend(&bytes[..count]);
        self.script.note(Step::Written(count));
        Poll::Ready(Ok(count))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_take(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_put(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx).map(Ok)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_ready(cx));
        self.inner.borrow_mut().closed = true;
        Poll::Ready(Ok(()))
    }
}

impl embedded_io_async::ErrorType for Stream {
    type Error = io::Error;
}

impl embedded_io_async::Read for Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_take(cx, buffer)).await
    }
}

impl embedded_io_async::Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_put(cx, bytes)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await;
        Ok(())
    }
}
