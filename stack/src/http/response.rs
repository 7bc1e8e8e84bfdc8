//! A response: its head at hand, its body to be read.

use embedded_io_async::{ErrorType, Read};

use super::body::Body;
use super::connection::{Connection, State};
use super::error::{BodyError, PartError};
use super::head::{Head, Headers};
use super::range::{self, ContentRange, Part, Range};

/// One answer. While it lives it borrows its connection.
///
/// Dropping it before the body's end spends the connection; [`drain`](Response::drain) keeps it.
#[derive(Debug)]
pub struct Response<'c, 'b, S> {
    connection: &'c mut Connection<'b, S>,
    head: Head,
    body: Body,
    /// What part was asked for.
    asked: Option<Range>,
}

impl<'c, 'b, S> Response<'c, 'b, S> {
    pub(super) fn new(connection: &'c mut Connection<'b, S>, head: Head, filled: usize, asked: Option<Range>) -> Self {
        let body = Body::new(head.framing, head.len..filled);
        let mut response = Response { connection, head, body, asked };
        response.settle();
        response
    }

    /// The status code, 200 and above (or 101).
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// All headers, in order.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(&self.connection.buffer()[..self.head.len])
    }

    /// The first header of that name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What names this state of what was asked for, to be given back in a [`Condition`](super::Condition): the entity
    /// tag (RFC 9110, section 8.8.3).
    pub fn etag(&self) -> Option<&str> {
        self.header("etag").and_then(|value| core::str::from_utf8(value).ok())
    }

    /// When what was asked for last changed, to be given back in a [`Condition`](super::Condition) (RFC 9110,
    /// section 8.8.2).
    pub fn last_modified(&self) -> Option<&str> {
        self.header("last-modified").and_then(|value| core::str::from_utf8(value).ok())
    }

    /// Which part of the whole the body is (RFC 9110, section 14.4), if the server says so in a way that makes sense.
    pub fn content_range(&self) -> Option<ContentRange> {
        self.header("content-range").and_then(ContentRange::parse)
    }

    /// What the body is to somebody who asked for a [`Range`], or under a condition: a server may answer with all of
    /// it, and what it says of a part may not be what was asked for.
    ///
    /// # Errors
    /// [`PartError`]: the body must not be used.
    pub fn part(&self) -> Result<Part, PartError> {
        match self.head.status {
            200 => Ok(Part::Whole),
            304 => Ok(Part::Unchanged),
            412 => Ok(Part::Changed),
            416 => Ok(Part::Beyond(self.header("content-range").and_then(range::complete_length))),
            206 => {
                let asked = self.asked.ok_or(PartError::Unasked)?;
                let part = self.content_range().ok_or(PartError::Malformed)?;
                let fits = asked.is_answered_by(&part) && self.body.remaining().is_none_or(|left| left == part.len());
                if fits { Ok(Part::Piece(part)) } else { Err(PartError::Other) }
            }
            status => Err(PartError::Status(status)),
        }
    }

    /// The bytes of body left to read, if the server said so.
    pub fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    /// Where the exchange is over, the connection goes on if nothing speaks against it.
    fn settle(&mut self) {
        if self.body.is_done() {
            let clean = !self.body.has_excess() && self.body.behind().is_empty();
            let state = if self.head.keep_alive && clean { State::Ready } else { State::Spent };
            self.connection.set_state(state);
        }
    }
}

impl<S: Read> Response<'_, '_, S> {
    /// Reads some of the body; `Ok(0)` is its end (or an empty `out`).
    ///
    /// # Errors
    ///
    /// As [`BodyError`] says. Dropping the future loses nothing if the stream's own `read` loses nothing.
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize, BodyError<S::Error>> {
        let (stream, buffer) = self.connection.parts();
        let count = self.body.read(stream, buffer, out).await?;
        self.settle();
        Ok(count)
    }

    /// Reads the whole body into `out` and gives it.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLong`] if it does not fit; the connection is then spent.
    pub async fn read_to_end<'o>(&mut self, out: &'o mut [u8]) -> Result<&'o [u8], BodyError<S::Error>> {
        let mut len = 0;
        while len < out.len() {
            match self.read(&mut out[len..]).await? {
                0 => return Ok(&out[..len]),
                count => len += count,
            }
        }
        match self.read(&mut [0]).await? {
            0 => Ok(&out[..len]),
            _ => Err(BodyError::TooLong),
        }
    }

    /// Reads the rest of the body and throws it away, so that the connection can be used again.
    ///
    /// # Errors
    ///
    /// As [`read`](Response::read).
    pub async fn drain(&mut self) -> Result<(), BodyError<S::Error>> {
        let mut scrap = [0; 64];
        while self.read(&mut scrap).await? > 0 {}
        Ok(())
    }
}

impl<S: ErrorType> ErrorType for Response<'_, '_, S> {
    type Error = BodyError<S::Error>;
}

/// The body as a byte stream, for whatever parses one.
impl<S: Read> Read for Response<'_, '_, S> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        Response::read(self, out).await
    }
}
