//! The ecosystem's byte stream traits, on streams and their halves.
//!
//! Their futures are one step each, and not functions that wait for one: a program holds them by the dozen, and runs through
//! them for every message.

use core::future::{Future, poll_fn};
use core::task::{Poll, ready};

use embedded_io_async::{ErrorType, Read, ReadExactError, ReadReady, Write, WriteReady};

use super::{Error, OwnedReadHalf, OwnedWriteHalf, ReadHalf, Stream, WriteHalf};

macro_rules! read {
    ($type:ty, |$this:ident| $stream:expr) => {
        impl Read for $type {
            fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
                let $this = self;
                poll_fn(move |cx| $stream.poll_read(cx, buffer))
            }

            fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<(), ReadExactError<Error>>> {
                let ($this, mut filled) = (self, 0);
                poll_fn(move |cx| {
                    while filled < buffer.len() {
                        match ready!($stream.poll_read(cx, &mut buffer[filled..])) {
                            Ok(0) => return Poll::Ready(Err(ReadExactError::UnexpectedEof)),
                            Ok(len) => filled += len,
                            Err(error) => return Poll::Ready(Err(ReadExactError::Other(error))),
                        }
                    }
                    Poll::Ready(Ok(()))
                })
            }
        }

        impl ReadReady for $type {
            fn read_ready(&mut self) -> Result<bool, Error> {
                let $this = self;
                Ok($stream.is_readable())
            }
        }

        #[cfg(feature = "std")]
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: core::pin::Pin<&mut Self>,
                cx: &mut core::task::Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<std::io::Result<usize>> {
                let $this = &*self;
                $stream.poll_read(cx, buffer).map_err(std::io::Error::from)
            }
        }
    };
}

macro_rules! write {
    ($type:ty, |$this:ident| $stream:expr) => {
        impl Write for $type {
            fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Error>> {
                let $this = self;
                poll_fn(move |cx| $stream.poll_write(cx, bytes))
            }

            fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Error>> {
                let ($this, mut written) = (self, 0);
                poll_fn(move |cx| {
                    while written < bytes.len() {
                        written += ready!($stream.poll_write(cx, &bytes[written..]))?;
                    }
                    Poll::Ready(Ok(()))
                })
            }

            /// What was written is on its way already: there is nothing to do. To wait until it has arrived,
            /// there is [`Stream::acknowledged`].
            async fn flush(&mut self) -> Result<(), Error> {
                Ok(())
            }
        }

        impl WriteReady for $type {
            fn write_ready(&mut self) -> Result<bool, Error> {
                let $this = self;
                Ok($stream.is_writable())
            }
        }

        #[cfg(feature = "std")]
        impl futures_io::AsyncWrite for $type {
            fn poll_write(
                self: core::pin::Pin<&mut Self>,
                cx: &mut core::task::Context<'_>,
                bytes: &[u8],
            ) -> Poll<std::io::Result<usize>> {
                let $this = &*self;
                $stream.poll_write(cx, bytes).map_err(std::io::Error::from)
            }

            fn poll_flush(
                self: core::pin::Pin<&mut Self>,
                _cx: &mut core::task::Context<'_>,
            ) -> Poll<std::io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: core::pin::Pin<&mut Self>,
                _cx: &mut core::task::Context<'_>,
            ) -> Poll<std::io::Result<()>> {
                let $this = &*self;
                $stream.shutdown();
                Poll::Ready(Ok(()))
            }
        }
    };
}

impl ErrorType for Stream<'_> {
    type Error = Error;
}
impl ErrorType for ReadHalf<'_, '_> {
    type Error = Error;
}
impl ErrorType for WriteHalf<'_, '_> {
    type Error = Error;
}
impl ErrorType for OwnedReadHalf<'_> {
    type Error = Error;
}
impl ErrorType for OwnedWriteHalf<'_> {
    type Error = Error;
}

read!(Stream<'_>, |stream| stream);
write!(Stream<'_>, |stream| stream);
read!(ReadHalf<'_, '_>, |half| half.0);
write!(WriteHalf<'_, '_>, |half| half.0);
read!(OwnedReadHalf<'_>, |half| half.0);
write!(OwnedWriteHalf<'_>, |half| half.0);

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            Error::Refused => ErrorKind::ConnectionRefused,
            Error::Reset => ErrorKind::ConnectionReset,
            Error::TimedOut => ErrorKind::TimedOut,
            Error::Unreachable => ErrorKind::HostUnreachable,
            Error::NoRoute => ErrorKind::NetworkUnreachable,
            Error::Aborted | Error::AddressLost => ErrorKind::ConnectionAborted,
            Error::Closed => ErrorKind::BrokenPipe,
            Error::Full | Error::ListenersFull => ErrorKind::ResourceBusy,
            Error::InUse => ErrorKind::AddrInUse,
            Error::BadAddress => ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
