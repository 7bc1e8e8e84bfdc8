//! A line of log for every request.

use tracing::{Instrument as _, Level};

use crate::{Middleware, Next, Request, Response};

/// Opens a `tracing` span `request` with method, path and route, and reports the status of the response in it.
///
/// It tells no durations, for it holds no clock; a subscriber that wants them times the span.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trace;

impl<State: 'static> Middleware<State> for Trace {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        if !tracing::enabled!(Level::ERROR) {
            return next.run(request).await;
        }
        let span = tracing::info_span!(
            "request",
            method = %request.method(),
            path = request.uri().path(),
            route = request.route().unwrap_or("none"),
        );
        async {
            let response = next.run(request).await;
            tracing::info!(status = response.status().as_u16(), "answered");
            response
        }
        .instrument(span)
        .await
    }
}
