//! Halves of a stream.

use super::{Error, Stream};

/// The half to read from; it borrows the stream.
#[derive(Debug)]
pub struct ReadHalf<'s, 'r>(pub(super) &'s Stream<'r>);

/// The half to write to; it borrows the stream. Dropping it closes nothing.
#[derive(Debug)]
pub struct WriteHalf<'s, 'r>(pub(super) &'s Stream<'r>);

/// The half to read from.
#[derive(Debug)]
pub struct OwnedReadHalf<'r>(pub(super) Stream<'r>);

/// The half to write to. Dropping it closes it: the other side reads to the end of what was written.
#[derive(Debug)]
pub struct OwnedWriteHalf<'r>(pub(super) Stream<'r>);

impl WriteHalf<'_, '_> {
    /// See [`Stream::shutdown`].
    pub fn shutdown(&self) {
        self.0.shutdown();
    }

    /// See [`Stream::acknowledged`].
    ///
    /// # Errors
    /// Whatever ended the connection first.
    pub async fn acknowledged(&self) -> Result<(), Error> {
        self.0.acknowledged().await
    }
}

impl OwnedWriteHalf<'_> {
    /// See [`Stream::shutdown`].
    pub fn shutdown(&self) {
        self.0.shutdown();
    }

    /// See [`Stream::acknowledged`].
    ///
    /// # Errors
    /// Whatever ended the connection first.
    pub async fn acknowledged(&self) -> Result<(), Error> {
        self.0.acknowledged().await
    }
}

impl Drop for OwnedWriteHalf<'_> {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}
