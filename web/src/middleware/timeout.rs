//! How long a handler may take.

use std::fmt;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::StatusCode;
use hyper::rt::Timer;

use crate::{Error, IntoResponse, Middleware, Next, Request, Response};

/// Answers with 503 when what lies further in takes too long to begin its response, and drops it. The time that the
/// handler waits for the request's body counts; the time that a streaming response takes does not.
pub struct Timeout<T> {
    timer: T,
    after: Duration,
}

impl<T: Timer> Timeout<T> {
    /// Allows this much time by this timer, which is the runtime's.
    #[must_use]
    pub fn new(timer: T, after: Duration) -> Self {
        Self { timer, after }
    }
}

impl<State: 'static, T: Timer + 'static> Middleware<State> for Timeout<T> {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        match select(next.run(request), self.timer.sleep(self.after)).await {
            Either::Left((response, _)) => response,
            Either::Right(((), _)) => {
                Error::new(StatusCode::SERVICE_UNAVAILABLE).detail("the request took too long").into_response()
            }
        }
    }
}

impl<T> fmt::Debug for Timeout<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("after", &self.after).finish_non_exhaustive()
    }
}
