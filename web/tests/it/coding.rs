//! Content codings, both ways.

use std::io::Write as _;

use futures::executor::block_on;
use http_body::Frame;
use wavetank_web::middleware::{CacheControl, Compress, Decompress, Etag};
use wavetank_web::{Answer, App, Body, Client, Method, Request};

fn client() -> Client {
    let mut app = App::new();
    app.with(Compress).with(Decompress::new(100_000));
    app.at("/")
        .get(async || "hello ".repeat(1_000))
        .post(async |mut request: Request| request.body_text().await.map(|text| text.len().to_string()));
    app.at("/short").get(async || "hello");
    app.at("/bytes").get(async || vec![0_u8; 10_000]);
    app.at("/stream").get(async || {
        let pieces = ["one ", "two ", "three"].map(Ok::<_, wavetank_web::BoxError>);
        ([(wavetank_web::header::CONTENT_TYPE, "text/plain")], Body::from_stream(futures::stream::iter(pieces)))
    });
    Client::new(app.into_service().unwrap())
}

fn get(target: &str, accept: &str) -> Answer {
    block_on(client().get(target).header("accept-encoding", accept).send()).unwrap()
}

fn gunzip(bytes: &[u8]) -> String {
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    decoder.write_all(bytes).unwrap();
    String::from_utf8(decoder.finish().unwrap()).unwrap()
}

#[test]
fn the_client_chooses_its_coding() {
    for (accept, coding) in [
        ("gzip", "gzip"),
        ("gzip, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.8", "gzip"),
        ("GZIP;q=0.5, *;q=0", "gzip"),
        ("*", "zstd"),
        ("br;q=0.001", "br"),
        ("identity", ""),
        ("identity, gzip;q=0.5", ""),
        ("identity;q=0.4, gzip;q=0.5", "gzip"),
        ("identity, gzip", "gzip"),
        ("gzip;q=0", ""),
        ("deflate", ""),
        ("", ""),
    ] {
        let answer = get("/", accept);
        assert_eq!(answer.header("content-encoding"), coding, "{accept}");
        assert_eq!(answer.header("vary"), "accept-encoding");
        let length = answer.body.len();
        assert!(if coding.is_empty() { length == 6_000 } else { length < 200 }, "{accept}: {length}");
    }
    assert_eq!(gunzip(&get("/", "gzip").body), "hello ".repeat(1_000));
    assert_eq!(gunzip(&get("/stream", "gzip").body), "one two three");
    assert_eq!(get("/short", "gzip").header("content-encoding"), "");
    assert_eq!(get("/bytes", "gzip").header("content-encoding"), "");
}

#[test]
fn a_head_and_a_part_say_what_the_whole_would() {
    // RFC 9110, 9.3.2 and 15.3.7.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("long.txt"), "hello ".repeat(1_000)).unwrap();
    std::fs::write(folder.path().join("short.txt"), "hello").unwrap();
    let mut app = App::new();
    app.with(Compress);
    app.at("/files/*path").get(wavetank_web::Files::new(folder.path()).unwrap().handler());
    app.at("/text").get(async || "hello ".repeat(1_000));
    let client = Client::new(app.into_service().unwrap());
    for (path, coded) in [("/files/long.txt", true), ("/files/short.txt", false), ("/text", true)] {
        for accept in ["gzip", "identity"] {
            let get = block_on(client.get(path).header("accept-encoding", accept).send()).unwrap();
            let head = block_on(client.request(Method::HEAD, path).header("accept-encoding", accept).send()).unwrap();
            for name in ["vary", "content-encoding", "etag", "accept-ranges", "content-type", "last-modified"] {
                assert_eq!(head.header(name), get.header(name), "{path}, {accept}: {name}");
            }
            assert_eq!(get.header("content-encoding") == "gzip", coded && accept == "gzip", "{path}");
            assert_eq!(get.header("vary") == "accept-encoding", coded, "{path}");
            let part = client.get(path).header("accept-encoding", accept).header("range", "bytes=0-1");
            let part = block_on(part.send()).unwrap();
            assert_eq!(part.header("vary"), get.header("vary"), "{path}, {accept}");
            if path != "/text" {
                assert_eq!(
                    (part.status.as_u16(), &part.body[..], part.header("content-encoding")),
                    (206, &b"he"[..], "")
                );
            }
        }
    }
}

#[test]
fn what_is_not_sent_again_says_what_it_depends_on() {
    // RFC 9110, 15.4.5: Vary, Cache-Control and the tag as it was sent.
    let mut app = App::new();
    app.with(Compress).with(CacheControl::fresh_for(60)).with(Etag);
    app.at("/").get(async || "hello ".repeat(1_000));
    let client = Client::new(app.into_service().unwrap());
    for accept in ["gzip", "identity"] {
        let ask = |known: &str| {
            block_on(client.get("/").header("accept-encoding", accept).header("if-none-match", known).send()).unwrap()
        };
        let fresh = ask("\"other\"");
        let unmodified = ask(fresh.header("etag"));
        assert_eq!((fresh.status.as_u16(), unmodified.status.as_u16()), (200, 304), "{accept}");
        for name in ["etag", "vary", "cache-control"] {
            assert!(!fresh.header(name).is_empty(), "{name}");
            assert_eq!(fresh.header(name), unmodified.header(name), "{accept}: {name}");
        }
    }
}

#[test]
fn trailers_come_after_all_that_is_coded() {
    let mut app = App::new();
    app.with(Compress);
    app.at("/").get(async || {
        let sum =
            http::HeaderMap::from_iter([(http::HeaderName::from_static("sum"), http::HeaderValue::from_static("7"))]);
        let frames = [Frame::data("hello ".repeat(100).into()), Frame::trailers(sum)];
        let frames = futures::stream::iter(frames.map(Ok::<_, wavetank_web::BoxError>));
        ([(wavetank_web::header::CONTENT_TYPE, "text/plain")], Body::new(http_body_util::StreamBody::new(frames)))
    });
    let client = Client::new(app.into_service().unwrap());
    block_on(async {
        let mut body = client.get("/").header("accept-encoding", "gzip").stream().await.into_body();
        let mut coded = Vec::new();
        while let Some(chunk) = body.chunk().await.unwrap() {
            coded.extend_from_slice(&chunk);
        }
        assert_eq!(gunzip(&coded), "hello ".repeat(100));
        assert_eq!(body.trailers().unwrap().get("sum").unwrap(), "7");
    });
}

fn post(coding: &str, body: Vec<u8>) -> (u16, String) {
    let answer = block_on(client().post("/").header("content-encoding", coding).body(body).send()).unwrap();
    (answer.status.as_u16(), answer.text())
}

/// So many zeros, coded by what codes responses, too.
fn coded(coding: &str, length: usize) -> Vec<u8> {
    let mut app = App::with_state(length);
    app.with(Compress);
    app.at("/").get(async |request: Request<usize>| "0".repeat(*request.state()));
    let client = Client::new(app.into_service().unwrap());
    block_on(client.get("/").header("accept-encoding", coding).send()).unwrap().body.into()
}

#[test]
fn coded_bodies_are_read_and_bombs_are_not() {
    for coding in ["gzip", "br", "zstd"] {
        assert_eq!(post(coding, coded(coding, 100_000)), (200, "100000".into()), "{coding}");
        let bomb = coded(coding, 50_000_000);
        assert!(bomb.len() < 200_000);
        assert_eq!(post(coding, bomb).0, 413, "{coding}");
        assert_eq!(post(coding, b"not coded at all".to_vec()).0, 400, "{coding}");
    }
    let mut cut = coded("gzip", 90_000);
    cut.truncate(cut.len() - 20);
    assert_eq!(post("gzip", cut).0, 400);
    assert_eq!(post("x-gzip", coded("gzip", 1_000)).0, 200);
    assert_eq!(post("identity", b"hello".to_vec()), (200, "5".into()));
    assert_eq!(post("compress", b"hello".to_vec()).0, 415);
    assert_eq!(post("gzip, gzip", b"hello".to_vec()).0, 415);
}
