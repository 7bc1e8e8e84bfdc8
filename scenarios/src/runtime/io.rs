//! A stack's byte streams as hyper's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use wavetank_stack::tcp;

/// A connection of a node's stack, as hyper reads and writes one.
#[derive(Debug)]
pub struct HyperIo(pub tcp::Stream<'static>);

impl Read for HyperIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.0.poll_read_with(context, |bytes| {
            let count = bytes.len().min(cursor.remaining());
            cursor.put_slice(&bytes[..count]);
            count
        });
        read.map_ok(drop).map_err(Into::into)
    }
}

impl Write for HyperIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, bytes).map_err(Into::into)
    }

    /// What was written is on its way already.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.shutdown();
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        for slice in slices {
            match self.0.poll_write(context, slice) {
                Poll::Ready(Ok(count)) => written += count,
                // What was written counts; an error comes again with the next write.
                _ if written > 0 => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(written))
    }
}
