//! A connection's handle.

use core::{
    fmt,
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use super::{Error, Options, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::{
    ip::{spoken_at, told_at},
    stack::Stack,
};

/// A TCP connection.
///
/// Reading and writing are `embedded-io-async`'s, and with `std` futures' too; reading answers 0 at the end
/// of what the other side writes.
///
/// Dropping it closes the connection: what was written is still delivered, in the background, for as long as
/// [`Config::linger`](crate::Config::linger) says; if something was received and not read, the other side is
/// told by a reset. Dropping a future of it loses nothing: a read or write has happened or it has not.
pub struct Stream<'r> {
    stack: Stack<'r>,
    at: u32,
}

impl<'r> Stream<'r> {
    /// Opens a connection. Dropping the future gives up.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::TimedOut`], [`Error::Unreachable`], [`Error::NoRoute`] say what the network
    /// said; [`Error::Full`] that every slot for a connection is taken; [`Error::InUse`] that no port is free.
    pub async fn connect(stack: &Stack<'r>, remote: SocketAddr, options: Options) -> Result<Self, Error> {
        let remote = spoken_at(remote).ok_or(Error::NoRoute)?;
        let at = stack.with(|core| core.connect(remote, &options))?;
        let stream = Self::new(stack.clone(), at);
        poll_fn(|cx| stream.stack.poll(|core| core.poll_opened(at, cx.waker()))).await?;
        Ok(stream)
    }

    /// The handle to a slot that the caller got, and that nobody else holds.
    pub(super) fn new(stack: Stack<'r>, at: u32) -> Self {
        Self { stack, at }
    }

    /// Reads into `buffer`, or has the task woken when there is something to read.
    #[inline]
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.stack.poll_in_place(|core, replaced| core.poll_read(self.at, buffer, cx.waker(), replaced))
    }

    /// Lends what has come to `take`, which says how many bytes it took; or has the task woken when there is something.
    /// Answers how many were taken, 0 without asking `take` at the end. The receive buffer is a ring: what is lent may be
    /// less than all that has come.
    ///
    /// # Panics
    /// If `take` uses the stack, or says that it took more than there was.
    #[inline]
    pub fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Result<usize, Error>> {
        self.stack.poll_in_place(|core, replaced| core.poll_read_with(self.at, take, cx.waker(), replaced))
    }

    /// Writes from `bytes`, or has the task woken when there is room.
    #[inline]
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.stack.poll_in_place(|core, replaced| core.poll_write(self.at, bytes, cx.waker(), replaced))
    }

    pub(super) fn is_readable(&self) -> bool {
        self.stack.with(|core| core.is_readable(self.at))
    }

    pub(super) fn is_writable(&self) -> bool {
        self.stack.with(|core| core.is_writable(self.at))
    }

    /// Waits until the other side has acknowledged all that was written, and the end if there is one.
    ///
    /// # Errors
    /// Whatever ended the connection first.
    pub async fn acknowledged(&self) -> Result<(), Error> {
        poll_fn(|cx| self.stack.poll(|core| core.poll_drained(self.at, cx.waker()))).await
    }

    /// Closes the write half: the other side reads to the end of what was written. Reading goes on.
    pub fn shutdown(&self) {
        self.stack.with(|core| core.finish(self.at));
    }

    /// Breaks the connection off: the other side is told by a reset, and all further operations fail.
    pub fn abort(&self) {
        self.stack.with(|core| core.abort(self.at));
    }

    /// Changes how the connection behaves; the buffers stay as they are.
    pub fn set_options(&self, options: Options) {
        self.stack.with(|core| core.set_options(self.at, &options));
    }

    /// Our end.
    pub fn local_addr(&self) -> SocketAddr {
        told_at(self.stack.with(|core| core.ends(self.at).0))
    }

    /// The other end.
    pub fn remote_addr(&self) -> SocketAddr {
        told_at(self.stack.with(|core| core.ends(self.at).1))
    }

    /// The stack that this is a connection of.
    pub fn stack(&self) -> &Stack<'r> {
        &self.stack
    }

    /// Two halves that borrow the stream, to read and write at the same time.
    pub fn split(&mut self) -> (ReadHalf<'_, 'r>, WriteHalf<'_, 'r>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Two halves that own the stream between them. Dropping the write half closes it; the connection lasts
    /// until both are dropped.
    pub fn into_split(self) -> (OwnedReadHalf<'r>, OwnedWriteHalf<'r>) {
        self.stack.with(|core| core.hold(self.at));
        let other = Self::new(self.stack.clone(), self.at);
        (OwnedReadHalf(self), OwnedWriteHalf(other))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let unheard = self.stack.with(|core| core.let_go(self.at));
        drop(unheard);
    }
}

impl fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("local", &self.local_addr()).field("remote", &self.remote_addr()).finish()
    }
}
