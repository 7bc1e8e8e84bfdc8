//! The works of `benches/web.rs` by wavetank-web.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use wavetank_web::{App, Body, Json, Middleware, Next, Params, Request, Response};

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

const PIECE: &[u8] = &[b'x'; 64 * 1024];

struct Pass;

impl Middleware<()> for Pass {
    async fn handle(&self, request: Request, next: Next<()>) -> Response {
        next.run(request).await
    }
}

/// The works.
#[must_use]
pub fn app() -> App {
    let mut layered = App::new();
    for _ in 0..10 {
        layered.with(Pass);
    }
    layered.at("/").get(async || "Hello, world!");
    let mut app = App::new();
    app.at("/plaintext").get(async || "Hello, world!");
    app.at("/json").get(async || Json(Greeting { message: "Hello, world!" }));
    app.at("/users/:user/posts/:post")
        .get(async |Params((user, post)): Params<(String, u64)>| format!("{user} {post}"));
    app.at("/stream")
        .get(async || Body::from_stream(stream::iter((0..16).map(|_| Ok::<_, Infallible>(Bytes::from_static(PIECE))))));
    app.at("/layers").nest(layered);
    app
}
