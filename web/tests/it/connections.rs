//! A server and its connections, over IO in memory and a clock that moves when told.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::{Clock, Server};
use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::{FutureExt as _, StreamExt as _};
use tower_service::Service;
use wavetank_web::middleware::{BodyLimit, Timeout};
use wavetank_web::{App, Body, BoxError, IntoResponse as _, Options, PeerAddr, Request, Response, Served};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn hello(options: Options) -> Server {
    let mut app = App::new();
    app.at("/").get(async || "hello").post(async |mut request: Request| request.body_text().await);
    app.at("/ignored").post(async || "not read");
    app.at("/panic").get(async || -> &'static str { panic!("by design") });
    app.at("/large").get(async || "x".repeat(100_000));
    app.at("/never").get(async || std::future::pending::<&'static str>().await);
    app.at("/broken").get(async || {
        Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"begun")), Err(BoxError::from("broken"))]))
    });
    app.at("/panicking").get(async || {
        Body::from_stream(futures::stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, BoxError>>> {
            panic!("by design")
        }))
    });
    app.at("/peer").get(async |request: Request| match request.extensions().get::<PeerAddr>() {
        Some(peer) => peer.0.to_string(),
        None => "unknown".into(),
    });
    app.with(BodyLimit::new(1000));
    Server::of(options, &Clock::new(), app.into_service().unwrap())
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: hub\r\n\r\n";

pub(crate) fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: hub\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn status(response: &str) -> &str {
    response.lines().next().unwrap_or_default()
}

#[test]
fn a_connection_is_kept_alive_and_dated_by_the_runtime() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let expected = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n\
                    date: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(server.ask(&client, GET), expected);
    server.pass(SECOND);
    let response = server.ask(&client, GET);
    assert!(response.contains("date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), "{response}");
    assert!(!client.is_closed());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let requests = [post("/", "one"), post("/ignored", "two"), post("/", "three"), GET.to_owned()].concat();
    let responses = server.ask(&client, requests);
    let at = |text: &str| responses.find(text).unwrap_or_else(|| panic!("no {text} in {responses}"));
    assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), 4);
    assert!(at("one") < at("not read") && at("not read") < at("three") && at("three") < at("hello"));
}

#[test]
fn a_request_may_come_byte_by_byte_and_in_chunks() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let request =
        "POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\n\r\n";
    for byte in request.as_bytes() {
        assert_eq!(client.received(), "");
        client.send([*byte]);
        server.settle();
    }
    assert!(client.received().ends_with("one two"));
}

#[test]
fn what_is_not_http_is_refused_and_closed() {
    for (request, expected) in [
        ("nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "HTTP/1.1 505 HTTP Version Not Supported"),
        (
            format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(70_000)),
            "HTTP/1.1 431 Request Header Fields Too Large",
        ),
        (post("/", &"x".repeat(1_001)), "HTTP/1.1 413 Payload Too Large"),
        (
            "POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
            "HTTP/1.1 400 Bad Request",
        ),
    ] {
        let mut server = hello(Options::default());
        let client = server.connect();
        let response = server.ask(&client, &request);
        assert_eq!(status(&response), expected, "{}", request.len());
        assert!(!response.contains("200 OK"));
    }
}

#[test]
fn a_panic_is_a_500_and_the_connection_goes_on() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let response = server.ask(&client, "GET /panic HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert_eq!(status(&response), "HTTP/1.1 500 Internal Server Error");
    assert!(!response.contains("by design"));
    assert_eq!(status(&server.ask(&client, GET)), "HTTP/1.1 200 OK");
}

/// A service in one of these moods.
#[derive(Clone)]
enum Moody {
    Panics,
    IsBroken,
    IsBusy(Rc<RefCell<Option<Waker>>>, Rc<Cell<bool>>),
}

impl Service<http::Request<hyper::body::Incoming>> for Moody {
    type Response = Response;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Panics => Poll::Ready(Ok(())),
            Self::IsBroken => Poll::Ready(Err("broken by design".into())),
            Self::IsBusy(_, done) if done.get() => Poll::Ready(Ok(())),
            Self::IsBusy(waiting, _) => {
                waiting.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }

    fn call(&mut self, _: http::Request<hyper::body::Incoming>) -> Self::Future {
        assert!(!matches!(self, Self::Panics), "by design");
        std::future::ready(Ok("at last".into_response()))
    }
}

#[test]
fn a_service_may_be_busy_or_broken_or_panic_as_soon_as_it_is_called() {
    let serve = |mood: Moody| {
        let mut server = Server::of(Options::default(), &Clock::new(), mood);
        let client = server.connect();
        let answer = server.ask(&client, GET);
        (server, client, answer)
    };
    for mood in [Moody::Panics, Moody::IsBroken] {
        let (mut server, client, answer) = serve(mood);
        assert_eq!(status(&answer), "HTTP/1.1 500 Internal Server Error");
        assert!(!answer.contains("by design"));
        assert_eq!(status(&server.ask(&client, GET)), "HTTP/1.1 500 Internal Server Error", "it goes on");
    }
    let (waiting, done) = (Rc::default(), Rc::default());
    let (mut server, client, answer) = serve(Moody::IsBusy(Rc::clone(&waiting), Rc::clone(&done)));
    assert_eq!(answer, "");
    done.set(true);
    waiting.take().expect("it will tell").wake();
    server.settle();
    assert!(client.received().ends_with("at last"));
}

#[test]
fn a_body_that_fails_midway_ends_its_connection_only() {
    for path in ["/broken", "/panicking"] {
        let mut server = hello(Options::default());
        let (broken, other) = (server.connect(), server.connect());
        let response = server.ask(&broken, format!("GET {path} HTTP/1.1\r\nhost: hub\r\n\r\n"));
        assert!(!response.ends_with("0\r\n\r\n"), "a broken body must not look whole: {response}");
        assert!(broken.is_closed());
        assert_eq!(status(&server.ask(&other, GET)), "HTTP/1.1 200 OK");
        server.stop();
        assert_eq!(server.served(), Some(Served { connections: 2, failed: 1, cut: 0 }));
    }
}

#[test]
fn the_peer_is_told_where_asked_for() {
    let ask = "GET /peer HTTP/1.1\r\nhost: hub\r\n\r\n";
    let mut server = hello(Options { peer_addr: true, ..Options::default() });
    let client = server.connect();
    assert!(server.ask(&client, ask).ends_with("192.0.2.7:7000"));
    let mut server = hello(Options::default());
    let client = server.connect();
    assert!(server.ask(&client, ask).ends_with("unknown"));
}

#[test]
fn idle_and_slow_peers_are_let_go() {
    let mut server = hello(Options { head_timeout: Some(SECOND), ..Options::default() });
    let (idle, slow, busy) = (server.connect(), server.connect(), server.connect());
    assert_eq!(status(&server.ask(&idle, GET)), "HTTP/1.1 200 OK");
    server.ask(&busy, "GET /never HTTP/1.1\r\nhost: hub\r\n\r\n");
    slow.send("GET / HT");
    server.settle();
    server.pass(SECOND);
    assert_eq!(status(&slow.received()), "HTTP/1.1 408 Request Timeout");
    assert!(slow.is_closed());
    assert!(!idle.is_closed());
    server.pass(SECOND);
    assert!(idle.is_closed());
    assert_eq!(idle.received(), "");
    server.pass(100 * SECOND);
    assert!(!busy.is_closed());
}

#[test]
fn a_peer_that_does_not_read_is_let_go_and_a_slow_reader_is_not() {
    let mut server = hello(Options { head_timeout: Some(SECOND), ..Options::default() });
    let (stuck, reader) = (server.connect(), server.connect());
    for client in [&stuck, &reader] {
        client.take_no_more_than(1_000);
        client.send("GET /large HTTP/1.1\r\nhost: hub\r\n\r\n");
    }
    let mut received = String::new();
    while !received.ends_with(&"x".repeat(100_000)) {
        server.pass(SECOND / 2);
        let more = reader.received();
        assert!(!more.is_empty(), "the reader was cut after {} bytes", received.len());
        received += &more;
    }
    assert!(stuck.is_closed());
    assert!(!reader.is_closed());
}

#[test]
fn connections_beyond_the_limit_wait() {
    let mut server = hello(Options { connections_max: 1, ..Options::default() });
    let (first, second) = (server.connect(), server.connect());
    assert_eq!(status(&server.ask(&first, GET)), "HTTP/1.1 200 OK");
    assert_eq!(server.ask(&second, GET), "");
    first.close();
    server.settle();
    assert_eq!(status(&second.received()), "HTTP/1.1 200 OK");
}

#[test]
fn a_shortage_slows_accepting_down_and_does_not_end_it() {
    let mut server = hello(Options::default());
    server.fail_to_accept(io::ErrorKind::ConnectionAborted.into());
    let at_once = server.connect();
    assert_eq!(status(&server.ask(&at_once, GET)), "HTTP/1.1 200 OK");
    server.fail_to_accept(io::ErrorKind::OutOfMemory.into());
    let later = server.connect();
    assert_eq!(server.ask(&later, GET), "");
    server.pass(Duration::from_millis(5));
    assert_eq!(status(&later.received()), "HTTP/1.1 200 OK");
}

#[test]
fn a_shortage_that_lasts_is_looked_at_less_and_less_often() {
    // Pauses of 5 ms, each twice the one before, up to 1 s: of file descriptors, say (EMFILE).
    let mut server = hello(Options::default());
    let shortage = |server: &mut Server, count| {
        (0..count).for_each(|_| server.fail_to_accept(io::Error::from_raw_os_error(24)));
    };
    shortage(&mut server, 10);
    let waiting = server.connect();
    waiting.send(GET);
    let pauses = [5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000];
    server.pass(Duration::from_millis(pauses.iter().sum::<u64>() - 1));
    assert_eq!(waiting.received(), "");
    server.pass(Duration::from_millis(1));
    assert_eq!(status(&waiting.received()), "HTTP/1.1 200 OK");
    assert_eq!(status(&server.ask(&waiting, GET)), "HTTP/1.1 200 OK", "who is there is served all the while");
    // The next one begins with a short pause again; a connection that was broken off is none.
    shortage(&mut server, 1);
    server.fail_to_accept(io::ErrorKind::ConnectionReset.into());
    let later = server.connect();
    assert_eq!(server.ask(&later, GET), "");
    server.pass(Duration::from_millis(5));
    assert_eq!(status(&later.received()), "HTTP/1.1 200 OK");
    // Nor does a shortage keep the server from stopping.
    shortage(&mut server, 10);
    server.stop();
    assert_eq!(server.served(), Some(Served { connections: 2, failed: 0, cut: 0 }));
}

/// An app with one handler, which answers when told to.
fn held() -> (Server, mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let (asked, asking) = mpsc::unbounded();
    let mut app = App::with_state(asked);
    app.at("/").get(async |request: Request<mpsc::UnboundedSender<oneshot::Sender<()>>>| {
        let (answer, answered) = oneshot::channel();
        request.state().unbounded_send(answer).ok();
        answered.await.ok();
        "answered"
    });
    let options = Options { stop_timeout: 5 * SECOND, ..Options::default() };
    (Server::of(options, &Clock::new(), app.into_service().unwrap()), asking)
}

#[test]
fn a_server_told_to_stop_finishes_what_it_is_at() {
    let (mut server, mut asking) = held();
    let (idle, fresh, busy) = (server.connect(), server.connect(), server.connect());
    server.ask(&idle, GET);
    asking.next().now_or_never().flatten().unwrap().send(()).ok();
    server.settle();
    assert_eq!(status(&idle.received()), "HTTP/1.1 200 OK");
    server.ask(&busy, GET);
    let answer = asking.next().now_or_never().flatten().unwrap();

    server.stop();
    assert!(idle.is_closed() && fresh.is_closed() && !busy.is_closed());
    let late = server.connect();
    assert_eq!(server.served(), None);
    server.pass(4 * SECOND);
    answer.send(()).ok();
    server.settle();
    let response = busy.received();
    assert!(response.contains("connection: close") && response.ends_with("answered"), "{response}");
    assert!(busy.is_closed());
    assert_eq!(server.ask(&late, GET), "");
    assert_eq!(server.served(), Some(Served { connections: 3, failed: 0, cut: 0 }));
    assert_eq!(server.clock.sleeping(), 0);
}

#[test]
fn a_server_told_to_stop_waits_no_longer_than_it_may() {
    let (mut server, _asking) = held();
    let busy = server.connect();
    server.ask(&busy, GET);
    server.stop();
    server.pass(5 * SECOND - Duration::from_millis(1));
    assert_eq!(server.served(), None);
    server.pass(Duration::from_millis(1));
    assert_eq!(server.served(), Some(Served { connections: 1, failed: 0, cut: 1 }));
    assert!(busy.is_closed());
    assert_eq!(server.clock.sleeping(), 0);
}

#[test]
fn a_handler_that_takes_too_long_is_dropped() {
    let clock = Clock::new();
    let alive = Rc::new(());
    let mut app = App::with_state(Rc::clone(&alive));
    app.with(Timeout::new(clock.clone(), SECOND));
    app.at("/").get(async |request: Request<Rc<()>>| {
        let _held = Rc::clone(request.state());
        std::future::pending::<()>().await;
    });
    let mut server = Server::of(Options::default(), &clock, app.into_service().unwrap());
    let client = server.connect();
    assert_eq!(server.ask(&client, GET), "");
    assert_eq!(Rc::strong_count(&alive), 3);
    server.pass(SECOND);
    assert_eq!(status(&client.received()), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(Rc::strong_count(&alive), 2);
}

#[test]
fn an_axum_router_is_served_as_it_is() {
    use axum::Json;
    use axum::extract::Path;
    use axum::routing::{get, post};

    let router = axum::Router::new()
        .route("/devices/{id}", get(async |Path(id): Path<u32>| format!("device {id}")))
        .route("/echo", post(async |Json(value): Json<serde_json::Value>| Json(value)));
    let mut server = Server::of(Options::default(), &Clock::new(), router);
    let client = server.connect();
    assert!(server.ask(&client, "GET /devices/7 HTTP/1.1\r\nhost: hub\r\n\r\n").ends_with("device 7"));
    let request =
        "POST /echo HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    let response = server.ask(&client, request);
    assert!(response.ends_with("{\"a\":1}") && response.contains("date: Sun, 06 Nov 1994"), "{response}");
}

#[test]
fn head_over_a_connection_has_a_length_and_no_body() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let response = server.ask(&client, "HEAD / HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert!(response.contains("content-length: 5\r\n") && response.ends_with("\r\n\r\n"), "{response}");
    assert_eq!(status(&server.ask(&client, GET)), "HTTP/1.1 200 OK");
}
