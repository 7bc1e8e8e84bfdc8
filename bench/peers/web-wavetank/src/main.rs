//! The works of `benches/web.rs` by wavetank-web, on one thread. It prints its address, and ends with its standard input.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::io::AsyncReadExt as _;
use wavetank_web::tokio::{TokioListener, TokioRuntime};
use wavetank_web::{App, Body, Json, Middleware, Next, Options, Params, Request, Response, serve_with};

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

fn app() -> App {
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

fn main() -> Result<(), Box<dyn Error>> {
    let service = app().into_service()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TokioListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let options = Options { connections_max: 20_000, ..Options::default() };
        serve_with(options, listener, service, TokioRuntime, ended()).await;
        Ok(())
    })
}

async fn ended() {
    let mut input = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut input).await;
}
