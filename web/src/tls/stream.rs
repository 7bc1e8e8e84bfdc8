//! One secured connection: rustls between two of hyper's.

use std::fmt;
use std::io::{self, BufRead as _, Write as _};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use rustls::{ServerConfig, ServerConnection};

/// A secured connection, as hyper reads and writes it. The handshake is done by whoever reads or writes first.
pub struct TlsStream<Io> {
    io: Io,
    tls: Box<ServerConnection>,
    /// The peer has closed the connection, with a farewell of TLS or without.
    ended: bool,
}

impl<Io: Read + Write + Unpin> TlsStream<Io> {
    pub(super) fn new(io: Io, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        Ok(Self { io, tls: Box::new(tls), ended: false })
    }

    /// The protocol that was agreed upon, once hands are shaken: `h2`, say.
    #[must_use]
    pub fn protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// Hands what rustls has to send to the connection.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let mut below = Below { io: &mut self.io, cx: &mut *cx };
            match self.tls.write_tls(&mut below) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what the connection has for rustls. An alert that tells the peer what it did wrong is sent as far as it goes.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut below = Below { io: &mut self.io, cx: &mut *cx };
        match self.tls.read_tls(&mut below) {
            Ok(count) => self.ended = count == 0,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
        match self.tls.process_new_packets() {
            Ok(state) => {
                self.ended |= state.peer_has_closed();
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                let _ = self.poll_send(cx);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
        }
    }

    /// Goes on with the handshake until it is done.
    fn poll_shake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.is_handshaking() {
            ready!(self.poll_send(cx))?;
            if self.tls.is_handshaking() {
                if self.ended {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                ready!(self.poll_take(cx))?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: Read + Write + Unpin> Read for TlsStream<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        loop {
            // What the handshake still has to say: tickets, and answers to updates of keys. Nothing waits for it to be taken.
            if let Poll::Ready(sent) = self.poll_send(cx) {
                sent?;
                let _ = Pin::new(&mut self.io).poll_flush(cx)?;
            }
            let mut reader = self.tls.reader();
            match reader.fill_buf() {
                Ok(bytes) => {
                    // Nothing here is the end, and without a farewell it is taken for one all the same: HTTP frames itself.
                    let count = bytes.len().min(buf.remaining());
                    buf.put_slice(&bytes[..count]);
                    reader.consume(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_take(cx))?;
        }
    }
}

impl<Io: Read + Write + Unpin> Write for TlsStream<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Takes leave as TLS does. Whoever never shook hands is owed no farewell.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.tls.is_handshaking() {
            self.tls.send_close_notify();
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_shake(cx))?;
        let nothing = bufs.iter().all(|buf| buf.is_empty());
        loop {
            // rustls keeps up to 64 KiB that the connection has not taken, and then takes no more itself.
            let count = self.tls.writer().write_vectored(bufs)?;
            let sent = self.poll_send(cx)?;
            if count > 0 || nothing {
                return Poll::Ready(Ok(count));
            }
            ready!(sent);
        }
    }
}

impl<Io> fmt::Debug for TlsStream<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// The connection below, as rustls reads and writes it: what would have to wait would block.
struct Below<'a, 'b, Io> {
    io: &'a mut Io,
    cx: &'a mut Context<'b>,
}

fn or_would_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl<Io: Read + Unpin> io::Read for Below<'_, '_, Io> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); 4 * 1024];
        let room = into.len().min(space.len());
        let mut buffer = ReadBuf::uninit(&mut space[..room]);
        or_would_block(Pin::new(&mut *self.io).poll_read(self.cx, buffer.unfilled()))?;
        let bytes = buffer.filled();
        into[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl<Io: Write + Unpin> io::Write for Below<'_, '_, Io> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.io).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.io).poll_write_vectored(self.cx, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_would_block(Pin::new(&mut *self.io).poll_flush(self.cx))
    }
}
