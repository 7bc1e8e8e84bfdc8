//! A session against a scripted client.

use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::string::String;
use std::vec;
use std::vec::Vec;

use embedded_io_async::{ErrorType, Read, Write};
use proptest::prelude::*;

use super::*;
use crate::http::Method;

/// A client that has said everything, in portions.
struct Client {
    says: Vec<u8>,
    portion: usize,
    heard: Vec<u8>,
}

impl ErrorType for Client {
    type Error = Infallible;
}

impl Read for Client {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let count = out.len().min(self.portion).min(self.says.len());
        out[..count].copy_from_slice(&self.says[..count]);
        self.says.drain(..count);
        Ok(count)
    }
}

impl Write for Client {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.heard.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the client has said everything"),
    }
}

/// Serves what the client says: `/echo` sends the body back, `/long` goes in pieces, `/blind` reads nothing, all else is
/// told what it is.
fn served(says: &[u8], portion: usize) -> (String, Result<(), ServeError<Infallible>>) {
    let mut buffer = [0; 256];
    let client = Client { says: says.to_vec(), portion, heard: Vec::new() };
    let mut session = Session::new(client, &mut buffer);
    let outcome = now(async {
        while let Some(mut asked) = session.next().await? {
            let mut body = [0; 64];
            match (asked.path(), asked.method()) {
                ("/echo", _) => match asked.read_to_end(&mut body).await {
                    Ok(body) => asked.answer(&Answer::new(200, "text/plain", body)).await?,
                    Err(_) => asked.answer(&Answer::new(400, "", b"")).await?,
                },
                ("/long", _) => {
                    let mut reply = asked.begin(&Answer::new(200, "text/plain", b"")).await?;
                    for piece in ["hel", "", "lo"] {
                        let _ = reply.write(piece.as_bytes()).await;
                    }
                    reply.finish().await?;
                }
                ("/gone", _) => asked.answer(&Answer::new(204, "", b"unsent")).await?,
                ("/smuggle", _) => {
                    asked.answer(&Answer::new(200, "", b"").with_headers(&[("X", "a\r\nY: b")])).await?;
                }
                ("/blind", _) | (_, Method::Post) => asked.answer(&Answer::new(200, "", b"blind")).await?,
                _ => {
                    let told = asked.target().as_bytes().to_vec();
                    asked.answer(&Answer::new(200, "text/plain", &told)).await?;
                }
            }
        }
        Ok(())
    });
    (String::from_utf8(session.into_stream().heard).expect("all of it is text"), outcome)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ";

#[test]
fn requests_are_answered_one_after_the_other() {
    let says =
        b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
        POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for portion in [1, 7, usize::MAX] {
        let (heard, outcome) = served(says, portion);
        assert_eq!(outcome, Ok(()));
        let three = std::format!("{OK}4\r\n\r\n/a?b{OK}5\r\n\r\nhello{OK}2\r\n\r\nhi");
        assert_eq!(heard, three, "in portions of {portion}");
    }
}

#[test]
fn bodies_go_as_the_request_allows() {
    let say = |line: &str| served(std::format!("{line}\r\nHost: x\r\n\r\n").as_bytes(), usize::MAX).0;
    assert_eq!(say("HEAD /a HTTP/1.1"), std::format!("{OK}2\r\n\r\n"));
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(say("GET /long HTTP/1.1"), std::format!("{chunked}3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"));
    assert_eq!(say("HEAD /long HTTP/1.1"), chunked);
    let old = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nhello";
    assert_eq!(say("GET /long HTTP/1.0"), old);
    assert_eq!(say("GET /gone HTTP/1.1"), "HTTP/1.1 204 No Content\r\n\r\n");
}

#[test]
fn a_body_that_nobody_read_ends_the_session() {
    let says = b"POST /blind HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nGET /a HTTP/1.1\r\nHost";
    assert_eq!(served(says, usize::MAX).0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nblind");
}

#[test]
fn a_client_that_waits_for_a_word_gets_it() {
    let says = b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(served(says, usize::MAX).0, std::format!("HTTP/1.1 100 Continue\r\n\r\n{OK}2\r\n\r\nhi"));
    let says = b"POST /blind HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert!(!served(says, usize::MAX).0.contains("100 Continue"));
}

#[test]
fn requests_that_make_no_sense_are_refused_with_a_reason() {
    let long = std::format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(300));
    for (says, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET\r\n\r\n", 400),
        ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n", 417),
        (&long, 431),
    ] {
        let (heard, outcome) = served(says.as_bytes(), usize::MAX);
        assert_eq!(outcome, Err(ServeError::Refused(status)), "{says}");
        assert!(
            heard.starts_with(&std::format!("HTTP/1.1 {status} ")) && heard.contains("Connection: close"),
            "{heard}"
        );
    }
    assert_eq!(served(b"GET / HT", usize::MAX), (String::new(), Err(ServeError::Truncated)));
    assert_eq!(served(b"", usize::MAX), (String::new(), Ok(())));
    let smuggled = served(b"GET /smuggle HTTP/1.1\r\nHost: x\r\n\r\n", usize::MAX);
    assert_eq!(smuggled, (String::new(), Err(ServeError::Header)));
}

proptest! {
    #[test]
    fn whatever_a_client_says_is_answered_or_refused(
        lines in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /echo HTTP/1.1\r\n", "HEAD /long HTTP/1.0\r\n", "Host: x\r\n", "\r\n",
            "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "3\r\nabc\r\n",
            "0\r\n\r\n", "abc", "\n", "Connection: close\r\n", "fffffffffffffffff\r\n",
        ]), 0..14),
        portion in 1_usize..40,
        flip in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut says = lines.concat().into_bytes();
        if let Some((at, byte)) = flip && !says.is_empty() {
            let at = at.index(says.len());
            says[at] = byte;
        }
        let mut buffer = [0; 256];
        let mut session = Session::new(Client { says, portion, heard: Vec::new() }, &mut buffer);
        now(async {
            while let Ok(Some(mut asked)) = session.next().await {
                let _ = asked.read_to_end(&mut [0; 16]).await;
                if asked.answer(&Answer::new(200, "", b"")).await.is_err() {
                    break;
                }
            }
        });
    }
}
