//! A connection's IO as hyper is given it: with a record of whether it gets anywhere, and for HTTP/1 with hyper's last words
//! kept back.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::framing::Framing;
use crate::upgrade::OnUpgrade;

/// What a connection is doing, as its own timeout and its own end need to know it.
#[derive(Default)]
pub(super) struct Meter {
    /// How many requests are being answered.
    pub(super) answering: Cell<u32>,
    /// How many of them wait for the service, and not for the peer.
    pub(super) at_work: Cell<u32>,
    /// Grows with every request and with every write.
    pub(super) steps: Cell<u64>,
    /// Whether the peer has yet to make room for what is written.
    pub(super) blocked: Cell<bool>,
    /// Whether something of a response may not be written yet.
    pub(super) owing: Cell<bool>,
    /// Whether the peer may still be sending what nobody reads: the rest of a body, or of what could not be understood.
    pub(super) unread: Cell<bool>,
    /// Whether what came was not even bytes of a connection: a handshake that failed, say.
    pub(super) broken: Cell<bool>,
    /// The status that hyper itself would answer with.
    pub(super) refused: Cell<Option<u16>>,
    /// Where requests begin and end, as far as they have been read.
    pub(super) framing: RefCell<Framing>,
    /// How much of a [`LEAVE`] is to be said before anything else.
    leave: Cell<usize>,
    /// What takes over the connection after this response.
    pub(super) upgrade: RefCell<Option<OnUpgrade>>,
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

    /// Whether these bytes are a refusal of hyper's own: nothing else is written while no response is owed.
    fn is_refusal(&self, bytes: &[u8]) -> bool {
        if self.owing.get() {
            return false;
        }
        let status = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.refused.set(self.refused.get().or(status));
        self.refused.get().is_some()
    }
}

/// IO that keeps its meter.
pub(super) struct Metered<Io> {
    pub(super) io: Io,
    meter: Rc<Meter>,
    /// Whether what passes is to be understood: heads that come, and refusals of hyper's that go.
    is_http1: bool,
}

impl<Io> Metered<Io> {
    pub(super) fn http1(io: Io, meter: Rc<Meter>) -> Self {
        Self { io, meter, is_http1: true }
    }

    /// Nothing that passes looks like HTTP/1, but by chance.
    #[cfg(feature = "http2")]
    pub(super) fn http2(io: Io, meter: Rc<Meter>) -> Self {
        Self { io, meter, is_http1: false }
    }

    fn is_refusal(&self, bytes: &[u8]) -> bool {
        self.is_http1 && self.meter.is_refusal(bytes)
    }
}

impl<Io: Read + Unpin> Read for Metered<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.is_http1 {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let (at_head, broken) = {
            let framing = self.meter.framing.borrow();
            (framing.is_at_head(), framing.is_broken())
        };
        if broken {
            return Poll::Ready(Err(no_chunk()));
        }
        if at_head { self.poll_through::<HEAD_BYTES>(cx, buf) } else { self.poll_through::<BODY_BYTES>(cx, buf) }
    }
}

/// How much is read at once at most. hyper's own buffer is of 8 KiB at first, and grows with a body's pieces.
const HEAD_BYTES: usize = 8 * 1024;
const BODY_BYTES: usize = 64 * 1024;

impl<Io: Read + Unpin> Metered<Io> {
    /// Reads through a buffer, for hyper hands out nothing of how it came.
    #[inline(never)]
    fn poll_through<const BYTES: usize>(
        &mut self,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [std::mem::MaybeUninit::uninit(); BYTES];
        let room = buf.remaining().min(BYTES);
        let mut through = hyper::rt::ReadBuf::uninit(&mut space[..room]);
        ready!(Pin::new(&mut self.io).poll_read(cx, through.unfilled()))
            .inspect_err(|error| self.meter.broken.set(error.kind() == io::ErrorKind::InvalidData))?;
        let bytes = through.filled();
        if self.meter.answering.get() == 0 {
            self.meter.unread.set(!bytes.is_empty());
        }
        let sound = self.meter.framing.borrow_mut().read(bytes);
        if sound == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(no_chunk()));
        }
        buf.put_slice(&bytes[..sound]);
        Poll::Ready(Ok(()))
    }
}

fn no_chunk() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "what comes is no chunk of the body")
}

/// What a client that asks for another protocol waits for before that (RFC 9110, 7.8). hyper says it only where a body is to come.
const LEAVE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Meter {
    /// A [`LEAVE`] goes before what is written next.
    pub(super) fn give_leave(&self) {
        self.leave.set(LEAVE.len());
    }
}

impl<Io: Write + Unpin> Metered<Io> {
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.meter.leave.get() > 0 {
            let left = self.meter.leave.get();
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &LEAVE[LEAVE.len() - left..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.meter.leave.set(left - written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: Write + Unpin> Write for Metered<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_refusal(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(self.poll_leave(cx))?;
        let poll = Pin::new(&mut self.io).poll_write(cx, buf);
        self.meter.written(&poll);
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        // hyper flushes what is below when it has nothing left itself.
        self.meter.owing.set(self.meter.answering.get() > 0);
        Poll::Ready(Ok(()))
    }

    /// The connection is shut down after hyper is done with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal(bufs.first().map_or(&[], |buf| buf)) {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        ready!(self.poll_leave(cx))?;
        let len = bufs.iter().map(|buf| buf.len()).sum();
        let poll = if len <= SMALL_BYTES {
            let mut space = [0; SMALL_BYTES];
            bufs.iter().fold(0, |at, buf| {
                space[at..at + buf.len()].copy_from_slice(buf);
                at + buf.len()
            });
            Pin::new(&mut self.io).poll_write(cx, &space[..len])
        } else {
            Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
        };
        self.meter.written(&poll);
        poll
    }
}

/// What is no longer than this is written in one piece, for which the system has less to do than for several.
const SMALL_BYTES: usize = 512;
