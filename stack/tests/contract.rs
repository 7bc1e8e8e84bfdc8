//! The stack's own futures and streams under the poll contract: any number of polls, any waker, dropped at any await.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::rc::Rc;

use embedded_io_async::{Read, Write};
use support::Sea;
use wavetank_contract::{Stream as Scripted, cancellation, polls};
use wavetank_stack::{
    Duration,
    http::{Connection, Method, Request},
    tcp::{Listener, Options, Stream},
    udp,
};

fn goes_on(sea: &Sea) -> impl FnMut() -> bool + use<> {
    support::goes_on(sea, Duration::from_micros(100), Duration::from_secs(30))
}

/// A connection whose other side writes the numbers from 0 up, a few at a time.
fn counted(sea: &Sea) -> Stream<'static> {
    let (serving, calling) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let (writer, clock) = (Rc::new(serving), sea.clone());
    sea.spawn(async move {
        let listener = Listener::bind(&writer.stack, 80, 1, Options::default()).unwrap();
        let mut stream = listener.accept().await;
        for number in 0..60_u8 {
            if stream.write_all(&[number]).await.is_err() {
                return;
            }
            if number % 3 == 0 {
                clock.sleep(Duration::from_micros(700)).await;
            }
        }
        stream.shutdown();
        clock.sleep(Duration::from_secs(60)).await;
    });
    let stack = calling.stack.clone();
    sea.run(async move { Stream::connect(&stack, "192.0.2.1:80".parse().unwrap(), Options::default()).await }).unwrap()
}

#[test]
fn dropping_a_read_loses_no_byte() {
    let make = |_: &_| {
        let sea = Sea::new();
        (counted(&sea), goes_on(&sea))
    };
    let read = async |stream: &mut Stream<'static>| {
        let mut byte = [0];
        stream.read(&mut byte).await.map(|count| byte[..count].to_vec()).ok()
    };
    let awaits = cancellation(make, read, 61).unwrap_or_else(|broken| panic!("{broken}"));
    assert!(awaits > 50, "{awaits}");
}

#[test]
fn dropping_an_accept_loses_no_caller() {
    let make = |_: &_| {
        let sea = Sea::new();
        let (serving, calling) = (sea.host(&["192.0.2.1/24"]), Rc::new(sea.host(&["192.0.2.2/24"])));
        let listener = Listener::bind(&serving.stack, 80, 4, Options::default()).unwrap();
        for number in 0..3_u8 {
            let (caller, clock) = (Rc::clone(&calling), sea.clone());
            sea.spawn(async move {
                clock.sleep(Duration::from_millis(2 * u64::from(number))).await;
                let call = Stream::connect(&caller.stack, "192.0.2.1:80".parse().unwrap(), Options::default());
                let mut stream = call.await.unwrap();
                stream.write_all(&[number]).await.unwrap();
                clock.sleep(Duration::from_secs(60)).await;
            });
        }
        ((listener, serving, None), goes_on(&sea))
    };
    // The byte is read by an operation of its own: what was accepted is kept if that is dropped.
    let accept = async |(listener, _, open): &mut (Listener<'static>, _, Option<Stream<'static>>)| {
        let stream = match open {
            Some(stream) => stream,
            None => open.insert(listener.accept().await),
        };
        let mut byte = [0];
        let read = stream.read(&mut byte).await;
        *open = None;
        (read.is_ok(), byte)
    };
    let awaits = cancellation(make, accept, 3).unwrap_or_else(|broken| panic!("{broken}"));
    assert!(awaits > 20, "{awaits}");
}

#[test]
fn dropping_a_receive_loses_no_datagram() {
    let make = |_: &_| {
        let sea = Sea::new();
        let (one, other) = (sea.host(&["192.0.2.1/24"]), Rc::new(sea.host(&["192.0.2.2/24"])));
        let socket = udp::Socket::bind(&one.stack, 7, udp::Options::default()).unwrap();
        let clock = sea.clone();
        sea.spawn(async move {
            let sender = udp::Socket::bind(&other.stack, 0, udp::Options::default()).unwrap();
            for number in 0..12_u8 {
                sender.send_to(&[number], "192.0.2.1:7".parse().unwrap()).await.unwrap();
                clock.sleep(Duration::from_micros(900)).await;
            }
            clock.sleep(Duration::from_secs(60)).await;
        });
        ((socket, one), goes_on(&sea))
    };
    let receive = async |(socket, _): &mut (udp::Socket<'static>, _)| {
        let mut byte = [0];
        socket.recv_from(&mut byte).await.map(|_| byte).ok()
    };
    let awaits = cancellation(make, receive, 12).unwrap_or_else(|broken| panic!("{broken}"));
    assert!(awaits > 50, "{awaits}");
}

#[test]
fn an_http_exchange_comes_to_the_same_however_its_bytes_come() {
    const ANSWER: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        4\r\nlow \r\n5;x=1\r\nwater\r\n0\r\n\r\n";
    let exchanged = polls(|script| {
        let stream = Scripted::new(script, ANSWER);
        let written = stream.clone();
        let exchange = async move {
            let (mut buffer, mut body) = ([0; 256], [0; 32]);
            let mut connection = Connection::new(stream, &mut buffer);
            let mut request = Request::new(Method::Put, "/gauges/north", "desk");
            request.body = b"17 3";
            let mut response = connection.send(&request).await.ok()?;
            let status = response.status();
            let body = response.read_to_end(&mut body).await.ok()?.to_vec();
            Some((status, body, written.written()))
        };
        (exchange, || false)
    });
    let (status, body, written) = exchanged.unwrap_or_else(|broken| panic!("{broken}")).unwrap();
    assert_eq!((status, &body[..]), (200, &b"low water"[..]));
    assert!(written.starts_with(b"PUT /gauges/north HTTP/1.1\r\n") && written.ends_with(b"\r\n\r\n17 3"));
}
