//! What surrounds handlers: values that see the request before and the response after.
//!
//! Each works alone and can be left out.

mod auth;
mod body_limit;
mod catch_panic;
#[cfg(any(feature = "brotli", feature = "gzip", feature = "zstd"))]
mod compression;
mod concurrency_limit;
mod cors;
mod etag;
mod headers;
mod rate_limit;
mod request_id;
mod same_origin;
mod timeout;
mod trace;

use std::fmt;
use std::future::Future;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;

use crate::handler::Endpoint;
use crate::{Request, Response};

pub use auth::{Auth, Security, same_secret};
pub use body_limit::BodyLimit;
pub use catch_panic::CatchPanic;
pub(crate) use catch_panic::describe;
#[cfg(any(feature = "brotli", feature = "gzip", feature = "zstd"))]
pub use compression::{Compress, Decompress};
pub use concurrency_limit::ConcurrencyLimit;
pub use cors::Cors;
pub use etag::Etag;
pub use headers::{CacheControl, SecurityHeaders};
pub use rate_limit::RateLimit;
pub use request_id::{Id, RequestId};
pub use same_origin::SameOrigin;
pub use timeout::Timeout;
pub use trace::Trace;

/// Something around handlers. It may change the request, answer by itself, pass on and change the response.
///
/// ```
/// use wavetank_web::{HeaderValue, Middleware, Next, Request, Response, header};
///
/// struct NoSniff;
///
/// impl<State: 'static> Middleware<State> for NoSniff {
///     async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
///         let mut response = next.run(request).await;
///         response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
///         response
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware for an app whose state is `{State}`",
    note = "implement `Middleware<State>` for every `State: 'static`, or for the state of this app"
)]
pub trait Middleware<State>: 'static {
    /// Handles one request; `next.run(request)` is what lies further in.
    fn handle(&self, request: Request<State>, next: Next<State>) -> impl Future<Output = Response>;

    /// What it asks of whoever asks, for the description of the operations that it surrounds; nothing unless it says so.
    fn security(&self) -> Option<Security> {
        None
    }
}

/// The rest of the way to the handler.
pub struct Next<State> {
    chain: Rc<Chain<State>>,
    passed: usize,
    endpoint: Rc<dyn Endpoint<State>>,
}

impl<State: 'static> Next<State> {
    pub(crate) fn new(chain: Rc<Chain<State>>, endpoint: Rc<dyn Endpoint<State>>) -> Self {
        Self { chain, passed: 0, endpoint }
    }

    /// Passes the request on and returns what comes back.
    pub fn run(mut self, request: Request<State>) -> LocalBoxFuture<'static, Response> {
        let Some(layer) = self.chain.layers.get(self.passed) else {
            return self.endpoint.call(request);
        };
        let layer = Rc::clone(layer);
        self.passed += 1;
        layer.handle_boxed(request, self)
    }
}

impl<State> fmt::Debug for Next<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("layers_left", &(self.chain.layers.len() - self.passed)).finish_non_exhaustive()
    }
}

/// Middleware in the order it is passed.
pub(crate) struct Chain<State> {
    layers: Vec<Rc<dyn Layer<State>>>,
    /// What they ask of whoever asks.
    security: Vec<Security>,
}

impl<State: 'static> Chain<State> {
    #[cfg(feature = "openapi")]
    pub(crate) fn security(&self) -> &[Security] {
        &self.security
    }

    pub(crate) fn push(&mut self, middleware: impl Middleware<State>) {
        self.security.extend(middleware.security());
        self.layers.push(Rc::new(middleware));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl<State> Clone for Chain<State> {
    fn clone(&self) -> Self {
        Self { layers: self.layers.clone(), security: self.security.clone() }
    }
}

impl<State> Default for Chain<State> {
    fn default() -> Self {
        Self { layers: Vec::new(), security: Vec::new() }
    }
}

trait Layer<State> {
    fn handle_boxed(self: Rc<Self>, request: Request<State>, next: Next<State>) -> LocalBoxFuture<'static, Response>;
}

impl<State: 'static, M: Middleware<State>> Layer<State> for M {
    fn handle_boxed(self: Rc<Self>, request: Request<State>, next: Next<State>) -> LocalBoxFuture<'static, Response> {
        Box::pin(async move { self.handle(request, next).await })
    }
}
