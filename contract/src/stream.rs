//! A byte stream that takes and gives a few bytes at a time, or none for now.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    incoming: VecDeque<u8>,
    written: Vec<u8>,
    closed: bool,
    /// Whether it was not ready the last time, for each of what is asked of it: it is not so for ever, whatever else is
    /// asked in between.
    was_not_ready: [bool; 4],
    /// Whether something was written since it was flushed.
    is_unflushed: bool,
}

/// What is asked of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Read,
    Write,
    Flush,
    Close,
}

impl Stream {
    /// A stream with these bytes to be read, and then its end.
    #[must_use]
    pub fn new(script: &Script, incoming: &[u8]) -> Self {
        let inner = Inner { incoming: incoming.iter().copied().collect(), ..Inner::default() };
        Self { script: script.clone(), inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What a panic left behind is whole: nothing of it is half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        self.inner().written.clone()
    }

    /// Whether its writing side was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner().closed
    }

    fn poll_ready(&self, asked: Asked, cx: &Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner();
        let was_not_ready = &mut inner.was_not_ready[asked as usize];
        let not_now = match self.script.number() {
            0 => !*was_not_ready,
            _ => self.script.happens(NOT_NOW_ONE_IN),
        };
        *was_not_ready = not_now;
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

    /// By schedule 0 nobody waits who has nothing to flush.
    fn poll_flushed(&self, cx: &Context<'_>) -> Poll<()> {
        if self.script.number() > 0 || self.inner().is_unflushed {
            std::task::ready!(self.poll_ready(Asked::Flush, cx));
        }
        self.inner().is_unflushed = false;
        Poll::Ready(())
    }

    fn poll_take(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_ready(Asked::Read, cx));
        let inner = &mut *self.inner();
        let count = self.part(buffer.len().min(inner.incoming.len()));
        for (place, byte) in buffer.iter_mut().zip(inner.incoming.drain(..count)) {
            *place = byte;
        }
        self.script.note(Step::Read(count));
        Poll::Ready(Ok(count))
    }

    fn poll_put(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_ready(Asked::Write, cx));
        let inner = &mut *self.inner();
        if inner.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = self.part(bytes.len());
        inner.written.extend(&bytes[..count]);
        inner.is_unflushed |= count > 0;
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
        self.poll_flushed(cx).map(Ok)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_ready(Asked::Close, cx));
        self.inner().closed = true;
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
        std::future::poll_fn(|cx| self.poll_flushed(cx)).await;
        Ok(())
    }
}
