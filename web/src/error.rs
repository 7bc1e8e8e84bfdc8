//! Errors that are responses: a status, a problem document for the client, a source for the log.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Body, BodyError, BoxError, IntoResponse, Response};

/// What handlers return when they may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed request: a status, and what the client may know about it.
///
/// It is sent as `application/problem+json` (RFC 9457) with `title`, `status`, and where given `type`, `detail` and
/// further members. The source, if any, is for the log alone: no text of it reaches the client. Any
/// `std::error::Error` becomes a 500 by `?`, so that a slip in a handler cannot leak either.
///
/// ```
/// use wavetank_web::{Error, IntoResponse, StatusCode};
///
/// let error = Error::new(StatusCode::NOT_FOUND).detail("there is no device `thermostat-9`");
/// assert_eq!(error.into_response().status(), 404);
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    status: StatusCode,
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    members: Map<String, Value>,
    headers: HeaderMap,
    source: Option<BoxError>,
}

impl Error {
    /// An error of this status, which should be in 400..=599.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            inner: Box::new(Inner {
                status,
                kind: None,
                title: None,
                detail: None,
                members: Map::new(),
                headers: HeaderMap::new(),
                source: None,
            }),
        }
    }

    /// Says what is wrong with this request, to the client.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.inner.detail = Some(detail.into());
        self
    }

    /// Names the kind of problem: a URI for `type` and a short text for `title`, the same for every occurrence.
    #[must_use]
    pub fn kind(mut self, uri: impl Into<Cow<'static, str>>, title: impl Into<Cow<'static, str>>) -> Self {
        self.inner.kind = Some(uri.into());
        self.inner.title = Some(title.into());
        self
    }

    /// Adds a member of its own to the problem document. A value that cannot be written as JSON is left out.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => drop(self.inner.members.insert(name.into(), value)),
            Err(error) => tracing::error!(%error, "a member of a problem document is not JSON"),
        }
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.inner.headers.append(name, value);
        self
    }

    /// Keeps what caused the error, for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status
    }

    /// What caused the error, if it is known. Its own sources follow from it.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.inner.source.as_deref()
    }

    fn title(&self) -> &str {
        match &self.inner.title {
            Some(title) => title,
            None => self.inner.status.canonical_reason().unwrap_or("Error"),
        }
    }

    fn problem(&self) -> Vec<u8> {
        let mut document = Map::new();
        if let Some(kind) = &self.inner.kind {
            document.insert("type".into(), kind.as_ref().into());
        }
        document.insert("title".into(), self.title().into());
        document.insert("status".into(), self.inner.status.as_u16().into());
        if let Some(detail) = &self.inner.detail {
            document.insert("detail".into(), detail.as_ref().into());
        }
        for (name, value) in &self.inner.members {
            document.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        Value::Object(document).to_string().into_bytes()
    }
}

/// The error with all that caused it, on one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.inner.status.as_u16(), self.title())?;
        if let Some(detail) = &self.inner.detail {
            write!(f, ": {detail}")?;
        }
        let mut source = self.source().map(|error| error as &dyn StdError);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.inner.status)
            .field("detail", &self.inner.detail)
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    /// A body that could not be read is the client's fault; any other error is a 500 that says nothing of itself.
    fn from(error: E) -> Self {
        let any: &dyn StdError = &error;
        let status = match any.downcast_ref::<BodyError>() {
            Some(BodyError::TooLarge { bytes_max }) => {
                return Self::new(StatusCode::PAYLOAD_TOO_LARGE)
                    .detail(format!("the body may have up to {bytes_max} bytes"));
            }
            Some(BodyError::Connection(_) | BodyError::Coding(_)) => StatusCode::BAD_REQUEST,
            Some(BodyError::Stream(_)) | None => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status).caused_by(error)
    }
}

impl IntoResponse for Error {
    /// A server error is logged here, with its causes; nothing else would ever show them.
    fn into_response(self) -> Response {
        if self.inner.status.is_server_error() {
            tracing::error!(error = %self, "request failed");
        }
        let mut response = Response::new(Body::from(self.problem()));
        *response.status_mut() = self.inner.status;
        *response.headers_mut() = self.inner.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
