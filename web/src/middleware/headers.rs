//! Header fields that most responses should bear: security's and caches'.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use http::StatusCode;

use crate::{Middleware, Next, Request, Response};

/// Adds header fields to responses that do not have them already: those that keep browsers from guessing content types,
/// from framing the page elsewhere, and from telling other sites where a user came from.
#[derive(Debug, Clone)]
pub struct SecurityHeaders {
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        let fields = [
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "strict-origin-when-cross-origin"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (
                CONTENT_SECURITY_POLICY,
                "default-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'",
            ),
        ];
        Self { fields: fields.map(|(name, value)| (name, HeaderValue::from_static(value))).to_vec() }
    }
}

impl SecurityHeaders {
    /// Another policy of where a page's parts may come from (Content Security Policy).
    #[must_use]
    pub fn content_policy(self, policy: HeaderValue) -> Self {
        self.field(CONTENT_SECURITY_POLICY, policy)
    }

    /// Has browsers come by TLS alone, for a year (RFC 6797). Only for hosts that will have it for so long.
    #[must_use]
    pub fn tls_only(self) -> Self {
        self.field(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"))
    }

    fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.retain(|(own, _)| *own != name);
        self.fields.push((name, value));
        self
    }
}

impl<State: 'static> Middleware<State> for SecurityHeaders {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let mut response = next.run(request).await;
        for (name, value) in &self.fields {
            if !response.headers().contains_key(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

/// Adds `Cache-Control` (RFC 9111, 5.2) to successful responses, and to those that say that nothing has changed, where they
/// do not have it.
#[derive(Debug, Clone)]
pub struct CacheControl {
    value: HeaderValue,
}

impl CacheControl {
    /// What is for this client alone and must not be kept: `no-store`.
    #[must_use]
    pub fn no_store() -> Self {
        Self { value: HeaderValue::from_static("no-store") }
    }

    /// What may be kept, but must be asked for again each time: `no-cache`. Goes well with an `ETag`.
    #[must_use]
    pub fn no_cache() -> Self {
        Self { value: HeaderValue::from_static("no-cache") }
    }

    /// What may be kept for so many seconds; by a cache that others share only if the request bore no credentials.
    #[must_use]
    pub fn fresh_for(max_age_s: u32) -> Self {
        Self { value: HeaderValue::try_from(format!("max-age={max_age_s}")).expect("digits and letters") }
    }

    /// What anyone may keep for so many seconds, whatever credentials the request bore.
    #[must_use]
    pub fn public(max_age_s: u32) -> Self {
        Self { value: HeaderValue::try_from(format!("public, max-age={max_age_s}")).expect("digits and letters") }
    }

    /// What will never change at its address: kept for a year without being asked for again.
    #[must_use]
    pub fn immutable() -> Self {
        Self { value: HeaderValue::from_static("public, max-age=31536000, immutable") }
    }
}

impl<State: 'static> Middleware<State> for CacheControl {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let mut response = next.run(request).await;
        let status = response.status();
        if (status.is_success() || status == StatusCode::NOT_MODIFIED)
            && !response.headers().contains_key(CACHE_CONTROL)
        {
            response.headers_mut().insert(CACHE_CONTROL, self.value.clone());
        }
        response
    }
}
