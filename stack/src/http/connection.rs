//! A stream that requests are sent on, one after the other.

use embedded_io_async::{Read, Write};

use super::error::{RequestError, SendError};
use super::head::{self, Head};
use super::request::{Length, Request};
use super::response::Response;
use super::slide;
use super::upload::Upload;

/// Interim responses that are skipped before one answer.
const INTERIM_MAX: usize = 8;

/// A client's side of one HTTP/1.1 connection.
///
/// `buffer` holds a request's head while it is written (and as much of its body as fits, so that a small
/// request is one write), then the response's head. 512 bytes are enough for plain services; a server
/// that sends long cookies needs more, and less gives [`SendError::HeadTooLong`].
///
/// ```
/// # use wavetank_stack::http::{Connection, Request, SendError};
/// # use embedded_io_async::{Read, Write};
/// async fn greet<S: Read + Write>(stream: S) -> Result<u16, SendError<S::Error>> {
///     let mut buffer = [0; 512];
///     let mut connection = Connection::new(stream, &mut buffer);
///     let mut response = connection.send(&Request::get("/health", "hub.example")).await?;
///     let status = response.status();
///     let mut body = [0; 64];
///     while let Ok(1..) = response.read(&mut body).await {}
///     Ok(status)
/// }
/// ```
#[derive(Debug)]
pub struct Connection<'b, S> {
    stream: S,
    buffer: &'b mut [u8],
    state: State,
}

/// Where a connection stands between its exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The next request may be sent.
    Ready,
    /// Within an exchange; for good, if that was dropped.
    Busy,
    /// Nothing more can be sent.
    Spent,
}

impl<'b, S> Connection<'b, S> {
    /// Wraps a freshly opened stream.
    pub fn new(stream: S, buffer: &'b mut [u8]) -> Self {
        Connection { stream, buffer, state: State::Ready }
    }

    /// Whether another request may be sent. The server may still close at any moment.
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// The stream, to close it properly, say.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// The buffer, without the stream.
    pub(super) fn into_buffer(self) -> &'b mut [u8] {
        self.buffer
    }

    pub(super) fn set_state(&mut self, state: State) {
        self.state = state;
    }

    pub(super) fn buffer(&self) -> &[u8] {
        self.buffer
    }

    /// The stream, and the buffer with the head in it.
    pub(super) fn parts(&mut self) -> (&mut S, &[u8]) {
        (&mut self.stream, self.buffer)
    }

    /// The stream, and the buffer to write into.
    pub(super) fn parts_mut(&mut self) -> (&mut S, &mut [u8]) {
        (&mut self.stream, self.buffer)
    }
}

impl<'b, S: Read + Write> Connection<'b, S> {
    /// Sends one request and waits for the head of its answer; interim (1xx) answers are skipped.
    ///
    /// # Errors
    ///
    /// [`SendError`] says which of them leave the connection usable. Dropping the future spends it.
    pub async fn send(&mut self, request: &Request<'_>) -> Result<Response<'_, 'b, S>, SendError<S::Error>> {
        let (head, filled) = self.exchange(request).await?;
        Ok(Response::new(self, head, filled, request.range))
    }

    /// [`Connection::send`], just the facts: the answer's head, and how many bytes of the buffer are filled.
    pub(super) async fn exchange(&mut self, request: &Request<'_>) -> Result<(Head, usize), SendError<S::Error>> {
        if self.state != State::Ready {
            return Err(SendError::Spent);
        }
        let head_len = request.encode(request.length(), self.buffer).map_err(SendError::Request)?;
        self.state = State::Busy;
        self.write_request(head_len, request.body).await?;
        self.read_answer(request).await
    }

    /// Sends a request's head, and has its body written piece by piece: `length` bytes, or in chunks until it is
    /// [finished](Upload::finish) if that is not known yet. The request's own body has to be empty.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub async fn begin<'c, 'q>(
        &'c mut self,
        request: &'q Request<'q>,
        length: Option<u64>,
    ) -> Result<Upload<'c, 'b, 'q, S>, SendError<S::Error>> {
        if self.state != State::Ready {
            return Err(SendError::Spent);
        }
        if !request.body.is_empty() {
            return Err(SendError::Request(RequestError::TwoBodies));
        }
        let told = length.map_or(Length::Chunked, Length::Known);
        let head_len = request.encode(told, self.buffer).map_err(SendError::Request)?;
        self.state = State::Busy;
        write_all(&mut self.stream, &self.buffer[..head_len]).await?;
        Ok(Upload::new(self, request, length))
    }

    /// Waits for the answer to a request that was written.
    pub(super) async fn answer(&mut self, request: &Request<'_>) -> Result<Response<'_, 'b, S>, SendError<S::Error>> {
        let (head, filled) = self.read_answer(request).await?;
        Ok(Response::new(self, head, filled, request.range))
    }

    async fn read_answer(&mut self, request: &Request<'_>) -> Result<(Head, usize), SendError<S::Error>> {
        let (mut head, filled) = self.read_head(request).await?;
        head.keep_alive &= !request.close;
        Ok((head, filled))
    }

    async fn write_request(&mut self, head_len: usize, body: &[u8]) -> Result<(), SendError<S::Error>> {
        let room = &mut self.buffer[head_len..];
        let (first, rest) = body.split_at(body.len().min(room.len()));
        room[..first.len()].copy_from_slice(first);
        write_all(&mut self.stream, &self.buffer[..head_len + first.len()]).await?;
        write_all(&mut self.stream, rest).await?;
        self.stream.flush().await.map_err(SendError::Io)
    }

    /// Reads until a final head is complete; gives it and how many bytes of the buffer are filled.
    async fn read_head(&mut self, request: &Request<'_>) -> Result<(Head, usize), SendError<S::Error>> {
        let mut filled = 0;
        for interim in 0..=INTERIM_MAX {
            filled = match self.fill_head(filled).await {
                Err(SendError::Closed) if interim > 0 => return Err(SendError::Truncated),
                outcome => outcome?,
            };
            let head = head::parse(&self.buffer[..filled], request.method)?;
            if head.status >= 200 || head.status == 101 {
                return Ok((head, filled));
            }
            slide(self.buffer, head.len..filled, 0);
            filled -= head.len;
        }
        Err(SendError::TooManyInterim)
    }

    async fn fill_head(&mut self, mut filled: usize) -> Result<usize, SendError<S::Error>> {
        let mut seen = 0;
        loop {
            if !head::is_plausible(&self.buffer[..filled]) {
                return Err(SendError::Malformed);
            }
            if head::is_complete(&self.buffer[..filled], seen) {
                return Ok(filled);
            }
            seen = filled;
            let room = &mut self.buffer[filled..];
            if room.is_empty() {
                return Err(SendError::HeadTooLong);
            }
            match self.stream.read(room).await.map_err(SendError::Io)? {
                0 if filled == 0 => return Err(SendError::Closed),
                0 => return Err(SendError::Truncated),
                count => filled += count.min(room.len()),
            }
        }
    }
}

pub(super) async fn write_all<S: Write>(stream: &mut S, mut bytes: &[u8]) -> Result<(), SendError<S::Error>> {
    while !bytes.is_empty() {
        match stream.write(bytes).await.map_err(SendError::Io)? {
            // The trait forbids this; the stream will take no more, which is what closed means.
            0 => return Err(SendError::Closed),
            count => bytes = bytes.get(count..).unwrap_or_default(),
        }
    }
    Ok(())
}
