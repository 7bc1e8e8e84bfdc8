//! The server that `cargo xtask conformance` holds other people's test suites against: a bit of everything, at the address
//! of its argument. It prints where it listens and serves until its standard input ends.

use std::collections::BTreeMap;

use futures::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wavetank_web::middleware::{BodyLimit, CacheControl, Compress, Etag, RequestId, SecurityHeaders};
use wavetank_web::openapi::{About, Asked, Operation};
use wavetank_web::tokio::{TokioListener, TokioRuntime};
use wavetank_web::{
    App, Asset, Body, BoxError, Error, Files, Message, Request, Response, Result, SocketOptions, Sse, SseEvent, State,
    StatusCode, serve, websocket_with,
};

/// Autobahn sends messages of 16 MiB.
const SOCKET: SocketOptions = SocketOptions { message_bytes_max: 64 * 1024 * 1024, protocols: &[] };

static PAGE: Asset = Asset::new(
    "text/html; charset=utf-8",
    b"<!doctype html><html lang=en><title>Conformance</title><p>This page is here to be asked for.</p></html>",
    "\"page-1\"",
);

fn app(files: Files) -> App {
    let mut app = App::new();
    app.with(RequestId::counting("c")).with(SecurityHeaders::default()).with(BodyLimit::new(32 * 1024 * 1024));
    app.with(Compress).with(CacheControl::no_cache());
    app.at("/").get(front).post(echo);
    app.at("/text").with(CacheControl::fresh_for(60)).with(Etag).get(async || "some text ".repeat(200));
    app.at("/echo").post(echo);
    app.at("/read/:bytes").post(read_at_most);
    // The targets of the smuggling suite.
    app.fallback(echo);
    app.at("/stream")
        .with(CacheControl::no_store())
        .get(async || Body::from_stream(stream::iter((0..1_000).map(|n| Ok::<_, BoxError>(format!("line {n}\n"))))));
    app.at("/events").get(async || Sse::new(stream::iter((0..3).map(|n| SseEvent::new(&n.to_string())))));
    app.at("/files/*path").get(files.handler());
    app.answer(&KEEP, async |_: State<()>, asked: Asked<Key, How, Kept>| Ok::<_, Error>(asked.body));
    app.answer(&FORGET, async |_: State<()>, _: Asked<(String, u8)>| Ok::<_, Error>(()));
    app.answer(&FORGET_ALL, async |_: State<()>, _: Asked<(String, String)>| Ok::<_, Error>(()));
    let mut other = App::new();
    other.answer(&KEEP, async |_: State<()>, asked: Asked<Key, How, Kept>| Ok::<_, Error>(asked.body));
    other.answer(&OWNERS, async |_: State<()>, _: Asked| Ok::<_, Error>(Vec::new()));
    app.host("other.example.net", other);
    let mut any = App::new();
    any.answer(&OWNER, async |_: State<()>, _: Asked<String>| Ok::<_, Error>(String::new()));
    app.host("*.example.org", any);
    app.describe("/docs", &About { title: "Conformance", version: "1.0.0", summary: "What may be described" });
    app
}

/// Types of many kinds, for the description.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Key {
    /// Whose.
    owner: String,
    number: u8,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct How {
    #[serde(default)]
    again: bool,
    after_s: Option<f64>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Kept {
    kind: Kind,
    parts: Vec<Kept>,
    named: BTreeMap<String, i64>,
    other: serde_json::Value,
    pair: (u8, String),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Plain,
    Sized(u32),
    Named { name: Option<String> },
}

const KEEP: Operation<Key, How, Kept, Kept> =
    Operation::put("/kept/:owner/:number").name("keep").summary("Keeps something").status(201);
const FORGET: Operation<(String, u8)> = Operation::delete("/kept/:owner/:number").name("forget");
/// To OpenAPI the same path as the others'.
const FORGET_ALL: Operation<(String, String)> = Operation::post("/kept/:owner/*below").name("forgetAll");
/// Of hosts of their own.
const OWNERS: Operation<(), (), (), Vec<String>> = Operation::get("/owners").name("owners");
const OWNER: Operation<String, (), (), String> = Operation::get("/owners/:owner").name("owner");

/// Browsers get a page, and those who ask for a socket get one that says everything back.
async fn front(request: Request) -> Result<Response> {
    if request.headers().get("upgrade").is_none_or(|protocol| protocol != "websocket") {
        return PAGE.respond(&request);
    }
    websocket_with(SOCKET, &request, |mut socket| async move {
        while let Some(Ok(message)) = socket.receive().await {
            let message: Message = message;
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn echo(mut request: Request) -> Result<Response> {
    request.set_body_bytes_max(32 * 1024 * 1024);
    let kind = request.headers().get("content-type").cloned();
    let mut response = Response::new(request.body_bytes().await?.into());
    if let Some(kind) = kind {
        response.headers_mut().insert("content-type", kind);
    }
    Ok(response)
}

/// Reads so many bytes of the body and then answers, whatever is still to come.
async fn read_at_most(mut request: Request) -> Result<(StatusCode, String)> {
    let most: usize = request.param("bytes")?;
    let mut read = 0;
    while read < most
        && let Some(chunk) = request.body_mut().chunk().await?
    {
        read += chunk.len();
    }
    Ok((StatusCode::ACCEPTED, read.to_string()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: conformance ADDRESS FOLDER")?;
    let files = Files::new(arguments.next().ok_or("usage: conformance ADDRESS FOLDER")?)?;
    let service = app(files).into_service()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::Builder::new().spawn(move || {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        drop(stop);
    })?;
    let served = runtime.block_on(async {
        let listener = TokioListener::bind(address).await?;
        println!("listening at {}", listener.local_addr()?);
        let stop = async { stopped.await.unwrap_or_default() };
        Ok::<_, std::io::Error>(serve(listener, service, TokioRuntime, stop).await)
    })?;
    eprintln!("{served:?}");
    Ok(())
}
