//! A handler's panic is one request's failure, not the server's.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::StatusCode;

use crate::{Error, IntoResponse, Middleware, Next, Request, Response};

/// Answers with 500 when what lies further in panics, and logs the panic.
///
/// [`serve`](crate::serve()) does so in any case; this middleware does it further in, so that what surrounds it sees
/// the 500. State that the handler shares with others may be half changed, as it may after any early return.
#[derive(Debug, Clone, Copy, Default)]
pub struct CatchPanic;

impl<State: 'static> Middleware<State> for CatchPanic {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        Caught(async move { next.run(request).await }.boxed_local()).await.unwrap_or_else(|panic| {
            tracing::error!(panic = describe(&*panic), "a handler panicked");
            Error::new(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        })
    }
}

/// What a panic was raised with.
type Panic = Box<dyn Any + Send>;

/// A future whose panics are values. After one it must not be polled again.
struct Caught<F>(F);

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The inner future is never polled again after a panic, so nobody meets it half changed.
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// The text of a panic, if it has one.
pub(crate) fn describe(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}
