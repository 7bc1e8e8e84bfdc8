//! A client by the same types.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use http_body::Body as HttpBody;
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower_service::Service;
use url::{Position, Url};

use super::{Operation, Part, Whole, is_nothing};
use crate::{Body, BodyError, BoxError};

/// Why an operation was not answered as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The parameters are not those of the path.
    #[error("the path `{path}` wants a `{name}` that the parameters do not have as text, number or truth")]
    Params {
        /// The operation's path.
        path: &'static str,
        /// What is missing.
        name: String,
    },
    /// A parameter is a segment, or has one, that URLs take for a step (RFC 3986, 5.2.4): another path would be asked.
    #[error("`{name}` of the path `{path}` is `.` or `..`, or has one of them between its slashes")]
    Dots {
        /// The operation's path.
        path: &'static str,
        /// Which parameter.
        name: String,
    },
    /// The query or the body cannot be written.
    #[error("the request cannot be written")]
    Request(#[source] BoxError),
    /// It was not asked, or nothing was answered.
    #[error("there was no answer")]
    Transport(#[source] BoxError),
    /// The answer broke off.
    #[error("the answer broke off")]
    Body(#[from] BodyError),
    /// A status other than one of success (2xx).
    #[error("{status}{}", .detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default())]
    Refused {
        /// The status.
        status: StatusCode,
        /// What the problem document says, if there is one.
        detail: Option<String>,
        /// The problem document (RFC 9457), or null.
        problem: Value,
    },
    /// The answer is not what the operation says.
    #[error("the answer is not what the operation says")]
    Answer(#[source] serde_json::Error),
}

/// Answers are read up to this.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Asks operations of a server, by a service that takes its requests there: the app itself, a connection, or a client that finds
/// its way by itself.
pub struct Caller<S> {
    service: S,
    base: Url,
    headers: HeaderMap,
}

impl<S> Caller<S> {
    /// Asks by this service, which leads to the server: an app, or a connection. Paths are below that of `base`, whose host and port
    /// are named to the server.
    #[must_use]
    pub fn new(service: S, base: Url) -> Self {
        Self { service, base, headers: HeaderMap::new() }
    }

    /// Says this with all that is asked: who asks (`Authorization`), say.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// If it is not answered with a status of success and with what the operation says.
    pub async fn call<P, Q, B, A, Answer>(
        &self,
        operation: &Operation<P, Q, B, A>,
        params: &P,
        query: &Q,
        body: &B,
    ) -> Result<A, CallError>
    where
        P: Part,
        Q: Part,
        B: Whole,
        A: Whole,
        S: Service<http::Request<Body>, Response = http::Response<Answer>> + Clone,
        S::Error: Into<BoxError>,
        Answer: HttpBody<Data = Bytes> + 'static,
        Answer::Error: Into<BoxError>,
    {
        let mut request = operation.request(&self.base, params, query, body)?;
        request.headers_mut().extend(self.headers.clone());
        let mut service = self.service.clone();
        let ready = poll_fn(|cx| service.poll_ready(cx)).await;
        ready.map_err(|error| CallError::Transport(error.into()))?;
        let response = service.call(request).await.map_err(|error| CallError::Transport(error.into()))?;
        operation.read(response.map(Body::new)).await
    }
}

impl<S> Caller<Client<S>> {
    /// Asks by a client of HTTP that connects to where a request's URL says, and whose requests go from thread to thread:
    /// hyper-util's, or what tower puts around it.
    ///
    /// ```no_run
    /// # use wavetank_web::openapi::Caller;
    /// # fn with<S>(pool: S) -> Result<(), url::ParseError> {
    /// // let pool = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
    /// let caller = Caller::by_client(pool, "http://hub.example:8080/api".parse()?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn by_client(client: S, base: Url) -> Self {
        let authority = base[Position::BeforeHost..Position::AfterPort].parse().ok();
        let place = base.scheme().parse().ok().zip(authority);
        Self::new(Client { inner: client, place }, base)
    }
}

/// A client that is asked with whole URLs, and bodies that may go to another thread; see [`Caller::by_client`].
#[derive(Clone)]
pub struct Client<S> {
    inner: S,
    place: Option<(Scheme, Authority)>,
}

impl<S: Service<http::Request<Full<Bytes>>>> Service<http::Request<Body>> for Client<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        let (mut parts, body) = request.into_parts();
        let mut uri = parts.uri.clone().into_parts();
        (uri.scheme, uri.authority) = self.place.clone().unzip();
        parts.uri = Uri::from_parts(uri).unwrap_or(parts.uri);
        // An operation's request has its whole body at hand.
        let body = Full::new(body.into_at_hand().unwrap_or_default());
        self.inner.call(http::Request::from_parts(parts, body))
    }
}

impl<S> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).finish_non_exhaustive()
    }
}

impl<P: Part, Q: Part, B: Whole, A: Whole> Operation<P, Q, B, A> {
    /// The request that asks it of the server at `base`, for whoever sends it otherwise than by a [`Caller`].
    ///
    /// # Errors
    /// If the parameters are not those of the path, or the query or the body cannot be written.
    pub fn request(&self, base: &Url, params: &P, query: &Q, body: &B) -> Result<http::Request<Body>, CallError> {
        let write = |error: BoxError| CallError::Request(error);
        let mut url = base.clone();
        let path = format!("{}{}", base.path().trim_end_matches('/'), self.fill(params)?);
        url.set_path(&path);
        let text = if is_nothing::<Q>() {
            String::new()
        } else {
            serde_html_form::to_string(query).map_err(|error| write(error.into()))?
        };
        url.set_query((!text.is_empty()).then_some(&text));
        let mut request =
            http::Request::builder().method(self.method.clone()).uri(&url[Position::BeforePath..Position::AfterQuery]);
        request = request.header(HOST, &url[Position::BeforeHost..Position::AfterPort]);
        // As it is described, without the schemas.
        let answer = A::describe(&mut schemars::SchemaGenerator::default());
        request = match answer {
            Some((media_type, _)) => request.header(ACCEPT, format!("{media_type}, application/problem+json")),
            None => request.header(ACCEPT, "application/problem+json"),
        };
        let body = match body.write().map_err(|error| write(error.into()))? {
            None => Body::empty(),
            Some((media_type, bytes)) => {
                request = request.header(CONTENT_TYPE, HeaderValue::from_static(media_type));
                bytes.into()
            }
        };
        request.body(body).map_err(|error| write(error.into()))
    }

    /// The answer that a response is. Its status may be another one of success than the operation's: 200 instead of 201, say,
    /// where it had been done before.
    ///
    /// # Errors
    /// If it is none of success, or not what the operation says.
    pub async fn read(&self, response: http::Response<Body>) -> Result<A, CallError> {
        let (parts, body) = response.into_parts();
        let bytes = body.collect_up_to(ANSWER_BYTES_MAX).await?;
        if !parts.status.is_success() {
            let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let detail = problem["detail"].as_str().map(str::to_owned);
            return Err(CallError::Refused { status: parts.status, detail, problem });
        }
        A::parse(bytes).map_err(CallError::Answer)
    }

    /// The path with its parameters in their places.
    fn fill(&self, params: &P) -> Result<String, CallError> {
        let values = serde_json::to_value(params).map_err(|error| CallError::Request(error.into()))?;
        let mut path = String::new();
        let mut index = 0;
        for segment in self.path.split('/').skip(1) {
            path.push('/');
            let Some(name) = segment.strip_prefix([':', '*']) else {
                path.push_str(segment);
                continue;
            };
            let value = match &values {
                Value::Object(values) => values.get(name),
                Value::Array(values) => values.get(index),
                only => Some(only),
            };
            let text = match value {
                Some(Value::String(text)) => text.clone(),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
                _ => return Err(CallError::Params { path: self.path, name: name.to_owned() }),
            };
            if text.split('/').any(|step| matches!(step, "." | "..")) {
                return Err(CallError::Dots { path: self.path, name: name.to_owned() });
            }
            let kept = if segment.starts_with('*') { REST } else { SEGMENT };
            path.extend(utf8_percent_encode(&text, kept));
            index += 1;
        }
        Ok(path)
    }
}

/// All but what RFC 3986, 2.3 has unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The rest of a path has slashes.
const REST: &AsciiSet = &SEGMENT.remove(b'/');

impl<S> fmt::Debug for Caller<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}
