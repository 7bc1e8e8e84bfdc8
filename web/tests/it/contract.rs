//! The framework's futures under the poll contract: polled at will, over connections that take and give a few bytes at a
//! time, and dropped at each await.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use futures::channel::{mpsc, oneshot};
use futures::stream::{StreamExt as _, unfold};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use http::HeaderValue;
use hyper::rt::{Read, ReadBufCursor, Write};
use wavetank_contract::{Script, Stream, cancellation, polls};
use wavetank_web::{App, Body, Listener, Multipart, Options, Peer, Request, Served, serve_with};

use crate::support::Clock;

/// A connection of a schedule, as hyper reads and writes it. Its peer leaves it open until it is shut down.
struct Scripted {
    stream: Stream,
    reader: Option<Waker>,
    /// Counted to see whether the connection is still there.
    _open: Rc<()>,
}

impl Read for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut bytes = vec![0; room.remaining()];
        let count = ready!(AsyncRead::poll_read(Pin::new(&mut self.stream), cx, &mut bytes))?;
        if count == 0 && !self.stream.is_closed() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        room.put_slice(&bytes[..count]);
        Poll::Ready(Ok(()))
    }
}

impl Write for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(AsyncWrite::poll_close(Pin::new(&mut self.stream), cx))?;
        self.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

/// One connection, and no other ever.
struct One(Option<Scripted>);

impl Listener for One {
    type Io = Scripted;

    async fn accept(&mut self) -> io::Result<(Scripted, Peer)> {
        match self.0.take() {
            Some(connection) => Ok((connection, SocketAddr::from((Ipv4Addr::LOCALHOST, 9)).into())),
            None => pending().await,
        }
    }
}

fn app() -> App {
    let mut app = App::new();
    app.at("/low").get(async |_: Request| "low water");
    app.at("/double").post(async |mut request: Request| {
        let body = request.body_bytes().await?;
        Ok::<_, wavetank_web::Error>([&body[..], &body[..]].concat())
    });
    app.at("/slowly").get(async |_: Request| {
        let pieces = ["the ", "tide ", "comes ", "in"].map(Ok::<_, Infallible>);
        Body::from_stream(futures::stream::iter(pieces))
    });
    app
}

const REQUESTS: &[u8] = b"GET /low HTTP/1.1\r\nhost: hub\r\n\r\n\
    POST /double HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwave\r\n5;x=1\r\n tank\r\n0\r\n\r\n\
    GET /slowly HTTP/1.1\r\nhost: hub\r\n\r\n\
    HEAD /low HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n";

#[test]
fn a_server_says_the_same_however_its_bytes_come_and_go() {
    let served = polls(|script| {
        let stream = Stream::new(script, REQUESTS);
        let (seen, open) = (stream.clone(), Rc::new(()));
        let listener = One(Some(Scripted { stream, reader: None, _open: Rc::clone(&open) }));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let service = app().into_service().unwrap();
            let served: Served = serve_with(Options::default(), listener, service, Clock::new(), stopped).await;
            (served, String::from_utf8(seen.written()).unwrap())
        };
        let mut stop = Some(stop);
        // Told to stop as soon as it has let go of the connection.
        let stir = move || Rc::strong_count(&open) == 1 && stop.take().is_some_and(|stop| stop.send(()).is_ok());
        (serving, stir)
    });
    let (served, said) = served.unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(served, Served { connections: 1, failed: 0, cut: 0 });
    assert_eq!(said.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{said}");
    assert!(said.contains("\r\n\r\nlow waterHTTP/1.1") && said.contains("wave tankwave tank"), "{said}");
    // Pieces that are there together are one chunk.
    let (_, slowly) = said.split_once("transfer-encoding: chunked\r\n\r\n").unwrap();
    assert!(unchunked(slowly).starts_with("the tide comes in|HTTP/1.1 200 OK"), "{said}");
}

/// What is in the chunks at the beginning of this, and after a bar what comes behind them.
fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n").unwrap();
        let (chunk, rest) = rest.split_at(usize::from_str_radix(size, 16).unwrap());
        text = rest.strip_prefix("\r\n").unwrap();
        if chunk.is_empty() {
            return format!("{whole}|{text}");
        }
        whole.push_str(chunk);
    }
}

/// A body that gives these bytes in pieces of a schedule.
fn body(script: &Script, bytes: &[u8], room: usize) -> Body {
    let stream = Stream::new(script, bytes);
    Body::from_stream(unfold(stream, move |mut stream| async move {
        let mut piece = vec![0; room];
        let count = stream.read(&mut piece).await.unwrap();
        piece.truncate(count);
        (count > 0).then_some((Ok::<_, Infallible>(piece), stream))
    }))
}

#[test]
fn dropping_the_wait_for_a_piece_of_a_body_loses_none() {
    let chunk = async |body: &mut Body| body.chunk().await.unwrap();
    let awaits = cancellation(|script| (body(script, b"the tide comes in", 1), || false), chunk, 18);
    assert!(awaits.unwrap_or_else(|broken| panic!("{broken}")) > 100);
}

#[test]
fn a_form_comes_to_the_same_however_it_is_cut() {
    const FORM: &[u8] = b"--sea\r\ncontent-disposition: form-data; name=\"place\"\r\n\r\nmeadow\r\n\
        --sea\r\ncontent-disposition: form-data; name=\"log\"; filename=\"log.txt\"\r\ncontent-type: text/plain\r\n\r\n\
        low\r\n--se\r\nhigh\r\n--sea--\r\n";
    let read = polls(|script| {
        let body = body(script, FORM, 64);
        let reading = async move {
            let mut form =
                Multipart::new(&HeaderValue::from_static("multipart/form-data; boundary=sea"), body).unwrap();
            let mut parts = Vec::new();
            while let Some(mut part) = form.next().await.unwrap() {
                let name = part.name().to_owned();
                parts.push((name, part.bytes(100).await.unwrap()));
            }
            parts
        };
        (reading, || false)
    });
    let parts = read.unwrap_or_else(|broken| panic!("{broken}"));
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, bytes)| (&**name, &bytes[..])).collect();
    assert_eq!(parts, [("place", &b"meadow"[..]), ("log", b"low\r\n--se\r\nhigh")]);
}

#[cfg(feature = "websocket")]
mod socket {
    use super::*;
    use wavetank_web::{Client, ClientSocket, websocket};

    /// A socket whose peer says the numbers from 0 up and then takes leave, and what makes it go on.
    fn counted(_: &Script) -> (ClientSocket, impl FnMut() -> bool + use<>) {
        let (tide, turns) = mpsc::unbounded::<()>();
        let turns = Rc::new(RefCell::new(Some(turns)));
        let mut app = App::new();
        app.at("/count").get(move |request: Request| {
            let mut turns = turns.borrow_mut().take().expect("it is asked for once");
            let response = websocket(&request, |mut socket| async move {
                for number in 0..12 {
                    turns.next().await;
                    socket.send(number.to_string().as_str()).await.unwrap();
                }
                socket.close().await.ok();
            });
            async { response }
        });
        let client = Client::new(app.into_service().unwrap());
        let socket = futures::executor::block_on(client.websocket("/count")).unwrap();
        let mut left = 40;
        let goes_on = move || {
            left -= 1;
            tide.unbounded_send(()).is_ok() && left > 0
        };
        (socket, goes_on)
    }

    #[test]
    fn dropping_a_receive_loses_no_message() {
        let receive = async |socket: &mut ClientSocket| socket.receive().await.map(|message| message.unwrap());
        let awaits = cancellation(counted, receive, 13).unwrap_or_else(|broken| panic!("{broken}"));
        assert!(awaits > 100, "{awaits}");
    }
}
