//! The works of `benches/web.rs` by axum, on one thread. It prints its address, and ends with its standard input.

use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use axum::{Json, Router, body::Body};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

const PIECE: &[u8] = &[b'x'; 64 * 1024];

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

fn app() -> Router {
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default());
    let serving = axum::serve(listener, app());
    tokio::select! {
        served = serving => served,
        _ = ended() => Ok(()),
    }
}

async fn ended() {
    let mut input = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut input).await;
}
