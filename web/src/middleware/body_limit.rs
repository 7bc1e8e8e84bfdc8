//! How long a request body may be.

use http::StatusCode;
use http_body::Body as _;

use crate::{Error, IntoResponse, Middleware, Next, Request, Response};

/// Refuses request bodies beyond a length: at once where the length is announced, else as soon as it is passed, also
/// for handlers that stream. Both are a 413.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit {
    bytes_max: u64,
}

impl BodyLimit {
    /// Allows bodies of up to this many bytes.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max }
    }
}

impl<State: 'static> Middleware<State> for BodyLimit {
    async fn handle(&self, mut request: Request<State>, next: Next<State>) -> Response {
        let body = request.take_body();
        if body.size_hint().lower() > self.bytes_max {
            let detail = format!("the body may have up to {} bytes", self.bytes_max);
            return Error::new(StatusCode::PAYLOAD_TOO_LARGE).detail(detail).into_response();
        }
        request.set_body(body.limited(self.bytes_max));
        request.set_body_bytes_max(self.bytes_max);
        next.run(request).await
    }
}
