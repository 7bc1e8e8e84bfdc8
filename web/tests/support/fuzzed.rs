//! A server that is sent anything: what must hold whatever that is. For the fuzzer, and for plain tests over what it found.

use std::time::Duration;

use wavetank_web::middleware::BodyLimit;
use wavetank_web::{App, Body, Form, Json, Multipart, Options, Params, Query, Request, Result};

use crate::support::{Clock, Server};

const HEAD_BYTES_MAX: usize = 16 * 1024;
const BODY_BYTES_MAX: u64 = 64 * 1024;

type Fields = Vec<(String, String)>;

fn app() -> App {
    let mut app = App::new();
    app.with(BodyLimit::new(BODY_BYTES_MAX));
    app.at("/").get(async || "tide");
    app.at("/double/:n").get(async |Params(n): Params<u32>| Json(u64::from(n) * 2));
    app.at("/rest/*path").all(async |request: Request| request.param::<String>("path"));
    app.at("/query").get(async |Query(fields): Query<Fields>| Json(fields));
    app.at("/json").post(async |Json(value): Json<serde_json::Value>| Json(value));
    app.at("/form").post(async |Form(fields): Form<Fields>| Form(fields));
    app.at("/stream").post(async |body: Body| body);
    app.at("/parts").post(async |mut form: Multipart| -> Result<String> {
        let mut names = String::new();
        while let Some(mut part) = form.next().await? {
            names.push_str(part.name());
            while part.chunk().await?.is_some() {}
        }
        Ok(names)
    });
    #[cfg(feature = "websocket")]
    app.at("/socket").get(async |request: Request| {
        wavetank_web::websocket(&request, |mut socket| async move {
            while let Some(Ok(message)) = socket.receive().await {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        })
    });
    app
}

/// Sends these bytes, cut where the first of them says, then ends the connection. Returns what came back.
///
/// # Panics
/// If the server does not come to its end, keeps a connection, or answers with what is no answer.
pub(crate) fn send(bytes: &[u8]) -> Vec<u8> {
    let clock = Clock::new();
    let options = Options { head_bytes_max: HEAD_BYTES_MAX, ..Options::default() };
    let mut server = Server::of(options, &clock, app().into_service().unwrap());
    let client = server.connect();
    let (cut, bytes) = bytes.split_first().map_or((0, bytes), |(cut, rest)| (usize::from(*cut), rest));
    let mut answer = Vec::new();
    for piece in bytes.chunks(if cut == 0 { usize::MAX } else { cut }) {
        client.send(piece);
        server.settle();
        answer.extend(client.received_bytes());
    }
    server.pass(Duration::from_secs(61));
    client.close();
    server.settle();
    answer.extend(client.received_bytes());
    server.stop();
    server.pass(Duration::from_secs(11));
    let served = server.served().expect("a server that is told to stop stops");
    assert_eq!((served.connections, served.cut), (1, 0), "nothing holds a connection for ever");
    assert_eq!(clock.sleeping(), 0, "no timer is left");
    let is_http2 = bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let begins_well = answer.is_empty() || is_http2 || answer.starts_with(b"HTTP/1.");
    assert!(begins_well, "{:?}", String::from_utf8_lossy(&answer[..answer.len().min(80)]));
    // Each byte asks for so much at most: an error's document, and whatever was sent echoed as JSON.
    assert!(answer.len() <= 100_000 + 100 * bytes.len(), "{} bytes for {}", answer.len(), bytes.len());
    answer
}
