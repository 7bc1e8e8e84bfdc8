//! A request: its head at hand, its body to be read.

use core::ops::Range;

use embedded_io_async::{Read, Write};

use super::answer::{self, Answer, Reply};
use super::session::{ServeError, Session};
use crate::http::body::Body;
use crate::http::error::{BodyError, FramingError};
use crate::http::head::{self, Framing, HeadError, Headers};
use crate::http::request::Method;

/// One request. While it lives it borrows its session; it is there to be answered.
#[derive(Debug)]
pub struct Asked<'s, 'b, S> {
    session: &'s mut Session<'b, S>,
    head: Head,
    body: Body,
    /// The client waits for a word before it sends the body (RFC 9110, section 10.1.1).
    waits: bool,
}

/// The facts of a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    method: Method,
    /// Where in the buffer the target stands.
    target: Range<usize>,
    minor: u8,
    framing: Framing,
    keep_alive: bool,
    expects: bool,
    len: usize,
}

/// A head that is refused, with this status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) u16);

pub(super) use head::is_complete;

/// Parses a head that [`is_complete`].
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; Headers::LIMIT];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal(431)),
        Err(httparse::Error::Version) => return Err(Refusal(505)),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Refusal(400)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Refusal(400));
    };
    let start = bytes.windows(target.len()).position(|window| window == target.as_bytes()).ok_or(Refusal(400))?;
    let method = Method::ALL.into_iter().find(|known| known.as_str() == method).ok_or(Refusal(501))?;
    let says = head::Says::collect(request.headers).map_err(|error| match error {
        HeadError::Framing(_) | HeadError::Malformed | HeadError::TooManyHeaders => Refusal(400),
    })?;
    let framing = says.request_framing(minor).map_err(|error| match error {
        FramingError::TransferEncoding => Refusal(501),
        FramingError::ContentLength | FramingError::TwoLengths => Refusal(400),
    })?;
    let hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host")).count();
    if hosts > 1 || (minor >= 1 && hosts == 0) {
        return Err(Refusal(400));
    }
    let expects = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("expect"));
    let expects = match expects {
        None => false,
        Some(header) if header.value.eq_ignore_ascii_case(b"100-continue") => minor >= 1,
        Some(_) => return Err(Refusal(417)),
    };
    let target = start..start + target.len();
    Ok(Head { method, target, minor, framing, keep_alive: minor >= 1 && !says.close, expects, len })
}

impl<'s, 'b, S> Asked<'s, 'b, S> {
    pub(super) fn new(session: &'s mut Session<'b, S>, head: Head) -> Self {
        let body = Body::new(head.framing, head.len..session.filled);
        let waits = head.expects && !body.is_done();
        Self { session, head, body, waits }
    }

    /// What to do.
    pub fn method(&self) -> Method {
        self.head.method
    }

    /// With what: path and query, as they were sent.
    pub fn target(&self) -> &str {
        core::str::from_utf8(&self.session.buffer[self.head.target.clone()]).unwrap_or_default()
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// What stands behind the target's question mark.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// All headers, in order.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(&self.session.buffer[..self.head.len])
    }

    /// The first header of that name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The bytes of body left to read, if the client said so.
    pub fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    /// Takes the session over for the answer; whether another request may come after it.
    fn settle(self) -> (&'s mut Session<'b, S>, bool) {
        // A body that nobody read stands between this request and the next.
        let goes_on = self.head.keep_alive && self.body.is_done() && !self.body.has_excess();
        let behind = self.body.behind();
        let session = self.session;
        session.filled = behind.len();
        session.buffer.copy_within(behind, 0);
        (session, goes_on)
    }
}

impl<'s, 'b, S: Read + Write> Asked<'s, 'b, S> {
    /// Reads some of the body; `Ok(0)` is its end (or an empty `out`).
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize, BodyError<S::Error>> {
        if core::mem::take(&mut self.waits) {
            let told = b"HTTP/1.1 100 Continue\r\n\r\n";
            answer::write_all(&mut self.session.stream, told).await.map_err(BodyError::Io)?;
        }
        self.body.read(&mut self.session.stream, self.session.buffer, out).await
    }

    /// Reads the whole body into `out` and gives it.
    ///
    /// # Errors
    /// [`BodyError::TooLong`] if it does not fit.
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

    /// Answers. To HEAD, the body is left out.
    ///
    /// # Errors
    /// [`ServeError`]; the session is then over.
    pub async fn answer(self, answer: &Answer<'_>) -> Result<(), ServeError<S::Error>> {
        let with_body = self.head.method != Method::Head;
        let (session, goes_on) = self.settle();
        answer::write(&mut session.stream, answer, with_body, goes_on).await?;
        session.is_open = goes_on;
        Ok(())
    }

    /// Begins an answer whose body is written piece by piece; that of `answer` has to be empty.
    ///
    /// # Errors
    /// [`ServeError`]; the session is then over.
    pub async fn begin(self, answer: &Answer<'_>) -> Result<Reply<'s, 'b, S>, ServeError<S::Error>> {
        let chunked = self.head.minor >= 1;
        let with_body = self.head.method != Method::Head;
        let (session, goes_on) = self.settle();
        // Whoever knows no chunks reads to the end of the stream.
        let goes_on = goes_on && chunked;
        answer::write_head(&mut session.stream, answer, answer::Length::Chunked(chunked), goes_on).await?;
        Ok(Reply::new(session, with_body, chunked, goes_on))
    }
}
