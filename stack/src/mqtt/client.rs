//! The client's handle: what waits.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use embedded_io_async::{Read, Write};

use super::memory::Memory;
use super::packet::{PacketId, Reason, Subscription};
use super::protocol::{Broken, Error, Event, Message, Options, Protocol, PublishError, Receipt, Step};
use super::session::{STATE_MAX, Session};
use crate::time::{Clock, Instant};

/// One client and its session, which outlives its connections. At most `N` messages of quality 1 and 2 are under way,
/// each way.
///
/// A published message is known by the caller's token: [`Event::Delivered`] says that it is where it should be. After a
/// reconnection everything that is not delivered is to be published again, under its token: the client knows which it
/// had sent, marks them as sent before, and sends nothing of which the server has the whole already.
#[derive(Debug)]
pub struct Client<'b, C, M, const N: usize> {
    protocol: Protocol<'b, N>,
    clock: C,
    memory: M,
    /// Whether the memory was asked.
    restored: bool,
}

impl<'b, C: Clock, M: Memory, const N: usize> Client<'b, C, M, N> {
    /// A client without a connection. `received` and `to_send` hold a packet each, at least; to write one takes 4 bytes
    /// more than it has.
    pub fn new(clock: C, memory: M, received: &'b mut [u8], to_send: &'b mut [u8]) -> Self {
        Client { protocol: Protocol::new(received, to_send), clock, memory, restored: false }
    }

    /// Introduces itself over a stream that was opened. Dropping the future gives the stream up.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server does not want us; [`Error::Memory`]; whatever else ends connections.
    pub async fn connect<S: Read + Write>(
        &mut self,
        stream: S,
        options: &Options<'_>,
    ) -> Result<Connection<'_, 'b, S, C, M, N>, Error<S::Error, M::Error>> {
        if !self.restored {
            let mut state = [0; STATE_MAX];
            let len = self.memory.load(&mut state).await.map_err(Error::Memory)?;
            if let Some(known) = len.and_then(|len| Session::decode(state.get(..len)?)) {
                self.protocol.restore(known);
            }
            self.restored = true;
        }
        self.protocol.open(options, self.clock.now()).map_err(|_| Error::TooLong)?;
        let mut connection = Connection { client: self, stream, session_present: false };
        match connection.step().await? {
            Step::Opened { session_present } => connection.session_present = session_present,
            _ => return Err(Error::Protocol),
        }
        Ok(connection)
    }

    /// Whether nothing that was published with quality 1 or 2 waits for the server's word.
    pub fn is_idle(&self) -> bool {
        self.protocol.session.outgoing.is_empty()
    }
}

/// A client's connection. Dropping it drops the stream; the session goes on with the next one.
#[derive(Debug)]
pub struct Connection<'c, 'b, S, C, M, const N: usize> {
    client: &'c mut Client<'b, C, M, N>,
    stream: S,
    session_present: bool,
}

impl<S: Read + Write, C: Clock, M: Memory, const N: usize> Connection<'_, '_, S, C, M, N> {
    /// Whether the server knew the session: if not, subscriptions are to be made anew.
    pub const fn session_present(&self) -> bool {
        self.session_present
    }

    /// Puts a message with quality 0 among those to be sent, or one of a higher quality under way; `token` says which it
    /// is, for quality 1 and 2. It leaves with the next [`Connection::next`] or [`Connection::flush`].
    ///
    /// A token that is under way already is known: the message is the one that it was.
    ///
    /// # Errors
    /// [`PublishError::Busy`] if it has to wait for an event; otherwise it cannot be published at all.
    pub fn publish(&mut self, token: u64, message: &Message<'_>) -> Result<(), PublishError> {
        let now = self.client.clock.now();
        self.client.protocol.publish(token, message, now)
    }

    /// Asks for messages; [`Event::Subscribed`] with the same identifier tells how it went.
    ///
    /// # Errors
    /// As [`Connection::publish`].
    pub fn subscribe(&mut self, filters: &[Subscription<'_>]) -> Result<PacketId, PublishError> {
        let now = self.client.clock.now();
        self.client.protocol.subscribe(filters, now)
    }

    /// Asks for them no longer. How the messages were to come is not looked at.
    ///
    /// # Errors
    /// As [`Connection::publish`].
    pub fn unsubscribe(&mut self, filters: &[Subscription<'_>]) -> Result<PacketId, PublishError> {
        let now = self.client.clock.now();
        self.client.protocol.unsubscribe(filters, now)
    }

    /// Says that a message is where it should be. Until then, and over reconnections, the server keeps it.
    ///
    /// `false` if that has to wait for the next event.
    pub fn acknowledge(&mut self, receipt: Receipt) -> bool {
        let now = self.client.clock.now();
        self.client.protocol.acknowledge(receipt, now)
    }

    /// Sends what is to be sent, keeps the connection alive, and waits for the next event. Dropping the future loses
    /// nothing, if the stream's reads and writes have happened or not when they are dropped, as those of TCP here.
    ///
    /// # Errors
    /// What ended the connection.
    pub async fn next(&mut self) -> Result<Event<'_>, Error<S::Error, M::Error>> {
        let step = self.step().await?;
        self.client.protocol.event(step).ok_or(Error::Protocol)
    }

    /// Sends what is to be sent. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What ended the connection.
    pub async fn flush(&mut self) -> Result<(), Error<S::Error, M::Error>> {
        loop {
            self.remember().await?;
            let Client { protocol, clock, .. } = &mut *self.client;
            if protocol.to_send().is_empty() {
                return Ok(());
            }
            let deadline = protocol.deadline();
            match by(clock, deadline, self.stream.write(protocol.to_send())).await {
                Some(Ok(0)) => return Err(Error::Closed),
                Some(Ok(len)) => protocol.sent(len, clock.now()),
                Some(Err(error)) => return Err(Error::Stream(error)),
                None => protocol.overdue(clock.now())?,
            }
            // The stream may keep what it was given until it is told.
            if protocol.to_send().is_empty() {
                self.stream.flush().await.map_err(Error::Stream)?;
            }
        }
    }

    /// Takes leave, so that the server does not say the will; ends the connection.
    ///
    /// # Errors
    /// What ended the connection before.
    pub async fn disconnect(mut self) -> Result<(), Error<S::Error, M::Error>> {
        self.flush().await?;
        let now = self.client.clock.now();
        self.client.protocol.disconnect(Reason::SUCCESS, now).map_err(|_| Error::TooLong)?;
        self.flush().await
    }

    /// The stream, for one who would rather break it off than close it.
    pub fn into_stream(self) -> S {
        self.stream
    }

    async fn step(&mut self) -> Result<Step, Error<S::Error, M::Error>> {
        loop {
            let now = self.client.clock.now();
            if let Some(step) = self.client.protocol.step(now)? {
                return Ok(step);
            }
            self.flush().await?;
            let Client { protocol, clock, .. } = &mut *self.client;
            let deadline = protocol.deadline();
            let room = protocol.room();
            if room.is_empty() {
                // All that has come waits for room to answer it, and there is some now.
                continue;
            }
            match by(clock, deadline, self.stream.read(room)).await {
                Some(Ok(0)) => return Err(Error::Closed),
                Some(Ok(len)) => protocol.heard(len, clock.now()),
                Some(Err(error)) => return Err(Error::Stream(error)),
                None => protocol.overdue(clock.now())?,
            }
        }
    }

    /// Has the memory know the session as it will be once what is to be sent was sent.
    async fn remember(&mut self) -> Result<(), Error<S::Error, M::Error>> {
        let Client { protocol, memory, .. } = &mut *self.client;
        if protocol.session.changed {
            let mut state = [0; STATE_MAX];
            memory.save(protocol.session.encode(&mut state)).await.map_err(Error::Memory)?;
            protocol.session.changed = false;
        }
        Ok(())
    }
}

impl<E: core::fmt::Debug, M: core::fmt::Debug> From<Broken> for Error<E, M> {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Silent => Error::Silent,
            Broken::Refused(reason) => Error::Refused(reason),
            Broken::SentAway(reason) => Error::SentAway(reason),
            Broken::Protocol => Error::Protocol,
            Broken::TooLong => Error::TooLong,
        }
    }
}

/// What the future comes to, or `None` at the deadline.
async fn by<F: Future>(clock: &impl Clock, deadline: Option<Instant>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = pin!(clock.timer(deadline.unwrap_or(Instant::MAX)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
    })
    .await
}
