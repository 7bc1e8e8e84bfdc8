//! TLS in front of what a node serves: rustls over the node's streams.
//!
//! rustls asks the process for entropy and for the time; the guard answers both from the world, so a run with TLS is
//! repeated by its seed like any other.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};
use futures_rustls::rustls::ServerConfig;
use futures_rustls::server::TlsStream;
use futures_rustls::{Accept, TlsAcceptor};
use hyper::rt::{Read, ReadBufCursor, Write};
use wavetank_stack::tcp;
use wavetank_web::Peer;

/// Connections of a node's stack, each secured by TLS, for [`wavetank_web::serve`].
///
/// A connection is handed on before its handshake: that is done when it is first read, so that a client that dawdles
/// keeps nobody else waiting, and falls to the server's own time limits.
pub struct TankTlsListener {
    listener: tcp::Listener<'static>,
    acceptor: TlsAcceptor,
}

impl TankTlsListener {
    /// Secures what `listener` accepts, as `config` says.
    pub fn new(listener: tcp::Listener<'static>, config: Arc<ServerConfig>) -> Self {
        Self { listener, acceptor: config.into() }
    }
}

impl wavetank_web::Listener for TankTlsListener {
    type Io = TlsIo;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let stream = self.listener.accept().await;
        let peer = stream.remote_addr();
        Ok((TlsIo { state: State::Shaking(Box::new(self.acceptor.accept(stream))) }, peer.into()))
    }
}

/// A secured connection, as hyper reads and writes one.
pub struct TlsIo {
    state: State,
}

enum State {
    Shaking(Box<Accept<tcp::Stream<'static>>>),
    Open(Box<TlsStream<tcp::Stream<'static>>>),
    /// The handshake failed, and why: whoever serves the connection may ask several times.
    Failed(io::ErrorKind),
}

impl TlsIo {
    /// The stream, once hands are shaken.
    fn open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TlsStream<tcp::Stream<'static>>>>> {
        if let State::Shaking(accept) = &mut self.state {
            match ready!(Pin::new(&mut **accept).poll(context)) {
                Ok(stream) => self.state = State::Open(Box::new(stream)),
                Err(error) => {
                    self.state = State::Failed(error.kind());
                    return Poll::Ready(Err(error));
                }
            }
        }
        match &mut self.state {
            State::Open(stream) => Poll::Ready(Ok(Pin::new(&mut **stream))),
            State::Shaking(_) => Poll::Pending,
            State::Failed(kind) => Poll::Ready(Err((*kind).into())),
        }
    }
}

impl Read for TlsIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = ready!(self.open(context))?;
        let mut bytes = [0; 2_048];
        let room = cursor.remaining().min(bytes.len());
        let count = ready!(stream.poll_read(context, &mut bytes[..room]))?;
        cursor.put_slice(&bytes[..count]);
        Poll::Ready(Ok(()))
    }
}

impl Write for TlsIo {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.open(context))?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.open(context))?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            // Whoever never shook hands is owed no farewell.
            State::Shaking(_) | State::Failed(_) => Poll::Ready(Ok(())),
            State::Open(stream) => Pin::new(&mut **stream).poll_close(context),
        }
    }
}
