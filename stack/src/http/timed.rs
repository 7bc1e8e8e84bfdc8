//! Streams that do not wait for ever.

use core::fmt;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use crate::time::{Clock, Duration, timeout};

/// A stream each of whose reads and writes fails when nothing moves for too long.
///
/// It bounds silence, not the whole: a peer that sends a byte now and then is kept. For that, see
/// [`timeout`].
#[derive(Clone, Copy)]
pub struct Timed<S, C> {
    stream: S,
    clock: C,
    patience: Duration,
}

impl<S, C> Timed<S, C> {
    /// The stream, with that patience.
    pub const fn new(stream: S, clock: C, patience: Duration) -> Self {
        Self { stream, clock, patience }
    }

    /// The stream below.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

/// Why a read or write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimedError<E> {
    /// Nothing moved for too long.
    #[error("nothing came or went for too long")]
    TimedOut,
    /// The stream failed.
    #[error("{0}")]
    Stream(E),
}

impl<E: embedded_io_async::Error> embedded_io_async::Error for TimedError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            TimedError::TimedOut => ErrorKind::TimedOut,
            TimedError::Stream(error) => error.kind(),
        }
    }
}

impl<S: ErrorType, C> ErrorType for Timed<S, C> {
    type Error = TimedError<S::Error>;
}

impl<S: Read, C: Clock> Read for Timed<S, C> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        let read = timeout(&self.clock, self.patience, self.stream.read(out)).await;
        read.map_err(|_| TimedError::TimedOut)?.map_err(TimedError::Stream)
    }
}

impl<S: Write, C: Clock> Write for Timed<S, C> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        let written = timeout(&self.clock, self.patience, self.stream.write(bytes)).await;
        written.map_err(|_| TimedError::TimedOut)?.map_err(TimedError::Stream)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        let flushed = timeout(&self.clock, self.patience, self.stream.flush()).await;
        flushed.map_err(|_| TimedError::TimedOut)?.map_err(TimedError::Stream)
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Timed<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("stream", &self.stream).field("patience", &self.patience).finish_non_exhaustive()
    }
}
