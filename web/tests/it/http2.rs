//! What RFC 9113 asks of a server, by frames on a connection. Each case names the section that asks for it.

use std::time::Duration;

use wavetank_web::middleware::BodyLimit;
use wavetank_web::{App, Options, Params, Request};

use crate::support::{Client, Clock, Server};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field in full, its name and all.
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// A request's fields: GET or POST of `/`, and more.
fn fields(post: bool, more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![if post { 0x83 } else { 0x82 }, 0x86, 0x84];
    block.extend(field(":authority", "hub"));
    block.extend(more.iter().flat_map(|(name, value)| field(name, value)));
    block
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(false, &[]))
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &fields(true, &[]))
}

#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let (payload, rest) = rest.split_at(usize::try_from(number(&head[..3])).unwrap());
        frames.push(Frame { kind: head[3], flags: head[4], stream: number(&head[5..]), payload: payload.to_vec() });
        bytes = rest;
    }
    frames
}

fn code(frame: &Frame, at: usize) -> u32 {
    u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap())
}

struct Talk {
    server: Server,
    client: Client,
}

impl Talk {
    fn new() -> Self {
        let mut app = App::new();
        app.with(BodyLimit::new(1_000));
        app.at("/").get(async || "hello").post(async |mut request: Request| request.body_text().await);
        app.at("/large/:bytes").get(async |Params(bytes): Params<usize>| "x".repeat(bytes));
        let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
        let client = server.connect();
        client.send(PREFACE);
        let mut talk = Self { server, client };
        let greeting = talk.ask(&frame(SETTINGS, 0, 0, &[]));
        assert_eq!(greeting[0].kind, SETTINGS, "3.4: the server's preface is a SETTINGS frame");
        assert!(greeting.contains(&Frame { kind: SETTINGS, flags: ACK, stream: 0, payload: vec![] }), "6.5.3");
        talk
    }

    fn ask(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.client.send(bytes);
        self.server.settle();
        parse(&self.client.received_bytes())
    }
}

/// These frames end the connection, with one of these reasons.
fn ends(what: &str, frames: &[u8], reasons: &[u32]) {
    let mut talk = Talk::new();
    let answer = talk.ask(frames);
    let last = answer.iter().rfind(|frame| frame.kind == GOAWAY).unwrap_or_else(|| panic!("{what}: {answer:?}"));
    assert!(reasons.contains(&code(last, 4)), "{what}: {}", code(last, 4));
    talk.server.settle();
    assert!(talk.client.is_closed(), "{what}: it is closed");
}

/// These frames end stream 1, with one of these reasons or a 400, and the connection goes on; or it ends for one of them,
/// which 5.4.1 leaves to the server.
fn resets(what: &str, frames: &[u8], reasons: &[u32]) {
    let mut talk = Talk::new();
    let answer = talk.ask(frames);
    if let Some(end) = answer.iter().find(|frame| frame.kind == GOAWAY) {
        assert!(reasons.contains(&code(end, 4)), "{what}: {}", code(end, 4));
        return;
    }
    let reset = answer.iter().find(|frame| frame.kind == RST_STREAM && frame.stream == 1);
    let refused = answer.iter().any(|frame| frame.kind == HEADERS && frame.payload.first() == Some(&0x8c));
    match reset {
        Some(reset) => assert!(reasons.contains(&code(reset, 0)), "{what}: {}", code(reset, 0)),
        None => assert!(refused, "{what}: {answer:?}"),
    }
    assert!(answers(&mut talk, 99), "{what}: the connection goes on");
}

/// Whether a GET on this stream is answered with 200 and the whole body.
fn answers(talk: &mut Talk, stream: u32) -> bool {
    let answer = talk.ask(&get(stream));
    let own = |frame: &&Frame| frame.stream == stream;
    let ok = answer.iter().filter(own).any(|frame| frame.kind == HEADERS && frame.payload.first() == Some(&0x88));
    ok && answer.iter().filter(own).any(|frame| frame.kind == DATA && frame.payload == b"hello")
}

#[test]
fn a_request_is_answered_and_what_must_be_ignored_is() {
    let mut talk = Talk::new();
    assert!(answers(&mut talk, 1));
    // 4.1: frames of an unknown kind; 6.5.2: unknown settings; 6.1 and 6.2: undefined flags and bits.
    talk.ask(&frame(0xee, 0xff, 0, b"unknown"));
    talk.ask(&frame(SETTINGS, 0, 0, &[0, 0xee, 0, 0, 0, 1]));
    let answer = talk.ask(&frame(PING, 0, 0, b"12345678"));
    assert_eq!(answer, [Frame { kind: PING, flags: ACK, stream: 0, payload: b"12345678".to_vec() }], "6.7");
    talk.ask(&frame(PING, ACK, 0, b"12345678"));
    // 5.1: PRIORITY may come for a stream that is idle or closed.
    talk.ask(&frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]));
    talk.ask(&frame(PRIORITY, 0, 21, &[0, 0, 0, 0, 1]));
    assert!(answers(&mut talk, 3));
    // 6.10: a head in pieces; 6.1: padding.
    let block = fields(true, &[("x", "y")]);
    let mut pieces = frame(HEADERS, 0, 5, &block[..3]);
    pieces.extend(frame(CONTINUATION, 0, 5, &block[3..10]));
    pieces.extend(frame(CONTINUATION, END_HEADERS, 5, &block[10..]));
    pieces.extend(frame(DATA, PADDED | END_STREAM, 5, b"\x03body\0\0\0"));
    let answer = talk.ask(&pieces);
    assert!(answer.iter().any(|frame| frame.kind == DATA && frame.payload == b"body"), "{answer:?}");
    assert!(answers(&mut talk, 7));
}

#[test]
fn what_is_no_preface_is_not_taken_for_one() {
    let mut app = App::new();
    app.at("/").get(async || "hello");
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    let answer = server.ask(&client, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 505 ") && client.is_closed(), "3.4: {answer}");
}

#[test]
fn frames_have_their_sizes_and_places() {
    let frame_or_protocol = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];
    ends("4.2: a frame longer than 16,384", &frame(DATA, 0, 1, &[0; 16_385]), &[FRAME_SIZE_ERROR]);
    // The RFC asks for COMPRESSION_ERROR; h2 says that it is a PROTOCOL_ERROR.
    let undecodable = &[COMPRESSION_ERROR, PROTOCOL_ERROR];
    ends("4.3: a head that breaks off", &frame(HEADERS, 5, 1, &[0x40]), undecodable);
    ends("4.3: an index that there is not", &frame(HEADERS, 5, 1, &[0xff; 8]), undecodable);
    ends("6.1: DATA on no stream", &frame(DATA, 0, 0, b"x"), &[PROTOCOL_ERROR]);
    ends("6.1: more padding than payload", &[post(1), frame(DATA, PADDED, 1, b"\x09x")].concat(), &[PROTOCOL_ERROR]);
    ends("6.2: HEADERS on no stream", &frame(HEADERS, 5, 0, &fields(false, &[])), &[PROTOCOL_ERROR]);
    ends("6.2: more padding than head", &frame(HEADERS, 5 | PADDED, 1, b"\x09\x82"), &[PROTOCOL_ERROR]);
    ends("6.3: PRIORITY on no stream", &frame(PRIORITY, 0, 0, &[0; 5]), &[PROTOCOL_ERROR]);
    ends("6.4: RST_STREAM on no stream", &frame(RST_STREAM, 0, 0, &[0; 4]), &[PROTOCOL_ERROR]);
    ends("6.4: RST_STREAM of 3 bytes", &[post(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), frame_or_protocol);
    ends("6.5: SETTINGS on a stream", &frame(SETTINGS, 0, 1, &[]), &[PROTOCOL_ERROR]);
    ends("6.5: SETTINGS of 3 bytes", &frame(SETTINGS, 0, 0, &[0; 3]), frame_or_protocol);
    ends("6.5: an acknowledgement that says more", &frame(SETTINGS, ACK, 0, &[0; 6]), frame_or_protocol);
    ends("6.6: a promise from a client", &frame(PUSH_PROMISE, 4, 1, &[0, 0, 0, 2, 0x82]), &[PROTOCOL_ERROR]);
    ends("6.7: PING on a stream", &frame(PING, 0, 1, &[0; 8]), &[PROTOCOL_ERROR]);
    ends("6.7: PING of 6 bytes", &frame(PING, 0, 0, &[0; 6]), frame_or_protocol);
    ends("6.8: GOAWAY on a stream", &frame(GOAWAY, 0, 1, &[0; 8]), &[PROTOCOL_ERROR]);
    ends("6.9: WINDOW_UPDATE of 3 bytes", &frame(WINDOW_UPDATE, 0, 0, &[0; 3]), frame_or_protocol);
    ends("6.9: no more room", &frame(WINDOW_UPDATE, 0, 0, &[0; 4]), &[PROTOCOL_ERROR]);
    ends("6.10: CONTINUATION of nothing", &frame(CONTINUATION, 4, 1, &[0x82]), &[PROTOCOL_ERROR]);
    let head = frame(HEADERS, 0, 1, &fields(false, &[]));
    ends(
        "6.2: a head that another frame interrupts",
        &[head.clone(), frame(PING, 0, 0, &[0; 8])].concat(),
        &[PROTOCOL_ERROR],
    );
    ends("6.10: a head that goes on elsewhere", &[head, frame(CONTINUATION, 4, 3, &[])].concat(), &[PROTOCOL_ERROR]);
}

#[test]
fn settings_are_in_their_ranges() {
    let setting = |id: u8, value: u32| frame(SETTINGS, 0, 0, &[&[0, id], &value.to_be_bytes()[..]].concat());
    ends("6.5.2: ENABLE_PUSH", &setting(2, 2), &[PROTOCOL_ERROR]);
    ends("6.5.2: INITIAL_WINDOW_SIZE", &setting(4, 1 << 31), &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]);
    ends("6.5.2: MAX_FRAME_SIZE", &setting(5, 16_383), &[PROTOCOL_ERROR]);
    ends("6.5.2: MAX_FRAME_SIZE", &setting(5, 1 << 24), &[PROTOCOL_ERROR]);
}

#[test]
fn streams_go_through_their_states() {
    ends("5.1: DATA on an idle stream", &frame(DATA, END_STREAM, 1, b"x"), &[PROTOCOL_ERROR, STREAM_CLOSED]);
    ends("5.1: RST_STREAM on an idle stream", &frame(RST_STREAM, 0, 1, &[0; 4]), &[PROTOCOL_ERROR]);
    ends("5.1: WINDOW_UPDATE on an idle stream", &frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), &[PROTOCOL_ERROR]);
    ends("5.1.1: an even number", &get(2), &[PROTOCOL_ERROR]);
    ends("5.1.1: a number that goes down", &[get(5), get(3)].concat(), &[PROTOCOL_ERROR, STREAM_CLOSED]);
    let closed = &[STREAM_CLOSED, PROTOCOL_ERROR];
    let after = |more: Vec<u8>| {
        let mut talk = Talk::new();
        talk.ask(&get(1));
        let answer = talk.ask(&more);
        let reason = answer.iter().find_map(|frame| match frame.kind {
            RST_STREAM => Some(code(frame, 0)),
            GOAWAY => Some(code(frame, 4)),
            _ => None,
        });
        assert!(reason.is_some_and(|reason| closed.contains(&reason)), "5.1: {answer:?}");
    };
    after(frame(DATA, END_STREAM, 1, b"late"));
    after(get(1));
}

#[test]
fn heads_are_what_a_head_may_be() {
    let head = |more: &[(&str, &str)]| frame(HEADERS, 5, 1, &fields(false, more));
    let bad = &[PROTOCOL_ERROR];
    resets("8.2.1: a name in capitals", &head(&[("X-Capital", "y")]), bad);
    resets("8.2.1: a value with a line break", &head(&[("x", "a\r\nb")]), bad);
    for value in [" y", "y ", "\ty", "a\0b"] {
        resets("8.2.1: a value with what it may not have", &head(&[("x", value)]), bad);
    }
    resets("8.2.1: a name with a space", &head(&[("x y", "z")]), bad);
    resets("8.2.1: no name", &head(&[("", "z")]), bad);
    resets("8.2.2: Upgrade", &head(&[("upgrade", "websocket")]), bad);
    resets("8.2.2: Keep-Alive", &head(&[("keep-alive", "5")]), bad);
    resets("8.2.2: Connection", &head(&[("connection", "keep-alive")]), bad);
    resets("8.2.2: Transfer-Encoding", &head(&[("transfer-encoding", "chunked")]), bad);
    resets("8.2.2: TE but for trailers", &head(&[("te", "gzip")]), bad);
    resets("8.3: a pseudo field that there is not", &head(&[(":unknown", "y")]), bad);
    resets("8.3: a response's pseudo field", &head(&[(":status", "200")]), bad);
    resets("8.3: a pseudo field after another field", &head(&[("x", "y"), (":scheme", "http")]), bad);
    resets("8.3.1: a path twice", &head(&[(":path", "/")]), bad);
    resets("8.3.1: no path", &frame(HEADERS, 5, 1, &[&[0x82, 0x86][..], &field(":authority", "hub")].concat()), bad);
    resets(
        "8.3.1: an empty path",
        &frame(HEADERS, 5, 1, &[&[0x82, 0x86][..], &field(":path", ""), &field(":authority", "hub")].concat()),
        bad,
    );
    resets("8.3.1: no method", &frame(HEADERS, 5, 1, &[&[0x86, 0x84][..], &field(":authority", "hub")].concat()), bad);
    resets("8.3.1: no scheme", &frame(HEADERS, 5, 1, &[&[0x82, 0x84][..], &field(":authority", "hub")].concat()), bad);
    let asks = |method: u8, more: &[(&str, &str)]| {
        let fields = more.iter().flat_map(|(name, value)| field(name, value));
        frame(HEADERS, 5, 1, &[method, 0x86].into_iter().chain(fields).collect::<Vec<_>>())
    };
    resets("8.3.1: a path that is none", &asks(0x82, &[(":path", "x"), (":authority", "hub")]), bad);
    resets("8.3.1: `*` of another method", &asks(0x82, &[(":path", "*"), (":authority", "hub")]), bad);
    resets("8.3.1: two hosts", &asks(0x82, &[(":path", "/"), (":authority", "hub"), ("host", "other")]), bad);
    resets("8.3.1: user information", &asks(0x82, &[(":path", "/"), (":authority", "me@hub")]), bad);
    resets(
        "8.5: a CONNECT with a path",
        &asks(0x82, &[(":method", "CONNECT"), (":path", "/"), (":authority", "hub:1")]),
        bad,
    );
    resets("8.3.1: nobody it is for", &frame(HEADERS, 5, 1, &[0x82, 0x86, 0x84]), bad);
    let told = |length: &str, body: &[u8]| {
        [frame(HEADERS, END_HEADERS, 1, &fields(true, &[("content-length", length)])), frame(DATA, END_STREAM, 1, body)]
            .concat()
    };
    resets("8.1.1: more than the length says", &told("3", b"four"), bad);
    resets("8.1.1: less than the length says", &told("5", b"four"), bad);
    let trailers = |block: &[u8]| [post(1), frame(DATA, 0, 1, b"x"), frame(HEADERS, 5, 1, block)].concat();
    let mut talk = Talk::new();
    talk.ask(&trailers(&field(":method", "GET")));
    assert!(
        answers(&mut talk, 3),
        "8.1: a pseudo field in trailers is thrown away by h2, where the RFC has the stream reset"
    );
    resets(
        "8.1: trailers that do not end the stream",
        &[post(1), frame(HEADERS, END_HEADERS, 1, &field("x", "y"))].concat(),
        bad,
    );
}

#[test]
fn no_more_is_sent_than_there_is_room_for() {
    let mut talk = Talk::new();
    let path = |bytes: &str| [&[0x82, 0x86][..], &field(":path", bytes), &field(":authority", "hub")].concat();
    // 6.9.2: the room of streams that are to come.
    talk.ask(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 10]));
    let sent = |frames: &[Frame]| -> usize {
        frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum()
    };
    let answer = talk.ask(&frame(HEADERS, 5, 1, &path("/large/100")));
    assert_eq!(sent(&answer), 10);
    assert_eq!(sent(&talk.ask(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 5]))), 5);
    // 6.9.2: room that is taken back is owed.
    talk.ask(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    assert_eq!(sent(&talk.ask(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 10]))), 0);
    assert_eq!(sent(&talk.ask(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 85]))), 85);
    // 6.9.1: a connection has 65,535 at first, whatever its streams have.
    talk.ask(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0xff, 0xff, 0xff]));
    assert_eq!(sent(&talk.ask(&frame(HEADERS, 5, 3, &path("/large/200000")))), 65_535 - 100);
    ends(
        "6.9.1: more room than there can be",
        &frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        &[FLOW_CONTROL_ERROR],
    );
    let more = frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]);
    resets("6.9.1: more room than there can be", &[post(1), more].concat(), &[FLOW_CONTROL_ERROR]);
}

#[test]
fn so_many_streams_and_no_more() {
    let mut talk = Talk::new();
    let many: Vec<u8> = (0..200).flat_map(|n| post(1 + 2 * n)).collect();
    let answer = talk.ask(&many);
    let refused = answer.iter().filter(|frame| frame.kind == RST_STREAM && code(frame, 0) == REFUSED_STREAM).count();
    assert_eq!(refused, 72, "5.1.2: of 200, 128 are let in");
}

#[test]
fn floods_end_their_connection_or_cost_little() {
    // Streams begun and taken back at once.
    let mut talk = Talk::new();
    let mut last = None;
    for n in 0..5_000_u32 {
        let answer = talk.ask(&[get(1 + 2 * n), frame(RST_STREAM, 0, 1 + 2 * n, &[0, 0, 0, 8])].concat());
        last = answer.into_iter().find(|frame| frame.kind == GOAWAY);
        if last.is_some() {
            break;
        }
    }
    // They were answered before they were taken back, or calm was asked for.
    assert!(last.is_none_or(|last| code(&last, 4) == ENHANCE_YOUR_CALM));
    let mut talk = Talk::new();
    let flood: Vec<u8> = (0..5_000_u32)
        .flat_map(|n| [post(1 + 2 * n), frame(RST_STREAM, 0, 1 + 2 * n, &[0, 0, 0, 8])].concat())
        .collect();
    let answer = talk.ask(&flood);
    let end = answer.iter().find(|frame| frame.kind == GOAWAY).expect("calm is asked for");
    assert_eq!(code(end, 4), ENHANCE_YOUR_CALM);
    // A head without end.
    let mut talk = Talk::new();
    talk.client.send(frame(HEADERS, 0, 1, &fields(false, &[])));
    let mut ended = false;
    for _ in 0..10_000 {
        let answer = talk.ask(&frame(CONTINUATION, 0, 1, &field("x", &"y".repeat(100))));
        if answer.iter().any(|frame| frame.kind == GOAWAY || frame.kind == RST_STREAM) || talk.client.is_closed() {
            ended = true;
            break;
        }
    }
    assert!(ended, "a head of a megabyte");
    // Pings are answered as far as their answers are taken.
    let mut talk = Talk::new();
    talk.client.take_no_more_than(10_000);
    talk.client.send(frame(PING, 0, 0, &[0; 8]).repeat(100_000));
    talk.server.settle();
    assert!(talk.client.unread_by_server() > 1_000_000, "{}", talk.client.unread_by_server());
}

#[test]
fn settings_that_never_end_wait_and_heads_that_unfold_are_refused() {
    // 6.5.3: each is acknowledged, as far as that is taken.
    let mut talk = Talk::new();
    talk.client.take_no_more_than(10_000);
    talk.client.send(frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(100_000));
    talk.server.settle();
    assert!(talk.client.unread_by_server() > 1_000_000, "{}", talk.client.unread_by_server());
    // What says nothing is passed over.
    let mut talk = Talk::new();
    let nothing = [post(1), frame(DATA, 0, 1, &[]).repeat(20_000), frame(DATA, END_STREAM, 1, b"one")].concat();
    let answer = talk.ask(&nothing);
    let calm = answer.iter().any(|frame| frame.kind == GOAWAY && code(frame, 4) == ENHANCE_YOUR_CALM);
    assert!(calm || answer.iter().any(|frame| frame.kind == DATA && frame.payload == b"one"), "{answer:?}");
    let mut talk = Talk::new();
    talk.ask(&frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 9]).repeat(100_000));
    assert!(answers(&mut talk, 1));
    // RFC 7541, 7.3: a long field is said once, and then 10,000 times by a byte each.
    let mut talk = Talk::new();
    let long = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e], "y".repeat(4_000).as_bytes()].concat();
    let bomb = [fields(false, &[]), long, vec![0xbe; 10_000]].concat();
    let answer = talk.ask(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb));
    assert!(!answer.iter().any(|frame| frame.kind == DATA && frame.payload == b"hello"), "{answer:?}");
    match answer.iter().find(|frame| frame.kind == GOAWAY) {
        Some(end) => assert_eq!(code(end, 4), ENHANCE_YOUR_CALM),
        None => assert!(answers(&mut talk, 3), "the connection goes on"),
    }
}

#[test]
fn who_never_has_room_is_let_go_and_who_has_little_or_waits_is_not() {
    let (second, settings) = (Duration::from_secs(1), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let mut app = App::new();
    app.at("/").get(async || "x".repeat(2_000));
    app.at("/never").get(async || {
        std::future::pending::<()>().await;
    });
    app.at("/quiet").get(async || {
        let quiet = futures::stream::pending::<Result<&'static str, std::convert::Infallible>>();
        wavetank_web::Body::from_stream(quiet)
    });
    let options = Options { head_timeout: Some(second), ..Options::default() };
    let mut server = Server::of(options, &Clock::new(), app.into_service().unwrap());
    let asked = |path: &str| [&[0x82, 0x86][..], &field(":path", path), &field(":authority", "hub")].concat();
    let connect = |server: &mut Server, path: &str, settings: &[u8]| {
        let client = server.connect();
        client.send([PREFACE, settings, &frame(HEADERS, 5, 1, &asked(path))].concat());
        client
    };
    let stuck = connect(&mut server, "/", &settings);
    let little = connect(&mut server, "/", &settings);
    let waiting = ["/never", "/quiet"].map(|path| connect(&mut server, path, &frame(SETTINGS, 0, 0, &[])));
    let mut received = 0;
    for _ in 0..20 {
        server.pass(second / 2);
        little.send(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100]));
        server.settle();
        let frames = parse(&little.received_bytes());
        received += frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum::<usize>();
    }
    assert_eq!(received, 2_000);
    assert!(stuck.is_closed());
    assert!(!little.is_closed() && waiting.iter().all(|client| !client.is_closed()));
}

#[test]
fn a_body_that_is_too_long_is_refused_and_the_connection_goes_on() {
    let mut talk = Talk::new();
    let answer = talk.ask(&[post(1), frame(DATA, 0, 1, &[b'x'; 2_000])].concat());
    assert!(answer.iter().any(|frame| frame.kind == HEADERS && frame.stream == 1), "{answer:?}");
    assert!(answers(&mut talk, 3));
}

#[test]
fn answers_have_nothing_of_a_connection_nor_a_body_where_there_is_none() {
    let mut app = App::new();
    app.at("/").get(async || "hello");
    app.at("/hop").get(async || {
        let fields = [("connection", "x-hop"), ("keep-alive", "timeout=5"), ("upgrade", "h2c"), ("x-hop", "y")];
        (fields.map(|(name, value)| (wavetank_web::HeaderName::from_static(name), value)), "hello")
    });
    app.at("/more").get(async || ([(wavetank_web::header::AGE, "1")], "hello"));
    app.at("/status/:code").get(async |Params(code): Params<u16>| {
        (wavetank_web::StatusCode::from_u16(code).unwrap(), [(wavetank_web::header::CONTENT_LENGTH, "7")], "no body")
    });
    let service = app.into_service().unwrap();
    let connect = || {
        let mut server = Server::of(Options::default(), &Clock::new(), service.clone());
        let client = server.connect();
        client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        server.settle();
        client.received_bytes();
        Talk { server, client }
    };
    let ask =
        |method: u8, path: &str| [&[method, 0x86][..], &field(":path", path), &field(":authority", "hub")].concat();
    // 8.2.2: each on a connection of its own, they are the same to the last byte.
    let plain = connect().ask(&frame(HEADERS, 5, 1, &ask(0x82, "/")));
    assert!(plain.iter().any(|frame| frame.kind == DATA && frame.payload == b"hello"), "{plain:?}");
    assert_eq!(connect().ask(&frame(HEADERS, 5, 1, &ask(0x82, "/hop"))), plain);
    assert_ne!(connect().ask(&frame(HEADERS, 5, 1, &ask(0x82, "/more"))), plain, "one field more is told apart");
    let mut talk = connect();
    // RFC 9110, 15, and 8.6: there is no 101 here either, and a length is the body's.
    for code in [100, 101, 103, 600] {
        let answer = connect().ask(&frame(HEADERS, 5, 1, &ask(0x82, &format!("/status/{code}"))));
        let body = answer.iter().find(|frame| frame.kind == DATA).map(|frame| frame.payload.as_slice());
        let body = String::from_utf8_lossy(body.unwrap_or_default()).into_owned();
        assert!(body.contains("\"status\":500"), "{code}: {answer:?}");
    }
    let long = connect().ask(&frame(HEADERS, 5, 1, &ask(0x82, "/status/200")));
    assert!(long.iter().any(|frame| frame.kind == DATA && frame.payload == b"no body"), "{long:?}");
    for (stream, code) in [(3, 204), (5, 205), (7, 304)] {
        let answer = talk.ask(&frame(HEADERS, 5, stream, &ask(0x82, &format!("/status/{code}"))));
        assert!(answer.iter().any(|frame| frame.kind == HEADERS && frame.stream == stream), "{code}: {answer:?}");
        let sent: usize = answer.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum();
        assert_eq!(sent, 0, "RFC 9110, 15.3.5, 15.3.6, 15.4.5: {code}: {answer:?}");
        assert!(answer.iter().any(|frame| frame.flags & END_STREAM != 0), "{code}: {answer:?}");
    }
    let head = [&[0x86][..], &field(":method", "HEAD"), &field(":path", "/"), &field(":authority", "hub")].concat();
    let answer = talk.ask(&frame(HEADERS, 5, 9, &head));
    assert!(!answer.iter().any(|frame| frame.kind == DATA && !frame.payload.is_empty()), "RFC 9110, 9.3.2: {answer:?}");
    assert!(answers(&mut talk, 11));
}

#[test]
fn what_is_expected_is_answered_for() {
    // RFC 9110, 10.1.1: hyper says no 100 over HTTP/2; a final answer comes as soon as there is one, with or without the body.
    let mut talk = Talk::new();
    let expecting = |stream, what: &str| frame(HEADERS, END_HEADERS, stream, &fields(true, &[("expect", what)]));
    let answer = talk.ask(&expecting(1, "fly"));
    assert!(answer.iter().any(|frame| frame.kind == HEADERS && frame.stream == 1), "417: {answer:?}");
    let answer = talk.ask(&expecting(3, "100-continue"));
    assert!(!answer.iter().any(|frame| frame.kind == HEADERS && frame.stream == 3), "no 100: {answer:?}");
    let answer = talk.ask(&frame(DATA, END_STREAM, 3, b"one"));
    assert!(answer.iter().any(|frame| frame.kind == DATA && frame.payload == b"one"), "{answer:?}");
}

#[test]
#[cfg(feature = "cookies")]
fn crumbs_of_cookies_are_put_together() {
    // 8.2.3.
    let mut app = App::new();
    app.at("/").get(async |cookies: wavetank_web::cookies::Cookies| {
        ["a", "b", "c"].map(|name| cookies.get(name).map_or("-", |cookie| cookie.value()).to_owned()).join(" ")
    });
    let mut server = Server::of(Options::default(), &Clock::new(), app.into_service().unwrap());
    let client = server.connect();
    let crumbs = [("cookie", "a=1"), ("cookie", "b=2; c=3")];
    let request = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 5, 1, &fields(false, &crumbs))].concat();
    client.send(request);
    server.settle();
    let answer = parse(&client.received_bytes());
    assert!(answer.iter().any(|frame| frame.kind == DATA && frame.payload == b"1 2 3"), "{answer:?}");
}

#[test]
fn a_server_that_stops_says_so_and_answers_what_it_has() {
    // 6.8: GOAWAY with the last stream that is dealt with.
    let mut talk = Talk::new();
    talk.ask(&post(1));
    talk.server.stop();
    let answer = parse(&talk.client.received_bytes());
    assert!(answer.iter().any(|frame| frame.kind == GOAWAY && code(frame, 4) == 0), "{answer:?}");
    let answer = talk.ask(&frame(DATA, END_STREAM, 1, b"one"));
    assert!(answer.iter().any(|frame| frame.kind == DATA && frame.payload == b"one"), "{answer:?}");
}
