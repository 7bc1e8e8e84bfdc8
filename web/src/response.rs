//! What handlers may return.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, response};
use serde::Serialize;

use crate::{Body, Error};

/// A response whose body is a [`Body`]; everything else about it is the `http` crate's.
pub type Response = http::Response<Body>;

/// Whatever can be sent as a response.
///
/// Text is sent as `text/plain; charset=utf-8`, bytes as `application/octet-stream`, `()` and a bare
/// [`StatusCode`] without a body. Tuples put a status and headers before a body: `(StatusCode::CREATED, [(LOCATION,
/// "/devices/7")], Json(device))`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a response",
    label = "a handler must return something that implements `IntoResponse`",
    note = "text, bytes, `Json(value)`, a `StatusCode`, a `Response`, tuples of status, headers and body, and `Result<_, wavetank_web::Error>` can"
)]
pub trait IntoResponse {
    /// Turns the value into a response.
    fn into_response(self) -> Response;
}

/// A value sent as `application/json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(Body::empty())
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self;
        response
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => typed(HeaderValue::from_static("application/json"), text),
            Err(error) => Error::from(error).into_response(),
        }
    }
}

impl<T: IntoResponse, E: Into<Error>> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into().into_response(),
        }
    }
}

macro_rules! bodies_with_a_type {
    ($media_type:literal: $($body:ty),+) => {$(
        impl IntoResponse for $body {
            fn into_response(self) -> Response {
                typed(HeaderValue::from_static($media_type), self)
            }
        }
    )+};
}

bodies_with_a_type!("text/plain; charset=utf-8": &'static str, String);
bodies_with_a_type!("application/octet-stream": &'static [u8], Vec<u8>, Bytes);

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        *response.status_mut() = self.0;
        response
    }
}

impl<T: IntoResponse> IntoResponse for (HeaderMap, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        replace(response.headers_mut(), self.0);
        response
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, HeaderMap, T) {
    fn into_response(self) -> Response {
        (self.0, (self.1, self.2)).into_response()
    }
}

impl<V, T, const N: usize> IntoResponse for ([(HeaderName, V); N], T)
where
    V: TryInto<HeaderValue>,
    V::Error: Into<http::Error>,
    T: IntoResponse,
{
    /// A value that no header may hold (a line break, say) makes the response a 500.
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        for (name, value) in self.0 {
            match value.try_into() {
                Ok(value) => response.headers_mut().insert(name, value),
                Err(error) => return Error::from(error.into()).into_response(),
            };
        }
        response
    }
}

impl<V, T, const N: usize> IntoResponse for (StatusCode, [(HeaderName, V); N], T)
where
    ([(HeaderName, V); N], T): IntoResponse,
{
    fn into_response(self) -> Response {
        let mut response = (self.1, self.2).into_response();
        if !response.status().is_server_error() {
            *response.status_mut() = self.0;
        }
        response
    }
}

impl IntoResponse for response::Parts {
    fn into_response(self) -> Response {
        Response::from_parts(self, Body::empty())
    }
}

pub(crate) fn typed(media_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

fn replace(headers: &mut HeaderMap, with: HeaderMap) {
    let mut current = None;
    for (name, value) in with {
        match name {
            Some(name) => {
                headers.insert(name.clone(), value);
                current = Some(name);
            }
            None => {
                let name = current.as_ref().expect("a header map names its first value");
                headers.append(name.clone(), value);
            }
        }
    }
}
