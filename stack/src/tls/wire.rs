//! What lies between a connection and the stream below: a record each way.
//!
//! `embedded-tls` loses a record when its future is dropped in the middle of it. So it reads and writes here, where it never
//! waits in the middle of one: a record that came is handed on once all of it is there, and one that is to be sent is taken
//! whole. What waits for the stream below keeps its place here.

use core::cell::RefCell;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use super::Error;

/// What stands before a record: its kind, a version, and its length (RFC 8446, section 5.1).
const HEADER: usize = 5;

/// A record that comes.
pub(super) struct Incoming<B: ?Sized> {
    header: [u8; HEADER],
    /// How much of it has come, with the header.
    came: usize,
    /// How much of that was handed on.
    given: usize,
    ended: bool,
    body: B,
}

/// A record that is to be sent, or several.
pub(super) struct Outgoing<B: ?Sized> {
    from: usize,
    to: usize,
    bytes: B,
}

impl<const N: usize> Incoming<[u8; N]> {
    pub(super) const fn new() -> Self {
        Self { header: [0; HEADER], came: 0, given: 0, ended: false, body: [0; N] }
    }
}

impl<const N: usize> Outgoing<[u8; N]> {
    pub(super) const fn new() -> Self {
        Self { from: 0, to: 0, bytes: [0; N] }
    }
}

impl Incoming<[u8]> {
    fn clear(&mut self) {
        (self.came, self.given, self.ended) = (0, 0, false);
    }

    /// The record's length; of one that is too long only the header, as that is all that will be read of it.
    fn due(&self) -> usize {
        let [.., high, low] = self.header;
        match usize::from(u16::from_be_bytes([high, low])) {
            _ if self.came < HEADER => HEADER,
            len if len <= self.body.len() => HEADER + len,
            _ => HEADER,
        }
    }

    fn is_whole(&self) -> bool {
        self.came >= HEADER && self.came == self.due()
    }

    fn room(&mut self) -> &mut [u8] {
        let due = self.due();
        match self.came.checked_sub(HEADER) {
            Some(came) => &mut self.body[came..due - HEADER],
            None => &mut self.header[self.came..],
        }
    }

    fn give(&mut self, out: &mut [u8]) -> usize {
        let rest = match self.given.checked_sub(HEADER) {
            Some(given) => &self.body[given..self.came - HEADER],
            None => &self.header[self.given..],
        };
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.given += len;
        if self.given == self.came {
            (self.came, self.given) = (0, 0);
        }
        len
    }
}

/// What a connection takes for its stream.
#[derive(Clone, Copy)]
pub(super) struct Wire<'m> {
    incoming: &'m RefCell<Incoming<[u8]>>,
    outgoing: &'m RefCell<Outgoing<[u8]>>,
}

impl<'m> Wire<'m> {
    /// One on which nothing is.
    pub(super) fn new(incoming: &'m mut RefCell<Incoming<[u8]>>, outgoing: &'m mut RefCell<Outgoing<[u8]>>) -> Self {
        incoming.get_mut().clear();
        let out = outgoing.get_mut();
        (out.from, out.to) = (0, 0);
        Self { incoming, outgoing }
    }

    fn is_empty(&self) -> bool {
        let outgoing = self.outgoing.borrow();
        outgoing.from == outgoing.to
    }

    /// Has all leave that is to be sent. Dropping the future loses nothing.
    #[expect(clippy::await_holding_refcell_ref, reason = "nobody else is polled while the stream below is waited for")]
    pub(super) async fn send(&self, below: &mut impl Write) -> Result<(), Error> {
        let mut outgoing = self.outgoing.borrow_mut();
        while outgoing.from < outgoing.to {
            match below.write(&outgoing.bytes[outgoing.from..outgoing.to]).await.map_err(failed)? {
                0 => return Err(Error::Stream(ErrorKind::WriteZero)),
                written => outgoing.from += written,
            }
        }
        (outgoing.from, outgoing.to) = (0, 0);
        Ok(())
    }

    /// Reads a record, or the end. Dropping the future loses nothing.
    #[expect(clippy::await_holding_refcell_ref, reason = "nobody else is polled while the stream below is waited for")]
    pub(super) async fn receive(&self, below: &mut impl Read) -> Result<(), Error> {
        let mut incoming = self.incoming.borrow_mut();
        while !incoming.is_whole() && !incoming.ended {
            match below.read(incoming.room()).await.map_err(failed)? {
                0 => incoming.ended = true,
                read => incoming.came += read,
            }
        }
        Ok(())
    }

    /// Drives what shakes hands or closes to its end, over the stream below.
    pub(super) async fn carry<T>(
        &self,
        below: &mut (impl Read + Write),
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Error> {
        loop {
            let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
            let has_written = !self.is_empty();
            if has_written {
                self.send(below).await?;
                below.flush().await.map_err(failed)?;
            }
            match polled {
                Poll::Ready(outcome) => return Ok(outcome),
                Poll::Pending if has_written => {}
                Poll::Pending => self.receive(below).await?,
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` calls it")]
pub(super) fn failed(error: impl embedded_io_async::Error) -> Error {
    Error::Stream(error.kind())
}

impl ErrorType for Wire<'_> {
    type Error = core::convert::Infallible;
}

/// Waits where there is no whole record. Nobody wakes it: whoever polls it knows what it waits for.
impl Read for Wire<'_> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        poll_fn(|_| {
            let mut incoming = self.incoming.borrow_mut();
            if incoming.given > 0 || incoming.is_whole() {
                return Poll::Ready(Ok(incoming.give(out)));
            }
            if incoming.ended { Poll::Ready(Ok(0)) } else { Poll::Pending }
        })
        .await
    }
}

/// Waits where there is no room.
impl Write for Wire<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        poll_fn(|_| {
            let mut outgoing = self.outgoing.borrow_mut();
            let Outgoing { to, bytes: room, .. } = &mut *outgoing;
            let len = bytes.len().min(room.len() - *to);
            if len == 0 && !bytes.is_empty() {
                return Poll::Pending;
            }
            room[*to..*to + len].copy_from_slice(&bytes[..len]);
            *to += len;
            Poll::Ready(Ok(len))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
