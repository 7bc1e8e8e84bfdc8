//! What RFC 9110 asks of a server whatever the version: conditions, ranges, expectations, what is accepted, what has a body.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::executor::block_on;
use wavetank_web::conditional::{Validators, Verdict};
use wavetank_web::middleware::Etag;
use wavetank_web::{
    App, Client, Content, Files, HeaderMap, HeaderName, HeaderValue, Method, Options, Request, StatusCode,
};
use wavetank_web::{header, negotiation};

use crate::connections::{GET, SECOND, hello, post, status};
use crate::support::{Clock, START, Server};

/// What comes back for these bytes on a connection of their own, and whether it is closed then.
fn ask_of(app: App, request: &str) -> (String, bool) {
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    let response = server.ask(&client, request);
    (response, client.is_closed())
}

const TAG: &str = "\"a\"";
const CHANGED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
const BEFORE: &str = "Wed, 21 Oct 2015 07:27:59 GMT";

fn changed() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_445_412_480)
}

/// What is asked of a representation: a condition that holds, one that does not, one that says nothing, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nothing,
    Holds,
    Fails,
    Invalid,
}

const EACH: [Asks; 4] = [Asks::Nothing, Asks::Holds, Asks::Fails, Asks::Invalid];

/// The field of a condition; the values are those with which it holds, fails and says nothing.
fn condition(headers: &mut HeaderMap, name: &'static str, asks: Asks, values: [&'static str; 3]) {
    let value = match asks {
        Asks::Nothing => return,
        Asks::Holds => values[0],
        Asks::Fails => values[1],
        Asks::Invalid => values[2],
    };
    headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
}

/// The steps of RFC 9110, 13.2.2, one by one. A tag that is none matches nothing (13.1.1 and 13.1.2); a date that is none is
/// as if it were not there (13.1.3 and 13.1.4).
fn steps(reads: bool, [matches, unmodified, none_match, modified]: [Asks; 4]) -> Verdict {
    // 1 and 2.
    match (matches, unmodified) {
        (Asks::Fails | Asks::Invalid, _) | (Asks::Nothing, Asks::Fails) => return Verdict::Failed,
        _ => {}
    }
    // 3 and 4.
    match (none_match, modified) {
        (Asks::Fails, _) if reads => Verdict::NotModified,
        (Asks::Fails, _) => Verdict::Failed,
        (Asks::Nothing, Asks::Fails) if reads => Verdict::NotModified,
        _ => Verdict::Proceed,
    }
}

#[test]
fn conditions_come_one_after_the_other() {
    // RFC 9110, 13.2.2: all of them, with each other, for methods that read and for others.
    let validators = Validators { etag: Some(HeaderValue::from_static(TAG)), last_modified: Some(changed()) };
    let mut seen = [0; 3];
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE] {
        let reads = matches!(method, Method::GET | Method::HEAD);
        for code in 0..256_usize {
            let asks = [EACH[code & 3], EACH[code >> 2 & 3], EACH[code >> 4 & 3], EACH[code >> 6]];
            let mut headers = HeaderMap::new();
            condition(&mut headers, "if-match", asks[0], [TAG, "\"b\"", "a"]);
            condition(&mut headers, "if-unmodified-since", asks[1], [CHANGED, BEFORE, "yesterday"]);
            condition(&mut headers, "if-none-match", asks[2], ["\"b\"", TAG, "a"]);
            condition(&mut headers, "if-modified-since", asks[3], [BEFORE, CHANGED, "yesterday"]);
            let verdict = validators.judge(&method, &headers);
            assert_eq!(verdict, steps(reads, asks), "{method} {headers:?}");
            seen[verdict as usize] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}

#[test]
fn conditions_of_methods_that_select_nothing_and_of_other_answers_are_passed_over() {
    // RFC 9110, 13.2.1.
    let validators = Validators { etag: Some(HeaderValue::from_static(TAG)), last_modified: Some(changed()) };
    let mut headers = HeaderMap::new();
    headers.insert(header::IF_MATCH, HeaderValue::from_static("\"b\""));
    for method in [Method::OPTIONS, Method::TRACE, Method::CONNECT] {
        assert_eq!(validators.judge(&method, &headers), Verdict::Proceed, "{method}");
    }
    let mut app = App::new();
    app.with(Etag);
    app.at("/").get(async || "hello");
    let client = Client::new(app.into_service().unwrap());
    let get = |path: &str, name, value| block_on(client.get(path).header(name, value).send()).unwrap().status.as_u16();
    assert_eq!(get("/", "if-match", "\"b\""), 412);
    assert_eq!(get("/nothing", "if-match", "\"b\""), 404);
    assert_eq!(get("/nothing", "if-none-match", "*"), 404);
    // 13.1.1: nothing matches what is not there, and 13.1.2: nothing forbids to make it.
    let nothing = Validators::default();
    assert_eq!(nothing.judge(&Method::PUT, &headers), Verdict::Failed);
}

#[test]
fn lists_of_tags_are_read_as_lists() {
    // RFC 9110, 5.3, 5.6.1.2 and 8.8.3: over several lines, with empty elements, and with commas within a tag.
    let judge = |own: &'static str, method: Method, name: &'static str, values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Validators { etag: Some(HeaderValue::from_static(own)), last_modified: None }.judge(&method, &headers)
    };
    for values in [
        &["\"a\""][..],
        &["\"x\", \"a\""],
        &["\"x\",\"a\""],
        &["\"x\"", "\"a\""],
        &[",, \"x\" ,\t, \"a\" ,"],
        &["\"x,\", \"a\""],
        &["W/\"a\", \"a\""],
        &["*"],
    ] {
        assert_eq!(judge(TAG, Method::PUT, "if-match", values), Verdict::Proceed, "{values:?}");
        assert_eq!(judge(TAG, Method::GET, "if-none-match", values), Verdict::NotModified, "{values:?}");
    }
    for values in [&["\"A\""][..], &["\"x,\"a\",\""], &["\"a"], &["a"], &[""], &["\"*\""], &["w/\"a\""]] {
        assert_eq!(judge(TAG, Method::PUT, "if-match", values), Verdict::Failed, "{values:?}");
        assert_eq!(judge(TAG, Method::GET, "if-none-match", values), Verdict::Proceed, "{values:?}");
    }
    assert_eq!(judge("\"a,b\"", Method::PUT, "if-match", &["\"x\", \"a,b\""]), Verdict::Proceed);
    assert_eq!(judge("\"b\"", Method::PUT, "if-match", &["\"a,\"b\""]), Verdict::Failed);
    // 8.8.3.2: strongly compared, a weak tag is the same as none.
    assert_eq!(judge("W/\"a\"", Method::PUT, "if-match", &["W/\"a\""]), Verdict::Failed);
    assert_eq!(judge("W/\"a\"", Method::GET, "if-none-match", &["\"a\""]), Verdict::NotModified);
}

#[test]
fn dates_come_in_three_forms_and_one_at_a_time() {
    // RFC 9110, 5.6.7, 13.1.3 and 13.1.4.
    let validators = Validators { etag: None, last_modified: Some(changed()) };
    let judge = |name: &'static str, values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        validators.judge(&Method::GET, &headers)
    };
    for same in [CHANGED, "Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:28:00 2015"] {
        assert_eq!(judge("if-modified-since", &[same]), Verdict::NotModified, "{same}");
    }
    for before in [BEFORE, "Wednesday, 21-Oct-15 07:27:59 GMT", "Wed Oct 21 07:27:59 2015"] {
        assert_eq!(judge("if-unmodified-since", &[before]), Verdict::Failed, "{before}");
    }
    let two = format!("{BEFORE}, {BEFORE}").leak();
    for lists in [&[BEFORE, BEFORE][..], &[two]] {
        assert_eq!(judge("if-unmodified-since", lists), Verdict::Proceed, "{lists:?}");
    }
    assert_eq!(judge("if-modified-since", &[CHANGED, CHANGED]), Verdict::Proceed);
    // What has no date is not judged by it.
    let mut headers = HeaderMap::new();
    headers.insert(header::IF_UNMODIFIED_SINCE, HeaderValue::from_static(BEFORE));
    headers.insert(header::IF_MODIFIED_SINCE, HeaderValue::from_static(CHANGED));
    let undated = Validators { etag: Some(HeaderValue::from_static(TAG)), last_modified: None };
    assert_eq!(undated.judge(&Method::GET, &headers), Verdict::Proceed);
}

#[test]
fn a_part_is_sent_of_the_state_that_was_asked_for_and_to_get_alone() {
    // RFC 9110, 13.1.5, 14.1 and 14.2, after the other conditions (13.2.2).
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "0123456789").unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(changed()).unwrap();
    let mut app = App::new();
    app.at("/*path").get(Files::new(folder.path()).unwrap().handler());
    let client = Client::new(app.into_service().unwrap());
    let whole = block_on(client.get("/a.txt").send()).unwrap();
    let tag: &'static str = whole.header("etag").to_owned().leak();
    assert_eq!(whole.header("last-modified"), CHANGED);
    let get = |fields: &[(&'static str, &'static str)]| {
        let asking = fields.iter().fold(client.get("/a.txt"), |asking, (name, value)| asking.header(*name, *value));
        block_on(asking.send()).unwrap()
    };
    let range = ("range", "bytes=2-4");
    let weak = format!("W/{tag}").leak();
    for (what, fields, expected) in [
        ("14.2", &[range][..], 206),
        ("14.1: the unit's name has no case", &[("range", "BYTES=2-4")], 206),
        ("14.2: a unit that is not known", &[("range", "lines=2-4")], 200),
        ("14.2: no range", &[("range", "bytes=x")], 200),
        ("13.1.5: the tag", &[range, ("if-range", tag)], 206),
        ("13.1.5: another tag", &[range, ("if-range", "\"b\"")], 200),
        ("13.1.5: a weak tag", &[range, ("if-range", weak)], 200),
        (
            "8.8.2.2: a date where there is a tag, which tells apart what one second has seen",
            &[range, ("if-range", CHANGED)],
            200,
        ),
        ("13.1.5: another date", &[range, ("if-range", BEFORE)], 200),
        ("13.1.5: neither tag nor date", &[range, ("if-range", "a")], 200),
        ("13.1.5: no range", &[("if-range", tag)], 200),
        ("13.2.2: If-Match fails", &[range, ("if-match", "\"b\""), ("if-range", tag)], 412),
        ("13.2.2: If-None-Match fails", &[range, ("if-none-match", tag), ("if-range", tag)], 304),
        ("13.2.2: If-Modified-Since fails", &[range, ("if-modified-since", CHANGED), ("if-range", tag)], 304),
        ("13.2.2: all hold", &[range, ("if-match", tag), ("if-none-match", "\"b\""), ("if-range", tag)], 206),
        ("14.2: nothing that there is", &[("range", "bytes=10-")], 416),
        ("13.1.5: nothing that there is, of another state", &[("range", "bytes=10-"), ("if-range", "\"b\"")], 200),
    ] {
        let answer = get(fields);
        assert_eq!(answer.status.as_u16(), expected, "{what}");
        let said = answer.header("content-range");
        // 15.3.7, 15.5.17 and 14.4.
        let range = match expected {
            206 => "bytes 2-4/10",
            416 => "bytes */10",
            _ => "",
        };
        assert_eq!(said, range, "{what}");
        if matches!(expected, 200 | 206 | 304) {
            assert_eq!(
                (answer.header("etag"), answer.header("accept-ranges")),
                (tag, "bytes"),
                "15.3.7 and 15.4.5: {what}"
            );
        }
        match expected {
            206 => assert_eq!((answer.text().as_str(), answer.header("content-length")), ("234", "3"), "{what}"),
            200 => assert_eq!(answer.text(), "0123456789", "{what}"),
            304 => assert!(answer.body.is_empty(), "15.4.5: {what}"),
            _ => {}
        }
    }
    let head = block_on(client.head("/a.txt").header("range", "bytes=2-4").send()).unwrap();
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "10"), "14.2: GET alone has ranges");
}

#[test]
fn nothing_was_changed_after_it_is_sent() {
    // RFC 9110, 8.8.2.1: a date to come is replaced by that of the message.
    let changed = |date: &'static str| {
        let mut app = App::new();
        app.at("/").get(move || std::future::ready(([(header::LAST_MODIFIED, date)], "hello")));
        ask_of(app, GET).0
    };
    let now = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (said, sent) in [
        ("Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:36 GMT"),
        (now, now),
        ("Sun, 06 Nov 1994 08:49:38 GMT", now),
        ("Fri, 31 Dec 9999 23:59:59 GMT", now),
    ] {
        let response = changed(said);
        assert!(response.contains(&format!("last-modified: {sent}\r\n")), "{said}: {response}");
    }
    assert_eq!(UNIX_EPOCH + START, httpdate::parse_http_date(now).unwrap());
}

#[test]
fn what_can_have_no_body_has_none() {
    // RFC 9110, 8.6, 15.2, 15.3.5, 15.3.6 and 15.4.5; RFC 9112, 6.1 and 6.3: whatever a handler says.
    for code in [204, 205, 304] {
        let mut app = App::new();
        app.at("/").get(move || {
            let status = StatusCode::from_u16(code).unwrap();
            std::future::ready((status, [(header::CONTENT_LENGTH, "7")], "no body"))
        });
        app.at("/stream").get(move || {
            let pieces = futures::stream::iter([Ok::<_, wavetank_web::BoxError>("no body")]);
            std::future::ready((StatusCode::from_u16(code).unwrap(), wavetank_web::Body::from_stream(pieces)))
        });
        app.at("/after").get(async || "in step");
        let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
        for path in ["/", "/stream"] {
            let client = server.connect();
            let response = server
                .ask(&client, format!("GET {path} HTTP/1.1\r\nhost: hub\r\n\r\n{}", GET.replace("/ ", "/after ")));
            let (first, second) = response.split_once("\r\n\r\n").unwrap();
            assert!(
                second.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with("in step"),
                "{code} {path}: {response}"
            );
            let says = |name: &str| first.lines().any(|line| line.starts_with(name));
            assert!(!says("transfer-encoding"), "{code} {path}: {first}");
            assert!(code != 204 || !says("content-length"), "8.6: {path}: {first}");
            assert!(code != 304 || path == "/" || !says("content-length"), "15.4.5: {first}");
            assert!(code != 205 || first.contains("content-length: 0") || !says("content-length"), "{path}: {first}");
        }
    }
}

#[test]
fn where_an_answer_ends_is_not_the_handlers_to_say() {
    // RFC 9110, 8.6; RFC 9112, 6: the next answer is not taken for a part of this one, nor this one cut.
    let length = (header::CONTENT_LENGTH, "4");
    let cases = [
        (vec![(header::CONTENT_LENGTH, "2")], Some("4")),
        (vec![(header::CONTENT_LENGTH, "1000")], Some("4")),
        (vec![(header::CONTENT_LENGTH, "four")], Some("4")),
        (vec![length.clone(), length.clone()], Some("4")),
        (vec![length.clone(), (header::CONTENT_LENGTH, "5")], Some("4")),
        (vec![length.clone(), (header::TRANSFER_ENCODING, "chunked")], Some("4")),
        (vec![(header::TRANSFER_ENCODING, "gzip")], Some("4")),
    ];
    for (fields, expected) in cases {
        let fields: HeaderMap =
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let streamed = fields.clone();
        let mut app = App::new();
        app.at("/").get(move || std::future::ready((fields.clone(), "body")));
        app.at("/stream").get(move || {
            let pieces = futures::stream::iter(["bo", "dy"].map(Ok::<_, wavetank_web::BoxError>));
            std::future::ready((streamed.clone(), wavetank_web::Body::from_stream(pieces)))
        });
        app.at("/after").get(async || "in step");
        let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
        let client = server.connect();
        let both = server.ask(&client, format!("{GET}{}", GET.replace("/ ", "/after ")));
        let (first, second) = both.split_once("\r\n\r\nbody").expect(&both);
        assert!(second.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with("in step"), "{both}");
        let lengths: Vec<&str> = first.lines().filter_map(|line| line.strip_prefix("content-length: ")).collect();
        assert_eq!(lengths, Vec::from_iter(expected), "{both}");
        assert!(!first.contains("transfer-encoding"), "{both}");
        // Of a stream nobody knows, so what is said is kept to: by its being broken off, if need be.
        let client = server.connect();
        let response = server.ask(&client, GET.replace("/ ", "/stream "));
        assert!(!response.contains("gzip") && !response.contains("four"), "{response}");
        assert!(!response.contains("transfer-encoding") || !response.contains("content-length"), "{response}");
    }
}

#[test]
fn an_answer_has_a_status_that_ends_it() {
    // RFC 9110, 15 and 15.2.2: no interim one, none that is none, and no 101 to nothing.
    for code in [100, 101, 102, 103, 199, 600, 999] {
        let mut app = App::new();
        app.at("/").get(move || std::future::ready((StatusCode::from_u16(code).unwrap(), "body")));
        let (response, closed) = ask_of(app, GET);
        assert_eq!(status(&response), "HTTP/1.1 500 Internal Server Error", "{code}");
        assert!(response.contains("\r\ndate: ") && response.contains("application/problem+json"), "{response}");
        assert!(!closed, "{code}");
    }
}

#[test]
fn a_head_is_answered_without_a_body_whatever_the_answer_is() {
    // RFC 9110, 9.3.2, and the connection stays in step.
    let mut server = hello(Options::default());
    for (target, expected) in
        [("/", 200), ("/nothing", 404), ("/ignored", 405), ("/panic", 500), ("/broken", 200), ("/large", 200)]
    {
        let client = server.connect();
        let response = server.ask(&client, format!("HEAD {target} HTTP/1.1\r\nhost: hub\r\n\r\n{GET}"));
        let (first, second) = response.split_once("\r\n\r\n").unwrap();
        assert!(first.starts_with(&format!("HTTP/1.1 {expected} ")), "{target}: {first}");
        assert!(second.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with("\r\n\r\nhello"), "{target}: {response}");
    }
}

#[test]
fn a_body_that_nobody_reads_is_not_taken_for_a_request() {
    // RFC 9112, 9.3: it is read, or the connection is closed. GET may have one (RFC 9110, 9.3.1).
    let inner = "GET /large HTTP/1.1\r\nhost: hub\r\n\r\n";
    for target in ["GET /", "GET /nothing", "POST /ignored", "DELETE /", "TRACE /", "OPTIONS /", "BREW /"] {
        let chunked = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
        let plain = format!("content-length: {}\r\n\r\n{inner}", inner.len());
        for body in [plain, chunked] {
            let mut server = hello(Options::default());
            let client = server.connect();
            let response = server.ask(&client, format!("{target} HTTP/1.1\r\nhost: hub\r\n{body}{GET}"));
            assert!(!response.contains("xxx"), "{target}: {response}");
            let answers = response.matches("HTTP/1.1 ").count();
            assert!(
                answers == 2 && response.ends_with("hello") || answers == 1 && client.is_closed(),
                "{target}: {response}"
            );
        }
    }
    // A long one that has not come yet: the connection ends, and what comes is thrown away.
    let mut server = hello(Options::default());
    let client = server.connect();
    let response = server.ask(&client, "POST /ignored HTTP/1.1\r\nhost: hub\r\ncontent-length: 1000\r\n\r\n");
    assert!(response.ends_with("not read") && client.is_closed(), "{response}");
    client.send(inner.repeat(20));
    server.settle();
    assert_eq!(client.received(), "");
}

#[test]
fn expectations_are_met_or_said_not_to_be() {
    // RFC 9110, 10.1.1.
    let expecting = |expectation: &str, target: &str, rest: &str| {
        let mut server = hello(Options::default());
        let client = server.connect();
        let head = format!("POST {target} HTTP/1.1\r\nhost: hub\r\nexpect: {expectation}\r\n{rest}");
        let answer = server.ask(&client, head);
        (server, client, answer)
    };
    let (mut server, client, answer) = expecting("100-Continue", "/", "content-length: 3\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n", "its name has no case");
    assert!(server.ask(&client, format!("one{GET}")).ends_with("hello"), "and the connection goes on");
    let (mut server, client, answer) = expecting("100-continue", "/", "transfer-encoding: chunked\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(server.ask(&client, "3\r\none\r\n0\r\n\r\n").ends_with("one"));
    for (what, rest) in [("no body", "content-length: 0\r\n\r\n"), ("none announced", "\r\n")] {
        let (_, _, answer) = expecting("100-continue", "/", rest);
        assert_eq!(status(&answer), "HTTP/1.1 200 OK", "{what}: nobody is told to go on with nothing");
    }
    for (target, expected) in [("/nothing", 404), ("/ignored", 200), ("/peer", 405)] {
        let (mut server, client, answer) = expecting("100-continue", target, "content-length: 1000\r\n\r\n");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "an answer at once, and no 100 before it: {answer}"
        );
        assert!(client.is_closed(), "what may still come is no request");
        assert_eq!(server.ask(&client, GET), "");
    }
    for other in ["100-continue, fly", "fly", "200-ok", "fly=\"100-continue\""] {
        let (_, client, answer) = expecting(other, "/", "content-length: 3\r\n\r\n");
        assert_eq!(status(&answer), "HTTP/1.1 417 Expectation Failed", "{other}");
        assert!(client.is_closed(), "{other}: the body may follow or not");
    }
    let (mut server, client, answer) = expecting("fly", "/", "\r\n");
    assert_eq!(status(&answer), "HTTP/1.1 417 Expectation Failed");
    assert!(client.is_closed() && server.ask(&client, GET).is_empty());
    let two = "POST / HTTP/1.1\r\nhost: hub\r\nexpect: 100-continue\r\nexpect: fly\r\ncontent-length: 3\r\n\r\n";
    assert_eq!(status(&ask_of(App::new(), two).0), "HTTP/1.1 417 Expectation Failed");
    let old = "POST / HTTP/1.0\r\nexpect: fly\r\ncontent-length: 3\r\n\r\none";
    let mut server = hello(Options::default());
    let client = server.connect();
    assert!(server.ask(&client, old).starts_with("HTTP/1.0 200 OK"), "HTTP/1.0 knows no expectations");
}

#[test]
fn a_wait_for_leave_is_ended_before_the_handler_is_done() {
    // RFC 9110, 10.1.1: the server does not wait for the body before it says 100, nor for all of it.
    let mut app = App::new();
    app.at("/").post(async |mut request: Request| -> wavetank_web::Result<String> {
        let first = request.body_mut().chunk().await?.unwrap_or_default();
        Ok(format!("{first:?} and more"))
    });
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    let head = "POST / HTTP/1.1\r\nhost: hub\r\nexpect: 100-continue\r\ncontent-length: 1000\r\n\r\n";
    assert_eq!(server.ask(&client, head), "HTTP/1.1 100 Continue\r\n\r\n");
    let answer = server.ask(&client, "one");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("and more"), "a final status comes: {answer}");
}

#[test]
fn a_trace_shows_nothing_unless_a_handler_does() {
    // RFC 9110, 9.3.8: it may be refused, and then says what may be asked (15.5.6). What is secret is not sent back.
    for more in ["", "max-forwards: 0\r\n", "content-length: 6\r\n\r\nsecret"] {
        let request =
            format!("TRACE / HTTP/1.1\r\nhost: hub\r\ncookie: secret\r\nauthorization: secret\r\n{more}\r\n\r\n");
        let mut server = hello(Options::default());
        let client = server.connect();
        let response = server.ask(&client, &request);
        assert_eq!(status(&response), "HTTP/1.1 405 Method Not Allowed", "{more}");
        assert!(response.contains("allow: GET, POST, HEAD, OPTIONS\r\n"), "{response}");
        assert!(!response.contains("secret"), "{response}");
    }
    let mut app = App::new();
    app.at("/").method(Method::TRACE, async |request: Request| {
        let mut text = String::new();
        let head = writeln!(text, "{} {}", request.method(), request.uri());
        head.map(|()| ([(header::CONTENT_TYPE, "message/http")], text)).map_err(wavetank_web::Error::from)
    });
    let (response, _) = ask_of(app, "TRACE / HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert!(response.contains("content-type: message/http\r\n") && response.ends_with("TRACE /\n"), "{response}");
}

#[test]
fn a_target_has_the_form_of_its_method() {
    // RFC 9112, 3.2.1 to 3.2.4; RFC 9110, 9.3.6 and 7.1.
    let mut app = App::new();
    app.at("/").all(async || "hello");
    app.at("/*rest").all(async || "the rest");
    let service = app.into_service().unwrap();
    let ask = |request: &str| {
        let mut server = Server::of(Options::default(), &Clock::new(), service.clone());
        let client = server.connect();
        (server.ask(&client, format!("{request} HTTP/1.1\r\nhost: hub\r\n\r\n")), client.is_closed())
    };
    for wrong in [
        "GET hub:80",
        "GET *",
        "POST *",
        "GET index.html",
        "GET /caf\u{e9}",
        "GET /?caf\u{e9}",
        "GET",
        "CONNECT hub",
        "CONNECT hub:",
        "CONNECT hub:x",
        "CONNECT /",
        "CONNECT *",
        "OPTIONS hub:80",
        "CONNECT hub:0",
        "CONNECT hub:70000",
    ] {
        let (response, closed) = ask(wrong);
        assert_eq!(status(&response), "HTTP/1.1 400 Bad Request", "{wrong}");
        assert!(closed, "{wrong}");
    }
    for right in ["GET /", "GET http://hub/", "GET http://hub", "OPTIONS /", "GET /?query", "GET /a"] {
        assert_eq!(status(&ask(right).0), "HTTP/1.1 200 OK", "{right}");
    }
    assert_eq!(status(&ask("OPTIONS *").0), "HTTP/1.1 204 No Content");
    assert_eq!(status(&ask("CONNECT hub:80").0), "HTTP/1.1 501 Not Implemented", "nobody is connected to another");
    // Not even by a fallback, whose 2xx would promise a tunnel.
    let mut app = App::new();
    app.fallback(async || "whatever it is");
    let (response, _) = ask_of(app, "CONNECT hub:80 HTTP/1.1\r\nhost: hub:80\r\n\r\n");
    assert_eq!(status(&response), "HTTP/1.1 501 Not Implemented");
}

#[test]
fn whoever_takes_a_connect_says_no_length() {
    // RFC 9110, 9.3.6 and 8.6; RFC 9112, 6.1: a 2xx to it has neither length nor coding, for no content follows.
    // An app takes none, but other services may.
    let router = axum::Router::new().fallback(async || "a tunnel that is none");
    let mut server = Server::of(Options::default(), &Clock::new(), router);
    let client = server.connect();
    let response = server.ask(&client, "CONNECT hub:80 HTTP/1.1\r\nhost: hub:80\r\n\r\n");
    let closed = client.is_closed();
    assert_eq!(status(&response), "HTTP/1.1 200 OK");
    assert!(!response.contains("content-length") && !response.contains("transfer-encoding"), "{response}");
    assert!(closed && response.ends_with("\r\n\r\n"), "{response}");
}

#[test]
fn options_of_a_connection_are_a_list_without_case() {
    // RFC 9110, 7.6.1; RFC 9112, 9.6.
    for (value, closes) in
        [("close", true), ("Close", true), ("x, CLOSE", true), ("x,close ,", true), ("closed", false), ("x", false)]
    {
        let mut server = hello(Options::default());
        let client = server.connect();
        let response = server.ask(&client, format!("GET / HTTP/1.1\r\nhost: hub\r\nconnection: {value}\r\n\r\n"));
        assert!(response.ends_with("hello"), "{response}");
        assert_eq!(client.is_closed(), closes, "{value}");
        assert_eq!(response.contains("connection: close\r\n"), closes, "9.6: {response}");
    }
}

#[test]
fn the_best_that_is_accepted_is_sent() {
    // RFC 9110, 12.4.2 and 12.5.1.
    const OFFERED: [&str; 2] = ["application/json", "text/plain"];
    let best = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        negotiation::media_type(&headers, &OFFERED)
    };
    let (json, text) = (Some("application/json"), Some("text/plain"));
    for (values, expected) in [
        (&[][..], json),
        (&["*/*"], json),
        (&["text/plain"], text),
        (&["TEXT/Plain"], text),
        (&["text/*"], text),
        (&["text/plain, application/json"], text),
        (&["application/json, text/plain"], json),
        (&["text/plain;q=0.5, application/json"], json),
        (&["text/plain; q=0.5", "application/json;q=0.4"], text),
        (&["text/plain;Q=0.1,*/*;q=0.2"], json),
        (&["application/json;q=0, */*"], text),
        (&["application/*;q=0.3, text/plain;q=0.301"], text),
        (&["text/plain;q=0.001"], text),
        (&["text/plain;q=0"], None),
        (&["text/plain;q=0.000, image/png"], None),
        (&["image/png"], None),
        (&["application/json;q=x, text/plain;q=0.1"], text),
        (&["text/plain;format=flowed;q=0.2, application/json;q=0.1"], text),
        (&[",, text/plain ,"], text),
        (&[""], json),
        (&["*"], None),
        (&["text"], None),
    ] {
        assert_eq!(best(values), expected, "{values:?}");
    }
}

#[test]
fn time_stands_still_for_no_connection() {
    // RFC 9110, 6.6.1: the date of a message is when it is made.
    let mut server = hello(Options::default());
    let client = server.connect();
    assert!(server.ask(&client, GET).contains("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    server.pass(SECOND);
    assert!(server.ask(&client, post("/nothing", "x")).contains("date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"));
}

#[test]
fn content_that_is_at_hand_has_ranges_too() {
    let mut app = App::new();
    app.at("/").get(async |request: Request| Content::new("text/plain", "0123456789", TAG).respond(&request));
    let client = Client::new(app.into_service().unwrap());
    let answer = block_on(client.get("/").header("range", "bytes=-3").header("if-range", TAG).send()).unwrap();
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (206, "789"));
}
