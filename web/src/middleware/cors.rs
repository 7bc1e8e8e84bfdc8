//! Which other origins' pages may read responses: cross-origin resource sharing, as the Fetch standard has it.

use std::fmt;
use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};
use url::{Origin, Url};

use crate::{IntoResponse, Middleware, Next, Request, Response};

/// Tells browsers which origins may read responses, and answers their preflight requests. Nothing is allowed that is not
/// named. It does not keep requests out: see [`SameOrigin`](super::SameOrigin).
pub struct Cors {
    /// Which origins; nothing if any.
    origin: Option<Matching>,
    methods: Vec<Method>,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
    credentials: bool,
    max_age: Option<Duration>,
}

/// Says yes to origins.
type Matching = Box<dyn Fn(&Url) -> bool>;

impl Cors {
    /// Any origin, without credentials.
    #[must_use]
    pub fn any_origin() -> Self {
        Self { origin: None, ..Self::matching(|_| true) }
    }

    /// The origins of these URLs: scheme, host and port.
    #[must_use]
    pub fn origins(urls: impl IntoIterator<Item = Url>) -> Self {
        let origins: Vec<Origin> = urls.into_iter().map(|url| url.origin()).collect();
        Self::matching(move |origin| origins.contains(&origin.origin()))
    }

    /// Origins that this function says yes to.
    #[must_use]
    pub fn matching(origin: impl Fn(&Url) -> bool + 'static) -> Self {
        Self {
            origin: Some(Box::new(origin)),
            methods: vec![Method::GET, Method::HEAD, Method::POST],
            headers: Vec::new(),
            exposed: Vec::new(),
            credentials: false,
            max_age: None,
        }
    }

    /// The methods allowed; GET, HEAD and POST unless set.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// The request header fields allowed, beyond those that always are.
    #[must_use]
    pub fn headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.headers = headers.into_iter().collect();
        self
    }

    /// The response header fields that pages may read, beyond those that they always may.
    #[must_use]
    pub fn exposed(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.exposed = headers.into_iter().collect();
        self
    }

    /// Lets requests bear cookies and the like. It has no effect for any origin at all: that would be any page's to abuse.
    #[must_use]
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// How long a browser may remember the answer to a preflight request.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    fn allow(&self, origin: Option<&HeaderValue>, response: &mut Response) -> bool {
        let headers = response.headers_mut();
        let Some(matching) = &self.origin else {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return true;
        };
        headers.append(VARY, HeaderValue::from_static("origin"));
        let is_allowed = |origin: &HeaderValue| {
            let url = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
            url.is_some_and(|url| matching(&url))
        };
        let Some(origin) = origin.filter(|origin| is_allowed(origin)) else {
            return false;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }

    fn preflight(&self, origin: &HeaderValue) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        for name in [ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS] {
            response.headers_mut().append(VARY, name.into());
        }
        if !self.allow(Some(origin), &mut response) {
            return response;
        }
        let headers = response.headers_mut();
        headers.extend(list(ACCESS_CONTROL_ALLOW_METHODS, self.methods.iter().map(Method::as_str)));
        headers.extend(list(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.iter().map(HeaderName::as_str)));
        if let Some(max_age) = self.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(max_age.as_secs()));
        }
        response
    }
}

impl<State: 'static> Middleware<State> for Cors {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let origin = request.headers().get(ORIGIN).cloned();
        let asks_leave =
            request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if let Some(origin) = origin.as_ref().filter(|_| asks_leave) {
            return self.preflight(origin);
        }
        let mut response = next.run(request).await;
        if self.allow(origin.as_ref(), &mut response) {
            let exposed = list(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.iter().map(HeaderName::as_str));
            response.headers_mut().extend(exposed);
        }
        response
    }
}

fn list<'a>(name: HeaderName, items: impl Iterator<Item = &'a str>) -> Option<(HeaderName, HeaderValue)> {
    let text = items.collect::<Vec<_>>().join(", ");
    let value = HeaderValue::try_from(text).ok()?;
    (!value.is_empty()).then_some((name, value))
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors").field("methods", &self.methods).field("headers", &self.headers).finish_non_exhaustive()
    }
}
