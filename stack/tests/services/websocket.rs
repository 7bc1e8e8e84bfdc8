//! The WebSocket client against a server that does as it is told, frame by frame.

use core::future::Future;
use core::pin::pin;
use std::cell::RefCell;
use std::rc::Rc;

use embedded_io_async::Write;
use futures_util::future::{Either, join, select};
use wavetank_stack::{
    Duration,
    tcp::{Listener, Options as TcpOptions, Stream},
    websocket::{Close, Error, Fault, HandshakeError, Memory, Message, Options, Request, WebSocket, open},
};

use super::to;
use crate::peer::{ACCEPTED, Known, known};
use crate::support::{Dice, Host, Sea, SeaClock, patiently};

type Socket<'m> = WebSocket<'m, Stream<'static>, SeaClock, Known>;

/// The server's end of a socket.
type Peer = crate::peer::Peer<Stream<'static>>;

struct Shore {
    sea: Sea,
    client: Host,
    listener: Listener<'static>,
}

fn shore() -> Shore {
    let sea = Sea::new();
    let (server, client) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let listener = Listener::bind(&server.stack, 80, 4, TcpOptions::default()).unwrap();
    Shore { sea, client, listener }
}

/// Runs a client and a server beside each other, over a socket that is open.
fn talk<C, P>(
    options: Options,
    client: impl FnOnce(Sea, Socket<'static>) -> C + 'static,
    server: impl FnOnce(Sea, Peer) -> P + 'static,
) where
    C: Future<Output = ()> + 'static,
    P: Future<Output = ()> + 'static,
{
    let Shore { sea, client: host, listener } = shore();
    let running = sea.clone();
    running.run(async move {
        let calling = async {
            let stream = Stream::connect(&host.stack, to("192.0.2.1:80"), TcpOptions::default()).await.unwrap();
            let memory = Box::leak(Box::new(Memory::<256, 256>::new()));
            let request = Request::new("/talk", "hub");
            let socket = open(stream, memory, &request, sea.clock(), known(), options).await.unwrap();
            client(sea.clone(), socket).await;
        };
        let answering = async {
            let peer = Peer::answer(listener.accept().await, ACCEPTED).await;
            server(sea.clone(), peer).await;
        };
        join(calling, answering).await;
    });
}

#[test]
fn messages_go_both_ways_in_pieces_with_questions_in_between() {
    let client = async |_: Sea, mut socket: Socket<'static>| {
        socket.send_text("ahoy").await.unwrap();
        assert_eq!(socket.recv().await, Ok(Message::Text("wind: 7 Bft, ☂")));
        assert_eq!(socket.recv().await, Ok(Message::Binary(&[9; 200])));
        let long: Vec<u8> = (0..700_u32).map(|i| i as u8).collect();
        socket.send_binary(&long).await.unwrap();
        assert_eq!(socket.recv().await, Ok(Message::Text("")));
        socket.close(1000, "done").await.unwrap();
        assert_eq!(socket.recv().await, Err(Error::Closed));
        assert_eq!(socket.send_text("late").await, Err(Error::Closed));
    };
    let server = async |_: Sea, mut peer: Peer| {
        assert_eq!(peer.hear().await, Some((0x81, b"ahoy".to_vec())));
        let text = "wind: 7 Bft, ☂".as_bytes();
        // In the middle of a character, and of the message.
        peer.say(0x01, &text[..text.len() - 1]).await;
        peer.say(0x89, b"there?").await;
        peer.say(0x80, &text[text.len() - 1..]).await;
        peer.say(0x82, &[9; 200]).await;
        assert_eq!(peer.hear().await, Some((0x8a, b"there?".to_vec())));
        let (mut heard, mut pieces) = (Vec::new(), 0);
        loop {
            let (first, payload) = peer.hear().await.unwrap();
            assert_eq!(first & 0x7f, if pieces == 0 { 2 } else { 0 });
            pieces += 1;
            heard.extend(payload);
            if first & 0x80 != 0 {
                break;
            }
        }
        assert_eq!((heard, pieces), ((0..700_u32).map(|i| i as u8).collect(), 3));
        peer.say(0x81, b"").await;
        assert_eq!(peer.hear().await, Some((0x88, b"\x03\xe8done".to_vec())));
        peer.say(0x81, b"this crosses it").await;
        peer.say(0x88, b"\x03\xe8").await;
        assert_eq!(peer.hear().await, None, "nothing after a farewell");
    };
    talk(Options::default(), client, server);
}

#[test]
fn a_farewell_of_the_servers_is_told_once_and_answered() {
    let client = async |_: Sea, mut socket: Socket<'static>| {
        let bye = Close { code: Some(1001), reason: "to bed" };
        assert_eq!(socket.recv().await, Ok(Message::Close(bye)));
        assert_eq!(socket.recv().await, Err(Error::Closed));
        assert_eq!(socket.close(1000, "").await, Ok(()));
        assert_eq!(socket.close(1005, "").await, Err(Error::BadClose));
        assert_eq!(socket.close(1000, &"x".repeat(124)).await, Err(Error::BadClose));
    };
    let server = async |_: Sea, mut peer: Peer| {
        peer.say(0x88, b"\x03\xe9to bed").await;
        assert_eq!(peer.hear().await, Some((0x88, b"\x03\xe9".to_vec())));
        assert_eq!(peer.hear().await, None);
    };
    talk(Options::default(), client, server);
}

#[test]
fn who_breaks_the_protocol_or_says_too_much_is_told_so() {
    for (first, payload, fault, code) in [
        (0x82, vec![0; 247], Fault::TooLong, 1009_u16),
        (0x81, b"\xff".to_vec(), Fault::NotUtf8, 1007),
        (0x80, b"?".to_vec(), Fault::Continuation, 1002),
        (0x83, vec![], Fault::Opcode(3), 1002),
        (0x88, b"\x03".to_vec(), Fault::CloseCode, 1002),
    ] {
        let client = async move |_: Sea, mut socket: Socket<'static>| {
            assert_eq!(socket.recv().await, Err(Error::Fault(fault)));
            assert_eq!(socket.recv().await, Err(Error::Closed));
            assert_eq!(socket.send_text("?").await, Err(Error::Closed));
        };
        let server = async move |_: Sea, mut peer: Peer| {
            peer.say(first, &payload).await;
            assert_eq!(peer.hear().await, Some((0x88, code.to_be_bytes().to_vec())), "{fault}");
        };
        talk(Options::default(), client, server);
    }
}

#[test]
fn a_server_that_is_silent_is_asked_and_one_that_is_gone_given_up() {
    let mut options = Options::default();
    (options.ping_after, options.silence) = (Some(Duration::from_secs(20)), Duration::from_secs(5));
    let client = async |sea: Sea, mut socket: Socket<'static>| {
        let began = sea.now();
        assert_eq!(socket.recv().await, Ok(Message::Text("still here")));
        // What is waited for again and again is waited for as long.
        let gone = loop {
            let heard = pin!(socket.recv());
            match select(heard, pin!(sea.sleep(Duration::from_secs(3)))).await {
                Either::Left((heard, _)) => break heard.map(|_| ()),
                Either::Right(_) => {}
            }
        };
        assert_eq!(gone, Err(Error::TimedOut));
        let passed = (sea.now() - began).as_secs();
        assert!((95..=96).contains(&passed), "20 and 20 and 20, a word at 70; then 20 and 5 from there: {passed}");
        assert_eq!(socket.recv().await.map(|_| ()), Err(Error::Closed));
    };
    let server = async |sea: Sea, mut peer: Peer| {
        for _ in 0..3 {
            assert_eq!(peer.hear().await, Some((0x89, vec![])));
            peer.say(0x8a, b"").await;
        }
        sea.sleep(Duration::from_secs(10)).await;
        peer.say(0x81, b"still here").await;
        assert_eq!(peer.hear().await, Some((0x89, vec![])));
        sea.sleep(Duration::from_secs(60)).await;
    };
    talk(options, client, server);
}

#[test]
fn a_farewell_that_is_not_answered_is_waited_for_so_long_and_no_longer() {
    let client = async |sea: Sea, mut socket: Socket<'static>| {
        let began = sea.now();
        assert_eq!(socket.close(3000, "").await, Err(Error::TimedOut));
        assert_eq!((sea.now() - began).as_secs(), 5);
    };
    let server = async |sea: Sea, mut peer: Peer| {
        for _ in 0..20 {
            // A talker does not keep anybody from going.
            if peer.stream.write_all(b"\x81\x03and").await.is_err() {
                break;
            }
            sea.sleep(Duration::from_millis(500)).await;
        }
    };
    talk(Options::default(), client, server);
}

#[test]
fn handshakes_fail_by_name() {
    for (answer, error) in [
        (&b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"[..], Some(Error::Refused(403))),
        (b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", Some(HandshakeError::Accept.into())),
        (b"SSH-2.0-OpenSSH_9.7\r\n", Some(HandshakeError::Malformed.into())),
        (b"HTTP/1.1 101 Switching", Some(Error::TimedOut)),
        (&[&b"HTTP/1.1 101 \r\nX: "[..], &[b'x'; 300]].concat(), Some(HandshakeError::AnswerTooLong.into())),
        (&[ACCEPTED, b"\x81\x04ahoy"].concat(), None),
    ] {
        let Shore { sea, client, listener } = shore();
        let (running, answer) = (sea.clone(), answer.to_vec());
        let (opened, heard) = running.run(async move {
            let calling = async {
                let stream = Stream::connect(&client.stack, to("192.0.2.1:80"), TcpOptions::default()).await.unwrap();
                let mut memory: Memory<256, 256> = Memory::new();
                let request = Request::new("/", "hub");
                let socket = open(stream, &mut memory, &request, sea.clock(), known(), Options::default()).await;
                match socket {
                    Ok(mut socket) => (None, format!("{:?}", socket.recv().await)),
                    Err(error) => (Some(error), String::new()),
                }
            };
            let answering = async {
                let peer = Peer::answer(listener.accept().await, &answer).await;
                sea.sleep(Duration::from_secs(11)).await;
                drop(peer);
            };
            join(calling, answering).await.0
        });
        assert_eq!(opened, error);
        assert!(error.is_some() || heard == "Ok(Text(\"ahoy\"))", "what came with the answer is heard: {heard}");
    }
}

#[test]
fn dropping_what_waits_or_sends_loses_and_doubles_nothing() {
    for seed in 0..20 {
        let sent: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
        let told = sent.clone();
        let client = async move |sea: Sea, mut socket: Socket<'static>| {
            sea.storm(seed, 10);
            let dice = Dice::new(seed);
            let (mut next, mut number) = (0_u32, 0_u32);
            while next < 40 {
                if dice.below(2) == 0 {
                    let message = format!("{number}{}", "!".repeat(dice.below(200) as usize)).into_bytes();
                    // Whether it left when it was dropped is the server's to say; that it is whole, and in order.
                    let _ = patiently(1 + dice.below(3), socket.send_binary(&message)).await;
                    told.borrow_mut().push(message);
                    number += 1;
                }
                match patiently(1 + dice.below(3), socket.recv()).await {
                    Some(Ok(Message::Text(text))) => {
                        assert_eq!(text.trim_end_matches('.'), next.to_string(), "seed {seed}");
                        next += 1;
                    }
                    Some(other) => panic!("{other:?}"),
                    None => sea.sleep(Duration::from_millis(dice.below(4))).await,
                }
            }
            socket.close(1000, "").await.unwrap();
        };
        let server = async move |_: Sea, mut peer: Peer| {
            let dice = Dice::new(seed + 100);
            for number in 0..40_u32 {
                let text = format!("{number}{}", ".".repeat(dice.below(150) as usize));
                let cut = dice.below(text.len() as u64) as usize;
                peer.say(0x01, &text.as_bytes()[..cut]).await;
                peer.say(0x89, b"?").await;
                peer.say(0x80, &text.as_bytes()[cut..]).await;
            }
            let (mut heard, mut pongs) = (Vec::new(), 0);
            loop {
                match peer.hear().await.unwrap() {
                    (0x82, message) => heard.push(message),
                    (0x8a, payload) => {
                        assert_eq!(payload, b"?");
                        pongs += 1;
                    }
                    (first, _) => {
                        assert_eq!(first, 0x88);
                        break;
                    }
                }
            }
            assert_eq!(pongs, 40);
            let sent = sent.borrow().clone();
            let mut left = sent.iter();
            assert!(
                heard.iter().all(|message| left.any(|sent| sent == message)),
                "seed {seed}: not whole, or not in order"
            );
            assert!(heard.len() > 5 && heard.len() <= sent.len());
            peer.say(0x88, b"").await;
        };
        talk(Options::default(), client, server);
    }
}

#[test]
fn a_message_in_pieces_that_is_broken_off_ends_the_sending_and_not_the_hearing() {
    let client = async |sea: Sea, mut socket: Socket<'static>| {
        // The server reads nothing, so that the pieces find no room.
        let long = vec![7; 20_000];
        {
            let sending = pin!(socket.send_binary(&long));
            assert!(matches!(select(sending, pin!(sea.sleep(Duration::from_secs(1)))).await, Either::Right(_)));
        }
        assert_eq!(socket.send_text("and?").await, Err(Error::Interrupted));
        assert_eq!(socket.recv().await, Ok(Message::Text("yes")));
    };
    let server = async |sea: Sea, mut peer: Peer| {
        sea.sleep(Duration::from_secs(2)).await;
        peer.say(0x81, b"yes").await;
        while let Some((first, _)) = peer.hear().await {
            assert_eq!(first & 0x80, 0, "it never ends");
        }
    };
    talk(Options::default(), client, server);
}
