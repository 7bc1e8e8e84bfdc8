//! The works of `benches/web.rs` by axum.

use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router, body::Body};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

const PIECE: &[u8] = &[b'x'; 64 * 1024];

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

/// The works.
#[must_use]
pub fn app() -> Router {
    let layered = Router::new().route("/layers", get(async || "Hello, world!"));
    let layered = (0..10).fold(layered, |app, _| app.layer(from_fn(pass)));
    Router::new()
        .route("/plaintext", get(async || "Hello, world!"))
        .route("/json", get(async || Json(Greeting { message: "Hello, world!" })))
        .route(
            "/users/{user}/posts/{post}",
            get(async |Path((user, post)): Path<(String, u64)>| format!("{user} {post}")),
        )
        .route(
            "/stream",
            get(async || {
                Body::from_stream(stream::iter((0..16).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(PIECE)))))
            }),
        )
        .merge(layered)
}
