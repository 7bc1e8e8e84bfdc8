//! The works of `benches/web.rs` by actix-web, on one thread. It prints its address, and ends with its standard input.

use std::io;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Json, Path};
use actix_web::{App, HttpResponse, HttpServer};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

const PIECE: &[u8] = &[b'x'; 64 * 1024];

async fn pass(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    next.call(request).await
}

fn routes(app: &mut web::ServiceConfig) {
    let layered = web::scope("/layers")
        .route("", web::get().to(async || "Hello, world!"))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass))
        .wrap(from_fn(pass));
    app.route("/plaintext", web::get().to(async || "Hello, world!"))
        .route("/json", web::get().to(async || Json(Greeting { message: "Hello, world!" })))
        .route(
            "/users/{user}/posts/{post}",
            web::get().to(async |path: Path<(String, u64)>| format!("{} {}", path.0, path.1)),
        )
        .route(
            "/stream",
            web::get().to(async || {
                let pieces = (0..16).map(|_| Ok::<_, io::Error>(Bytes::from_static(PIECE)));
                HttpResponse::Ok().streaming(stream::iter(pieces))
            }),
        )
        .service(layered);
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let server = HttpServer::new(|| App::new().configure(routes)).workers(1).disable_signals();
    let server = server.max_connections(20_000).bind("127.0.0.1:0")?;
    println!("{}", server.addrs()[0]);
    let serving = server.run();
    let handle = serving.handle();
    actix_web::rt::spawn(async move {
        let mut input = Vec::new();
        let _ = tokio::io::stdin().read_to_end(&mut input).await;
        handle.stop(false).await;
    });
    serving.await
}
