//! What RFC 9110 and RFC 9112 ask of a server, and what it makes of peers that ask for something else.

use std::time::Duration;

use futures::StreamExt as _;
use wavetank_web::middleware::{BodyLimit, Timeout};
use wavetank_web::{App, Body, Options, Request, Served, StatusCode, Upgraded};

use crate::connections::{GET, SECOND, hello, post, status};
use crate::support::{Clock, Server};

/// What comes back for these bytes on a connection of their own, and whether it is closed then.
fn ask(request: &str) -> (String, bool) {
    let mut server = hello(Options::default());
    let client = server.connect();
    let response = server.ask(&client, request);
    (response, client.is_closed())
}

fn refused(request: &str) {
    let (response, closed) = ask(request);
    assert_eq!(status(&response), "HTTP/1.1 400 Bad Request", "{request}");
    assert!(closed && response.contains("connection: close\r\n"), "{request}: {response}");
    assert!(response.contains("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "RFC 9110, 6.6.1: {response}");
    assert!(response.contains("content-type: application/problem+json\r\n"), "{response}");
    assert_eq!(response.matches("HTTP/1.1").count(), 1, "{request}: {response}");
}

#[test]
fn a_request_says_once_and_validly_whom_it_is_for() {
    // RFC 9112, 3.2: 400 to one without a Host, with several, or with what is none.
    refused("GET / HTTP/1.1\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: a b\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: user@hub\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: hub/path\r\n\r\n");
    // RFC 3986, 2.1 and 3.2.2: what is escaped is so by two digits, wherever the host is named.
    refused("GET / HTTP/1.1\r\nhost: hub%zz\r\n\r\n");
    refused("GET http://hub%4/ HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert_eq!(status(&ask("GET / HTTP/1.1\r\nhost: h%75b\r\n\r\n").0), "HTTP/1.1 200 OK");
    // RFC 9110, 4.2.1: an URL of HTTP without a host is refused.
    refused("GET / HTTP/1.1\r\nhost:\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: \t\r\n\r\n");
    refused("GET http://user@hub/ HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert_eq!(status(&ask("GET / HTTP/1.0\r\n\r\n").0), "HTTP/1.0 200 OK");
    // RFC 3986, 3.3: no path has a backslash, which some take for a slash.
    refused("GET /\\evil.example/ HTTP/1.1\r\nhost: hub\r\n\r\n");
    // RFC 9110, 7.4: what is not HTTP's is not answered for.
    let (response, closed) = ask("GET ftp://hub/ HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert_eq!((status(&response), closed), ("HTTP/1.1 421 Misdirected Request", true));
    assert_eq!(status(&ask("GET https://hub/ HTTP/1.1\r\nhost: hub\r\n\r\n").0), "HTTP/1.1 200 OK");
    // 3.2.2: the absolute form must be taken, and its authority counts.
    assert_eq!(status(&ask("GET http://other/ HTTP/1.1\r\nhost: hub\r\n\r\n").0), "HTTP/1.1 200 OK");
    assert_eq!(status(&ask("OPTIONS * HTTP/1.1\r\nhost: hub\r\n\r\n").0), "HTTP/1.1 204 No Content");
}

#[test]
fn a_message_has_one_end() {
    let both = |first: &str, second: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: hub\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\nGET /peer HTTP/1.1\r\nhost: hub\r\n\r\n"
        )
    };
    let (length, encoding) = ("content-length: 5", "transfer-encoding: chunked");
    refused(&both(length, encoding));
    refused(&both(encoding, length));
    refused(&both("Transfer-Encoding: chunked", "Content-Length : 5"));
    refused(&both(length, "content-length: 6"));
    refused(&both(length, length));
    refused(&both(encoding, encoding));
    refused(&both("transfer-encoding: chunked, chunked", "x: y"));
    refused(&both("content-length: +5", "x: y"));
    refused(&both("content-length: 5, 6", "x: y"));
    refused(&both("content-length: -1", "x: y"));
    refused(&both("transfer-encoding: chunked, gzip", "x: y"));
    refused(&both("transfer-encoding: xchunked", "x: y"));
    refused(&both("transfer-encoding: \x0bchunked", "x: y"));
    refused(&both("transfer-encoding: \x0cchunked", "x: y"));
    refused(&both("transfer-encoding: \"chunked\"", "x: y"));
    refused(&both("transfer-encoding: chunked;q=1", "x: y"));
    refused(&both("transfer-encoding:", length));
    refused(&both("transfer-encoding:\r\n chunked", "x: y"));
    refused(&both("transfer-encoding: chunked\0", "x: y"));
    refused(&both("content-length: 0x5", "x: y"));
    refused(&both("content-length: 5;", "x: y"));
    refused(&both("content-length: 5 0", "x: y"));
    refused(&both("content-length\0: 5", "x: y"));
    refused(&both("content-length", "x: y"));
    refused(&both(": 5", "x: y"));
    refused("POST / HTTP/1.0\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    // RFC 9112, 2.2, 5.1 and 5.2: what a lenient peer may read otherwise.
    refused("GET / HTTP/1.1\r\nhost: hub\r\nx : y\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: hub\r\nx: y\r\n folded\r\n\r\n");
    refused("GET / HTTP/1.1\r\n host: hub\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: hub\r\nx: a\0b\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: hub\r\nx: a\rb\r\n\r\n");
    refused("GET  / HTTP/1.1\r\nhost: hub\r\n\r\n");
    refused("G\u{1}T / HTTP/1.1\r\nhost: hub\r\n\r\n");
    refused("GET / HTTP/1.1 x\r\nhost: hub\r\n\r\n");
    refused("GET / HTTP/1.1\nhost: hub\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: hub\nx: y\r\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: hub\r\nx: y\n\r\n");
    refused("GET / HTTP/1.1\r\nhost: hub\r\n\n");
}

#[test]
fn a_request_is_looked_at_wherever_it_begins() {
    // What comes in one piece with the request before is no less suspicious than what comes by itself.
    let both = "POST / HTTP/1.1\r\nhost: hub\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let chunked =
        "POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\none\r\n0\r\nsum: 7\r\n\r\n";
    for before in [GET.to_owned(), post("/", "one"), chunked.to_owned(), [GET, GET].concat()] {
        let (response, closed) = ask(&format!("{before}{both}{GET}"));
        let statuses: Vec<&str> = response.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert!(
            closed && statuses.last() == Some(&"400") && !statuses[..statuses.len() - 1].contains(&"400"),
            "{response}"
        );
        assert_eq!(statuses.len(), 1 + before.matches(" / HTTP").count(), "{response}");
    }
}

#[test]
fn versions_other_than_these_two_are_not_spoken() {
    // RFC 9110, 15.6.6.
    for version in ["HTTP/9.9", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9"] {
        let (response, closed) = ask(&format!("\r\nGET / {version}\r\nhost: hub\r\n\r\n"));
        assert_eq!(status(&response), "HTTP/1.1 505 HTTP Version Not Supported", "{version}");
        assert!(closed && response.contains("connection: close\r\n"), "{response}");
    }
    for nonsense in ["HTTP/1", "HTTP/1.1.1", "http/1.1", "HTTP/x.1", "HTTP/11.1", "FTP/1.0", "HTTP/ 1.1", ""] {
        assert_eq!(status(&ask(&format!("GET / {nonsense}\r\nhost: hub\r\n\r\n")).0), "HTTP/1.1 400 Bad Request");
    }
}

#[test]
fn a_transfer_coding_that_is_not_known_is_said_to_be_so() {
    // RFC 9112, 6.1: 501, and nobody reads the body as if it had no other coding.
    for codings in ["gzip, chunked", "identity, chunked", "gzip, chunked\r\nx: y"] {
        let request = format!("POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: {codings}\r\n\r\n0\r\n\r\n{GET}");
        let (response, closed) = ask(&request);
        assert_eq!(status(&response), "HTTP/1.1 501 Not Implemented", "{codings}");
        assert!(closed && response.matches("HTTP/1.1").count() == 1, "{response}");
    }
}

#[test]
fn chunks_are_taken_as_they_must_be_and_no_otherwise() {
    let chunked =
        |body: &str| ask(&format!("POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
    let ok = |body: &str, expected: &str| {
        let (response, _) = chunked(body);
        assert!(response.ends_with(expected) && status(&response) == "HTTP/1.1 200 OK", "{body}: {response}");
    };
    ok("3;name=value\r\none\r\n0\r\n\r\n", "one");
    ok("A\r\n0123456789\r\n00\r\n\r\n", "0123456789");
    ok("3\r\none\r\n0\r\ntrailer: yes\r\n\r\n", "one");
    for wrong in [
        "zz\r\n",
        "-1\r\n",
        "3\r\nonetwo\r\n0\r\n\r\n",
        "3\none\r\n0\r\n\r\n",
        "0x3\r\none\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "3 3\r\none\r\n0\r\n\r\n",
        "3 \r\none\r\n0\r\n\r\n",
        "3;\r\none\r\n0\r\n\r\n",
        "3;na[me\r\none\r\n0\r\n\r\n",
        "3;name\none\r\n0\r\n\r\n",
        "3\r\none\n0\r\n\r\n",
        "3\r\none\r\n0\r\n\n",
        "3\r\none\r\n0\r\nsum: 7\n\r\n",
    ] {
        let (response, closed) = chunked(wrong);
        assert_eq!(status(&response), "HTTP/1.1 400 Bad Request", "{wrong:?}");
        assert!(closed, "{wrong:?}");
    }
}

#[test]
fn trailers_are_kept_apart() {
    let mut app = App::new();
    app.at("/").post(async |mut request: Request| -> wavetank_web::Result<String> {
        let mut length = 0;
        while let Some(chunk) = request.body_mut().chunk().await? {
            length += chunk.len();
        }
        let sum = request.body_mut().trailers().and_then(|trailers| trailers.get("sum")).cloned();
        Ok(format!("{length} {sum:?} {:?}", request.headers().get("sum")))
    });
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    let request = "POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\nsum: 7\r\n\r\n";
    let response = server.ask(&client, request);
    assert!(response.ends_with("3 Some(\"7\") None"), "{response}");
}

#[test]
fn a_client_that_waits_for_leave_gets_it_or_an_answer() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let expecting = "POST / HTTP/1.1\r\nhost: hub\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    assert_eq!(server.ask(&client, expecting), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(server.ask(&client, "one").ends_with("one"));
    let too_long = "POST / HTTP/1.1\r\nhost: hub\r\nexpect: 100-continue\r\ncontent-length: 3000\r\n\r\n";
    let response = server.ask(&client, too_long);
    assert_eq!(status(&response), "HTTP/1.1 413 Payload Too Large", "and no 100 before it");
}

#[test]
fn a_refused_body_is_let_run_out_so_that_its_sender_hears_the_refusal() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let head = "POST / HTTP/1.1\r\nhost: hub\r\ncontent-length: 1000000\r\n\r\n";
    let response = server.ask(&client, head);
    assert_eq!(status(&response), "HTTP/1.1 413 Payload Too Large");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert!(client.is_closed(), "for writing");
    for _ in 0..100 {
        client.send("x".repeat(10_000));
        server.settle();
        assert_eq!(client.unread_by_server(), 0, "what comes is thrown away, and nothing is reset");
    }
    client.close();
    server.settle();
    server.stop();
    assert_eq!(server.served(), Some(Served { connections: 1, failed: 0, cut: 0 }));
}

#[test]
fn patience_with_a_refused_body_ends() {
    let mut server = hello(Options::default());
    let (slow, endless) = (server.connect(), server.connect());
    server.ask(&slow, "POST / HTTP/1.1\r\nhost: hub\r\ncontent-length: 1000000\r\n\r\n");
    server.pass(2 * SECOND);
    slow.send("late");
    server.settle();
    assert_eq!(slow.unread_by_server(), 4);
    server.ask(&endless, "POST / HTTP/1.1\r\nhost: hub\r\ncontent-length: 100000000\r\n\r\n");
    let piece = "x".repeat(1_000_000);
    for _ in 0..10 {
        endless.send(&piece);
        server.settle();
    }
    assert!(endless.unread_by_server() > 5_000_000);
    server.stop();
    assert_eq!(server.served(), Some(Served { connections: 2, failed: 0, cut: 0 }));
}

#[test]
fn heads_have_bounds() {
    let many = "x: y\r\n".repeat(101);
    let (response, closed) = ask(&format!("GET / HTTP/1.1\r\nhost: hub\r\n{many}\r\n"));
    assert_eq!(status(&response), "HTTP/1.1 431 Request Header Fields Too Large");
    assert!(closed);
    let mut server = hello(Options { head_bytes_max: 1_000, ..Options::default() });
    let client = server.connect();
    let response = server.ask(&client, format!("GET / HTTP/1.1\r\nhost: hub\r\nx: {}\r\n\r\n", "y".repeat(1_000)));
    assert_eq!(status(&response), "HTTP/1.1 431 Request Header Fields Too Large");
    let endless = server.connect();
    for _ in 0..100 {
        endless.send("x: ".repeat(1_000));
        server.settle();
    }
    assert_eq!(status(&endless.received()), "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_refusal_comes_after_the_answers_that_were_owed() {
    let mut server = hello(Options::default());
    let client = server.connect();
    let response = server.ask(&client, format!("{GET}{GET}nonsense\r\n\r\n"));
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 2, "{response}");
    assert_eq!(response.matches("HTTP/1.1 400 Bad Request").count(), 1, "{response}");
    assert!(response.find("400 Bad").unwrap() > response.rfind("200 OK").unwrap());
    assert!(client.is_closed());
}

#[test]
fn a_body_that_trickles_is_cut_off_by_the_time_the_handler_has() {
    let clock = Clock::new();
    let mut app = App::new();
    app.with(Timeout::new(clock.clone(), 10 * SECOND)).with(BodyLimit::new(1_000));
    app.at("/").post(async |mut request: Request| request.body_text().await);
    let mut server = Server::of(Options::default(), &clock, app.into_service().unwrap());
    let client = server.connect();
    server.ask(&client, "POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..10 {
        client.send("1\r\nx\r\n");
        server.pass(SECOND);
    }
    assert_eq!(status(&client.received()), "HTTP/1.1 503 Service Unavailable");
    assert!(client.is_closed());
}

#[test]
fn chunks_without_end_are_a_413() {
    let mut server = hello(Options::default());
    let client = server.connect();
    client.send("POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut sent = 0;
    while client.received().is_empty() {
        client.send("1\r\nx\r\n");
        server.settle();
        sent += 1;
        assert!(sent <= 1_001, "the limit is of 1,000 bytes");
    }
}

#[test]
fn methods_and_versions_have_their_ways() {
    // RFC 9110, 9.1: a method that is known and not allowed is a 405 that says which are; one that is not is a 501.
    for (method, expected) in [("DELETE", "HTTP/1.1 405 Method Not Allowed"), ("BREW", "HTTP/1.1 501 Not Implemented")]
    {
        let (response, closed) = ask(&format!("{method} / HTTP/1.1\r\nhost: hub\r\n\r\n"));
        assert_eq!(status(&response), expected);
        assert!(response.contains("allow: GET, POST, HEAD, OPTIONS\r\n") && !closed, "{response}");
    }
    // RFC 9112, 9.3: 1.0 closes unless asked to keep, 1.1 keeps unless asked to close.
    assert!(ask("GET / HTTP/1.0\r\nhost: hub\r\n\r\n").1);
    assert!(!ask("GET / HTTP/1.0\r\nhost: hub\r\nconnection: keep-alive\r\n\r\n").1);
    let (response, closed) = ask("GET / HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
    assert!(closed && response.contains("connection: close"), "{response}");
    // RFC 9112, 6.1: nothing is chunked to a 1.0 client.
    assert!(!ask("GET /broken HTTP/1.0\r\nhost: hub\r\n\r\n").0.contains("chunked"));
    // RFC 9110, 8.6 and 15.3.5: a 204 has neither body nor length.
    let (response, _) = ask("OPTIONS / HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert!(!response.contains("content-length") && response.ends_with("\r\n\r\n"), "{response}");
    assert!(ask("CONNECT hub:80 HTTP/1.1\r\nhost: hub\r\n\r\n").0.starts_with("HTTP/1.1 501"));
    assert_eq!(status(&ask(&post("/nothing", "body")).0), "HTTP/1.1 404 Not Found");
}

#[test]
fn a_connection_may_go_over_to_another_protocol() {
    let mut app = App::new();
    app.at("/shout").get(async || {
        let shout = |mut io: Upgraded| async move {
            use std::future::poll_fn;
            use std::pin::Pin;
            loop {
                let mut space = [0; 16];
                let mut buffer = hyper::rt::ReadBuf::new(&mut space);
                let read = poll_fn(|cx| hyper::rt::Read::poll_read(Pin::new(&mut io), cx, buffer.unfilled())).await;
                if read.is_err() || buffer.filled().is_empty() {
                    return;
                }
                let text = String::from_utf8_lossy(buffer.filled()).to_uppercase();
                poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut io), cx, text.as_bytes())).await.unwrap();
            }
        };
        let headers = [(wavetank_web::header::UPGRADE, "shout"), (wavetank_web::header::CONNECTION, "upgrade")];
        (StatusCode::SWITCHING_PROTOCOLS, headers, Body::upgrade(shout))
    });
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    let request = "GET /shout HTTP/1.1\r\nhost: hub\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\nearly ";
    let response = server.ask(&client, request);
    assert_eq!(status(&response), "HTTP/1.1 101 Switching Protocols");
    assert!(response.ends_with("\r\n\r\nEARLY "), "{response}");
    assert_eq!(server.ask(&client, "hello\n"), "HELLO\n");
    server.pass(Duration::from_secs(1_000));
    assert_eq!(server.ask(&client, "still here"), "STILL HERE");
    client.close();
    server.settle();
    assert!(client.is_closed());
}

#[test]
fn whoever_waits_for_leave_gets_it_before_the_connection_goes_over() {
    // RFC 9110, 7.8.
    let mut app = App::new();
    app.at("/").get(async || {
        let headers = [(wavetank_web::header::UPGRADE, "shout"), (wavetank_web::header::CONNECTION, "upgrade")];
        (StatusCode::SWITCHING_PROTOCOLS, headers, Body::upgrade(async |_: Upgraded| ()))
    });
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    for room in [usize::MAX, 10] {
        let client = server.connect();
        client.take_no_more_than(room);
        client.send(
            "GET / HTTP/1.1\r\nhost: hub\r\nconnection: upgrade\r\nupgrade: shout\r\nexpect: 100-continue\r\n\r\n",
        );
        let mut response = String::new();
        for _ in 0..100 {
            server.settle();
            response.push_str(&client.received());
        }
        assert!(
            response.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n"),
            "{response}"
        );
    }
}

#[test]
fn a_large_answer_to_a_request_for_an_upgrade_is_whole() {
    let mut server = hello(Options::default());
    let client = server.connect();
    client.take_no_more_than(10_000);
    client.send("GET /large HTTP/1.1\r\nhost: hub\r\nconnection: close, upgrade\r\nupgrade: h2c\r\n\r\n");
    let mut received = String::new();
    for _ in 0..30 {
        server.settle();
        received += &client.received();
    }
    assert!(received.len() > 100_000, "{} bytes of 100,000 and a head", received.len());
}

#[test]
fn an_endless_answer_stops_with_its_reader() {
    let mut app = App::new();
    app.at("/").get(async || {
        let piece = || Ok::<_, wavetank_web::BoxError>(bytes::Bytes::from_static(&[b'x'; 1_000]));
        Body::from_stream(futures::stream::repeat_with(piece).boxed_local())
    });
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    client.take_no_more_than(10_000);
    assert!(server.ask(&client, GET).len() <= 10_000, "nothing is made that nobody takes");
    server.pass(60 * SECOND);
    assert!(client.is_closed());
}

#[test]
fn a_target_that_is_too_long_is_said_to_be_so() {
    // RFC 9112, 3: 414, whether it is longer than a target may be or than a head may be.
    for length in [65_535, 70_000, 1_000_000] {
        let (response, closed) = ask(&format!("GET /{} HTTP/1.1\r\nhost: hub\r\n\r\n", "x".repeat(length)));
        assert_eq!(status(&response), "HTTP/1.1 414 URI Too Long", "{length}");
        assert!(closed);
    }
    assert_eq!(
        status(&ask(&format!("GET /{} HTTP/1.1\r\nhost: hub\r\n\r\n", "x".repeat(60_000))).0),
        "HTTP/1.1 404 Not Found"
    );
    let (response, closed) = ask(&format!("{} / HTTP/1.1\r\nhost: hub\r\n\r\n", "X".repeat(70_000)));
    assert_eq!(status(&response), "HTTP/1.1 501 Not Implemented", "a method that is longer than any");
    assert!(closed);
}

#[test]
fn what_comes_after_the_last_request_is_none() {
    // RFC 9112, 9.6: whoever says `close` has said its last, and a server that says it hears no more.
    let last = "GET / HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n";
    let (response, closed) = ask(&format!("{last}{GET}"));
    assert!(closed && response.matches("HTTP/1.1").count() == 1, "{response}");
    let (response, closed) = ask(&format!("GET / HTTP/1.0\r\n\r\n{GET}"));
    assert!(closed && response.matches("HTTP/1.").count() == 1, "{response}");
}

#[test]
fn old_clients_are_not_told_what_they_do_not_know() {
    // RFC 9110, 10.1.1 and 15.2: no interim answer to HTTP/1.0, and its expectation is passed over.
    let expecting = "POST / HTTP/1.0\r\nhost: hub\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\none";
    let (response, _) = ask(expecting);
    assert!(response.starts_with("HTTP/1.0 200 OK\r\n") && response.ends_with("one"), "{response}");
    // RFC 9110, 7.8: Upgrade is for HTTP/1.1 alone.
    let (response, _) = ask("GET / HTTP/1.0\r\nhost: hub\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n");
    assert_eq!(status(&response), "HTTP/1.0 200 OK");
    // RFC 9112, 6.1: no transfer coding either way.
    refused("POST / HTTP/1.0\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn empty_lines_before_a_request_mean_nothing() {
    // RFC 9112, 2.2: some clients send one after a body.
    let (response, _) = ask(&format!("\r\n{}\r\n{GET}", post("/", "one")));
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 2, "{response}");
}

#[test]
fn a_body_that_breaks_off_is_not_taken_for_whole() {
    // RFC 9112, 8: neither by its length nor by its chunks.
    for request in [
        "POST / HTTP/1.1\r\nhost: hub\r\ncontent-length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ] {
        let mut server = hello(Options::default());
        let client = server.connect();
        client.send(request);
        server.settle();
        client.close();
        server.settle();
        let response = client.received();
        assert!(response.is_empty() || status(&response) == "HTTP/1.1 400 Bad Request", "{request}: {response}");
        assert!(client.is_closed());
    }
}

#[test]
fn an_absolute_target_names_the_host_whatever_the_field_says() {
    // RFC 9112, 3.2.2: the field is ignored.
    let on = |name: &'static str| {
        let mut app = App::new();
        app.at("/").get(move || std::future::ready(name));
        app
    };
    let mut app = on("elsewhere");
    app.host("a.example", on("a")).host("b.example", on("b"));
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    assert!(server.ask(&client, "GET http://a.example/ HTTP/1.1\r\nhost: b.example\r\n\r\n").ends_with("\r\n\r\na"));
    assert!(server.ask(&client, "GET / HTTP/1.1\r\nhost: b.example\r\n\r\n").ends_with("\r\n\r\nb"));
}

#[test]
fn the_words_around_chunks_have_bounds() {
    // RFC 9112, 7.1.1: extensions are passed over, as far as there is an end to them.
    for endless in ["3;", "3;name=\"", "3\r\none\r\n0\r\nx: "] {
        let mut server = hello(Options::default());
        let client = server.connect();
        client.send("POST / HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send(endless);
        let mut sent = 0;
        while !client.is_closed() {
            client.send("0".repeat(1_000));
            server.settle();
            sent += 1_000;
            assert!(sent < 100_000, "{endless:?}: {sent} bytes");
        }
        assert_eq!(status(&client.received()), "HTTP/1.1 400 Bad Request", "{endless:?}");
    }
}
