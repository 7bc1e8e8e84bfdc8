//! Response heads: where one ends, what it says, and where its body will end.

use super::error::{FramingError, SendError};
use super::range::number;
use super::request::Method;

/// Where a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

/// The facts of one response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// Both the version and the headers leave the connection open.
    pub(super) keep_alive: bool,
    /// Bytes from the status line to the empty line, inclusive.
    pub(super) len: usize,
}

/// Why a complete head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    Malformed,
    TooManyHeaders,
    Framing(FramingError),
}

impl<E> From<HeadError> for SendError<E> {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed => SendError::Malformed,
            HeadError::TooManyHeaders => SendError::TooManyHeaders,
            HeadError::Framing(framing) => SendError::Framing(framing),
        }
    }
}

/// Whether the empty line that ends a head stands in `bytes`, of which the first `seen` were searched before.
pub(super) fn is_complete(bytes: &[u8], seen: usize) -> bool {
    let from = seen.saturating_sub(3);
    let fresh = &bytes[from.min(bytes.len())..];
    fresh.windows(2).any(|w| w == b"\n\n") || fresh.windows(3).any(|w| w == b"\n\r\n")
}

/// Whether `bytes` may become a response: a peer that speaks something else is told apart at once, not
/// when the buffer is full or the caller's patience at its end.
pub(super) fn is_plausible(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/1.").all(|(have, want)| have == want)
}

/// Parses a head that [`is_complete`].
pub(super) fn parse(bytes: &[u8], method: Method) -> Result<Head, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; Headers::LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
        Ok(httparse::Status::Partial) | Err(_) => return Err(HeadError::Malformed),
    };
    let (Some(status), Some(minor)) = (response.code, response.version) else {
        return Err(HeadError::Malformed);
    };
    if status < 100 {
        return Err(HeadError::Malformed);
    }
    let says = Says::collect(response.headers)?;
    let framing = says.framing(status, minor, method).map_err(HeadError::Framing)?;
    let keep_alive = minor >= 1 && !says.close && status != 101 && framing != Framing::UntilClose;
    Ok(Head { status, framing, keep_alive, len })
}

/// What the headers say about the connection and the body.
#[derive(Default)]
pub(super) struct Says {
    length: Option<u64>,
    coded: bool,
    chunked: bool,
    pub(super) close: bool,
}

impl Says {
    pub(super) fn collect(headers: &[httparse::Header<'_>]) -> Result<Self, HeadError> {
        let mut says = Says::default();
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                says.length = Some(content_length(header.value, says.length).map_err(HeadError::Framing)?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                // A second coding on top, in one line or in two, is not ours to undo.
                says.chunked = !says.coded && header.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                says.coded = true;
            } else if header.name.eq_ignore_ascii_case("connection") {
                says.close |= elements(header.value).any(|e| e.eq_ignore_ascii_case(b"close"));
            }
        }
        Ok(says)
    }

    fn framing(&self, status: u16, minor: u8, method: Method) -> Result<Framing, FramingError> {
        let framing = self.told(minor)?;
        if method == Method::Head || status < 200 || status == 204 || status == 304 {
            return Ok(Framing::Empty);
        }
        Ok(framing.unwrap_or(Framing::UntilClose))
    }

    /// Where a request's body ends: at once, if it does not say.
    pub(super) fn request_framing(&self, minor: u8) -> Result<Framing, FramingError> {
        Ok(self.told(minor)?.unwrap_or(Framing::Empty))
    }

    /// What the headers tell.
    fn told(&self, minor: u8) -> Result<Option<Framing>, FramingError> {
        if self.coded && self.length.is_some() {
            return Err(FramingError::TwoLengths);
        }
        if self.coded && (!self.chunked || minor == 0) {
            return Err(FramingError::TransferEncoding);
        }
        Ok(match self.length {
            _ if self.coded => Some(Framing::Chunked),
            Some(0) => Some(Framing::Empty),
            Some(length) => Some(Framing::Length(length)),
            None => None,
        })
    }
}

/// One number, or the same number again and again (RFC 9110, section 8.6).
fn content_length(value: &[u8], before: Option<u64>) -> Result<u64, FramingError> {
    let mut length = before;
    for element in elements(value) {
        let told = number(element).ok_or(FramingError::ContentLength)?;
        if length.is_some_and(|known: u64| known != told) {
            return Err(FramingError::ContentLength);
        }
        length = Some(told);
    }
    length.ok_or(FramingError::ContentLength)
}

/// The elements of a comma-separated header value.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The headers of a response, in the order they came, as (name, value).
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The most headers that a response may have.
    pub const LIMIT: usize = 32;

    /// `head` has been parsed before, so only its line structure matters here.
    pub(super) fn new(head: &'a [u8]) -> Self {
        let (_status_line, rest) = split_line(head);
        Headers { rest }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = split_line(self.rest);
        let colon = line.iter().position(|byte| *byte == b':')?;
        self.rest = rest;
        let name = core::str::from_utf8(&line[..colon]).ok()?;
        Some((name, line[colon + 1..].trim_ascii()))
    }
}

fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
