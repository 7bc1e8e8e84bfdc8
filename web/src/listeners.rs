//! Several listeners of any kinds as one.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::upgrade::ReadWrite;
use crate::{Listener, Peer};

/// Connections of several listeners, of whatever kinds: TCP beside Unix sockets, some of them secured. They are asked in turn,
/// so that none starves the others. One server, with one deadline when it is told to stop, serves them all.
///
/// ```no_run
/// use wavetank_web::tokio::{TokioListener, TokioRuntime, UnixListener};
/// use wavetank_web::{App, Listeners, serve};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut listeners = Listeners::new();
/// listeners.push(TokioListener::bind("127.0.0.1:8080").await?);
/// listeners.push(UnixListener::bind("/run/hub.sock")?);
/// serve(listeners, App::new().into_service()?, TokioRuntime, std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Listeners {
    /// Each is accepting, and comes back with what it has accepted.
    accepting: Vec<Accepting>,
    /// Whose turn it is to be asked first.
    turn: usize,
}

type Accepted = (Box<dyn Accepts>, io::Result<(AnyIo, Peer)>);
type Accepting = LocalBoxFuture<'static, Accepted>;

/// A listener whose connections' type is not told.
trait Accepts {
    fn accept(self: Box<Self>) -> Accepting;
}

impl<L: Listener> Accepts for L {
    fn accept(mut self: Box<Self>) -> Accepting {
        Box::pin(async move {
            let accepted = Listener::accept(&mut *self).await;
            (self as Box<dyn Accepts>, accepted.map(|(io, peer)| (AnyIo(Box::new(io)), peer)))
        })
    }
}

impl Listeners {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, listener: impl Listener) {
        self.accepting.push(Accepts::accept(Box::new(listener)));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accepting.len()
    }

    /// Whether there are none. Nobody comes then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accepting.is_empty()
    }
}

impl Listener for Listeners {
    type Io = AnyIo;

    fn accept(&mut self) -> impl Future<Output = io::Result<(AnyIo, Peer)>> {
        poll_fn(|cx| {
            let count = self.accepting.len();
            for index in (0..count).map(|step| (self.turn + step) % count) {
                if let Poll::Ready((listener, accepted)) = self.accepting[index].as_mut().poll(cx) {
                    self.accepting[index] = listener.accept();
                    self.turn = (index + 1) % count;
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("count", &self.len()).finish_non_exhaustive()
    }
}

/// A connection of any kind.
pub struct AnyIo(Box<dyn ReadWrite>);

impl Read for AnyIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl Write for AnyIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, bufs)
    }
}

impl fmt::Debug for AnyIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyIo").finish_non_exhaustive()
    }
}
