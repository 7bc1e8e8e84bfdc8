//! A request's body, written piece by piece.

use embedded_io_async::{ErrorType, Write};

use super::connection::{Connection, write_all};
use super::error::{SendError, UploadError};
use super::request::Request;
use super::response::Response;

/// The digits of a chunk's size, and its line's end.
const SIZE: usize = 6;
/// A chunk's end, and after the last chunk the body's.
const END: usize = 2;
/// No chunk is longer: its size is told in four digits.
const CHUNK_MAX: usize = 0xffff;

/// A body under way. While it lives it borrows its connection; dropping it before it is finished spends that.
///
/// Chunks are gathered in the connection's buffer and leave when that is full, or at a flush.
#[derive(Debug)]
pub struct Upload<'c, 'b, 'q, S> {
    connection: &'c mut Connection<'b, S>,
    request: &'q Request<'q>,
    /// How many bytes are still to come; `None` if the body is in chunks.
    left: Option<u64>,
    /// Bytes of the chunk that is being gathered, which begin behind the room for its size.
    gathered: usize,
}

impl<'c, 'b, 'q, S> Upload<'c, 'b, 'q, S> {
    pub(super) fn new(connection: &'c mut Connection<'b, S>, request: &'q Request<'q>, left: Option<u64>) -> Self {
        Upload { connection, request, left, gathered: 0 }
    }
}

impl<'c, 'b, S: Write> Upload<'c, 'b, '_, S> {
    /// Sends what was gathered as a chunk.
    async fn send_chunk(&mut self) -> Result<(), UploadError<S::Error>> {
        if self.gathered == 0 {
            return Ok(());
        }
        let (stream, buffer) = self.connection.parts_mut();
        let end = SIZE + self.gathered;
        buffer[..SIZE].copy_from_slice(&size_line(self.gathered));
        buffer[end..end + END].copy_from_slice(b"\r\n");
        write_all(stream, &buffer[..end + END]).await.map_err(told)?;
        self.gathered = 0;
        Ok(())
    }

    async fn end(&mut self) -> Result<(), UploadError<S::Error>> {
        self.send_chunk().await?;
        let (stream, _) = self.connection.parts_mut();
        if self.left.is_none() {
            write_all(stream, b"0\r\n\r\n").await.map_err(told)?;
        }
        stream.flush().await.map_err(UploadError::Io)
    }
}

impl<'c, 'b, S: embedded_io_async::Read + Write> Upload<'c, 'b, '_, S> {
    /// Ends the body, and waits for the head of the answer.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`], and [`SendError::TooShort`]. The connection is then spent.
    pub async fn finish(mut self) -> Result<Response<'c, 'b, S>, SendError<S::Error>> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(SendError::TooShort);
        }
        self.end().await.map_err(|error| match error {
            UploadError::Io(error) => SendError::Io(error),
            UploadError::Closed | UploadError::TooLong => SendError::Closed,
        })?;
        self.connection.answer(self.request).await
    }
}

/// `write_all` fails in two ways only.
fn told<E>(error: SendError<E>) -> UploadError<E> {
    match error {
        SendError::Io(error) => UploadError::Io(error),
        _ => UploadError::Closed,
    }
}

/// Leading zeros are allowed (RFC 9112, section 7.1), so every size has as many digits.
fn size_line(len: usize) -> [u8; SIZE] {
    let digit = |shift: usize| b"0123456789abcdef"[len >> shift & 0xf];
    [digit(12), digit(8), digit(4), digit(0), b'\r', b'\n']
}

impl<S: ErrorType> ErrorType for Upload<'_, '_, '_, S> {
    type Error = UploadError<S::Error>;
}

/// Dropping a future of it may lose what it was to write: the upload is then of no more use.
impl<S: Write> Write for Upload<'_, '_, '_, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        if let Some(left) = &mut self.left {
            if bytes.len() as u64 > *left {
                return Err(UploadError::TooLong);
            }
            let (stream, _) = self.connection.parts_mut();
            let count = match stream.write(bytes).await.map_err(UploadError::Io)? {
                0 if !bytes.is_empty() => return Err(UploadError::Closed),
                count => count.min(bytes.len()),
            };
            *left -= count as u64;
            return Ok(count);
        }
        let room = self.connection.buffer().len().saturating_sub(SIZE + END).min(CHUNK_MAX);
        if room == 0 {
            return Err(UploadError::Closed);
        }
        if self.gathered >= room {
            self.send_chunk().await?;
        }
        let count = bytes.len().min(room - self.gathered);
        let place = SIZE + self.gathered;
        self.connection.parts_mut().1[place..place + count].copy_from_slice(&bytes[..count]);
        self.gathered += count;
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.send_chunk().await?;
        self.connection.parts_mut().0.flush().await.map_err(UploadError::Io)
    }
}
