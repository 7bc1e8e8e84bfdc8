//! A client for tests: it asks an app without a socket.

#[cfg(feature = "websocket")]
mod socket;

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "websocket")]
pub use socket::ClientSocket;

use crate::{AppService, Body, BodyError, Response};

/// Asks an app, and reads its answers whole.
///
/// ```
/// # futures::executor::block_on(async {
/// use wavetank_web::{App, Client, Json};
///
/// let mut app = App::new();
/// app.at("/double").post(async |Json(n): Json<u32>| Json(n * 2));
/// let client = Client::new(app.into_service()?);
/// let answer = client.post("/double").json(&21).send().await?;
/// assert_eq!(answer.json::<u32>()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Client<State = ()> {
    service: AppService<State>,
}

macro_rules! methods {
    ($($name:ident $method:ident),+ $(,)?) => {$(
        #[doc = concat!("A `", stringify!($method), "` of this target, to be sent.")]
        pub fn $name(&self, target: &str) -> Asking<'_, State> {
            self.request(Method::$method, target)
        }
    )+};
}

impl<State: 'static> Client<State> {
    /// A client of this app.
    #[must_use]
    pub fn new(service: AppService<State>) -> Self {
        Self { service }
    }

    methods! {
        get GET, head HEAD, post POST, put PUT, patch PATCH, delete DELETE, options OPTIONS,
    }

    /// A request to be sent.
    ///
    /// # Panics
    /// If the target is none: it is the test's own.
    pub fn request(&self, method: Method, target: &str) -> Asking<'_, State> {
        let uri: Uri = target.parse().expect("a test names a valid target");
        let mut request = http::Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(http::header::HOST, HeaderValue::from_static("test"));
        Asking { client: self, request }
    }
}

/// A request of a test, to be sent.
#[must_use = "a request that is not sent asks nothing"]
pub struct Asking<'client, State> {
    client: &'client Client<State>,
    request: http::Request<Body>,
}

impl<State: 'static> Asking<'_, State> {
    /// Adds a header field.
    ///
    /// # Panics
    /// If the name or the value is none: they are the test's own.
    pub fn header(mut self, name: impl TryInto<HeaderName>, value: impl TryInto<HeaderValue>) -> Self {
        let (Ok(name), Ok(value)) = (name.try_into(), value.try_into()) else {
            panic!("a test's header field has a name or a value that none may have");
        };
        self.request.headers_mut().append(name, value);
        self
    }

    /// Sends this body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends this value as JSON.
    ///
    /// # Panics
    /// If it cannot be written as JSON: it is the test's own.
    pub fn json(self, value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value).expect("a test's value can be written as JSON");
        self.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(text)
    }

    /// Sends this value as a form.
    ///
    /// # Panics
    /// If it cannot be written as a form: it is the test's own.
    pub fn form(self, value: &impl Serialize) -> Self {
        let text = serde_html_form::to_string(value).expect("a test's value can be written as a form");
        self.header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")).body(text)
    }

    /// Sends it, and waits for the whole answer.
    ///
    /// # Errors
    /// If the response's body fails.
    pub async fn send(self) -> Result<Answer, BodyError> {
        let (parts, body) = self.stream().await.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.collect_up_to(u64::MAX).await? })
    }

    /// Sends it, and returns the response with its body still to come.
    pub async fn stream(self) -> Response {
        self.client.service.respond(self.request).await
    }
}

/// What an app answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is not the JSON of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// A header field, or nothing if it is not there or is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl<State> fmt::Debug for Client<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl<State> fmt::Debug for Asking<'_, State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("request", &self.request).finish_non_exhaustive()
    }
}
