//! Sockets, with a client in memory and with bytes on a connection.

use futures::executor::block_on;
use wavetank_web::{App, Client, Message, Options, Request, SocketOptions, websocket, websocket_with};

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
    assert!(response.contains("sec-websocket-version: 13\r\n"), "{response}");
    assert_eq!(status(&ask(&ASK.replace("13", "8"))), "HTTP/1.1 426 Upgrade Required");
    assert_eq!(status(&ask(&ASK.replace("dGhl", "dG"))), "HTTP/1.1 400 Bad Request");
    assert_eq!(status(&ask(&ASK.replace("GET", "POST"))), "HTTP/1.1 405 Method Not Allowed");
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
