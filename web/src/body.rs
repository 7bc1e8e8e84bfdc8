//! Message bodies: nothing, bytes at hand, or a stream. Made for one thread, so a stream need not be `Send`.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use crate::upgrade::{OnUpgrade, Upgraded};

/// An error of any kind that may cross into hyper.
pub type BoxError = Box<dyn StdError + Send + Sync>;

type Streamed = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError>>>;

/// The body of a request or of a response.
///
/// It is an [`http_body::Body`] of [`Bytes`], streaming in both directions. Bodies that are at hand cost no
/// allocation beyond their bytes.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    limit: Option<Limit>,
    trailers: Option<Box<HeaderMap>>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Incoming(Incoming),
    Streamed(Streamed),
    Upgrade(OnUpgrade),
}

#[derive(Clone, Copy)]
struct Limit {
    bytes_max: u64,
    bytes_left: u64,
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is longer than whoever reads it allows.
    #[error("the body is longer than {bytes_max} bytes")]
    TooLarge {
        /// The limit that was passed.
        bytes_max: u64,
    },
    /// The peer broke off, or framed the body wrongly.
    #[error("the connection ended before the body did, or its framing is wrong")]
    Connection(#[source] hyper::Error),
    /// The body is not coded as it says.
    #[error("the body is not coded as it says")]
    Coding(#[source] std::io::Error),
    /// The stream that the body was made of failed.
    #[error("the stream behind the body failed")]
    Stream(#[source] BoxError),
}

impl Body {
    /// A body of no bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { kind: Kind::Empty, limit: None, trailers: None }
    }

    /// Wraps any `http_body::Body` of bytes. hyper's own incoming bodies and bodies of this type are taken as they
    /// are; others are boxed.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        let any: &mut dyn Any = &mut body;
        if let Some(incoming) = any.downcast_mut::<Option<Incoming>>().and_then(Option::take) {
            return Self { kind: Kind::Incoming(incoming), limit: None, trailers: None };
        }
        if let Some(own) = any.downcast_mut::<Option<Self>>().and_then(Option::take) {
            return own;
        }
        let body = body.take().expect("neither downcast took the body");
        let streamed: Streamed = Box::pin(body.map_err(Into::into));
        Self { kind: Kind::Streamed(streamed), limit: None, trailers: None }
    }

    /// A body whose bytes come from a stream, sent as they come (chunked in HTTP/1.1).
    pub fn from_stream<S, T, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + 'static,
        T: Into<Bytes>,
        E: Into<BoxError> + 'static,
    {
        Self { kind: Kind::Streamed(Box::pin(Pieces { stream })), limit: None, trailers: None }
    }

    /// No body, but what is to be done with the connection after a response of status 101: it is handed over as soon
    /// as the response is sent, and is closed when the future ends. A request that has a body is answered with 400 instead.
    pub fn upgrade<F: Future<Output = ()> + 'static>(then: impl FnOnce(Upgraded) -> F + 'static) -> Self {
        Self { kind: Kind::Upgrade(Box::new(move |upgraded| Box::pin(then(upgraded)))), ..Self::empty() }
    }

    /// All its bytes, if no more are to come.
    pub(crate) fn at_hand(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Empty => Some(&[]),
            Kind::Full(bytes) => Some(bytes),
            Kind::Incoming(_) | Kind::Streamed(_) | Kind::Upgrade(_) => None,
        }
    }

    /// The same, by itself.
    #[cfg(feature = "openapi")]
    pub(crate) fn into_at_hand(self) -> Option<Bytes> {
        match self.kind {
            Kind::Empty => Some(Bytes::new()),
            Kind::Full(bytes) => Some(bytes),
            Kind::Incoming(_) | Kind::Streamed(_) | Kind::Upgrade(_) => None,
        }
    }

    pub(crate) fn take_upgrade(&mut self) -> Option<OnUpgrade> {
        match std::mem::take(&mut self.kind) {
            Kind::Upgrade(upgrade) => Some(upgrade),
            other => {
                self.kind = other;
                None
            }
        }
    }

    /// The same body, which fails with [`BodyError::TooLarge`] once more than `bytes_max` bytes have come. Of
    /// several limits the smallest counts.
    #[must_use]
    pub fn limited(mut self, bytes_max: u64) -> Self {
        if self.limit.is_none_or(|limit| bytes_max < limit.bytes_left) {
            self.limit = Some(Limit { bytes_max, bytes_left: bytes_max });
        }
        self
    }

    /// The next piece of the body, or `None` at its end. Trailers are kept for [`Body::trailers`].
    ///
    /// # Errors
    /// As soon as the limit is passed, the peer breaks off or the stream fails.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        while let Some(frame) = self.frame().await {
            match frame?.into_data() {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(frame) => self.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        Ok(None)
    }

    /// The header fields that came after the body, once [`Body::chunk`] has come to its end. They may not be merged
    /// with those before it unasked (RFC 9110, 6.5.1).
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// Reads the body to its end. A body that came in one piece is not copied.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] beyond `bytes_max`, at once if the body announces such a length.
    pub async fn collect_up_to(self, bytes_max: u64) -> Result<Bytes, BodyError> {
        let mut body = self.limited(bytes_max);
        if let Some(limit) = body.limit
            && HttpBody::size_hint(&body).lower() > limit.bytes_left
        {
            return Err(BodyError::TooLarge { bytes_max: limit.bytes_max });
        }
        let Some(first) = body.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = body.chunk().await? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(chunk) = body.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

pin_project! {
    /// A stream of bytes as a body: one layer where adapters would be three, each of which moves a frame.
    struct Pieces<S> {
        #[pin]
        stream: S,
    }
}

impl<S, T, E> HttpBody for Pieces<S>
where
    S: Stream<Item = Result<T, E>>,
    T: Into<Bytes>,
    E: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = std::task::ready!(self.project().stream.poll_next(cx));
        Poll::Ready(piece.map(|piece| piece.map(|bytes| Frame::data(bytes.into())).map_err(Into::into)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        let frame = match &mut body.kind {
            Kind::Empty | Kind::Upgrade(_) => return Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                body.kind = Kind::Empty;
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                Ok(Frame::data(bytes))
            }
            Kind::Incoming(incoming) => match std::task::ready!(Pin::new(incoming).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(frame) => frame.map_err(BodyError::Connection),
            },
            Kind::Streamed(streamed) => match std::task::ready!(streamed.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) if body.limit.is_none() => return Poll::Ready(Some(Ok(frame))),
                Some(frame) => frame.map_err(BodyError::from_boxed),
            },
        };
        let frame = frame.and_then(|frame| match &mut body.limit {
            Some(limit) => limit.pass(frame),
            None => Ok(frame),
        });
        if frame.is_err() {
            body.kind = Kind::Empty;
        }
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty | Kind::Upgrade(_) => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Incoming(incoming) => incoming.is_end_stream(),
            Kind::Streamed(streamed) => streamed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty | Kind::Upgrade(_) => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(incoming) => incoming.size_hint(),
            Kind::Streamed(streamed) => streamed.size_hint(),
        }
    }
}

impl Limit {
    fn pass(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let length = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        match self.bytes_left.checked_sub(length) {
            Some(left) => {
                self.bytes_left = left;
                Ok(frame)
            }
            None => Err(BodyError::TooLarge { bytes_max: self.bytes_max }),
        }
    }
}

impl BodyError {
    /// A coder's error: what comes in coded wrongly is its sender's fault, what goes out is our own.
    #[cfg(any(feature = "brotli", feature = "gzip", feature = "zstd"))]
    pub(crate) fn of_coding(error: std::io::Error, incoming: bool) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) if incoming => Self::Coding(error),
            Err(error) => Self::Stream(error.into()),
        }
    }

    /// A body wrapped in another keeps its own error rather than being boxed once more.
    fn from_boxed(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self::Stream(other),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Incoming(_) => "incoming",
            Kind::Streamed(_) => "streamed",
            Kind::Upgrade(_) => "upgrade",
        };
        f.debug_struct("Body").field("kind", &kind).field("size", &HttpBody::size_hint(self)).finish()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { kind: Kind::Full(bytes), limit: None, trailers: None }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Self {
        Self { kind: Kind::Incoming(incoming), limit: None, trailers: None }
    }
}
