//! The request as a handler sees it.

use std::any::type_name;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::error::Category;

use crate::route::Matched;
use crate::{Body, Error, Result};

/// How much of a body [`Request::body_bytes`] and its kin read unless told otherwise: 2 MiB.
const BODY_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// A request on its way through middleware to its handler, with the state of its app.
pub struct Request<State = ()> {
    /// Boxed, for a request is moved from hand to hand.
    inner: Box<Inner>,
    state: Rc<State>,
}

struct Inner {
    parts: Parts,
    body: Body,
    body_bytes_max: u64,
    matched: Option<Matched>,
    /// Where in the path the part begins that lies below the app's mount.
    mount: usize,
}

impl<State> Request<State> {
    pub(crate) fn new(parts: Parts, body: Body, state: Rc<State>, matched: Option<Matched>) -> Self {
        Self { inner: Box::new(Inner { parts, body, body_bytes_max: BODY_BYTES_MAX, matched, mount: 0 }), state }
    }

    /// The same request as an app sees it that is nested so many segments below this one.
    pub(crate) fn nested<Nested>(mut self, state: Rc<Nested>, segments: usize) -> Request<Nested> {
        let path = self.inner.parts.uri.path();
        let mut mount = self.inner.mount;
        for _ in 0..segments {
            let below = path.get(mount + 1..).unwrap_or_default();
            mount += 1 + below.find('/').unwrap_or(below.len());
        }
        self.inner.mount = mount.min(path.len());
        Request { inner: self.inner, state }
    }

    pub(crate) fn shared_state(&self) -> &Rc<State> {
        &self.state
    }

    pub(crate) fn matched(&self) -> Option<&Matched> {
        self.inner.matched.as_ref()
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.inner.parts.method
    }

    /// The path as the app sees it that answers: without what it is nested under, and as it was sent, not decoded.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.inner.parts.uri.path().get(self.inner.mount..) {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// What the app that answers is nested under, such as `/api`; empty for an app that is not.
    #[must_use]
    pub fn mount(&self) -> &str {
        self.inner.parts.uri.path().get(..self.inner.mount).unwrap_or_default()
    }

    /// The host that is asked for, without a port: from the target if that names one, else from `Host`.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        host(&self.inner.parts.uri, &self.inner.parts.headers)
    }

    /// The request target.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.inner.parts.uri
    }

    /// The HTTP version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.inner.parts.version
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.inner.parts.headers
    }

    /// The header fields, for middleware that amends them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.inner.parts.headers
    }

    /// What middleware and the server have attached to this request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.inner.parts.extensions
    }

    /// Attaches values to this request, for whoever handles it next.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.inner.parts.extensions
    }

    /// The state of the app.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The path that the matching route was registered under, such as `/devices/:id`; `None` where none matches.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        self.inner.matched.as_ref().map(Matched::path)
    }

    /// The path parameter of this name, percent-decoded and parsed.
    ///
    /// # Errors
    /// 400 if it does not parse as a `T` or is not UTF-8; 500 if the route has no parameter of this name.
    pub fn param<T: FromStr>(&self, name: &str) -> Result<T> {
        let path = self.inner.parts.uri.path();
        let Some(raw) = self.inner.matched.as_ref().and_then(|matched| matched.param(name, path)) else {
            let route = self.route().unwrap_or("none");
            return Err(std::io::Error::other(format!("route `{route}` has no parameter `{name}`")).into());
        };
        let refused =
            || Error::new(StatusCode::BAD_REQUEST).detail(format!("`{raw}` is not a valid `{name}` in the path"));
        let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| refused())?;
        decoded.parse().map_err(|_| refused())
    }

    /// The query string, deserialised. Repeated keys may fill a `Vec`.
    ///
    /// # Errors
    /// 400 with the parameter's name and the reason if the query does not fit `T`.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        let query = self.inner.parts.uri.query().unwrap_or_default();
        serde_html_form::from_str(query).map_err(|error| {
            let place = place::<T, _>(serde_html_form::Deserializer::from_bytes(query.as_bytes()));
            Error::new(StatusCode::BAD_REQUEST).detail(format!("in the query: {place}{error}"))
        })
    }

    /// The body, as a stream.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.inner.body
    }

    /// Takes the body and leaves an empty one.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.inner.body)
    }

    /// Puts another body in place of this one: the way for middleware that decodes or limits bodies.
    pub fn set_body(&mut self, body: impl Into<Body>) {
        self.inner.body = body.into();
    }

    /// Sets how many bytes [`Self::body_bytes`], [`Self::body_text`] and [`Self::body_json`] read at most (2 MiB
    /// otherwise). Streaming is not limited by it.
    pub fn set_body_bytes_max(&mut self, bytes_max: u64) {
        self.inner.body_bytes_max = bytes_max;
    }

    /// Reads the whole body. A second call finds it empty.
    ///
    /// # Errors
    /// 413 if the body is too long, 400 if it breaks off.
    pub async fn body_bytes(&mut self) -> Result<Bytes> {
        let bytes_max = self.inner.body_bytes_max;
        Ok(self.take_body().collect_up_to(bytes_max).await?)
    }

    /// Reads the whole body as UTF-8 text.
    ///
    /// # Errors
    /// As [`Self::body_bytes`]; 400 if it is not UTF-8.
    pub async fn body_text(&mut self) -> Result<String> {
        let bytes = self.body_bytes().await?;
        String::from_utf8(bytes.into()).map_err(|_| Error::new(StatusCode::BAD_REQUEST).detail("the body is not UTF-8"))
    }

    /// Reads the whole body as JSON.
    ///
    /// # Errors
    /// 415 unless the content type is `application/json` or ends in `+json`; 400 if the body is not JSON; 422 if it is,
    /// but does not fit `T`; and those of [`Self::body_bytes`].
    pub async fn body_json<T: DeserializeOwned>(&mut self) -> Result<T> {
        if !self.headers().get(CONTENT_TYPE).is_some_and(|value| is_json(value.as_bytes())) {
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail("the body must be application/json"));
        }
        let bytes = self.body_bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let status = match error.classify() {
                Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
                Category::Io | Category::Syntax | Category::Eof => StatusCode::BAD_REQUEST,
            };
            let place = place::<T, _>(&mut serde_json::Deserializer::from_slice(&bytes));
            Error::new(status).detail(format!("in the body: {place}{error}"))
        })
    }

    /// Reads the whole body as a form, `application/x-www-form-urlencoded`. Repeated names may fill a `Vec`.
    ///
    /// # Errors
    /// 415 for another content type, 422 if the form does not fit `T`, and those of [`Self::body_bytes`].
    pub async fn body_form<T: DeserializeOwned>(&mut self) -> Result<T> {
        let essence = self.headers().get(CONTENT_TYPE).map(|value| essence(value.as_bytes()));
        if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")) {
            let detail = "the body must be application/x-www-form-urlencoded";
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(detail));
        }
        let bytes = self.body_bytes().await?;
        serde_html_form::from_bytes(&bytes).map_err(|error| {
            let place = place::<T, _>(serde_html_form::Deserializer::from_bytes(&bytes));
            Error::new(StatusCode::UNPROCESSABLE_ENTITY).detail(format!("in the body: {place}{error}"))
        })
    }

    /// The request as tower's layers see it, and what they do not see.
    #[cfg(feature = "tower")]
    pub(crate) fn apart(self) -> (http::Request<Body>, Rest<State>) {
        let Inner { parts, body, body_bytes_max, matched, mount } = *self.inner;
        (http::Request::from_parts(parts, body), Rest { body_bytes_max, matched, mount, state: self.state })
    }

    /// Both together again. A layer may have changed the path: what was found for the old one is no longer there then.
    #[cfg(feature = "tower")]
    pub(crate) fn together(request: http::Request<Body>, rest: Rest<State>) -> Self {
        let (parts, body) = request.into_parts();
        let Rest { body_bytes_max, matched, mount, state } = rest;
        Self { inner: Box::new(Inner { parts, body, body_bytes_max, matched, mount }), state }
    }

    /// The request in the vocabulary of `http`, for what is written against that.
    #[must_use]
    pub fn into_http(self) -> http::Request<Body> {
        let inner = *self.inner;
        http::Request::from_parts(inner.parts, inner.body)
    }
}

/// What a request has beyond what `http` knows.
#[cfg(feature = "tower")]
pub(crate) struct Rest<State> {
    body_bytes_max: u64,
    matched: Option<Matched>,
    mount: usize,
    state: Rc<State>,
}

/// The host of a request, without its port (RFC 9110, 7.2).
pub(crate) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().ok()?,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    })
}

impl<State> fmt::Debug for Request<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.inner.parts.method)
            .field("uri", &self.inner.parts.uri)
            .field("route", &self.route())
            .field("state", &type_name::<State>())
            .finish_non_exhaustive()
    }
}

/// A media type without its parameters.
pub(crate) fn essence(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    content_type[..end].trim_ascii()
}

/// Which part of what was read is not as `T` has it, by its name, before what is wrong with it; nothing if that is the whole.
/// What fits is not read in this way, which remembers each name.
fn place<'de, T: DeserializeOwned, D: Deserializer<'de>>(again: D) -> String {
    let part = serde_path_to_error::deserialize::<_, T>(again).err();
    let path = part.filter(|wrong| wrong.path().iter().len() > 0).map(|wrong| wrong.path().to_string());
    path.map(|path| format!("`{path}`: ")).unwrap_or_default()
}

/// Whether a `Content-Type` says JSON (RFC 8259) or a `+json` suffix (RFC 6839), whatever its parameters.
fn is_json(content_type: &[u8]) -> bool {
    const SUFFIX: &[u8] = b"+json";
    let essence = essence(content_type);
    essence.eq_ignore_ascii_case(b"application/json")
        || essence
            .split_last_chunk::<{ SUFFIX.len() }>()
            .is_some_and(|(rest, suffix)| rest.contains(&b'/') && suffix.eq_ignore_ascii_case(SUFFIX))
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_is_recognised_by_its_essence() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", " application/problem+json", "a/b+json;x"] {
            assert!(is_json(yes.as_bytes()), "{yes}");
        }
        for no in ["", "text/json", "application/jsonp", "json", "+json", "text/plain; application/json"] {
            assert!(!is_json(no.as_bytes()), "{no}");
        }
    }
}
