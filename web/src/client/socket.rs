//! WebSockets of a test, over a connection in memory. The server's side runs while the test's is asked.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::StatusCode;
use hyper::rt::{Read, ReadBufCursor, Write};
use tungstenite::protocol::Role;

use super::{Asking, Client};
use crate::websocket::{Close, CloseCode, Message, SocketError, WebSocket};
use crate::{Response, Upgraded};

impl<State: 'static> Client<State> {
    /// Asks for a socket.
    ///
    /// # Errors
    /// The response, if it is not one that opens a socket.
    pub async fn websocket(&self, target: &str) -> Result<ClientSocket, Response> {
        self.get(target).websocket().await
    }
}

impl<State: 'static> Asking<'_, State> {
    /// Asks for a socket, with the header fields that were added: those of who asks, or of the protocols that it speaks.
    ///
    /// # Errors
    /// The response, if it is not one that opens a socket.
    pub async fn websocket(self) -> Result<ClientSocket, Response> {
        let asking = self.header("connection", "upgrade").header("upgrade", "websocket");
        let asking =
            asking.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let mut response = asking.stream().await;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(response);
        }
        let Some(upgrade) = response.body_mut().take_upgrade() else {
            return Err(response);
        };
        let (near, far) = pair();
        let socket = WebSocket::new(Upgraded::new(near, Bytes::new()), Role::Client, usize::MAX);
        Ok(ClientSocket { socket, server: Some(upgrade(Upgraded::new(far, Bytes::new()))) })
    }
}

/// The client's end of a socket in memory.
pub struct ClientSocket {
    socket: WebSocket,
    server: Option<LocalBoxFuture<'static, ()>>,
}

impl ClientSocket {
    /// Sends a message.
    ///
    /// # Errors
    /// If the server has closed the socket.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        let Self { socket, server } = self;
        beside(server, socket.send(message)).await
    }

    /// The next message of the server's, or `None` when it has closed the socket.
    pub async fn receive(&mut self) -> Option<Result<Message, SocketError>> {
        let Self { socket, server } = self;
        beside(server, socket.receive()).await
    }

    /// Closes the socket in order.
    ///
    /// # Errors
    /// If the server breaks the connection off instead.
    pub async fn close(self) -> Result<(), SocketError> {
        self.close_with(CloseCode::NORMAL, "").await
    }

    /// Closes the socket in order, and says why: see [`WebSocket::close_with`].
    ///
    /// # Errors
    /// If the server breaks the connection off instead.
    pub async fn close_with(mut self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        let Self { socket, server } = &mut self;
        beside(server, socket.finish(code, reason)).await
    }

    /// What the server closed the socket with, once [`ClientSocket::receive`] has come to its end: see [`WebSocket::closed`].
    #[must_use]
    pub fn closed(&self) -> Option<&Close> {
        self.socket.closed()
    }
}

/// Waits for the one while the server's side goes on.
async fn beside<T>(server: &mut Option<LocalBoxFuture<'static, ()>>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if let Some(running) = server
            && running.as_mut().poll(cx).is_ready()
        {
            *server = None;
        }
        future.as_mut().poll(cx)
    })
    .await
}

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
    waiting: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

/// One end of a connection in memory.
struct End {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
}

fn pair() -> (End, End) {
    let (one, other) = (Rc::<RefCell<Pipe>>::default(), Rc::<RefCell<Pipe>>::default());
    (End { incoming: Rc::clone(&one), outgoing: Rc::clone(&other) }, End { incoming: other, outgoing: one })
}

impl Read for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.incoming.borrow_mut();
        if pipe.bytes.is_empty() && !pipe.closed {
            pipe.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.remaining().min(pipe.bytes.len());
        let bytes: Vec<u8> = pipe.bytes.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl Write for End {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.outgoing.borrow_mut();
        if pipe.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        pipe.bytes.extend(buf);
        pipe.wake();
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.closed = true;
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for pipe in [&self.outgoing, &self.incoming] {
            let mut pipe = pipe.borrow_mut();
            pipe.closed = true;
            pipe.wake();
        }
    }
}

impl fmt::Debug for ClientSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSocket").finish_non_exhaustive()
    }
}
