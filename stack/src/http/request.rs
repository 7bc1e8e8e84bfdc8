//! A request, and its head on the wire.

use core::fmt;

use super::error::RequestError;
use super::range::{Condition, Range};

/// Request methods (RFC 9110, section 9; RFC 5789).
///
/// `CONNECT` is absent on purpose: its answer is framed unlike all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Transfer the target's representation.
    Get,
    /// The same as GET, without the body.
    Head,
    /// Process the body.
    Post,
    /// Replace the target by the body.
    Put,
    /// Change the target as the body says.
    Patch,
    /// Remove the target.
    Delete,
    /// Describe the ways to talk to the target.
    Options,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 7] =
        [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Options];

    /// The method's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }

    /// Whether to do it twice is as good as once (RFC 9110, section 9.2.2).
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Method::Post | Method::Patch)
    }

    /// Whether a request without a body still says that its length is zero (RFC 9110, section 8.6).
    const fn expects_body(self) -> bool {
        matches!(self, Method::Post | Method::Put | Method::Patch)
    }
}

/// One request, borrowed from wherever its parts are.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What to do.
    pub method: Method,
    /// The target in origin form: a path that starts with `/`, and a query if there is one.
    pub target: &'a str,
    /// The `Host` header: a name or an address, with a port unless it is 80.
    pub host: &'a str,
    /// More headers. `Host`, `Connection`, `Content-Length` and `Transfer-Encoding` are refused.
    pub headers: &'a [(&'a str, &'a str)],
    /// Which part is wanted; all if none is given. The answer's [`part`](super::Response::part) says what came of it.
    pub range: Option<Range>,
    /// Under which condition it is wanted.
    pub condition: Option<Condition<'a>>,
    /// The body, sent with its `Content-Length`; none if empty.
    pub body: &'a [u8],
    /// Ask the server to close after its answer.
    pub close: bool,
    /// Whether it goes to another server than it was written for: then what proves who we are is left out.
    pub(super) abroad: bool,
}

impl<'a> Request<'a> {
    /// A request without headers or body that leaves the connection open.
    pub const fn new(method: Method, target: &'a str, host: &'a str) -> Self {
        Request {
            method,
            target,
            host,
            headers: &[],
            range: None,
            condition: None,
            body: &[],
            close: false,
            abroad: false,
        }
    }

    /// A GET.
    pub const fn get(target: &'a str, host: &'a str) -> Self {
        Request::new(Method::Get, target, host)
    }

    /// A POST of `body`; say what it is by a `Content-Type` header.
    pub const fn post(target: &'a str, host: &'a str, body: &'a [u8]) -> Self {
        let mut request = Request::new(Method::Post, target, host);
        request.body = body;
        request
    }

    /// The same with these headers.
    pub const fn with_headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    /// The same, wanting only that part.
    pub const fn with_range(mut self, range: Range) -> Self {
        self.range = Some(range);
        self
    }

    /// The same, under that condition.
    pub const fn with_condition(mut self, condition: Condition<'a>) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Writes the head into `buffer` and says how long it is.
    pub(super) fn encode(&self, length: Length, buffer: &mut [u8]) -> Result<usize, RequestError> {
        self.validate()?;
        let mut out = Cursor { buffer, len: 0 };
        self.encode_into(length, &mut out).map_err(|fmt::Error| RequestError::HeadTooLong)?;
        Ok(out.len)
    }

    /// How long the body is that the request has with it.
    pub(super) fn length(&self) -> Length {
        if self.body.is_empty() && !self.method.expects_body() {
            Length::None
        } else {
            Length::Known(self.body.len() as u64)
        }
    }

    fn validate(&self) -> Result<(), RequestError> {
        if self.target.is_empty() || !self.target.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(RequestError::Target);
        }
        if !self.host.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(RequestError::Header);
        }
        for (name, value) in self.headers {
            if RESERVED.iter().any(|r| name.eq_ignore_ascii_case(r)) {
                return Err(RequestError::ReservedHeader);
            }
            if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_field_value) {
                return Err(RequestError::Header);
            }
        }
        if let Some(condition) = &self.condition
            && !condition.header().1.bytes().all(is_field_value)
        {
            return Err(RequestError::Header);
        }
        Ok(())
    }

    fn encode_into(&self, length: Length, out: &mut Cursor<'_>) -> fmt::Result {
        out.put(&[self.method.as_str(), " ", self.target, " HTTP/1.1\r\nHost: ", self.host, "\r\n"])?;
        for (name, value) in self.headers {
            if self.abroad && PERSONAL.iter().any(|personal| name.eq_ignore_ascii_case(personal)) {
                continue;
            }
            out.put(&[name, ": ", value, "\r\n"])?;
        }
        if let Some(range) = self.range {
            out.put(&["Range: bytes="])?;
            match range {
                Range::From(first) => out.number(first).and_then(|()| out.put(&["-"]))?,
                Range::Between(first, last) => {
                    out.number(first)?;
                    out.put(&["-"])?;
                    out.number(last)?;
                }
                Range::Last(count) => out.put(&["-"]).and_then(|()| out.number(count))?,
            }
            out.put(&["\r\n"])?;
        }
        if let Some(condition) = &self.condition {
            let (name, value) = condition.header();
            out.put(&[name, ": ", value, "\r\n"])?;
        }
        if self.close {
            out.put(&["Connection: close\r\n"])?;
        }
        match length {
            Length::None => {}
            Length::Known(length) => {
                out.put(&["Content-Length: "])?;
                out.number(length)?;
                out.put(&["\r\n"])?;
            }
            Length::Chunked => out.put(&["Transfer-Encoding: chunked\r\n"])?,
        }
        out.put(&["\r\n"])
    }
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// There is no body.
    None,
    Known(u64),
    Chunked,
}

/// What is meant for one server alone.
const PERSONAL: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

pub(super) const RESERVED: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// `tchar` of RFC 9110, section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    // From the circumflex on come low line, grave accent and small letters.
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~')
}

pub(crate) fn is_field_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Text on its way into a buffer.
pub(crate) struct Cursor<'b> {
    pub(crate) buffer: &'b mut [u8],
    pub(crate) len: usize,
}

impl Cursor<'_> {
    pub(crate) fn put(&mut self, parts: &[&str]) -> fmt::Result {
        parts.iter().try_for_each(|part| self.bytes(part.as_bytes()))
    }

    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        let end = self.len + bytes.len();
        self.buffer.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Writes a number, without the language's way of writing anything anyhow, which takes a kilobyte of a board.
    pub(crate) fn number(&mut self, mut number: u64) -> fmt::Result {
        const DIGITS: usize = u64::MAX.ilog10() as usize + 1;
        let mut digits = [0; DIGITS];
        let mut first = DIGITS;
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.bytes(&digits[first..]);
            }
        }
    }
}
