//! Answers, and their way onto the stream.

use core::fmt::Write as _;

use embedded_io_async::{ErrorType, Write};
use heapless::String;

use super::session::{ServeError, Session};
use crate::http::request::{RESERVED, is_field_value, is_token};

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers. `Connection`, `Content-Length` and `Transfer-Encoding` follow from the answer.
    pub headers: &'a [(&'a str, &'a str)],
    /// What kind of thing the body is; the header is left out if this is empty.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// An answer without further headers.
    pub const fn new(status: u16, content_type: &'a str, body: &'a [u8]) -> Self {
        Self { status, headers: &[], content_type, body }
    }

    /// The same with these headers.
    pub const fn with_headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    fn is_valid(&self) -> bool {
        let type_ok = self.content_type.bytes().all(is_field_value);
        type_ok
            && self.headers.iter().all(|(name, value)| {
                let reserved = RESERVED.iter().any(|own| name.eq_ignore_ascii_case(own));
                !reserved && !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_field_value)
            })
    }
}

/// How the body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(usize),
    /// In chunks; or else by the end of the stream.
    Chunked(bool),
}

pub(super) async fn write<S: Write>(
    stream: &mut S,
    answer: &Answer<'_>,
    with_body: bool,
    goes_on: bool,
) -> Result<(), ServeError<S::Error>> {
    write_head(stream, answer, Length::Known(answer.body.len()), goes_on).await?;
    if with_body && !has_none(answer.status) {
        write_all(stream, answer.body).await.map_err(ServeError::Io)?;
    }
    stream.flush().await.map_err(ServeError::Io)
}

/// Whether an answer of that status has no body, and says nothing of its length (RFC 9110, section 8.6).
fn has_none(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

pub(super) async fn write_head<S: Write>(
    stream: &mut S,
    answer: &Answer<'_>,
    length: Length,
    goes_on: bool,
) -> Result<(), ServeError<S::Error>> {
    if !answer.is_valid() {
        return Err(ServeError::Header);
    }
    let mut line = String::<48>::new();
    let _ = write!(line, "HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    put(stream, &[&line]).await?;
    if !answer.content_type.is_empty() {
        put(stream, &["Content-Type: ", answer.content_type, "\r\n"]).await?;
    }
    for (name, value) in answer.headers {
        put(stream, &[name, ": ", value, "\r\n"]).await?;
    }
    match length {
        _ if has_none(answer.status) => {}
        Length::Known(len) => {
            line.clear();
            let _ = write!(line, "Content-Length: {len}\r\n");
            put(stream, &[&line]).await?;
        }
        Length::Chunked(true) => put(stream, &["Transfer-Encoding: chunked\r\n"]).await?,
        Length::Chunked(false) => {}
    }
    if !goes_on {
        put(stream, &["Connection: close\r\n"]).await?;
    }
    put(stream, &["\r\n"]).await
}

async fn put<S: Write>(stream: &mut S, parts: &[&str]) -> Result<(), ServeError<S::Error>> {
    for part in parts {
        write_all(stream, part.as_bytes()).await.map_err(ServeError::Io)?;
    }
    Ok(())
}

pub(super) async fn write_all<S: Write>(stream: &mut S, mut bytes: &[u8]) -> Result<(), S::Error> {
    while !bytes.is_empty() {
        let count = stream.write(bytes).await?;
        bytes = bytes.get(count..).unwrap_or_default();
        if count == 0 {
            break;
        }
    }
    Ok(())
}

/// What people call it; clients do not read it.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// An answer's body, written piece by piece. Dropping it before it is finished ends the session.
#[derive(Debug)]
pub struct Reply<'s, 'b, S> {
    session: &'s mut Session<'b, S>,
    with_body: bool,
    chunked: bool,
    goes_on: bool,
}

impl<'s, 'b, S> Reply<'s, 'b, S> {
    pub(super) fn new(session: &'s mut Session<'b, S>, with_body: bool, chunked: bool, goes_on: bool) -> Self {
        Self { session, with_body, chunked, goes_on }
    }
}

impl<S: Write> Reply<'_, '_, S> {
    /// Ends the body.
    ///
    /// # Errors
    /// [`ServeError::Io`].
    pub async fn finish(self) -> Result<(), ServeError<S::Error>> {
        let stream = &mut self.session.stream;
        if self.chunked && self.with_body {
            write_all(stream, b"0\r\n\r\n").await.map_err(ServeError::Io)?;
        }
        stream.flush().await.map_err(ServeError::Io)?;
        self.session.is_open = self.goes_on;
        Ok(())
    }
}

impl<S: ErrorType> ErrorType for Reply<'_, '_, S> {
    type Error = S::Error;
}

/// Each write is a chunk: gather what is small.
impl<S: Write> Write for Reply<'_, '_, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, S::Error> {
        if bytes.is_empty() || !self.with_body {
            return Ok(bytes.len());
        }
        let stream = &mut self.session.stream;
        if !self.chunked {
            return stream.write(bytes).await;
        }
        let mut size = String::<20>::new();
        let _ = write!(size, "{:x}\r\n", bytes.len());
        write_all(stream, size.as_bytes()).await?;
        write_all(stream, bytes).await?;
        write_all(stream, b"\r\n").await?;
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.session.stream.flush().await
    }
}
