//! What can go wrong, by operation.

use embedded_io_async::ErrorKind;
use thiserror::Error;

/// Why a request cannot be written down. The connection is untouched and still usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The head does not fit into the connection's buffer.
    #[error("the request head is longer than the buffer")]
    HeadTooLong,
    /// The target is empty, or holds a space, a control or a non-ASCII character.
    #[error("the request target holds a character that may not stand there")]
    Target,
    /// The host, a header name or a header value holds a character that may not stand there.
    #[error("a header holds a character that may not stand there")]
    Header,
    /// `Host`, `Connection`, `Content-Length` and `Transfer-Encoding` follow from the request's fields.
    #[error("a header that the client writes itself was given")]
    ReservedHeader,
    /// A request whose body is written piece by piece has one already.
    #[error("the request has a body already")]
    TwoBodies,
}

/// How a response contradicts itself about where its body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FramingError {
    /// `Content-Length` is no number, or two of them differ.
    #[error("the content length is not one number")]
    ContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`, which is how requests are smuggled.
    #[error("both a content length and a transfer encoding")]
    TwoLengths,
    /// A transfer encoding other than `chunked` alone, or one in HTTP/1.0.
    #[error("a transfer encoding other than chunked")]
    TransferEncoding,
}

/// Why there is no response.
///
/// After any of these but [`Request`](SendError::Request) the connection is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError<E> {
    /// An earlier exchange on this connection was its last, or was not finished. Nothing was written.
    #[error("the connection is spent")]
    Spent,
    /// The request cannot be written down. Nothing was written.
    #[error("{0}")]
    Request(RequestError),
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Io(E),
    /// Less of the body was written than the request said that there would be.
    #[error("less than the length that was told")]
    TooShort,
    /// The server closed without a single byte of an answer.
    ///
    /// On a connection that has served before this is most often the server's idle timeout, and an
    /// idempotent request may be sent again on a new connection at once.
    #[error("closed by the server before it answered")]
    Closed,
    /// The server closed in the middle of the response head.
    #[error("closed by the server within the response head")]
    Truncated,
    /// The response head does not fit into the connection's buffer.
    #[error("the response head is longer than the buffer")]
    HeadTooLong,
    /// More headers than [`Headers::LIMIT`](super::Headers::LIMIT).
    #[error("the response has too many headers")]
    TooManyHeaders,
    /// More interim (1xx) responses than anyone needs.
    #[error("the server sends interim responses without end")]
    TooManyInterim,
    /// What came is not an HTTP/1 response head.
    #[error("the response head is malformed")]
    Malformed,
    /// The body's length cannot be told.
    #[error("the response is framed wrongly: {0}")]
    Framing(FramingError),
}

/// Why a body cannot be written on. The connection is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UploadError<E> {
    /// The stream failed. The server may have answered before it had everything, and closed.
    #[error("the stream failed: {0}")]
    Io(E),
    /// The stream takes no more.
    #[error("the stream takes no more")]
    Closed,
    /// More was written than the request said that there would be.
    #[error("more than the length that was told")]
    TooLong,
}

impl<E: embedded_io_async::Error> embedded_io_async::Error for UploadError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            UploadError::Io(error) => error.kind(),
            UploadError::Closed => ErrorKind::BrokenPipe,
            UploadError::TooLong => ErrorKind::InvalidInput,
        }
    }
}

/// Why an answer is not the part that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PartError {
    /// It is a part, and none was asked for.
    #[error("a part that nobody asked for")]
    Unasked,
    /// It does not tell which part it is, or in a way that makes no sense.
    #[error("a part that does not tell which")]
    Malformed,
    /// It is another part.
    #[error("another part than was asked for")]
    Other,
    /// It is no part, and not the whole either.
    #[error("status {0}")]
    Status(u16),
}

/// Why a body cannot be read on. The connection is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BodyError<E> {
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Io(E),
    /// The stream ended before the body did.
    #[error("closed by the server within the response body")]
    Truncated,
    /// The chunked coding is malformed, or its extensions or trailers are absurdly long.
    #[error("the chunked coding is malformed")]
    Chunk,
    /// The body is longer than the buffer it was to fit into.
    #[error("the response body is longer than the buffer")]
    TooLong,
}

impl<E: embedded_io_async::Error> embedded_io_async::Error for BodyError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            BodyError::Io(error) => error.kind(),
            BodyError::Truncated => ErrorKind::ConnectionReset,
            BodyError::Chunk => ErrorKind::InvalidData,
            BodyError::TooLong => ErrorKind::OutOfMemory,
        }
    }
}
