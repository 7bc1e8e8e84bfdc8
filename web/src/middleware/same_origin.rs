//! Requests that another site's page makes a user's browser send (CSRF).

use http::header::{HOST, HeaderName, ORIGIN};
use http::{HeaderMap, StatusCode, Uri};

use crate::{Error, IntoResponse, Middleware, Next, Request, Response};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses, with 403, requests that change something and come from another origin's page. No tokens are needed: browsers
/// say where a request comes from in `Sec-Fetch-Site`, and older ones in `Origin`; whoever says neither is no browser,
/// and no browser's cookies are with it.
#[derive(Debug, Clone, Default)]
pub struct SameOrigin {
    trusted: Vec<String>,
}

impl SameOrigin {
    /// Trusts the app's own origin alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts this origin, too: `https://example.net`.
    #[must_use]
    pub fn trust(mut self, origin: impl Into<String>) -> Self {
        self.trusted.push(origin.into());
        self
    }

    fn is_trusted(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("not text"));
        let origin = text(ORIGIN);
        if origin.is_some_and(|origin| self.trusted.iter().any(|own| own == origin)) {
            return true;
        }
        if let Some(site) = text(SEC_FETCH_SITE) {
            return matches!(site, "same-origin" | "none");
        }
        let Some(origin) = origin else {
            return true;
        };
        let host = uri.authority().map(http::uri::Authority::as_str).or_else(|| text(HOST));
        let from = origin.split_once("://").map(|(_, from)| from);
        from.zip(host).is_some_and(|(from, host)| from.eq_ignore_ascii_case(host))
    }
}

impl<State: 'static> Middleware<State> for SameOrigin {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        if request.method().is_safe() || self.is_trusted(request.uri(), request.headers()) {
            return next.run(request).await;
        }
        Error::new(StatusCode::FORBIDDEN).detail("the request comes from another origin's page").into_response()
    }
}
