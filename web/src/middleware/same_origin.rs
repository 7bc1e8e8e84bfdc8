//! Requests that another site's page makes a user's browser send (CSRF).

use http::header::{HOST, HeaderName, ORIGIN, UPGRADE};
use http::{HeaderMap, StatusCode, Uri};
use url::{Origin, Url};

use crate::{Error, IntoResponse, Middleware, Next, Request, Response};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses, with 403, requests that change something and come from another origin's page, and those that ask for a WebSocket,
/// which pages of any origin may open and read (RFC 6455, 10.2). No tokens are needed: browsers say where a request comes from in
/// `Sec-Fetch-Site`, and older ones in `Origin`; whoever says neither is no browser, and no browser's cookies are with it.
#[derive(Debug, Clone, Default)]
pub struct SameOrigin {
    trusted: Vec<Origin>,
}

impl SameOrigin {
    /// Trusts the app's own origin alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the origin of this URL, too.
    #[must_use]
    pub fn trust(mut self, url: &Url) -> Self {
        self.trusted.push(url.origin());
        self
    }

    fn is_trusted(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("not text"));
        // `null` is said by pages that have no origin to tell.
        let origin = text(ORIGIN).map(|text| Url::parse(text).ok());
        if origin.as_ref().is_some_and(|origin| is_one_of(origin.as_ref(), &self.trusted)) {
            return true;
        }
        if let Some(site) = text(SEC_FETCH_SITE) {
            return matches!(site, "same-origin" | "none");
        }
        let Some(origin) = origin else {
            return true;
        };
        let host = uri.authority().map(http::uri::Authority::as_str).or_else(|| text(HOST));
        // Whether TLS is spoken is known to whoever is in front, perhaps; so the page's own scheme is taken for the app's.
        let own =
            origin.as_ref().zip(host).and_then(|(url, host)| Url::parse(&format!("{}://{host}", url.scheme())).ok());
        own.is_some_and(|own| is_one_of(origin.as_ref(), &[own.origin()]))
    }
}

fn is_one_of(url: Option<&Url>, origins: &[Origin]) -> bool {
    url.is_some_and(|url| origins.contains(&url.origin()))
}

impl<State: 'static> Middleware<State> for SameOrigin {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let changes_nothing = request.method().is_safe() && !request.headers().contains_key(UPGRADE);
        if changes_nothing || self.is_trusted(request.uri(), request.headers()) {
            return next.run(request).await;
        }
        Error::new(StatusCode::FORBIDDEN).detail("the request comes from another origin's page").into_response()
    }
}
