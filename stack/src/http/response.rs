//! A response: its head at hand, its body to be read.

use core::ops::Range;

use embedded_io_async::{ErrorType, Read};

use super::chunked::Decoder;
use super::connection::{Connection, State};
use super::error::BodyError;
use super::head::{Framing, Head, Headers};

/// One answer. While it lives it borrows its connection.
///
/// Dropping it before the body's end spends the connection; [`drain`](Response::drain) keeps it.
#[derive(Debug)]
pub struct Response<'c, 'b, S> {
    connection: &'c mut Connection<'b, S>,
    head: Head,
    /// Bytes of the body that came with the head and still lie in the connection's buffer.
    buffered: Range<usize>,
    body: Body,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
    Done,
}

impl<'c, 'b, S> Response<'c, 'b, S> {
    pub(super) fn new(connection: &'c mut Connection<'b, S>, head: Head, filled: usize) -> Self {
        let body = match head.framing {
            Framing::Empty => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Decoder::new()),
            Framing::UntilClose => Body::UntilClose,
        };
        let mut response = Response { connection, head, buffered: head.len..filled, body };
        if matches!(body, Body::Done) {
            response.finish(0);
        }
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

    /// The bytes of body left to read, if the server said so.
    pub fn remaining(&self) -> Option<u64> {
        match self.body {
            Body::Length(left) => Some(left),
            Body::Done => Some(0),
            Body::Chunked(_) | Body::UntilClose => None,
        }
    }

    /// The exchange is over; the connection goes on if nothing speaks against it.
    fn finish(&mut self, excess: usize) {
        self.body = Body::Done;
        let clean = excess == 0 && self.buffered.is_empty();
        let state = if self.head.keep_alive && clean { State::Ready } else { State::Spent };
        self.connection.set_state(state);
    }
}

impl<S: Read> Response<'_, '_, S> {
    /// Reads some of the body; `Ok(0)` is its end (or an empty `out`).
    ///
    /// # Errors
    ///
    /// As [`BodyError`] says. Dropping the future loses nothing if the stream's own `read` loses nothing.
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize, BodyError<S::Error>> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let limit = match self.body {
                Body::Done => return Ok(0),
                Body::Length(left) => usize::try_from(left).unwrap_or(usize::MAX).min(out.len()),
                Body::Chunked(_) | Body::UntilClose => out.len(),
            };
            let count = self.receive(&mut out[..limit]).await.map_err(BodyError::Io)?;
            if let Some(data) = self.decode(&mut out[..count])? {
                return Ok(data);
            }
        }
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

    /// Coded bytes of the body: first those that came with the head, then from the stream.
    async fn receive(&mut self, out: &mut [u8]) -> Result<usize, S::Error> {
        if self.buffered.is_empty() {
            let count = self.connection.stream().read(out).await?;
            return Ok(count.min(out.len()));
        }
        let count = out.len().min(self.buffered.len());
        let from = self.buffered.start;
        out[..count].copy_from_slice(&self.connection.buffer()[from..from + count]);
        self.buffered.start += count;
        Ok(count)
    }

    /// Undoes the framing of `bytes`, the next that were received: none means the stream has ended.
    /// Gives the data now at their front; `None` if there is none yet.
    fn decode(&mut self, bytes: &mut [u8]) -> Result<Option<usize>, BodyError<S::Error>> {
        if bytes.is_empty() && !matches!(self.body, Body::UntilClose) {
            return Err(BodyError::Truncated);
        }
        match &mut self.body {
            Body::Done => Ok(Some(0)),
            Body::UntilClose => {
                if bytes.is_empty() {
                    self.finish(0);
                }
                Ok(Some(bytes.len()))
            }
            Body::Length(left) => {
                *left -= bytes.len() as u64;
                if *left == 0 {
                    self.finish(0);
                }
                Ok(Some(bytes.len()))
            }
            Body::Chunked(decoder) => {
                let decoded = decoder.decode(bytes).map_err(|_malformed| BodyError::Chunk)?;
                let done = decoder.is_done();
                if done {
                    self.finish(decoded.excess);
                }
                Ok((decoded.data > 0 || done).then_some(decoded.data))
            }
        }
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
