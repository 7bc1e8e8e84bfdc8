//! A client without IO: it is told the time, handed bytes, and asked for bytes and events.

use core::fmt::Debug;

use super::packet::{
    self, Ack, Codes, Connect, Filters, Malformed, Overflow, Packet, PacketId, Properties, Property, Publish, QoS,
    Reason, Subscribe, Subscription, Unsubscribe, Version,
};
use super::session::{Phase, Session};
use crate::time::{Duration, Instant};

/// Room that an answer to one packet takes at most, beside what writing it takes.
const ANSWER: usize = 16;

/// How a client introduces itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options<'o> {
    /// Which protocol to speak. Default: 5.0.
    pub version: Version,
    /// The client's name at the server, where its session is kept under it.
    pub client_id: &'o str,
    /// Whether to forget the session, here and there, at each connection. Default: no.
    pub clean_start: bool,
    /// After how long a silence to ask whether the server is still there; whole seconds, up to 65,535. Default: 60 s.
    pub keep_alive: Duration,
    /// How long the server may take to answer, and to take what we send. Default: 10 s.
    pub patience: Duration,
    /// For how long the server keeps the session when the connection ends; `u32::MAX` seconds for good. With 3.1.1 it
    /// does so for as long as it likes. Default: a day.
    pub session_expiry_s: u32,
    /// What the server says when we vanish.
    pub will: Option<Will<'o>>,
    /// Who we are.
    pub username: Option<&'o str>,
    /// What proves it.
    pub password: Option<&'o [u8]>,
}

impl<'o> Options<'o> {
    /// The usual settings.
    pub const fn new(client_id: &'o str) -> Self {
        Options {
            version: Version::V5,
            client_id,
            clean_start: false,
            keep_alive: Duration::from_secs(60),
            patience: Duration::from_secs(10),
            session_expiry_s: 86_400,
            will: None,
            username: None,
            password: None,
        }
    }
}

/// What the server says in our stead.
#[derive(Clone, Debug)]
pub struct Will<'o> {
    /// The message.
    pub message: Message<'o>,
    /// How long it waits for us to come back, with 5.0.
    pub delay_s: u32,
}

/// A message to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'m> {
    /// Where to.
    pub topic: &'m str,
    /// What.
    pub payload: &'m [u8],
    /// How.
    pub qos: QoS,
    /// Whether the server keeps it for those who come later.
    pub retain: bool,
}

/// What there is to know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'e> {
    /// The message that was published under this token is at the server, for good.
    Delivered(u64),
    /// The server does not want the message.
    Refused(u64, Reason),
    /// A message has come. One of quality 1 or 2 is to be [acknowledged](super::Connection::acknowledge).
    Message(Incoming<'e>),
    /// How the filters of a subscription went: the granted quality of each, or a failure.
    Subscribed(Codes<'e>),
    /// The end of subscriptions was heard.
    Unsubscribed(Codes<'e>),
}

/// A message that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming<'e> {
    /// Where it was sent to.
    pub topic: &'e str,
    /// What it says.
    pub payload: &'e [u8],
    /// How it was sent.
    pub qos: QoS,
    /// Whether it was kept for us from before.
    pub retain: bool,
    /// Whether it was sent before; it may have come or not.
    pub dup: bool,
    /// What to acknowledge it with.
    pub receipt: Option<Receipt>,
}

/// Says to the server that a message is where it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    id: PacketId,
    qos: QoS,
}

/// Why a message cannot be published now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// As many are under way as may be, or the last ones have not left yet: wait for an event.
    #[error("too much is under way")]
    Busy,
    /// It is longer than the buffer or than what the server takes.
    #[error("the message is too long")]
    TooLong,
    /// The server cannot do that: quality 2, for example, or keep messages.
    #[error("the server does not offer it")]
    NotOffered,
    /// The topic is none, or the filter.
    #[error("no topic, or no filter")]
    BadTopic,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: Debug, M: Debug> {
    /// The byte stream failed.
    #[error("the connection failed: {0:?}")]
    Stream(E),
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// The server owed us an answer for too long.
    #[error("the server does not answer")]
    Silent,
    /// The server does not want us.
    #[error("the server refused us: {0:?}")]
    Refused(Reason),
    /// The server took its leave.
    #[error("the server sent us away: {0:?}")]
    SentAway(Reason),
    /// What came is no packet, or none that may come then.
    #[error("the server does not keep to the protocol")]
    Protocol,
    /// A packet came that is longer than the buffer for it.
    #[error("a packet is longer than the buffer")]
    TooLong,
    /// The session cannot be remembered.
    #[error("the session cannot be remembered: {0:?}")]
    Memory(M),
}

/// What ended a connection, as far as the protocol knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Silent,
    Refused(Reason),
    SentAway(Reason),
    Protocol,
    TooLong,
}

impl From<Malformed> for Broken {
    fn from(_: Malformed) -> Self {
        Broken::Protocol
    }
}

/// An event, before what it says of the packet in the buffer is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The server's first word.
    Opened {
        session_present: bool,
    },
    Delivered(u64),
    Refused(u64, Reason),
    /// What stands at the front of the buffer.
    Packet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Opening,
    Open,
}

/// What the server said that it can do.
#[derive(Clone, Copy, Debug)]
struct Offer {
    in_flight: usize,
    packet_max: usize,
    qos: QoS,
    retain: bool,
}

const EVERYTHING: Offer =
    Offer { in_flight: u16::MAX as usize, packet_max: usize::MAX, qos: QoS::ExactlyOnce, retain: true };

/// Bytes that wait, in memory that is lent.
#[derive(Debug)]
struct Queue<'b> {
    bytes: &'b mut [u8],
    start: usize,
    end: usize,
}

impl Queue<'_> {
    fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn drop_front(&mut self, len: usize) {
        self.start += len;
        if self.start >= self.end {
            self.clear();
        }
    }

    /// All room that there is, in one piece.
    fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }
}

/// The client's side of the protocol.
#[derive(Debug)]
pub(super) struct Protocol<'b, const N: usize> {
    pub(super) session: Session<N>,
    version: Version,
    state: State,
    received: Queue<'b>,
    /// How long the packet is that the last event was about.
    held: usize,
    to_send: Queue<'b>,
    offer: Offer,
    /// The server knows nothing of the session, and there may be messages that it had all the same.
    lost_session: bool,
    /// The server knows the session of an earlier life that we know nothing of: an identifier of ours may be, to it, that of a
    /// message of quality 2 which it has, so that it would take another one for that.
    has_forgotten: bool,
    keep_alive: Duration,
    patience: Duration,
    /// Since when something waits to be sent.
    stuck_since: Option<Instant>,
    last_sent: Instant,
    last_heard: Instant,
    asked: Option<Instant>,
}

impl<'b, const N: usize> Protocol<'b, N> {
    pub(super) fn new(received: &'b mut [u8], to_send: &'b mut [u8]) -> Self {
        let queue = |bytes| Queue { bytes, start: 0, end: 0 };
        Protocol {
            session: Session::new(),
            version: Version::V5,
            state: State::Closed,
            received: queue(received),
            held: 0,
            to_send: queue(to_send),
            offer: EVERYTHING,
            lost_session: false,
            has_forgotten: true,
            keep_alive: Duration::ZERO,
            patience: Duration::MAX,
            stuck_since: None,
            last_sent: Instant::ZERO,
            last_heard: Instant::ZERO,
            asked: None,
        }
    }

    /// Goes on with a session that was remembered.
    pub(super) fn restore(&mut self, session: Session<N>) {
        (self.session, self.has_forgotten) = (session, false);
    }

    /// Begins a connection.
    pub(super) fn open(&mut self, options: &Options<'_>, now: Instant) -> Result<(), Overflow> {
        self.received.clear();
        self.to_send.clear();
        self.held = 0;
        self.version = options.version;
        self.patience = options.patience;
        self.keep_alive = Duration::from_secs(options.keep_alive.as_secs().min(u16::MAX.into()));
        self.offer = EVERYTHING;
        (self.last_sent, self.last_heard, self.asked, self.stuck_since) = (now, now, Some(now), Some(now));
        self.state = State::Opening;
        if options.clean_start {
            self.session.clear();
        }
        for message in &mut self.session.outgoing {
            message.sent = false;
        }
        let (mut more, mut delay) = ([0; 13], [0; 5]);
        let properties = Properties::encode(
            &[
                Property::SessionExpiry(options.session_expiry_s),
                Property::ReceiveMaximum(N as u16),
                Property::MaximumPacketSize(self.received.bytes.len() as u32),
            ],
            &mut more,
        );
        let will = options.will.as_ref().map(|will| packet::Will {
            topic: will.message.topic,
            payload: will.message.payload,
            qos: will.message.qos,
            retain: will.message.retain,
            properties: Properties::encode(&[Property::WillDelay(will.delay_s)], &mut delay),
        });
        self.send(&Packet::Connect(Connect {
            version: options.version,
            clean_start: options.clean_start,
            keep_alive_s: self.keep_alive.as_secs() as u16,
            client_id: options.client_id,
            will,
            username: options.username,
            password: options.password,
            properties,
        }))
    }

    /// What is to be sent.
    pub(super) fn to_send(&self) -> &[u8] {
        self.to_send.waiting()
    }

    /// So much of it was.
    pub(super) fn sent(&mut self, len: usize, now: Instant) {
        self.to_send.drop_front(len);
        self.last_sent = now;
        self.stuck_since = (!self.to_send.waiting().is_empty()).then_some(now);
    }

    /// Room for what comes; none before what has come is looked at.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.let_go();
        self.received.room()
    }

    /// So much has come.
    pub(super) fn heard(&mut self, len: usize, now: Instant) {
        self.received.end += len;
        self.last_heard = now;
    }

    /// When to look again if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let ping = || self.last_sent.min(self.last_heard) + self.keep_alive * 3 / 4;
        let owed = self.asked.map(|asked| asked + self.patience);
        let stuck = self.stuck_since.map(|since| since + self.patience);
        let ping = (self.asked.is_none() && !self.keep_alive.is_zero()).then(ping);
        [owed, stuck, ping].into_iter().flatten().min()
    }

    /// The deadline has come.
    pub(super) fn overdue(&mut self, now: Instant) -> Result<(), Broken> {
        let late = |since: Option<Instant>| since.is_some_and(|since| since + self.patience <= now);
        if late(self.asked) || late(self.stuck_since) {
            return Err(Broken::Silent);
        }
        if self.deadline().is_some_and(|deadline| deadline <= now) && self.asked.is_none() {
            self.asked = Some(now);
            // What does not fit waits to be sent, and that is watched, too.
            let _ = self.send_at(&Packet::PingReq, now);
        }
        Ok(())
    }

    /// The next event, if what has come holds one. Nothing is taken in while there is no room to answer it.
    pub(super) fn step(&mut self, now: Instant) -> Result<Option<Step>, Broken> {
        self.let_go();
        if let Some(step) = self.settle_lost() {
            return Ok(Some(step));
        }
        loop {
            self.let_go();
            if self.to_send.room().len() < ANSWER {
                return Ok(None);
            }
            let waiting = self.received.waiting();
            let Some(len) = packet::packet_len(waiting)? else {
                return Ok(None);
            };
            if len > self.received.bytes.len() {
                return Err(Broken::TooLong);
            }
            if len > waiting.len() {
                return Ok(None);
            }
            self.held = len;
            if let Some(step) = self.take(now)? {
                return Ok(Some(step));
            }
        }
    }

    /// Takes in the packet at the front.
    fn take(&mut self, now: Instant) -> Result<Option<Step>, Broken> {
        let packet = packet::read(&self.received.waiting()[..self.held], self.version)?;
        let answer = match (self.state, packet) {
            (State::Opening, Packet::ConnAck(ack)) if ack.reason.is_failure() => {
                return Err(Broken::Refused(ack.reason));
            }
            (State::Opening, Packet::ConnAck(ack)) => {
                let session_present = ack.session_present;
                self.offer = offer(ack.properties, &mut self.keep_alive);
                self.opened(session_present);
                return Ok(Some(Step::Opened { session_present }));
            }
            (State::Open, Packet::Publish(message)) => match (message.id, message.qos) {
                (Some(id), QoS::ExactlyOnce) if self.session.has_received(id) => Packet::PubRec(well(id)),
                _ => return Ok(Some(Step::Packet)),
            },
            (State::Open, Packet::PubAck(ack)) => {
                let token = self.session.end(ack.id, Phase::Published(QoS::AtLeastOnce));
                return Ok(token.map(|token| outcome(token, ack.reason)));
            }
            (State::Open, Packet::PubRec(ack)) if ack.reason.is_failure() => {
                let token = self.session.end(ack.id, Phase::Published(QoS::ExactlyOnce));
                return Ok(token.map(|token| outcome(token, ack.reason)));
            }
            (State::Open, Packet::PubRec(ack)) => match self.session.release(ack.id) {
                true => Packet::PubRel(well(ack.id)),
                false => Packet::PubRel(Ack { id: ack.id, reason: Reason::PACKET_ID_NOT_FOUND }),
            },
            (State::Open, Packet::PubComp(ack)) => {
                let token = self.session.end(ack.id, Phase::Released);
                return Ok(token.map(Step::Delivered));
            }
            (State::Open, Packet::PubRel(ack)) => {
                self.session.forget_received(ack.id);
                Packet::PubComp(well(ack.id))
            }
            (State::Open, Packet::SubAck(_) | Packet::UnsubAck(_)) => return Ok(Some(Step::Packet)),
            (State::Open, Packet::PingResp) => {
                self.asked = None;
                return Ok(None);
            }
            (State::Open, Packet::Disconnect(reason)) if self.version == Version::V5 => {
                return Err(Broken::SentAway(reason));
            }
            _ => return Err(Broken::Protocol),
        };
        self.send_at(&answer, now).map_err(|Overflow| Broken::TooLong)?;
        Ok(None)
    }

    fn opened(&mut self, session_present: bool) {
        self.state = State::Open;
        self.asked = None;
        self.lost_session = !session_present;
        if !session_present {
            self.session.lose();
            self.has_forgotten = false;
            return;
        }
        for at in 0..self.session.outgoing.len() {
            let message = self.session.outgoing[at];
            if message.phase == Phase::Released {
                // What does not fit now is sent when the token is published again.
                self.session.outgoing[at].sent = self.send(&Packet::PubRel(well(message.id))).is_ok();
            }
        }
    }

    /// A message that the server had, whole, before it forgot the session: it is delivered.
    fn settle_lost(&mut self) -> Option<Step> {
        if !self.lost_session {
            return None;
        }
        let had = self.session.outgoing.iter().find(|message| message.phase == Phase::Released).map(|had| had.id);
        let token = had.and_then(|id| self.session.end(id, Phase::Released));
        self.lost_session = token.is_some();
        token.map(Step::Delivered)
    }

    /// What the last [`Step::Packet`] was about.
    pub(super) fn event(&self, step: Step) -> Option<Event<'_>> {
        Some(match step {
            Step::Opened { .. } => return None,
            Step::Delivered(token) => Event::Delivered(token),
            Step::Refused(token, reason) => Event::Refused(token, reason),
            Step::Packet => match packet::read(&self.received.waiting()[..self.held], self.version).ok()? {
                Packet::Publish(message) => Event::Message(Incoming {
                    topic: message.topic,
                    payload: message.payload,
                    qos: message.qos,
                    retain: message.retain,
                    dup: message.dup,
                    receipt: message.id.map(|id| Receipt { id, qos: message.qos }),
                }),
                Packet::SubAck(codes) => Event::Subscribed(codes),
                Packet::UnsubAck(codes) => Event::Unsubscribed(codes),
                _ => return None,
            },
        })
    }

    /// Publishes a message; see [`Connection::publish`](super::Connection::publish).
    pub(super) fn publish(&mut self, token: u64, message: &Message<'_>, now: Instant) -> Result<(), PublishError> {
        if !super::topic::is_name(message.topic) {
            return Err(PublishError::BadTopic);
        }
        if message.qos > self.offer.qos || (message.retain && !self.offer.retain) {
            return Err(PublishError::NotOffered);
        }
        let Message { topic, payload, qos, retain } = *message;
        let publish = Publish { topic, payload, qos, retain, dup: false, id: None, properties: Properties::NONE };
        if qos == QoS::AtMostOnce {
            return self.post(&Packet::Publish(publish), now);
        }
        if let Some(known) = self.session.by_token(token).copied() {
            if known.sent {
                return Ok(());
            }
            let again = match known.phase {
                Phase::Released => Packet::PubRel(well(known.id)),
                Phase::Published(qos) => Packet::Publish(Publish { dup: true, id: Some(known.id), qos, ..publish }),
            };
            self.post(&again, now)?;
            if let Some(known) = self.session.by_token(token) {
                known.sent = true;
            }
            return Ok(());
        }
        if self.session.outgoing.len() >= self.offer.in_flight.min(N) {
            return Err(PublishError::Busy);
        }
        let id = self.session.next_id();
        if self.has_forgotten && qos == QoS::ExactlyOnce {
            // Whatever the server has under it, it is done with: only then is this a new message to it (MQTT 5.0, section 4.3.3).
            self.post(&Packet::PubRel(well(id)), now)?;
        }
        self.post(&Packet::Publish(Publish { id: Some(id), ..publish }), now)?;
        self.session.begin(token, id, qos);
        Ok(())
    }

    pub(super) fn subscribe(&mut self, filters: &[Subscription<'_>], now: Instant) -> Result<PacketId, PublishError> {
        self.filters(filters, now, |id, filters| {
            Packet::Subscribe(Subscribe { id, filters, properties: Properties::NONE })
        })
    }

    pub(super) fn unsubscribe(&mut self, filters: &[Subscription<'_>], now: Instant) -> Result<PacketId, PublishError> {
        self.filters(filters, now, |id, filters| Packet::Unsubscribe(Unsubscribe { id, filters }))
    }

    fn filters<'f>(
        &mut self,
        filters: &'f [Subscription<'f>],
        now: Instant,
        packet: impl FnOnce(PacketId, Filters<'f>) -> Packet<'f>,
    ) -> Result<PacketId, PublishError> {
        if filters.is_empty() || !filters.iter().all(|filter| super::topic::is_filter(filter.filter)) {
            return Err(PublishError::BadTopic);
        }
        let id = self.session.next_id();
        self.post(&packet(id, Filters::Given(filters)), now)?;
        Ok(id)
    }

    /// Acknowledges a message; `false` if there is no room for that now.
    pub(super) fn acknowledge(&mut self, receipt: Receipt, now: Instant) -> bool {
        let answer = match receipt.qos {
            QoS::ExactlyOnce if !self.session.receive(receipt.id) => return false,
            QoS::ExactlyOnce => Packet::PubRec(well(receipt.id)),
            _ => Packet::PubAck(well(receipt.id)),
        };
        self.send_at(&answer, now).is_ok()
    }

    /// Takes our leave.
    pub(super) fn disconnect(&mut self, reason: Reason, now: Instant) -> Result<(), Overflow> {
        self.send_at(&Packet::Disconnect(reason), now)
    }

    fn post(&mut self, packet: &Packet<'_>, now: Instant) -> Result<(), PublishError> {
        let before = self.to_send.end - self.to_send.start;
        if self.send_at(packet, now).is_err() {
            return Err(if before == 0 { PublishError::TooLong } else { PublishError::Busy });
        }
        if self.to_send.end - self.to_send.start - before > self.offer.packet_max {
            self.to_send.end = self.to_send.start + before;
            return Err(PublishError::TooLong);
        }
        Ok(())
    }

    fn send_at(&mut self, packet: &Packet<'_>, now: Instant) -> Result<(), Overflow> {
        self.send(packet)?;
        self.stuck_since.get_or_insert(now);
        Ok(())
    }

    fn send(&mut self, packet: &Packet<'_>) -> Result<(), Overflow> {
        let len = packet::write(packet, self.version, self.to_send.room())?;
        self.to_send.end += len;
        Ok(())
    }

    /// The packet that the last event was about is done with.
    fn let_go(&mut self) {
        let held = core::mem::take(&mut self.held);
        if held > 0 {
            self.received.drop_front(held);
        }
    }
}

const fn well(id: PacketId) -> Ack {
    Ack { id, reason: Reason::SUCCESS }
}

fn outcome(token: u64, reason: Reason) -> Step {
    if reason.is_failure() { Step::Refused(token, reason) } else { Step::Delivered(token) }
}

fn offer(properties: Properties<'_>, keep_alive: &mut Duration) -> Offer {
    let mut offer = EVERYTHING;
    for property in properties.iter() {
        match property {
            Property::ReceiveMaximum(messages) => offer.in_flight = messages.into(),
            Property::MaximumPacketSize(bytes) => offer.packet_max = bytes as usize,
            Property::MaximumQoS(bits) => offer.qos = QoS::from_bits(bits).unwrap_or_default(),
            Property::RetainAvailable(available) => offer.retain = available,
            Property::ServerKeepAlive(seconds) => *keep_alive = Duration::from_secs(seconds.into()),
            _ => {}
        }
    }
    offer
}
