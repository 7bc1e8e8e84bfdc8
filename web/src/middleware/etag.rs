//! Entity tags for what an app says, so that a client that has it is not sent it again.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED};
use http::{Method, StatusCode};
use twox_hash::XxHash3_128;

use crate::conditional::{Validators, Verdict};
use crate::{Body, Error, IntoResponse, Middleware, Next, Request, Response};

/// Adds an `ETag` to 200 responses to GET and HEAD whose bytes are at hand and that have none, and answers with 304 where
/// the client has what it would be sent. Streams are left as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Etag;

impl<State: 'static> Middleware<State> for Etag {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return next.run(request).await;
        }
        let (method, conditions) = (request.method().clone(), request.headers().clone());
        let mut response = next.run(request).await;
        if response.status() != StatusCode::OK {
            return response;
        }
        if !response.headers().contains_key(ETAG) {
            let Some(bytes) = response.body().at_hand() else {
                return response;
            };
            let tag = format!("\"{:032x}\"", XxHash3_128::oneshot(bytes));
            response.headers_mut().insert(ETAG, HeaderValue::try_from(tag).expect("quotes and digits"));
        }
        let headers = response.headers();
        let changed = headers.get(LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let validators = Validators { etag: headers.get(ETAG).cloned(), last_modified: changed };
        match validators.judge(&method, &conditions) {
            Verdict::Proceed => response,
            Verdict::NotModified => {
                let (mut parts, _) = response.into_parts();
                parts.status = StatusCode::NOT_MODIFIED;
                parts.headers.remove(CONTENT_LENGTH);
                parts.headers.remove(CONTENT_TYPE);
                Response::from_parts(parts, Body::empty())
            }
            Verdict::Failed => Error::new(StatusCode::PRECONDITION_FAILED).into_response(),
        }
    }
}
