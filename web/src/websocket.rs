//! WebSocket (RFC 6455), on connections that need not be `Send`. tungstenite speaks the protocol, between buffers.

mod close;
mod watch;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use hyper::rt::{Read as _, ReadBuf, Timer, Write as _};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};

use crate::{Body, Error, IntoResponse, Request, Response, Result, Upgraded};

pub use close::{Close, CloseCode};

use close::fitting;
use watch::{Quiet, Watch};

/// What is said over a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Why a socket ended otherwise than by being closed.
#[derive(Debug, thiserror::Error)]
#[error("the socket failed")]
pub struct SocketError(#[source] Box<tungstenite::Error>);

/// How a socket behaves.
#[derive(Debug, Clone, Copy)]
pub struct SocketOptions {
    /// How long a message may be, in bytes, whatever pieces it comes in. 1 MiB unless set.
    pub message_bytes_max: usize,
    /// The protocols that are spoken over it, the best one first (RFC 6455, 1.9). None unless set: a client that asks for
    /// some is then answered without one, and may leave.
    pub protocols: &'static [&'static str],
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { message_bytes_max: 1024 * 1024, protocols: &[] }
    }
}

/// Answers a request for a socket with the default [`SocketOptions`], and then has `talk` talk over it.
///
/// Browsers let pages of any origin open one, with the user's cookies:
/// [`SameOrigin`](crate::middleware::SameOrigin) keeps others' pages out.
///
/// ```
/// use wavetank_web::{App, Request, websocket};
///
/// let mut app = App::new();
/// app.at("/echo").get(async |request: Request| {
///     websocket(&request, |mut socket| async move {
///         while let Some(Ok(message)) = socket.receive().await {
///             if socket.send(message).await.is_err() {
///                 break;
///             }
///         }
///     })
/// });
/// ```
///
/// # Errors
/// 426 unless the request asks for a socket in version 13, and 400 if it does so wrongly.
pub fn websocket<State, F>(request: &Request<State>, talk: impl FnOnce(WebSocket) -> F + 'static) -> Result<Response>
where
    F: Future<Output = ()> + 'static,
{
    websocket_with(SocketOptions::default(), request, talk)
}

/// Answers a request for a socket, and then has `talk` talk over it; see [`websocket`].
///
/// # Errors
/// As [`websocket`].
pub fn websocket_with<State, F>(
    options: SocketOptions,
    request: &Request<State>,
    talk: impl FnOnce(WebSocket) -> F + 'static,
) -> Result<Response>
where
    F: Future<Output = ()> + 'static,
{
    let headers = request.headers();
    let asked = *request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && lists(headers, CONNECTION, "upgrade")
        && lists(headers, UPGRADE, "websocket");
    let mut versions = headers.get_all(SEC_WEBSOCKET_VERSION).iter();
    if !asked || versions.next().is_none_or(|version| version != "13") || versions.next().is_some() {
        return Err(Error::new(StatusCode::UPGRADE_REQUIRED)
            .detail("a WebSocket of version 13 is served here")
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(CONNECTION, HeaderValue::from_static("upgrade"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key.as_bytes()) => key,
        _ => return Err(Error::new(StatusCode::BAD_REQUEST).detail("Sec-WebSocket-Key must be 16 bytes in base64")),
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(Error::from)?;
    let fields = [
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let protocol = options.protocols.iter().copied().find(|protocol| lists(headers, SEC_WEBSOCKET_PROTOCOL, protocol));
    let body = Body::upgrade(move |upgraded| {
        let mut socket = WebSocket::new(upgraded, Role::Server, options.message_bytes_max);
        socket.protocol = protocol;
        talk(socket)
    });
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, fields, body).into_response();
    if let Some(protocol) = protocol {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(protocol).map_err(Error::from)?);
    }
    Ok(response)
}

/// 16 bytes are 24 characters in base64, of which the last two fill up.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24
        && key.ends_with(b"==")
        && key[..22].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// An open socket. Dropping it drops the connection; [`WebSocket::close`] takes leave.
pub struct WebSocket {
    context: WebSocketContext,
    buffers: Buffers,
    io: Upgraded,
    protocol: Option<&'static str>,
    watch: Option<Watch>,
    closed: Option<Close>,
    failed: bool,
}

/// What tungstenite reads from and writes to: it is told to come again when there is nothing.
#[derive(Default)]
struct Buffers {
    incoming: BytesMut,
    outgoing: BytesMut,
    ended: bool,
}

impl WebSocket {
    pub(crate) fn new(io: Upgraded, role: Role, message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        Self {
            context: WebSocketContext::new(role, Some(config)),
            buffers: Buffers::default(),
            io,
            protocol: None,
            watch: None,
            closed: None,
            failed: false,
        }
    }

    /// Which of [`SocketOptions::protocols`] the client asked for, the best one.
    #[must_use]
    pub fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// Asks the peer whether it is there (a ping, RFC 6455, 5.5.2) when nothing has come of it for the interval, and takes it for
    /// gone when for the patience after that nothing has come either, not even the pong: [`WebSocket::receive`] then fails. So
    /// does sending to a peer that makes no room for so long, and [`WebSocket::close`] when the peer does not close the socket,
    /// too, within the patience. A peer that vanished is found at most twice the interval and the patience later. The timer is the
    /// runtime's; without one, who vanishes without a word is waited for as long as the system below does.
    ///
    /// Pings are sent and pongs seen while a message is waited for: an app that only ever sends should wait for one beside that.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wavetank_web::{App, Request, Runtime as _, tokio::TokioRuntime, websocket};
    ///
    /// let mut app = App::new();
    /// app.at("/echo").get(async |request: Request| {
    ///     websocket(&request, |mut socket| async move {
    ///         socket.keep_alive(TokioRuntime.timer(), Duration::from_secs(20), Duration::from_secs(20));
    ///         while let Some(Ok(message)) = socket.receive().await {
    ///             if socket.send(message).await.is_err() {
    ///                 break;
    ///             }
    ///         }
    ///     })
    /// });
    /// ```
    pub fn keep_alive(&mut self, timer: impl Timer + 'static, interval: Duration, patience: Duration) {
        self.watch = Some(Watch::new(timer, interval, patience));
    }

    /// What the peer closed the socket with: `None` while it has not, and if it has said nothing.
    #[must_use]
    pub fn closed(&self) -> Option<&Close> {
        self.closed.as_ref()
    }

    /// The next message; `None` once the socket is closed. Pings are answered while this is waited for. Messages that are
    /// too long, and whatever breaks the protocol, are an error, of which the peer is told by a closing frame. Dropping the
    /// future loses no message.
    pub async fn receive(&mut self) -> Option<Result<Message, SocketError>> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, SocketError>>> {
        loop {
            if self.failed {
                return Poll::Ready(None);
            }
            let read = self.context.read(&mut self.buffers);
            match read {
                Ok(tungstenite::Message::Text(text)) => {
                    return Poll::Ready(Some(Ok(Message::Text(text.as_str().to_owned()))));
                }
                Ok(tungstenite::Message::Binary(bytes)) => return Poll::Ready(Some(Ok(Message::Binary(bytes)))),
                Ok(tungstenite::Message::Close(said)) => {
                    self.closed = said.map(|frame| Close {
                        code: CloseCode::received(frame.code.into()),
                        reason: frame.reason.as_str().to_owned(),
                    });
                }
                Ok(_) => {
                    // A ping: the answer to it is written with the next read, as it is to a closing frame.
                }
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.poll_drain(cx)?.is_pending() || self.poll_fill(cx)?.is_pending() {
                        ready!(self.poll_watch(cx))?;
                    }
                }
                Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                    let _ = self.poll_drain(cx);
                    return Poll::Ready(None);
                }
                Err(error) => {
                    self.take_leave_of(&error);
                    let _ = self.poll_drain(cx);
                    return Poll::Ready(Some(Err(self.fail(error))));
                }
            }
        }
    }

    /// Sends a message, and waits until the connection has taken it.
    ///
    /// # Errors
    /// If the connection is gone, or the socket closed.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        let message = match message.into() {
            Message::Text(text) => tungstenite::Message::text(text),
            Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
        };
        if let Err(error) = self.context.write(&mut self.buffers, message) {
            return Err(self.fail(error));
        }
        self.flush().await
    }

    /// Closes the socket in order, and waits for the peer to do so, too. What it still says is thrown away.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn close(self) -> Result<(), SocketError> {
        self.close_with(CloseCode::NORMAL, "").await
    }

    /// Closes the socket as [`WebSocket::close`] does, and says why. Of a reason that is longer than the 123 bytes that a closing
    /// frame has room for, the beginning is sent.
    ///
    /// ```
    /// use wavetank_web::{CloseCode, SocketError, WebSocket};
    ///
    /// const NO_SUCH_ROOM: CloseCode = CloseCode::own(4004);
    ///
    /// async fn turn_away(socket: WebSocket) -> Result<(), SocketError> {
    ///     socket.close_with(NO_SUCH_ROOM, "the room is gone").await
    /// }
    /// ```
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn close_with(mut self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        self.finish(code, reason).await
    }

    pub(crate) async fn finish(&mut self, code: CloseCode, reason: &str) -> Result<(), SocketError> {
        if let Some(watch) = &mut self.watch {
            watch.closing();
        }
        if self.context.close(&mut self.buffers, Some(closing_frame(code, reason))).is_ok() {
            self.flush().await?;
        }
        // The watch is asked first: a peer that goes on talking does not have more time for that.
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(watched) = self.poll_watch(cx) {
                    return Poll::Ready(watched);
                }
                match ready!(self.poll_receive(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => return Poll::Ready(Ok(())),
                }
            }
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), SocketError> {
        if let Err(error) = self.context.flush(&mut self.buffers) {
            return Err(self.fail(error));
        }
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(drained) = self.poll_drain(cx) {
                    return Poll::Ready(drained);
                }
                ready!(self.poll_watch(cx))?;
            }
        })
        .await
    }

    /// Ready when the peer has been asked whether it is there, or is not.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let Some(watch) = &mut self.watch else {
            return Poll::Pending;
        };
        let asked = match ready!(watch.poll(cx, !self.buffers.outgoing.is_empty())) {
            Quiet::Ask => {
                let ping = tungstenite::Message::Ping(Bytes::new());
                self.context.write(&mut self.buffers, ping).and_then(|()| self.context.flush(&mut self.buffers))
            }
            Quiet::Gone => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer is not there any more").into()),
        };
        Poll::Ready(asked.map_err(|error| self.fail(error)))
    }

    /// Tells the peer what it did wrong (RFC 6455, 7.4.1), as far as it takes it at once.
    fn take_leave_of(&mut self, error: &tungstenite::Error) {
        let code = match error {
            tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::TOO_LONG,
            tungstenite::Error::Utf8(_) => CloseCode::INVALID,
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return,
            tungstenite::Error::Protocol(_) => CloseCode::PROTOCOL,
            _ => return,
        };
        let _ = self.context.close(&mut self.buffers, Some(closing_frame(code, "")));
        let _ = self.context.flush(&mut self.buffers);
    }

    fn fail(&mut self, error: tungstenite::Error) -> SocketError {
        self.failed = true;
        SocketError(Box::new(error))
    }

    /// Hands what is to be sent to the connection.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        while !self.buffers.outgoing.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.buffers.outgoing)) {
                Ok(0) => return Poll::Ready(Err(self.fail(io::Error::from(io::ErrorKind::WriteZero).into()))),
                Ok(count) => {
                    self.buffers.outgoing.advance(count);
                    self.watch.iter_mut().for_each(Watch::taken);
                }
                Err(error) => return Poll::Ready(Err(self.fail(error.into()))),
            }
        }
        Pin::new(&mut self.io).poll_flush(cx).map_err(|error| self.fail(error.into()))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let mut space = [std::mem::MaybeUninit::uninit(); 4 * 1024];
        let mut buffer = ReadBuf::uninit(&mut space);
        match ready!(Pin::new(&mut self.io).poll_read(cx, buffer.unfilled())) {
            Ok(()) => {
                self.buffers.ended = buffer.filled().is_empty();
                self.buffers.incoming.extend_from_slice(buffer.filled());
                self.watch.iter_mut().for_each(Watch::heard);
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.fail(error.into()))),
        }
    }
}

fn closing_frame(code: CloseCode, reason: &str) -> CloseFrame {
    CloseFrame { code: code.number().into(), reason: fitting(reason).into() }
}

impl io::Read for Buffers {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = into.len().min(self.incoming.len());
        into[..count].copy_from_slice(&self.incoming[..count]);
        self.incoming.advance(count);
        Ok(count)
    }
}

impl io::Write for Buffers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
