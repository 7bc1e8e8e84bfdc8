//! A client that has policy: it calls whom a URL names, keeps the connection, follows redirects, and gives up in time.

use core::fmt;

use embedded_io_async::{ErrorType, Read, Write};
use heapless::String;

use super::connection::Connection;
use super::error::SendError;
use super::head::{Head, Headers};
use super::range::{Condition, Range};
use super::request::{Method, Request};
use super::response::Response;
use super::timed::{Timed, TimedError};
use super::url::{URL_MAX, Url, UrlError};
use crate::time::{Clock, Duration, timeout};

/// How an [`Agent`] comes by its streams.
pub trait Dial {
    /// A connection.
    type Stream: Read + Write;
    /// Why there is none.
    type Error;

    /// Opens a connection to the host and port of that URL, by TLS if it is [`secure`](Url::secure). It may be dropped
    /// when it takes too long.
    fn dial(&mut self, url: &Url<'_>) -> impl Future<Output = Result<Self::Stream, Self::Error>>;
}

/// How an agent behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentOptions {
    /// How long opening a connection may take. Default: 10 s.
    pub connect: Duration,
    /// How long it may take from sending a request to the whole head of its answer. Default: 10 s.
    pub answer: Duration,
    /// How long a body may stand still, either way. Default: 10 s.
    pub silence: Duration,
    /// How many redirects are followed for one request. Default: 5.
    pub redirects: u8,
}

impl Default for AgentOptions {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self { connect: ten, answer: ten, silence: ten, redirects: 5 }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What to do.
    pub method: Method,
    /// With what.
    pub url: &'a str,
    /// Headers, as of a [`Request`]. `Authorization`, `Cookie` and `Proxy-Authorization` are not sent to another server
    /// that a redirect leads to.
    pub headers: &'a [(&'a str, &'a str)],
    /// Which part is wanted.
    pub range: Option<Range>,
    /// Under which condition it is wanted.
    pub condition: Option<Condition<'a>>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Call<'a> {
    /// A call without headers or body.
    pub const fn new(method: Method, url: &'a str) -> Self {
        Self { method, url, headers: &[], range: None, condition: None, body: &[] }
    }

    /// A GET.
    pub const fn get(url: &'a str) -> Self {
        Self::new(Method::Get, url)
    }

    /// A POST of `body`.
    pub const fn post(url: &'a str, body: &'a [u8]) -> Self {
        let mut call = Self::new(Method::Post, url);
        call.body = body;
        call
    }
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<D, S> {
    /// The URL, or one that a redirect leads to, cannot be called.
    #[error("the URL cannot be called: {0}")]
    Url(#[from] UrlError),
    /// No connection.
    #[error("no connection: {0}")]
    Dial(D),
    /// Opening a connection, or an answer, took too long.
    #[error("timed out")]
    TimedOut,
    /// The exchange failed.
    #[error("{0}")]
    Send(SendError<TimedError<S>>),
    /// More redirects than are followed.
    #[error("one redirect after the other")]
    Redirects,
    /// A redirect leads from https to http.
    #[error("a redirect leads to where everybody can listen")]
    Insecure,
}

/// What calls of an agent fail with.
pub type AgentError<D> = CallError<<D as Dial>::Error, <<D as Dial>::Stream as ErrorType>::Error>;
/// What an agent's calls are answered with.
pub type AgentResponse<'a, 'b, D, C> = Response<'a, 'b, Timed<<D as Dial>::Stream, C>>;

/// Calls servers, one at a time, over one connection that is kept as long as it serves.
///
/// A request that may be sent twice ([`Method::is_idempotent`]) is sent again, once, if a kept connection turns out to be
/// closed. Redirects are followed as RFC 9110, section 15.4 says: to 303, and to 301 and 302 after a POST, by a GET.
/// Dropping a future of it costs the connection, no more.
pub struct Agent<'b, D: Dial, C> {
    dial: D,
    clock: C,
    options: AgentOptions,
    line: Line<'b, Timed<D::Stream, C>>,
}

/// The buffer: free, or with the connection that uses it.
#[expect(clippy::large_enum_variant, reason = "there is one, and no allocator to make it smaller")]
enum Line<'b, S> {
    Free(&'b mut [u8]),
    Open(Connection<'b, S>, Origin),
}

struct Origin {
    secure: bool,
    authority: String<URL_MAX>,
}

impl<'b, D: Dial, C: Clock + Clone> Agent<'b, D, C> {
    /// An agent that has no connection yet. `buffer` is as a [`Connection`]'s.
    pub fn new(dial: D, clock: C, buffer: &'b mut [u8], options: AgentOptions) -> Self {
        Self { dial, clock, options, line: Line::Free(buffer) }
    }

    /// Makes a call, and waits for the head of its answer: of the last one, where redirects were followed.
    ///
    /// # Errors
    /// [`CallError`]. Any status is an answer.
    pub async fn call(&mut self, call: &Call<'_>) -> Result<AgentResponse<'_, 'b, D, C>, AgentError<D>> {
        let mut at = String::<URL_MAX>::try_from(call.url).map_err(|_| UrlError::TooLong)?;
        let first = Url::parse(call.url)?;
        let (mut method, mut body) = (call.method, call.body);
        let mut followed = 0;
        let (head, filled) = loop {
            let here = Url::parse(&at)?;
            let mut request = Request::new(method, here.target, here.authority);
            (request.headers, request.range, request.condition) = (call.headers, call.range, call.condition);
            (request.body, request.abroad) = (body, !here.has_origin(first.secure, first.authority));
            let (head, filled) = self.exchange(&here, &request).await?;
            let Some(next) = self.redirect(&here, &head)? else {
                break (head, filled);
            };
            if followed >= self.options.redirects {
                return Err(CallError::Redirects);
            }
            followed += 1;
            if here.secure && !Url::parse(&next)?.secure {
                return Err(CallError::Insecure);
            }
            let to_get = head.status == 303 || (matches!(head.status, 301 | 302) && method == Method::Post);
            if to_get && method != Method::Head {
                (method, body) = (Method::Get, &[]);
            }
            self.finish(head, filled).await;
            at = next;
        };
        match &mut self.line {
            Line::Open(connection, _) => Ok(Response::new(connection, head, filled, call.range)),
            Line::Free(_) => Err(CallError::Send(SendError::Spent)),
        }
    }

    /// One request and the head of its answer, which lies in the connection's buffer.
    async fn exchange(&mut self, url: &Url<'_>, request: &Request<'_>) -> Result<(Head, usize), AgentError<D>> {
        let mut kept = matches!(&self.line, Line::Open(connection, origin)
            if connection.is_ready() && url.has_origin(origin.secure, &origin.authority));
        loop {
            if !kept {
                self.open(url).await?;
            }
            let Line::Open(connection, _) = &mut self.line else {
                return Err(CallError::Send(SendError::Spent));
            };
            let sent = timeout(&self.clock, self.options.answer, connection.exchange(request)).await;
            match sent.map_err(|_| CallError::TimedOut)? {
                Ok(answered) => return Ok(answered),
                // The server had closed what we kept: it has not seen this.
                Err(SendError::Closed | SendError::Io(TimedError::Stream(_)))
                    if kept && request.method.is_idempotent() =>
                {
                    kept = false;
                }
                Err(SendError::Io(TimedError::TimedOut)) => return Err(CallError::TimedOut),
                Err(error) => return Err(CallError::Send(error)),
            }
        }
    }

    /// Opens a connection in the place of the last.
    async fn open(&mut self, url: &Url<'_>) -> Result<(), AgentError<D>> {
        let buffer = match core::mem::replace(&mut self.line, Line::Free(&mut [])) {
            Line::Free(buffer) => buffer,
            // The last one's stream is dropped first: there may be room for one only.
            Line::Open(connection, _) => connection.into_buffer(),
        };
        self.line = Line::Free(buffer);
        let authority = String::try_from(url.authority).map_err(|_| UrlError::TooLong)?;
        let dialled = timeout(&self.clock, self.options.connect, self.dial.dial(url)).await;
        let stream = dialled.map_err(|_| CallError::TimedOut)?.map_err(CallError::Dial)?;
        if let Line::Free(buffer) = core::mem::replace(&mut self.line, Line::Free(&mut [])) {
            let stream = Timed::new(stream, self.clock.clone(), self.options.silence);
            self.line = Line::Open(Connection::new(stream, buffer), Origin { secure: url.secure, authority });
        }
        Ok(())
    }

    /// Where the answer leads to, if it leads on.
    fn redirect(&self, here: &Url<'_>, head: &Head) -> Result<Option<String<URL_MAX>>, UrlError> {
        if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Line::Open(connection, _) = &self.line else {
            return Ok(None);
        };
        let mut headers = Headers::new(&connection.buffer()[..head.len]);
        let location = headers.find(|(name, _)| name.eq_ignore_ascii_case("location"));
        let Some((_, location)) = location else {
            return Ok(None);
        };
        let location = core::str::from_utf8(location).map_err(|_| UrlError::Character)?;
        here.resolve(location).map(Some)
    }

    /// Reads the body of an answer that leads elsewhere, if it is short: else the connection is spent.
    async fn finish(&mut self, head: Head, filled: usize) {
        if let Line::Open(connection, _) = &mut self.line {
            let mut response = Response::new(connection, head, filled, None);
            let mut scrap = [0; 256];
            // What goes wrong shows in the connection.
            let _ = timeout(&self.clock, self.options.silence, response.read_to_end(&mut scrap)).await;
        }
    }
}

impl<D: Dial, C> fmt::Debug for Agent<'_, D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("options", &self.options).finish_non_exhaustive()
    }
}
