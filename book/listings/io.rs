//! One byte stream by the traits of several worlds.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use embedded_io_async::Read as EmbeddedRead;
use futures::AsyncReadExt;
use futures_io::AsyncRead as FuturesRead;
use tokio::io::{AsyncRead as TokioRead, ReadBuf};
use wavetank_contract::{Stream, reads};

/// A reader by futures' trait, for what asks for tokio's.
pub struct ForTokio<R>(pub R);

impl<R: FuturesRead + Unpin> TokioRead for ForTokio<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Initialised once: the buffer remembers how far it is.
        let count =
            std::task::ready!(Pin::new(&mut self.0).poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// A reader by tokio's trait, for what asks for futures'.
pub struct FromTokio<R>(pub R);

impl<R: TokioRead + Unpin> FuturesRead for FromTokio<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        std::task::ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// A reader by futures' trait, for what asks for embedded-io-async's.
pub struct ForEmbedded<R>(pub R);

impl<R> embedded_io_async::ErrorType for ForEmbedded<R> {
    type Error = io::Error;
}

impl<R: FuturesRead + Unpin> EmbeddedRead for ForEmbedded<R> {
    async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room).await
    }
}

/// A reader by embedded-io-async's trait, for what asks for futures'.
///
/// The one direction that is not a few lines: an async method is a future, and a poll function has
/// nowhere to keep it. So the future owns the reader and a buffer of its own while it reads, and
/// gives both back.
pub enum FromEmbedded<R> {
    Idle(R),
    Reading(Reading<R>),
    /// Bytes that are not handed on yet.
    Full(R, Vec<u8>),
    /// Nothing, within a poll.
    Moved,
}

/// Gives the reader back, what it read, and its error if it had one.
type Reading<R> = Pin<Box<dyn Future<Output = (R, Vec<u8>, io::Result<()>)>>>;

impl<R: EmbeddedRead<Error = io::Error> + Unpin + 'static> FuturesRead for FromEmbedded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match std::mem::replace(&mut *self, Self::Moved) {
                Self::Idle(mut reader) => {
                    let mut bytes = vec![0; room.len()];
                    *self = Self::Reading(Box::pin(async move {
                        let read = reader.read(&mut bytes).await;
                        bytes.truncate(*read.as_ref().unwrap_or(&0));
                        (reader, bytes, read.map(drop))
                    }));
                }
                Self::Reading(mut reading) => match reading.as_mut().poll(cx) {
                    Poll::Pending => {
                        *self = Self::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready((reader, bytes, read)) => {
                        let is_end = bytes.is_empty();
                        *self = if is_end { Self::Idle(reader) } else { Self::Full(reader, bytes) };
                        if is_end {
                            return Poll::Ready(read.map(|()| 0));
                        }
                    }
                },
                Self::Full(reader, mut bytes) => {
                    // There may be less room than there was when the read began.
                    let count = bytes.len().min(room.len());
                    room[..count].copy_from_slice(&bytes[..count]);
                    bytes.drain(..count);
                    *self = if bytes.is_empty() {
                        Self::Idle(reader)
                    } else {
                        Self::Full(reader, bytes)
                    };
                    return Poll::Ready(Ok(count));
                }
                Self::Moved => unreachable!("every way out of the loop puts something back"),
            }
        }
    }
}

const TEXT: &[u8] = b"the tide comes in and goes out";

#[test]
fn bytes_are_the_same_through_all_adapters() {
    let plain = reads(|script| (Stream::new(script, TEXT), || false));
    assert_eq!(plain, Ok(Ok(TEXT.to_vec())));
    assert_eq!(reads(|script| (FromTokio(ForTokio(Stream::new(script, TEXT))), || false)), plain);
    assert_eq!(reads(|script| (FromEmbedded::Idle(Stream::new(script, TEXT)), || false)), plain);
    assert_eq!(
        reads(|script| (FromEmbedded::Idle(ForEmbedded(Stream::new(script, TEXT))), || false)),
        plain
    );
}

#[test]
fn what_never_blocks_can_be_read_by_the_standard_librarys_trait() {
    // A file or a byte slice is always ready, by its own account: polling it reads it.
    let mut reader = futures::io::AllowStdIo::new(TEXT);
    let mut all = Vec::new();
    let read = futures::executor::block_on(reader.read_to_end(&mut all));
    assert_eq!((read.ok(), &*all), (Some(TEXT.len()), TEXT));
}
