//! The socket: who speaks when, and for how long silence is borne.

use core::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use embedded_io_async::{Read, Write};
use rand_core::CryptoRng;

use super::{
    Memory,
    assembler::{Assembler, Event, may_be_sent},
    frame::{CONTROL_MAX, Fault, Kind, Opcode, masked_header_len, write_masked},
    handshake::{self, Answer, HandshakeError, Request},
};
use crate::time::{Clock, Duration, Instant, timeout};

/// How a socket behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long the handshake may take. Default: 10 s.
    pub open: Duration,
    /// After how long a silence the server is asked, by a ping, whether it is there. Default: 30 s.
    pub ping_after: Option<Duration>,
    /// How long an answer to that may take, and how long what is sent may stand still. Default: 10 s.
    pub silence: Duration,
    /// How long the server's farewell may take once we said ours. Default: 5 s.
    pub close: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { open: secs(10), ping_after: Some(secs(30)), silence: secs(10), close: secs(5) }
    }
}

/// Why a socket could not be opened, or is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The stream failed.
    #[error("{0}")]
    Io(E),
    /// The handshake, an answer to a ping or the server's farewell took too long, or what was sent stood still.
    #[error("timed out")]
    TimedOut,
    /// The stream ended without a farewell.
    #[error("the stream ended without a farewell")]
    Ended,
    /// The socket was closed, by us or by the server, or has failed before.
    #[error("the socket is closed")]
    Closed,
    /// The server did not open a socket, but answered with this status.
    #[error("refused with status {0}")]
    Refused(u16),
    /// The handshake failed.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// The server broke the protocol, or sent more than there is memory for. It was told so.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// A message in pieces was dropped before all of them had left: no other can be sent after it.
    #[error("a message was broken off in the middle")]
    Interrupted,
    /// A farewell with that code, or so long a reason, must not be sent.
    #[error("no farewell may have that code, or a reason of more than 123 bytes")]
    BadClose,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'s> {
    /// Text.
    Text(&'s str),
    /// Bytes.
    Binary(&'s [u8]),
    /// The server's farewell: nothing comes after it, and nothing can be sent.
    Close(Close<'s>),
}

/// A farewell (RFC 6455, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'s> {
    /// Why, as a number; `None` if it does not say. 1000 is that all is done, 1001 that somebody goes away.
    pub code: Option<u16>,
    /// Why, in words.
    pub reason: &'s str,
}

/// A socket that is open, over the stream `S`. `R` makes the masks: they are there so that whoever chooses a message does
/// not choose the bytes on the wire, and must not be guessed (section 10.3).
pub struct WebSocket<'m, S, C, R> {
    stream: S,
    clock: C,
    rng: R,
    options: Options,
    incoming: Assembler<'m>,
    out: &'m mut [u8],
    /// From where to where lies what is to be written.
    unsent: (usize, usize),
    /// Something was written that the stream may still hold back.
    unflushed: bool,
    owes: Owes,
    /// Our farewell is said, or on its way: nothing may come after it.
    said_farewell: bool,
    /// A message of ours has begun and not ended.
    within: bool,
    state: State,
    protocol: Option<usize>,
    /// When something last came.
    heard: Instant,
    /// When we asked whether the server is there, if it has not been heard since.
    asked: Option<Instant>,
}

/// What is to be sent as soon as there is room.
#[derive(Clone, Copy, Default)]
struct Owes {
    ping: bool,
    /// With the payload of the ping, which the assembler still has.
    pong: bool,
    farewell: Option<Option<u16>>,
}

#[derive(Clone, Copy)]
enum State {
    Open,
    /// The server has said farewell, with that code; `told` if the caller knows.
    Closed {
        code: Option<u16>,
        told: bool,
    },
    /// The server did something wrong, of which it is told; what it still says is let go by, until then at most.
    Failed(Fault, Instant),
    Ended,
}

/// What was heard, without the bytes.
enum Heard {
    Message(Kind),
    Close(Option<u16>),
}

/// Opens a socket over `stream`, by asking what `request` asks. `rng` makes the handshake's key and the masks.
///
/// # Errors
/// [`Error::Refused`] with the status if the server does not; [`Error::Handshake`] if it does not do so rightly;
/// [`Error::TimedOut`], [`Error::Ended`], [`Error::Io`]. The stream is then lost.
pub async fn open<'m, S, C, R, const IN: usize, const OUT: usize>(
    mut stream: S,
    memory: &'m mut Memory<IN, OUT>,
    request: &Request<'_>,
    clock: C,
    mut rng: R,
    options: Options,
) -> Result<WebSocket<'m, S, C, R>, Error<S::Error>>
where
    S: Read + Write,
    C: Clock,
    R: CryptoRng,
{
    let mut nonce = [0; 16];
    rng.fill_bytes(&mut nonce);
    let key = handshake::key(nonce);
    let Memory { incoming, outgoing } = memory;
    let request_len = request.write(&key, outgoing)?;
    let shaking = shake(&mut stream, &outgoing[..request_len], incoming, (&key, request.protocols));
    let (raw, protocol) = timeout(&clock, options.open, shaking).await.map_err(|_| Error::TimedOut)??;
    Ok(WebSocket {
        heard: clock.now(),
        stream,
        clock,
        rng,
        options,
        incoming: Assembler::with(incoming, raw),
        out: outgoing,
        unsent: (0, 0),
        unflushed: false,
        owes: Owes::default(),
        said_farewell: false,
        within: false,
        state: State::Open,
        protocol,
        asked: None,
    })
}

/// Sends the request and reads the answer; says from where to where what came after that lies, and which protocol is spoken.
async fn shake<S: Read + Write>(
    stream: &mut S,
    mut request: &[u8],
    incoming: &mut [u8],
    (key, protocols): (&handshake::Key, &[&str]),
) -> Result<((usize, usize), Option<usize>), Error<S::Error>> {
    while !request.is_empty() {
        match stream.write(request).await.map_err(Error::Io)? {
            0 => return Err(Error::Ended),
            written => request = &request[written.min(request.len())..],
        }
    }
    stream.flush().await.map_err(Error::Io)?;
    let mut came = 0;
    loop {
        let room = &mut incoming[came..];
        if room.is_empty() {
            return Err(HandshakeError::AnswerTooLong.into());
        }
        came += match stream.read(room).await.map_err(Error::Io)? {
            0 => return Err(Error::Ended),
            len => len,
        };
        match handshake::read(&incoming[..came], key, protocols)? {
            Answer::Partial => {}
            Answer::Refused(status) => return Err(Error::Refused(status)),
            Answer::Opened { len, protocol } => return Ok(((len, came), protocol)),
        }
    }
}

impl<S: Read + Write, C: Clock, R: CryptoRng> WebSocket<'_, S, C, R> {
    /// Which of the protocols that were asked for the server speaks, by its place; `None` if it named none.
    pub fn protocol(&self) -> Option<usize> {
        self.protocol
    }

    /// Waits for a message, and meanwhile answers pings, and asks a server that is silent whether it is there. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// [`Error::Fault`] if the server breaks the protocol or a message is too long, of which it is told; [`Error::TimedOut`] if
    /// it is gone, [`Error::Ended`] if it went without a farewell; [`Error::Closed`] after a farewell.
    pub async fn recv(&mut self) -> Result<Message<'_>, Error<S::Error>> {
        match self.hear().await? {
            Heard::Message(Kind::Binary) => Ok(Message::Binary(self.incoming.message())),
            Heard::Message(Kind::Text) => {
                // The assembler has made sure of it, piece by piece.
                core::str::from_utf8(self.incoming.message()).map(Message::Text).map_err(|_| Fault::NotUtf8.into())
            }
            Heard::Close(code) => Ok(Message::Close(Close { code, reason: self.incoming.reason() })),
        }
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub async fn send_text(&mut self, text: &str) -> Result<(), Error<S::Error>> {
        self.send(Kind::Text, text.as_bytes()).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub async fn send_binary(&mut self, bytes: &[u8]) -> Result<(), Error<S::Error>> {
        self.send(Kind::Binary, bytes).await
    }

    /// Sends a message, in pieces if it is longer than the memory for sending. Completes when the stream has taken all of it.
    ///
    /// Dropping the future of a message in one piece sends all of it or nothing: what is under way leaves with whatever is
    /// done next. Of a message in several pieces the rest is lost, and with it the use of the socket for sending.
    ///
    /// # Errors
    /// [`Error::Closed`] after a farewell of either side; [`Error::Interrupted`] after such a loss; [`Error::TimedOut`] if
    /// nothing moves, [`Error::Io`].
    pub async fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Error<S::Error>> {
        self.may_speak()?;
        self.settle().await?;
        let piece_max = self.out.len() - masked_header_len(self.out.len());
        let (mut rest, mut opcode) = (payload, Opcode::Data(kind));
        loop {
            let (piece, left) = rest.split_at(rest.len().min(piece_max));
            let is_last = left.is_empty();
            self.within = !is_last;
            self.enqueue((is_last, opcode), piece);
            self.push().await?;
            if is_last {
                return Ok(());
            }
            (rest, opcode) = (left, Opcode::Continuation);
        }
    }

    /// Says farewell and waits for the server's, at most [`Options::close`]; messages that come meanwhile are let go by.
    /// The code is 1000 when all is done, or one of 3000 to 4999 that both sides know; the reason has 123 bytes at most.
    ///
    /// # Errors
    /// [`Error::BadClose`]; [`Error::TimedOut`] if no farewell comes; what [`WebSocket::recv`] and the stream fail with. In
    /// any case the socket is of no more use.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), Error<S::Error>> {
        let mut payload = [0; CONTROL_MAX];
        let words = payload.get_mut(2..2 + reason.len()).filter(|_| may_be_sent(code)).ok_or(Error::BadClose)?;
        words.copy_from_slice(reason.as_bytes());
        payload[..2].copy_from_slice(&code.to_be_bytes());
        if !self.said_farewell && matches!(self.state, State::Open) {
            self.settle().await?;
            self.said_farewell = true;
            self.enqueue((true, Opcode::Close), &payload[..2 + reason.len()]);
        }
        let mut timer = pin!(self.clock.timer(self.clock.now() + self.options.close));
        loop {
            let mut hearing = pin!(self.hear());
            let heard = poll_fn(|cx| match hearing.as_mut().poll(cx) {
                Poll::Ready(heard) => Poll::Ready(Some(heard)),
                Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
            });
            match heard.await {
                None => return Err(Error::TimedOut),
                Some(Ok(Heard::Message(_))) => {}
                Some(Ok(Heard::Close(_)) | Err(Error::Closed)) => return Ok(()),
                Some(Err(error)) => return Err(error),
            }
        }
    }

    /// The stream below, as it is.
    pub fn into_inner(self) -> S {
        self.stream
    }

    fn may_speak(&self) -> Result<(), Error<S::Error>> {
        match self.state {
            State::Open if self.within => Err(Error::Interrupted),
            State::Open if !self.said_farewell => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    /// Waits for a message or a farewell. Between two awaits everything that happened is written down, so that the future
    /// may be dropped at any.
    async fn hear(&mut self) -> Result<Heard, Error<S::Error>> {
        loop {
            match self.state {
                State::Open => self.settle().await?,
                State::Ended | State::Closed { told: true, .. } => return Err(Error::Closed),
                // That the last word does not reach the other side changes nothing.
                State::Failed(fault, until) => {
                    let _ = self.settle().await;
                    self.let_go_by(until).await;
                    self.state = State::Ended;
                    return Err(fault.into());
                }
                State::Closed { code, .. } => {
                    let _ = self.settle().await;
                    self.state = State::Closed { code, told: true };
                    return Ok(Heard::Close(code));
                }
            }
            match self.incoming.poll_event() {
                Ok(Some(Event::Message(kind))) => return Ok(Heard::Message(kind)),
                Ok(Some(Event::Ping)) => self.owes.pong = true,
                Ok(Some(Event::Pong)) => {}
                Ok(Some(Event::Close(code))) => {
                    self.owes.farewell = Some(code);
                    self.state = State::Closed { code, told: false };
                }
                Err(fault) => {
                    self.owes.farewell = Some(Some(fault.close_code()));
                    self.state = State::Failed(fault, self.clock.now() + self.options.close);
                }
                Ok(None) => self.read().await?,
            }
        }
    }

    /// Reads to the end, whatever it is: a stream that is dropped with something unread is reset, and a reset overtakes the
    /// farewell that says why.
    async fn let_go_by(&mut self, until: Instant) {
        self.incoming.forget();
        loop {
            let reading = self.stream.read(self.incoming.room());
            if !matches!(timeout(&self.clock, until - self.clock.now(), reading).await, Ok(Ok(1..))) {
                return;
            }
        }
    }

    /// Reads what comes, or notes that nothing does.
    async fn read(&mut self) -> Result<(), Error<S::Error>> {
        let Options { ping_after, silence, .. } = self.options;
        let due = self.asked.map(|asked| asked + silence).or_else(|| Some(self.heard + ping_after?));
        let reading = self.stream.read(self.incoming.room());
        let read = match due {
            Some(due) => timeout(&self.clock, due - self.clock.now(), reading).await,
            None => Ok(reading.await),
        };
        match read {
            Ok(Ok(0)) => {
                self.state = State::Ended;
                Err(Error::Ended)
            }
            Ok(Ok(len)) => {
                self.incoming.came(len);
                (self.heard, self.asked) = (self.clock.now(), None);
                Ok(())
            }
            Ok(Err(error)) => Err(Error::Io(error)),
            Err(_) if self.asked.is_some() => {
                self.state = State::Ended;
                Err(Error::TimedOut)
            }
            Err(_) => {
                self.asked = Some(self.clock.now());
                self.owes.ping = true;
                Ok(())
            }
        }
    }

    /// Has everything leave that is under way or owed.
    async fn settle(&mut self) -> Result<(), Error<S::Error>> {
        loop {
            self.push().await?;
            if !self.enqueue_owed() {
                return Ok(());
            }
        }
    }

    /// Writes what lies in the memory for sending.
    async fn push(&mut self) -> Result<(), Error<S::Error>> {
        let silence = self.options.silence;
        while self.unsent.0 < self.unsent.1 {
            let writing = self.stream.write(&self.out[self.unsent.0..self.unsent.1]);
            match timeout(&self.clock, silence, writing).await.map_err(|_| Error::TimedOut)?.map_err(Error::Io)? {
                0 => return Err(Error::Ended),
                written => (self.unsent.0, self.unflushed) = (self.unsent.0 + written, true),
            }
        }
        if self.unflushed {
            let flushed = timeout(&self.clock, silence, self.stream.flush()).await;
            flushed.map_err(|_| Error::TimedOut)?.map_err(Error::Io)?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Puts the next control frame that is owed into the memory for sending; answers whether there was one.
    fn enqueue_owed(&mut self) -> bool {
        if self.said_farewell {
            return false;
        }
        let mut payload = [0; CONTROL_MAX];
        let (opcode, len) = if core::mem::take(&mut self.owes.pong) {
            let asked = self.incoming.control();
            payload[..asked.len()].copy_from_slice(asked);
            (Opcode::Pong, asked.len())
        } else if core::mem::take(&mut self.owes.ping) {
            (Opcode::Ping, 0)
        } else if let Some(code) = self.owes.farewell.take() {
            self.said_farewell = true;
            payload[..2].copy_from_slice(&code.unwrap_or_default().to_be_bytes());
            (Opcode::Close, if code.is_some() { 2 } else { 0 })
        } else {
            return false;
        };
        self.enqueue((true, opcode), &payload[..len]);
        true
    }

    /// Puts a frame into the memory for sending, from which everything has left.
    fn enqueue(&mut self, what: (bool, Opcode), payload: &[u8]) {
        debug_assert!(self.unsent.0 >= self.unsent.1, "frames leave one after the other");
        let mut key = [0; 4];
        self.rng.fill_bytes(&mut key);
        self.unsent = (0, write_masked(self.out, what, key, payload));
    }
}

impl<S, C, R> fmt::Debug for WebSocket<'_, S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
