//! The client against a scripted server that delivers its bytes in any portions.

extern crate std;

use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::vec::Vec;
use std::{format, vec};

use embedded_io_async::{ErrorType, Read, Write};
use proptest::prelude::*;

use super::*;

/// A server that has its answers ready, and the record of what it was sent.
struct Script {
    answer: Vec<u8>,
    at: usize,
    /// Portions that reads are cut into, over and over.
    portions: Vec<usize>,
    reads: usize,
    sent: Vec<u8>,
    writes: usize,
    /// At the end of the answers: wait for ever instead of ending.
    hang: bool,
}

impl Script {
    fn new(answer: &[u8]) -> Self {
        Script {
            answer: answer.to_vec(),
            at: 0,
            portions: vec![usize::MAX],
            reads: 0,
            sent: Vec::new(),
            writes: 0,
            hang: false,
        }
    }

    fn in_portions(mut self, portions: &[usize]) -> Self {
        self.portions = portions.to_vec();
        self
    }

    fn hanging(mut self) -> Self {
        self.hang = true;
        self
    }
}

impl ErrorType for Script {
    type Error = Infallible;
}

impl Read for Script {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let rest = &self.answer[self.at..];
        if rest.is_empty() && self.hang {
            core::future::pending::<()>().await;
        }
        let portion = self.portions[self.reads % self.portions.len()];
        self.reads += 1;
        let count = rest.len().min(out.len()).min(portion);
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Script {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.sent.extend_from_slice(bytes);
        self.writes += 1;
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Polls once: nothing in these tests ever has a reason to wait.
fn now<F: Future>(future: F) -> F::Output {
    poll(future).expect("the script has no more to say")
}

fn poll<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn get() -> Request<'static> {
    Request::get("/devices", "hub")
}

/// One exchange: status and body, and whether the connection may be used again.
fn exchange(script: Script, request: &Request<'_>) -> Result<(u16, Vec<u8>, bool), Failure> {
    let mut buffer = [0; 256];
    let mut connection = Connection::new(script, &mut buffer);
    let mut body = [0; 256];
    let mut response = now(connection.send(request)).map_err(Failure::Send)?;
    let status = response.status();
    let body = now(response.read_to_end(&mut body)).map_err(Failure::Body)?.to_vec();
    Ok((status, body, connection.is_ready()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Send(SendError<Infallible>),
    Body(BodyError<Infallible>),
}

fn answered(answer: &[u8]) -> Result<(u16, Vec<u8>, bool), Failure> {
    exchange(Script::new(answer), &get())
}

fn refused(answer: &[u8]) -> Failure {
    answered(answer).expect_err("this answer must be refused")
}

const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: Chunked\r\n\r\n\
    3\r\nhel\r\n0002;name=\"va\tlue\"\r\nlo\r\n0\r\nTrailer: yes\r\nAnother: no\r\n\r\n";

#[test]
fn a_request_is_one_write_and_reads_as_it_should() {
    let mut buffer = [0; 256];
    let mut connection = Connection::new(Script::new(SIZED), &mut buffer);
    let request =
        Request::post("/readings?x=1", "10.0.0.1:8080", b"{}").with_headers(&[("Content-Type", "application/json")]);
    let mut response = now(connection.send(&request)).expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.header("content-type"), Some(&b"text/plain"[..]));
    assert_eq!(response.header("absent"), None);
    assert_eq!(response.headers().count(), 2);
    assert_eq!(response.remaining(), Some(5));
    now(response.drain()).expect("the body");
    assert!(connection.is_ready());
    let script = connection.into_stream();
    assert_eq!(script.writes, 1);
    assert_eq!(
        script.sent,
        b"POST /readings?x=1 HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nContent-Type: application/json\r\n\
          Content-Length: 2\r\n\r\n{}"
    );
}

#[test]
fn a_body_longer_than_the_buffer_follows_in_one_more_write() {
    let body = [b'x'; 300];
    let mut buffer = [0; 128];
    let mut connection = Connection::new(Script::new(SIZED), &mut buffer);
    now(connection.send(&Request::post("/", "hub", &body))).expect("an answer");
    let script = connection.into_stream();
    assert_eq!(script.writes, 2);
    assert!(script.sent.ends_with(&body));
}

#[test]
fn requests_that_cannot_be_written_leave_the_connection_alone() {
    let mut buffer = [0; 64];
    let mut connection = Connection::new(Script::new(SIZED), &mut buffer);
    let long = "/".repeat(60);
    let cases = [
        (Request::get("", "hub"), RequestError::Target),
        (Request::get("/a b", "hub"), RequestError::Target),
        (Request::get("/\r\nX: y", "hub"), RequestError::Target),
        (Request::get("/", "hub\r\nX: y"), RequestError::Header),
        (get().with_headers(&[("X", "a\nb")]), RequestError::Header),
        (get().with_headers(&[("X:", "a")]), RequestError::Header),
        (get().with_headers(&[("", "a")]), RequestError::Header),
        (get().with_headers(&[("content-Length", "3")]), RequestError::ReservedHeader),
        (Request::get(&long, "hub"), RequestError::HeadTooLong),
    ];
    for (request, error) in cases {
        let outcome = now(connection.send(&request)).map(|r| r.status());
        assert_eq!(outcome, Err(SendError::Request(error)), "{request:?}");
    }
    assert!(connection.is_ready());
    assert!(connection.into_stream().sent.is_empty());
}

#[test]
fn every_framing_gives_its_body() {
    let ok = |body: &[u8], ready| Ok((200, body.to_vec(), ready));
    assert_eq!(answered(SIZED), ok(b"hello", true));
    assert_eq!(answered(CHUNKED), Ok((201, b"hello".to_vec(), true)));
    assert_eq!(answered(b"HTTP/1.1 200 OK\r\n\r\nto the end"), ok(b"to the end", false));
    assert_eq!(answered(b"HTTP/1.1 204 No Content\r\n\r\n"), Ok((204, vec![], true)));
    assert_eq!(answered(b"HTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n"), Ok((304, vec![], true)));
    assert_eq!(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ok(b"", true));
    assert_eq!(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi"), ok(b"hi", true));
    let head = Request::new(Method::Head, "/", "hub");
    assert_eq!(exchange(Script::new(&SIZED[..SIZED.len() - 5]), &head), ok(b"", true));
}

#[test]
fn a_connection_is_kept_only_when_both_sides_keep_it() {
    let kept = |answer: &[u8]| answered(answer).expect("an answer").2;
    assert!(kept(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(!kept(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
    assert!(!kept(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n"));
    assert!(!kept(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"));
    // Bytes that nobody asked for would be taken for the next answer.
    assert!(!kept(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx"));
    assert!(!kept(&[CHUNKED, b"x"].concat()));
    let mut close = get();
    close.close = true;
    assert!(!exchange(Script::new(SIZED), &close).expect("an answer").2);
}

#[test]
fn interim_answers_are_skipped_but_not_for_ever() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let answer = [&interim.repeat(8)[..], SIZED].concat();
    assert_eq!(answered(&answer), Ok((200, b"hello".to_vec(), true)));
    let endless = [&interim.repeat(9)[..], SIZED].concat();
    assert_eq!(refused(&endless), Failure::Send(SendError::TooManyInterim));
    assert_eq!(refused(interim), Failure::Send(SendError::Truncated));
}

#[test]
fn several_exchanges_share_one_connection() {
    let answers = [SIZED, CHUNKED, SIZED].concat();
    // Portions that end with each answer: a server answers one request at a time.
    let portions = [SIZED.len(), CHUNKED.len(), SIZED.len()];
    let mut buffer = [0; 256];
    let mut connection = Connection::new(Script::new(&answers).in_portions(&portions), &mut buffer);
    for status in [200, 201, 200] {
        let mut response = now(connection.send(&get())).expect("an answer");
        assert_eq!(response.status(), status);
        now(response.drain()).expect("a body");
    }
    assert_eq!(now(connection.send(&get())).map(|r| r.status()), Err(SendError::Closed));
    assert_eq!(now(connection.send(&get())).map(|r| r.status()), Err(SendError::Spent));
}

#[test]
fn an_unfinished_exchange_spends_the_connection() {
    let mut buffer = [0; 256];
    let mut connection = Connection::new(Script::new(SIZED).in_portions(&[10]).hanging(), &mut buffer);
    now(connection.send(&get())).expect("an answer");
    assert!(!connection.is_ready(), "the body was not read");

    let mut connection = Connection::new(Script::new(b"HTTP/1.1 2").hanging(), &mut buffer);
    assert!(poll(connection.send(&get())).is_none());
    assert!(!connection.is_ready(), "the answer was not awaited");
    assert_eq!(now(connection.send(&get())).map(|r| r.status()), Err(SendError::Spent));
    assert_eq!(connection.into_stream().writes, 1, "the second request was not written");
}

#[test]
fn answers_that_lie_about_their_length_are_refused() {
    use FramingError::{ContentLength, TransferEncoding, TwoLengths};
    for (headers, error) in [
        ("Content-Length: -1", ContentLength),
        ("Content-Length: +1", ContentLength),
        ("Content-Length: ", ContentLength),
        ("Content-Length: 1,2", ContentLength),
        ("Content-Length: 1\r\nContent-Length: 2", ContentLength),
        ("Content-Length: 99999999999999999999", ContentLength),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", TwoLengths),
        ("Transfer-Encoding: gzip, chunked", TransferEncoding),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", TransferEncoding),
        ("Transfer-Encoding: gzip", TransferEncoding),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nx");
        assert_eq!(refused(answer.as_bytes()), Failure::Send(SendError::Framing(error)), "{headers}");
    }
    let old = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refused(old), Failure::Send(SendError::Framing(TransferEncoding)));
}

#[test]
fn heads_that_are_none_are_refused() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(33));
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(300));
    for (answer, error) in [
        (&b""[..], SendError::Closed),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", SendError::Truncated),
        (b"SSH-2.0-x\r\n", SendError::Malformed),
        (b"HTTP/2.0 200 OK\r\n\r\n", SendError::Malformed),
        (b"HTTP/1.1 20 OK\r\n\r\n", SendError::Malformed),
        (b"HTTP/1.1 099 Low\r\n\r\n", SendError::Malformed),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", SendError::Malformed),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", SendError::Malformed),
        (many.as_bytes(), SendError::TooManyHeaders),
        (long.as_bytes(), SendError::HeadTooLong),
    ] {
        assert_eq!(refused(answer), Failure::Send(error), "{answer:?}");
    }
}

#[test]
fn a_peer_that_speaks_no_http_is_refused_without_waiting() {
    let mut buffer = [0; 256];
    let mut connection = Connection::new(Script::new(b"220 mail ready\r\n").hanging(), &mut buffer);
    assert_eq!(now(connection.send(&get())).map(|r| r.status()), Err(SendError::Malformed));
}

#[test]
fn bodies_that_break_off_or_overflow_are_refused() {
    let chunked = |coded: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{coded}");
    for (coded, error) in [
        ("", BodyError::Truncated),
        ("5\r\nhel", BodyError::Truncated),
        ("0\r\n", BodyError::Truncated),
        ("\r\n", BodyError::Chunk),
        ("x\r\n", BodyError::Chunk),
        ("-1\r\n", BodyError::Chunk),
        ("1\nx\r\n", BodyError::Chunk),
        ("1\r\nxy\r\n", BodyError::Chunk),
        ("00000000000000001\r\nx\r\n0\r\n\r\n", BodyError::Chunk),
        ("0\r\nA: b\nC: d\r\n\r\n", BodyError::Chunk),
    ] {
        assert_eq!(refused(chunked(coded).as_bytes()), Failure::Body(error), "{coded:?}");
    }
    let trailers = chunked(&format!("0\r\n{}\r\n\r\n", "A: b\r\n".repeat(500)));
    assert_eq!(refused(trailers.as_bytes()), Failure::Body(BodyError::Chunk));
    let endless = chunked(&format!("1;{}\r\nx", "e".repeat(2000)));
    assert_eq!(refused(endless.as_bytes()), Failure::Body(BodyError::Chunk));
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell";
    assert_eq!(refused(short), Failure::Body(BodyError::Truncated));
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 257\r\n\r\n{}", "x".repeat(257));
    assert_eq!(refused(long.as_bytes()), Failure::Body(BodyError::TooLong));
    let fits = format!("HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n{}", "x".repeat(256));
    assert_eq!(answered(fits.as_bytes()), Ok((200, vec![b'x'; 256], true)));
}

#[test]
fn answers_may_be_cut_anywhere() {
    for answer in [SIZED, CHUNKED] {
        let whole = answered(answer);
        assert!(whole.is_ok());
        assert_eq!(exchange(Script::new(answer).in_portions(&[1]), &get()), whole);
        for first in 1..answer.len() {
            let cut = Script::new(answer).in_portions(&[first, usize::MAX]);
            assert_eq!(exchange(cut, &get()), whole, "cut at {first}");
            assert!(answered(&answer[..first]).is_err(), "ends at {first}");
        }
    }
}

#[test]
fn a_body_may_be_read_through_a_keyhole() {
    let mut buffer = [0; 256];
    let mut connection = Connection::new(Script::new(CHUNKED).in_portions(&[7, 2]), &mut buffer);
    let mut response = now(connection.send(&get())).expect("an answer");
    let mut body = Vec::new();
    let mut byte = [0];
    while now(response.read(&mut byte)).expect("a body") == 1 {
        body.push(byte[0]);
    }
    assert_eq!(body, b"hello");
    assert_eq!(now(response.read(&mut byte)), Ok(0));
    assert!(connection.is_ready());
}

/// Chunked coding of `chunks`, as a server would write it.
fn code(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut coded = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}

proptest! {
    #[test]
    fn chunks_come_back_whole(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        portions in prop::collection::vec(1_usize..50, 1..5),
    ) {
        let script = Script::new(&code(&chunks)).in_portions(&portions);
        prop_assert_eq!(exchange(script, &get()), Ok((200, chunks.concat(), true)));
    }

    #[test]
    fn garbage_is_an_error_or_an_answer_but_no_panic(
        garbage in prop::collection::vec(any::<u8>(), 0..300),
        portions in prop::collection::vec(1_usize..50, 1..5),
        prefix in prop::sample::select(vec![
            "", "HTTP/1.", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
        ]),
    ) {
        let answer = [prefix.as_bytes(), &garbage].concat();
        let _ = exchange(Script::new(&answer).in_portions(&portions), &get());
    }

    #[test]
    fn a_flipped_byte_never_panics(at in 0..CHUNKED.len(), with in any::<u8>()) {
        let mut answer = CHUNKED.to_vec();
        answer[at] = with;
        let _ = answered(&answer);
    }
}

/// What the client wrote, behind the head.
fn sent_body(script: &Script) -> Vec<u8> {
    let end = script.sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    script.sent[end + 4..].to_vec()
}

/// Uploads these pieces; what was sent behind the head, and whether the connection may be used again.
fn upload(pieces: &[Vec<u8>], length: Option<u64>, room: usize) -> Result<(Vec<u8>, bool), SendError<Infallible>> {
    let mut buffer = vec![0; room];
    let mut connection = Connection::new(Script::new(SIZED), &mut buffer);
    let request = Request::new(Method::Put, "/log", "hub");
    let mut body = now(connection.begin(&request, length))?;
    for piece in pieces {
        let written = now(body.write_all(piece));
        assert_eq!(written, Ok(()), "the body is as long as was said");
    }
    now(now(body.finish())?.drain()).expect("the answer's body");
    let ready = connection.is_ready();
    Ok((sent_body(&connection.into_stream()), ready))
}

#[test]
fn a_body_is_written_piece_by_piece() {
    let pieces = [b"hel".to_vec(), b"lo".to_vec()];
    assert_eq!(upload(&pieces, Some(5), 128), Ok((b"hello".to_vec(), true)));
    assert_eq!(upload(&pieces, None, 128), Ok((b"0005\r\nhello\r\n0\r\n\r\n".to_vec(), true)));
    assert_eq!(upload(&pieces, Some(6), 128), Err(SendError::TooShort));
    assert_eq!(upload(&[], None, 128), Ok((b"0\r\n\r\n".to_vec(), true)));
    let mut buffer = [0; 128];
    let mut connection = Connection::new(Script::new(SIZED), &mut buffer);
    let request = Request::post("/", "hub", b"x");
    let refused = now(connection.begin(&request, None)).map(drop);
    assert_eq!(refused, Err(SendError::Request(RequestError::TwoBodies)));
    let request = Request::post("/", "hub", b"");
    let mut body = now(connection.begin(&request, Some(1))).expect("a head");
    assert_eq!(now(body.write_all(b"xy")), Err(UploadError::TooLong));
    assert!(!connection.is_ready(), "the server waits for a byte that never comes");
}

#[test]
fn a_flush_sends_what_was_gathered() {
    let mut buffer = [0; 128];
    let mut connection = Connection::new(Script::new(SIZED), &mut buffer);
    let request = Request::post("/", "hub", b"");
    let mut body = now(connection.begin(&request, None)).expect("a head");
    now(body.write_all(b"hel")).expect("room");
    now(body.flush()).expect("room");
    now(body.write_all(b"lo")).expect("room");
    now(body.finish()).expect("an answer");
    assert_eq!(sent_body(&connection.into_stream()), b"0003\r\nhel\r\n0002\r\nlo\r\n0\r\n\r\n");
}

#[test]
fn parts_and_conditions_are_asked_for_and_checked() {
    let part = |answer: &str, request: &Request<'_>| {
        let mut buffer = [0; 256];
        let mut connection = Connection::new(Script::new(answer.as_bytes()), &mut buffer);
        let response = now(connection.send(request)).expect("an answer");
        let part = response.part();
        let sent = connection.into_stream().sent;
        (part, std::string::String::from_utf8(sent).expect("text"))
    };
    let resume = get().with_range(Range::From(6)).with_condition(Condition::IfRange("\"v1\""));
    let rest = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 6-10/11\r\nContent-Length: 5\r\n\r\nworld";
    let (found, sent) = part(rest, &resume);
    assert_eq!(found, Ok(Part::Piece(ContentRange { first: 6, last: 10, complete: Some(11) })));
    assert!(sent.contains("\r\nRange: bytes=6-\r\nIf-Range: \"v1\"\r\n"), "{sent}");
    let answer =
        |status: u16, headers: &str| format!("HTTP/1.1 {status} So\r\n{headers}Content-Length: 5\r\n\r\nhello");
    for (answer, expected) in [
        (answer(200, ""), Ok(Part::Whole)),
        (answer(304, ""), Ok(Part::Unchanged)),
        (answer(412, ""), Ok(Part::Changed)),
        (answer(416, "Content-Range: bytes */6\r\n"), Ok(Part::Beyond(Some(6)))),
        (answer(416, ""), Ok(Part::Beyond(None))),
        (answer(206, ""), Err(PartError::Malformed)),
        (answer(206, "Content-Range: bytes 5-9/10\r\n"), Err(PartError::Other)),
        (answer(206, "Content-Range: bytes 6-9/10\r\n"), Err(PartError::Other)),
        (answer(206, "Content-Range: bytes 6-10/12\r\n"), Err(PartError::Other)),
        (answer(404, ""), Err(PartError::Status(404))),
    ] {
        assert_eq!(part(&answer, &resume).0, expected, "{answer}");
    }
    assert_eq!(part(rest, &get()).0, Err(PartError::Unasked));
    let mut buffer = [0; 256];
    let mut connection = Connection::new(Script::new(SIZED), &mut buffer);
    let smuggling = get().with_condition(Condition::IfNoneMatch("\"a\"\r\nX: y"));
    let refused = now(connection.send(&smuggling)).map(|r| r.status());
    assert_eq!(refused, Err(SendError::Request(RequestError::Header)));
}

proptest! {
    #[test]
    fn what_is_uploaded_in_chunks_comes_back_whole(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        room in 100_usize..200,
    ) {
        let (sent, ready) = upload(&pieces, None, room).expect("an answer");
        prop_assert!(ready);
        let answer = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &sent].concat();
        let mut buffer = [0; 256];
        let mut connection = Connection::new(Script::new(&answer), &mut buffer);
        let mut response = now(connection.send(&get())).expect("an answer");
        let mut body = vec![0; 400];
        prop_assert_eq!(now(response.read_to_end(&mut body)), Ok(&pieces.concat()[..]));
    }
}
