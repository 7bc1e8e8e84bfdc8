//! HTTP/1.1 over any byte stream: no alloc, one buffer, bounded in everything.
//!
//! A [`Connection`] wraps a stream and a buffer of the caller's. [`Connection::send`] writes a
//! [`Request`] and waits for the head of the answer; the [`Response`] borrows the connection until its
//! body has been read or given up. [`Connection::begin`] has a long body written piece by piece. Syntax and framing
//! follow RFC 9112; ranges and conditions RFC 9110.
//!
//! What a connection deliberately does not do: no timeouts, no retries, no redirects, no pipelining, no content coding.
//! Those are policy: an [`Agent`] has it, all but the last two, over connections that it opens where URLs lead.
//! [`server`] is the other side, for a page about a device.
//!
//! # Cancelling
//!
//! Dropping any of these futures at any await is allowed. An exchange is finished when its response body
//! has been read to the end; a connection whose exchange was dropped before that is spent: it refuses
//! every later request with [`SendError::Spent`] and never takes bytes of one answer for another's.
//! [`Connection::is_ready`] tells beforehand. The remedy is always the same: open a new stream.
//!
//! # Reuse
//!
//! A connection stays open for the next request unless either side said `Connection: close`, the server
//! speaks HTTP/1.0, the body's end is the stream's end, or the server sent bytes that nobody asked for.

mod agent;
mod body;
mod chunked;
mod connection;
mod error;
mod head;
mod range;
mod request;
mod response;
pub mod server;
mod timed;
mod upload;
mod url;

#[cfg(test)]
mod tests;

pub use agent::{Agent, AgentError, AgentOptions, AgentResponse, Call, CallError, Dial};
pub use connection::Connection;
pub use error::{BodyError, FramingError, PartError, RequestError, SendError, UploadError};
pub use head::Headers;
pub use range::{Condition, ContentRange, Part, Range};
#[cfg(feature = "websocket")]
pub(crate) use request::{Cursor, is_field_value, is_token};
pub use request::{Method, Request};
pub use response::Response;
pub use timed::{Timed, TimedError};
pub use upload::Upload;
pub use url::{URL_MAX, Url, UrlError};

/// Moves bytes down to `to`, which is before them.
fn slide(bytes: &mut [u8], from: core::ops::Range<usize>, to: usize) {
    #[cfg(feature = "alloc")]
    bytes.copy_within(from, to);
    // On boards nothing else calls `memmove`, which takes 1.6 KB. As loads and stores it would be made of this again.
    #[cfg(not(feature = "alloc"))]
    for (at, behind) in (to..).zip(from) {
        bytes.swap(at, behind);
    }
}
