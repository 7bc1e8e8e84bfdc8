//! Sockets, with a client in memory and with bytes on a connection.

use std::cell::RefCell;
use std::error::Error as _;
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::time::Duration;

use futures::executor::block_on;
use wavetank_web::middleware::Auth;
use wavetank_web::{
    App, Client, CloseCode, Message, Options, Request, Served, SocketError, SocketOptions, websocket, websocket_with,
};

use crate::connections::status;
use crate::support::{Clock, Server};

fn echo() -> App {
    let mut app = App::new();
    app.at("/echo").get(async |request: Request| {
        websocket(&request, |mut socket| async move {
            while let Some(Ok(message)) = socket.receive().await {
                if message == Message::from("bye") {
                    socket.close().await.ok();
                    return;
                }
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        })
    });
    app
}

#[test]
fn a_socket_is_talked_over_in_memory() {
    block_on(async {
        let client = Client::new(echo().into_service().unwrap());
        let mut socket = client.websocket("/echo").await.unwrap();
        for message in
            [Message::from("hello"), Message::Binary(vec![0, 255].into()), Message::from("x".repeat(70_000).as_str())]
        {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.receive().await.unwrap().unwrap(), message);
        }
        socket.send("bye").await.unwrap();
        assert!(socket.receive().await.is_none());
        client.websocket("/echo").await.unwrap().close().await.unwrap();
        assert_eq!(client.websocket("/nothing").await.unwrap_err().status(), 404);
    });
}

#[test]
fn a_test_says_who_asks_for_a_socket() {
    let mut app = App::new();
    app.with(Auth::bearer("hub", async |token: String| (token == "s3cret").then_some(())));
    app.at("/").get(async |request: Request| {
        let options = SocketOptions { protocols: &["mqtt"], ..SocketOptions::default() };
        websocket_with(options, &request, |mut socket| async move {
            let protocol = socket.protocol().unwrap_or("none");
            socket.send(protocol).await.ok();
        })
    });
    let client = Client::new(app.into_service().unwrap());
    block_on(async {
        assert_eq!(client.websocket("/").await.unwrap_err().status(), 401);
        let asking = client.get("/").header("authorization", "Bearer s3cret").header("sec-websocket-protocol", "mqtt");
        let mut socket = asking.websocket().await.unwrap();
        assert_eq!(socket.receive().await.unwrap().unwrap(), Message::from("mqtt"));
    });
}

const ASK: &str = "GET /echo HTTP/1.1\r\nhost: hub\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// What comes back for these frames, as bytes.
fn talk(frames: &[u8]) -> (Vec<u8>, bool) {
    let mut server = Server::of(Options::default(), &Clock::new(), echo().into_service().unwrap());
    let client = server.connect();
    let response = server.ask(&client, ASK);
    assert!(response.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{response}");
    client.send(frames);
    server.settle();
    (client.received_bytes(), client.is_closed())
}

#[test]
fn frames_are_what_the_rfc_says() {
    assert_eq!(talk(&frame(0x81, b"hello")), (b"\x81\x05hello".to_vec(), false));
    let pieces = [frame(0x01, b"hel"), frame(0x89, b"ping"), frame(0x80, b"lo")].concat();
    assert_eq!(talk(&pieces).0, b"\x8a\x04ping\x81\x05hello");
    assert_eq!(talk(&frame(0x88, &1000_u16.to_be_bytes())), (b"\x88\x02\x03\xe8".to_vec(), true));
    let closed_for = |frames: &[u8], code: u16| {
        let (bytes, closed) = talk(frames);
        assert_eq!(bytes.get(2..4), Some(&code.to_be_bytes()[..]), "{bytes:?}");
        assert!(closed);
    };
    closed_for(b"\x81\x05hello", 1002);
    closed_for(&frame(0xc1, b"reserved"), 1002);
    closed_for(&frame(0x83, b"unknown"), 1002);
    closed_for(&frame(0x80, b"nothing to continue"), 1002);
    closed_for(&frame(0x81, b"\xff"), 1007);
    closed_for(&[0x82, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0], 1009);
}

#[test]
fn frames_of_control_are_short_and_whole_and_say_what_may_be_said() {
    let closed_for = |what: &str, frames: &[u8], code: u16| {
        let (bytes, closed) = talk(frames);
        assert_eq!(bytes.get(2..4), Some(&code.to_be_bytes()[..]), "{what}: {bytes:?}");
        assert!(closed, "{what}");
    };
    let long = [&[0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat();
    closed_for("RFC 6455, 5.5: a ping of 126 bytes", &long, 1002);
    closed_for("5.5: a ping in pieces", &frame(0x09, b"x"), 1002);
    closed_for("5.5.1: a reason without a whole code", &frame(0x88, &[3]), 1002);
    closed_for("5.4: a message within another", &[frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002);
    for code in [999_u16, 1004, 1005, 1006, 1015, 2000] {
        closed_for("7.4: a code that nobody sends", &frame(0x88, &code.to_be_bytes()), 1002);
    }
    closed_for("5.5.1: a reason that is no text", &frame(0x88, b"\x03\xe8\xff"), 1007);
    closed_for("5.6: text that breaks off within a character", &frame(0x81, b"\xe2\x82"), 1007);
    // 5.5.1: nothing is heard after a closing frame.
    let (bytes, closed) = talk(&[frame(0x88, &1000_u16.to_be_bytes()), frame(0x81, b"late")].concat());
    assert_eq!((bytes, closed), (b"\x88\x02\x03\xe8".to_vec(), true));
    // 5.5.2 and 5.5.3: a pong that nobody asked for is not answered.
    assert_eq!(talk(&frame(0x8a, b"unasked")), (Vec::new(), false));
    // 5.4: a character may lie in two pieces.
    assert_eq!(talk(&[frame(0x01, b"\xe2\x82"), frame(0x80, b"\xac")].concat()).0, b"\x81\x03\xe2\x82\xac");
}

#[test]
fn a_flood_waits_at_the_door() {
    let mut server = Server::of(Options::default(), &Clock::new(), echo().into_service().unwrap());
    let client = server.connect();
    server.ask(&client, ASK);
    client.take_no_more_than(1_000);
    let flood = frame(0x82, &[7; 100]).repeat(10_000);
    client.send(&flood);
    server.settle();
    assert!(client.unread_by_server() > flood.len() - 20_000, "what is not answered is not read");
    for _ in 0..2_000 {
        client.received_bytes();
        server.settle();
    }
    assert_eq!(client.unread_by_server(), 0);
}

#[test]
fn what_asks_for_no_socket_gets_none() {
    let ask = |request: &str| {
        let mut server = Server::of(Options::default(), &Clock::new(), echo().into_service().unwrap());
        let client = server.connect();
        server.ask(&client, request)
    };
    let response = ask("GET /echo HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert_eq!(status(&response), "HTTP/1.1 426 Upgrade Required");
    // RFC 6455, 4.2.2 and 4.4; RFC 9110, 15.5.22.
    for field in ["sec-websocket-version: 13\r\n", "upgrade: websocket\r\n", "connection: upgrade\r\n"] {
        assert!(response.contains(field), "{response}");
    }
    assert_eq!(status(&ask(&ASK.replace("13", "8"))), "HTTP/1.1 426 Upgrade Required");
    assert_eq!(status(&ask(&ASK.replace("dGhl", "dG"))), "HTTP/1.1 400 Bad Request");
    assert_eq!(status(&ask(&ASK.replace("GET", "POST"))), "HTTP/1.1 405 Method Not Allowed");
    // 4.2.1, 1 to 6: each that is not there, or is another.
    for (without, expected) in [
        ("host: hub\r\n", "400 Bad Request"),
        ("upgrade: WebSocket\r\n", "426 Upgrade Required"),
        ("connection: keep-alive, Upgrade\r\n", "426 Upgrade Required"),
        ("sec-websocket-version: 13\r\n", "426 Upgrade Required"),
        ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "400 Bad Request"),
    ] {
        assert!(ASK.contains(without));
        assert_eq!(status(&ask(&ASK.replace(without, ""))), format!("HTTP/1.1 {expected}"), "without {without}");
    }
    for (what, with, expected) in [
        ("upgrade: WebSocket", "upgrade: h2c", "426 Upgrade Required"),
        ("keep-alive, Upgrade", "upgraded", "426 Upgrade Required"),
        ("version: 13", "version: 13, 8", "426 Upgrade Required"),
        ("version: 13", "version: 13\r\nsec-websocket-version: 8", "426 Upgrade Required"),
        ("key: ", "key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-key: ", "400 Bad Request"),
        ("ZQ==", "Z===", "400 Bad Request"),
        ("HTTP/1.1", "HTTP/1.0", "426 Upgrade Required"),
    ] {
        let response = ask(&ASK.replacen(what, with, 1));
        assert_eq!(status(&response).split_once(' ').unwrap().1, expected, "{with}");
    }
    // 4.2.1: names without case, several protocols, and lists of one line or several.
    for (what, with) in [
        ("upgrade: WebSocket", "UPGRADE: h2c, WEBSOCKET"),
        ("connection: keep-alive, Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
    ] {
        assert_eq!(status(&ask(&ASK.replace(what, with))), "HTTP/1.1 101 Switching Protocols", "{with}");
    }
}

#[test]
fn the_handshake_promises_nothing_else() {
    // RFC 6455, 4.2.2 and 9.1: no extension, and the fields of a 101 (RFC 9110, 7.8; RFC 9112, 6.1).
    let mut server = Server::of(Options::default(), &Clock::new(), echo().into_service().unwrap());
    let client = server.connect();
    let offer = "\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits, x-unknown\r\n\r\n";
    let response = server.ask(&client, ASK.replace("\r\n\r\n", offer));
    assert_eq!(status(&response), "HTTP/1.1 101 Switching Protocols");
    assert!(response.contains("upgrade: websocket\r\n") && response.contains("connection: upgrade\r\n"), "{response}");
    for none in ["sec-websocket-extensions", "sec-websocket-protocol", "content-length", "transfer-encoding"] {
        assert!(!response.contains(none), "{response}");
    }
}

#[test]
fn a_request_with_a_body_does_not_go_over() {
    // RFC 9110, 7.8: the new protocol begins after the request, whose body must not be taken for frames.
    for body in ["content-length: 11\r\n\r\n", "transfer-encoding: chunked\r\n\r\nb\r\n"] {
        let mut server = Server::of(Options::default(), &Clock::new(), echo().into_service().unwrap());
        let client = server.connect();
        client.send(ASK.replacen("\r\n\r\n", &format!("\r\n{body}"), 1));
        client.send(frame(0x81, b"hello"));
        client.send("\r\n0\r\n\r\n");
        server.settle();
        let bytes = client.received_bytes();
        let response = String::from_utf8_lossy(&bytes);
        assert_eq!(status(&response), "HTTP/1.1 400 Bad Request", "{response}");
        assert!(client.is_closed() && !response.contains("hello"), "{response}");
    }
}

#[test]
fn nothing_is_said_after_a_closing_frame_and_pings_are_answered_in_full() {
    // RFC 6455, 5.5.1: a closing frame is answered by one, with its code or with none, and nothing comes after it.
    assert_eq!(talk(&frame(0x88, b"")), (b"\x88\x00".to_vec(), true));
    assert_eq!(talk(&frame(0x88, b"\x0f\xa0own")), (b"\x88\x05\x0f\xa0own".to_vec(), true));
    let (bytes, closed) = talk(&[frame(0x81, b"bye"), frame(0x81, b"more"), frame(0x89, b"ping")].concat());
    assert!(bytes.starts_with(b"\x88") && bytes.len() <= 4, "5.5.1: {bytes:?}");
    assert!(!closed, "7.1.2: the peer's own closing frame is waited for");
    // 5.5.3: a pong has all that the ping had, and 5.1: nothing of a server is masked.
    let full = [7; 125];
    assert_eq!(talk(&frame(0x89, &full)), ([&[0x8a, 125][..], &full].concat(), false));
    assert_eq!(talk(&frame(0x89, b"")).0, b"\x8a\x00");
    // 5.2: lengths of 16 and of 64 bits.
    let masked = |head: &[u8], payload: &[u8]| [head, &[0; 4], payload].concat();
    let (bytes, _) = talk(&masked(&[0x82, 0xfe, 1, 0], &[1; 256]));
    assert_eq!(bytes[..4], [0x82, 126, 1, 0], "{bytes:?}");
    let (bytes, _) = talk(&masked(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], &[1; 65_536]));
    assert_eq!(bytes[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    // 5.3: what is masked is unmasked.
    assert_eq!(talk(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").0, b"\x81\x05Hello");
}

#[test]
fn the_best_protocol_of_those_asked_for_is_spoken_and_messages_have_the_bound_that_is_set() {
    const OPTIONS: SocketOptions = SocketOptions { message_bytes_max: 100, protocols: &["v2.hub", "v1.hub"] };
    let mut app = App::new();
    app.at("/").get(async |request: Request| {
        websocket_with(OPTIONS, &request, |mut socket| async move {
            let protocol = socket.protocol().unwrap_or("none");
            socket.send(protocol).await.ok();
            while let Some(Ok(_)) = socket.receive().await {}
        })
    });
    let service = app.into_service().unwrap();
    let ask = |protocols: &str, frames: &[u8]| {
        let mut server = Server::of(Options::default(), &Clock::new(), service.clone());
        let client = server.connect();
        let request = ASK.replace("/echo", "/").replace("\r\n\r\n", &format!("\r\n{protocols}\r\n"));
        client.send(&request);
        client.send(frames);
        server.settle();
        let bytes = client.received_bytes();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end..].to_vec())
    };
    let (head, said) = ask("sec-websocket-protocol: chat, v1.hub\r\nsec-websocket-protocol: v2.hub\r\n", b"");
    assert!(head.contains("sec-websocket-protocol: v2.hub\r\n"), "{head}");
    assert_eq!(said, b"\x81\x06v2.hub");
    let (head, said) = ask("sec-websocket-protocol: chat\r\n", b"");
    assert!(!head.contains("sec-websocket-protocol"), "RFC 6455, 4.2.2: not one that was not asked for: {head}");
    assert_eq!(said, b"\x81\x04none");
    let (_, said) = ask("", &frame(0x82, &[0; 101]));
    assert!(said.ends_with(&1009_u16.to_be_bytes()), "{said:?}");
    let pieces = [frame(0x02, &[0; 60]), frame(0x80, &[0; 60])].concat();
    assert!(ask("", &pieces).1.ends_with(&1009_u16.to_be_bytes()), "however it is cut");
}

const INTERVAL: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(10);

type Said = Rc<RefCell<Vec<String>>>;

/// Echoes, keeps the connection alive, and writes down how it ended.
fn alive(clock: &Clock, said: &Said) -> App {
    let (clock, said) = (clock.clone(), Rc::clone(said));
    let mut app = App::new();
    app.at("/echo").get(move |request: Request| {
        let (clock, said) = (clock.clone(), Rc::clone(&said));
        async move {
            websocket(&request, move |mut socket| async move {
                socket.keep_alive(clock, INTERVAL, PATIENCE);
                let end = loop {
                    match socket.receive().await {
                        Some(Ok(message)) if message == Message::from("bye") => break leave(socket).await,
                        Some(Ok(message)) => {
                            if let Err(error) = socket.send(message).await {
                                break why(&error);
                            }
                        }
                        Some(Err(error)) => break why(&error),
                        None => break format!("closed: {:?}", socket.closed()),
                    }
                };
                said.borrow_mut().push(end);
            })
        }
    });
    app
}

async fn leave(socket: wavetank_web::WebSocket) -> String {
    match socket.close_with(CloseCode::own(4004), "the room is gone").await {
        Ok(()) => "left".to_owned(),
        Err(error) => why(&error),
    }
}

fn why(error: &SocketError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

const GONE: &str = "IO error: the peer is not there any more";

#[test]
fn who_is_quiet_is_asked_and_who_is_gone_is_found() {
    let (clock, said) = (Clock::new(), Said::default());
    let mut server = Server::of(Options::default(), &clock, alive(&clock, &said).into_service().unwrap());
    let client = server.connect();
    server.ask(&client, ASK);
    // Whoever talks is not asked.
    for _ in 0..5 {
        server.pass(INTERVAL - Duration::from_secs(1));
        client.send(frame(0x81, b"here"));
        server.settle();
        assert_eq!(client.received_bytes(), b"\x81\x04here");
    }
    // RFC 6455, 5.5.2: whoever is quiet is, and answers by a pong, by a message, or by a part of one.
    for sign in [frame(0x8a, b""), frame(0x81, b"here"), frame(0x01, b"pa"), frame(0x80, b"rt")] {
        let seconds = (0..=2 * INTERVAL.as_secs()).find(|_| {
            server.pass(Duration::from_secs(1));
            client.received_bytes() == b"\x89\x00"
        });
        assert!(seconds.is_some_and(|seconds| seconds >= INTERVAL.as_secs() - 1), "{seconds:?}");
        server.pass(PATIENCE - Duration::from_secs(1));
        assert_eq!(client.received_bytes(), b"", "one ping, and no more before it is answered");
        client.send(sign);
        server.settle();
        client.received_bytes();
    }
    // Whoever vanishes is found within twice the interval and the patience.
    server.pass(2 * INTERVAL + PATIENCE);
    assert_eq!((client.received_bytes().as_slice(), client.is_closed()), (&b"\x89\x00"[..], true));
    assert_eq!(said.take(), [GONE]);
    server.pass(Duration::from_secs(10));
    assert_eq!(clock.sleeping(), 0, "no timer is left");
    server.stop();
    assert_eq!(server.served(), Some(Served { connections: 1, failed: 0, cut: 0 }));
}

#[test]
fn who_takes_nothing_is_gone_and_who_takes_little_is_not() {
    let (clock, said) = (Clock::new(), Said::default());
    let mut server = Server::of(Options::default(), &clock, alive(&clock, &said).into_service().unwrap());
    let client = server.connect();
    server.ask(&client, ASK);
    client.take_no_more_than(10);
    let long = [&[0x81, 0xfe, 1, 0, 0, 0, 0, 0][..], &[b'x'; 256]].concat();
    client.send(&long);
    server.settle();
    let mut taken = 0;
    while taken < 4 + 256 {
        server.pass(INTERVAL);
        let bytes = client.received_bytes();
        assert!(!bytes.is_empty() && !bytes.contains(&0x89), "{bytes:?}");
        taken += bytes.len();
        server.settle();
    }
    client.send(&long);
    server.pass(2 * INTERVAL + PATIENCE);
    assert_eq!((said.take(), client.is_closed()), (vec![GONE.to_owned()], true));
}

#[test]
fn a_socket_is_closed_with_a_code_and_a_reason_and_not_for_ever() {
    let (clock, said) = (Clock::new(), Said::default());
    let service = alive(&clock, &said).into_service().unwrap();
    let mut server = Server::of(Options::default(), &clock, service.clone());
    let bye = b"\x88\x12\x0f\xa4the room is gone";
    // The peer closes the socket, too; or says other things for ever; or nothing.
    for (answer, end) in [(frame(0x88, b"\x0f\xa4"), "left"), (frame(0x81, b"but"), GONE), (Vec::new(), GONE)] {
        let client = server.connect();
        server.ask(&client, ASK);
        client.send(frame(0x81, b"bye"));
        server.settle();
        assert_eq!(client.received_bytes(), bye, "RFC 6455, 5.5.1");
        for _ in 0..PATIENCE.as_secs() {
            client.send(&answer);
            server.pass(Duration::from_secs(1));
        }
        assert_eq!((said.take(), client.is_closed()), (vec![end.to_owned()], true));
    }
    block_on(async {
        let client = Client::new(service);
        let mut socket = client.websocket("/echo").await.unwrap();
        socket.send("bye").await.unwrap();
        assert!(socket.receive().await.is_none());
        let closed = socket.closed().unwrap();
        assert_eq!((closed.code.number(), &*closed.reason), (4004, "the room is gone"));
        drop(socket);
        assert_eq!(said.take(), ["left"]);

        let mut socket = client.websocket("/echo").await.unwrap();
        clock.advance(INTERVAL);
        socket.send("here").await.unwrap();
        assert_eq!(socket.receive().await.unwrap().unwrap(), Message::from("here"), "a ping is the client's to answer");
        clock.advance(INTERVAL + PATIENCE);
        socket.send("here").await.unwrap();
        assert_eq!(socket.receive().await.unwrap().unwrap(), Message::from("here"));
        socket.close_with(CloseCode::GOING_AWAY, "the page was left").await.unwrap();
        assert_eq!(said.take(), [r#"closed: Some(Close { code: 1001, reason: "the page was left" })"#]);
    });
}

/// On a real socket, where what is left unread resets what was said.
#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on a thread while this one asks")]
fn who_says_too_much_hears_that_it_is() {
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = wavetank_web::tokio::TokioListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let stopped = async { stopped.await.unwrap_or_default() };
            wavetank_web::serve(listener, echo().into_service().unwrap(), wavetank_web::tokio::TokioRuntime, stopped)
                .await
        })
    });
    let mut connection = std::net::TcpStream::connect(told.recv().unwrap()).unwrap();
    connection.write_all(ASK.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let length: u64 = 3_000_000;
    connection.write_all(&[0x82, 0xff]).unwrap();
    connection.write_all(&length.to_be_bytes()).unwrap();
    connection.write_all(&[0; 4]).unwrap();
    connection.write_all(&vec![0; usize::try_from(length).unwrap()]).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [0x88, 2, 0x03, 0xf1], "1009, and an end in order");
    drop(connection);
    stop.send(()).unwrap();
    serving.join().unwrap();
}
