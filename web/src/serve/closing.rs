//! The end of a connection: last words, and then patience.
//!
//! A connection that is closed while the peer still sends is reset, and a reset may take the response away that the peer
//! has not read yet. So the connection is shut down for writing first, and what comes is read and thrown away for a
//! little while (RFC 9112, 9.6).

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, Sleep, Write};

/// How long what still comes is thrown away at most, in time and in bytes.
pub(super) const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// A connection that is being closed.
pub(super) struct Closing<Io> {
    io: Io,
    words: Vec<u8>,
    said: usize,
    shut_down: bool,
    linger: bool,
    left: usize,
    deadline: Pin<Box<dyn Sleep>>,
}

impl<Io: Read + Write + Unpin> Closing<Io> {
    /// Says these words, shuts down, and lingers if the peer may still be sending. All within the deadline.
    pub(super) fn new(io: Io, words: Vec<u8>, linger: bool, deadline: Pin<Box<dyn Sleep>>) -> Self {
        Self { io, words, said: 0, shut_down: false, linger, left: LINGER_BYTES, deadline }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.said < self.words.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.words[self.said..])) {
                Ok(written) if written > 0 => self.said += written,
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
        if !self.shut_down {
            if let Err(error) = ready!(Pin::new(&mut self.io).poll_shutdown(cx)) {
                tracing::debug!(%error, "a connection could not be shut down");
                return Poll::Ready(());
            }
            self.shut_down = true;
        }
        while self.linger && self.left > 0 {
            let mut space = [MaybeUninit::uninit(); 8 * 1024];
            let mut buffer = ReadBuf::uninit(&mut space);
            if ready!(Pin::new(&mut self.io).poll_read(cx, buffer.unfilled())).is_err() {
                break;
            }
            match buffer.filled().len() {
                0 => break,
                count => self.left = self.left.saturating_sub(count),
            }
        }
        Poll::Ready(())
    }
}

impl<Io: Read + Write + Unpin> Future for Closing<Io> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_end(cx).is_ready() {
            return Poll::Ready(());
        }
        self.deadline.as_mut().poll(cx)
    }
}
