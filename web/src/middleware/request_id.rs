//! A name for every request, to find it again in logs.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use crate::{Middleware, Next, Request, Response};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names requests in `X-Request-Id`: an extension [`Id`] and a header field of the request, and a header field of the
/// response. A name that the request comes with is kept if it is 1 to 64 ASCII letters, digits, `.`, `_`, `-` or `:`.
pub struct RequestId {
    make: Box<dyn Fn() -> String>,
}

/// The name of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id(pub Arc<str>);

impl RequestId {
    /// Names them `prefix-1`, `prefix-2` and so on: with a prefix of each run's own, no name comes twice.
    #[must_use]
    pub fn counting(prefix: impl Into<String>) -> Self {
        let (prefix, count) = (prefix.into(), Cell::new(0_u64));
        Self::from_fn(move || {
            count.set(count.get() + 1);
            format!("{prefix}-{}", count.get())
        })
    }

    /// Names them by this function. A name that no header may hold is not sent.
    #[must_use]
    pub fn from_fn(make: impl Fn() -> String + 'static) -> Self {
        Self { make: Box::new(make) }
    }
}

impl<State: 'static> Middleware<State> for RequestId {
    async fn handle(&self, mut request: Request<State>, next: Next<State>) -> Response {
        let given = request.headers().get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let name = given.filter(|name| is_name(name)).map_or_else(|| (self.make)(), str::to_owned);
        let value = HeaderValue::from_str(&name).ok();
        request.extensions_mut().insert(Id(name.into()));
        match &value {
            Some(value) => drop(request.headers_mut().insert(X_REQUEST_ID, value.clone())),
            None => drop(request.headers_mut().remove(X_REQUEST_ID)),
        }
        let mut response = next.run(request).await;
        if let Some(value) = value {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        response
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestId").finish_non_exhaustive()
    }
}
