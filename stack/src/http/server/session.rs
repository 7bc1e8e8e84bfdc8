//! Requests that come on one stream, one after the other.

use core::convert::Infallible;

use embedded_io_async::{Read, Write};

use super::answer::{self, Answer};
use super::asked::{self, Asked, Refusal};
use crate::http::timed::{Timed, TimedError};
use crate::tcp;
use crate::time::{Clock, Duration, timeout};

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError<E> {
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Io(E),
    /// The client closed within a request.
    #[error("closed by the client within a request")]
    Truncated,
    /// What came is no request that can be served; the client was told by this status.
    #[error("a request that cannot be served: {0}")]
    Refused(u16),
    /// A header of the answer holds a character that may not stand there, or is one that follows from the answer.
    #[error("a header of the answer that may not stand there")]
    Header,
}

/// A server's side of one connection.
///
/// `buffer` holds a request's head; one that is longer is refused (431). Requests that were sent without waiting for
/// answers are served in order.
#[derive(Debug)]
pub struct Session<'b, S> {
    pub(super) stream: S,
    pub(super) buffer: &'b mut [u8],
    /// Bytes of the next request that have come already.
    pub(super) filled: usize,
    /// Whether another request may come.
    pub(super) is_open: bool,
}

impl<'b, S: Read + Write> Session<'b, S> {
    /// A session on a stream that was just accepted.
    pub fn new(stream: S, buffer: &'b mut [u8]) -> Self {
        Self { stream, buffer, filled: 0, is_open: true }
    }

    /// The stream, to close it properly, say.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Waits for the next request; `None` if none will come. A request that is dropped unanswered ends the session.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn next(&mut self) -> Result<Option<Asked<'_, 'b, S>>, ServeError<S::Error>> {
        if !self.is_open {
            return Ok(None);
        }
        self.is_open = false;
        let mut seen = 0;
        loop {
            self.skip_empty_lines();
            if asked::is_complete(&self.buffer[..self.filled], seen) {
                break;
            }
            seen = self.filled;
            if self.filled == self.buffer.len() {
                return Err(self.refuse(431).await);
            }
            match self.stream.read(&mut self.buffer[self.filled..]).await.map_err(ServeError::Io)? {
                0 if self.filled == 0 => return Ok(None),
                0 => return Err(ServeError::Truncated),
                count => self.filled += count.min(self.buffer.len() - self.filled),
            }
        }
        match asked::parse(&self.buffer[..self.filled]) {
            Ok(head) => Ok(Some(Asked::new(self, head))),
            Err(Refusal(status)) => Err(self.refuse(status).await),
        }
    }

    /// Clients are known to send an empty line after a body (RFC 9112, section 2.2).
    fn skip_empty_lines(&mut self) {
        let empty = self.buffer[..self.filled].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.buffer.copy_within(empty..self.filled, 0);
        self.filled -= empty;
    }

    async fn refuse(&mut self, status: u16) -> ServeError<S::Error> {
        let told = answer::write(&mut self.stream, &Answer::new(status, "text/plain", b""), true, false).await;
        told.err().unwrap_or(ServeError::Refused(status))
    }
}

/// How connections are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOptions {
    /// How long a connection may stand still, between its requests, too. Default: 2 s.
    pub silence: Duration,
    /// How long a connection may last in all: others wait. Default: 10 s.
    pub connection: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { silence: Duration::from_secs(2), connection: Duration::from_secs(10) }
    }
}

/// The stream of a request that [`serve`] hands on.
pub type Served<'r, 'c, C> = Timed<tcp::Stream<'r>, &'c C>;

/// Serves a listener's connections, one after the other, for ever: `page` answers each request. A connection that fails,
/// or takes too long, is cut off, and the next one served.
pub async fn serve<'r, 'c, C: Clock, P>(
    listener: &tcp::Listener<'r>,
    clock: &'c C,
    buffer: &mut [u8],
    options: &ServeOptions,
    mut page: P,
) -> Infallible
where
    P: AsyncFnMut(Asked<'_, '_, Served<'r, 'c, C>>) -> Result<(), ServeError<TimedError<tcp::Error>>>,
{
    loop {
        let stream = listener.accept().await;
        let stream = Timed::new(stream, clock, options.silence);
        let mut session = Session::new(stream, &mut *buffer);
        let all = async {
            while let Some(asked) = session.next().await? {
                page(asked).await?;
            }
            Ok::<(), ServeError<TimedError<tcp::Error>>>(())
        };
        let ended = timeout(clock, options.connection, all).await;
        if !matches!(ended, Ok(Ok(()))) {
            continue;
        }
        // A client that is not done sending would lose the answer's end to a reset: its own end is waited for.
        let mut stream = session.into_stream().into_inner();
        stream.shutdown();
        let end = async { while let Ok(1..) = stream.read(&mut [0; 64]).await {} };
        let _ = timeout(clock, options.silence, end).await;
    }
}
