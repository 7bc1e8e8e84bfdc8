//! Packets on the wire (MQTT 3.1.1 and 5.0, chapters 2 and 3), read and written without copying what they hold.
//!
//! Not here: enhanced authentication (AUTH) and topic aliases, which nobody may use who was not offered them.

mod properties;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use properties::{Properties, Property};
pub use read::{Malformed, packet_len, read};
pub use write::{Overflow, write};

use core::num::NonZeroU16;

/// Which of the two protocols is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1.1, which calls itself level 4.
    V311,
    /// MQTT 5.0.
    V5,
}

/// How hard it is tried to deliver a message (section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    /// Once or never.
    #[default]
    AtMostOnce,
    /// Once or more often.
    AtLeastOnce,
    /// Once.
    ExactlyOnce,
}

impl QoS {
    const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

    /// From its number on the wire.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0..3 => Some(Self::ALL[bits as usize]),
            _ => None,
        }
    }

    /// Its number on the wire.
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// Matches an answer to what it answers.
pub type PacketId = NonZeroU16;

/// How something went (MQTT 5.0, section 2.4). 3.1.1 knows fewer; what it cannot say is a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason(pub u8);

#[allow(missing_docs, reason = "the names are the standard's own")]
impl Reason {
    pub const SUCCESS: Reason = Reason(0x00);
    pub const DISCONNECT_WITH_WILL: Reason = Reason(0x04);
    pub const NO_SUBSCRIPTION_EXISTED: Reason = Reason(0x11);
    pub const UNSPECIFIED: Reason = Reason(0x80);
    pub const MALFORMED_PACKET: Reason = Reason(0x81);
    pub const PROTOCOL_ERROR: Reason = Reason(0x82);
    pub const UNSUPPORTED_VERSION: Reason = Reason(0x84);
    pub const CLIENT_ID_NOT_VALID: Reason = Reason(0x85);
    pub const BAD_CREDENTIALS: Reason = Reason(0x86);
    pub const NOT_AUTHORIZED: Reason = Reason(0x87);
    pub const SERVER_UNAVAILABLE: Reason = Reason(0x88);
    pub const KEEP_ALIVE_TIMEOUT: Reason = Reason(0x8d);
    pub const SESSION_TAKEN_OVER: Reason = Reason(0x8e);
    pub const TOPIC_FILTER_INVALID: Reason = Reason(0x8f);
    pub const PACKET_ID_NOT_FOUND: Reason = Reason(0x92);
    pub const PACKET_TOO_LARGE: Reason = Reason(0x95);
    pub const QUOTA_EXCEEDED: Reason = Reason(0x97);
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Reason = Reason(0x9e);

    /// Whether it says that something did not work.
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }
}

/// One packet.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// A client begins.
    Connect(Connect<'a>),
    /// The server's answer.
    ConnAck(ConnAck<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// A message of quality 1 has arrived.
    PubAck(Ack),
    /// A message of quality 2 has arrived.
    PubRec(Ack),
    /// It will not be sent again.
    PubRel(Ack),
    /// Nor waited for.
    PubComp(Ack),
    /// What a client wants to hear.
    Subscribe(Subscribe<'a>),
    /// Whether it will.
    SubAck(Codes<'a>),
    /// What it wants to hear no longer.
    Unsubscribe(Unsubscribe<'a>),
    /// It will not.
    UnsubAck(Codes<'a>),
    /// Is anybody there?
    PingReq,
    /// Yes.
    PingResp,
    /// The end.
    Disconnect(Reason),
}

/// What a client wants of the server and of its session.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect<'a> {
    /// Which protocol it speaks.
    pub version: Version,
    /// Whether what the server knows of it is to be forgotten.
    pub clean_start: bool,
    /// In seconds; 0 for never. The server closes a connection that is silent for half as long again.
    pub keep_alive_s: u16,
    /// Its name; empty if the server is to give it one.
    pub client_id: &'a str,
    /// What the server says in its stead when it vanishes.
    pub will: Option<Will<'a>>,
    /// Who it says it is.
    pub username: Option<&'a str>,
    /// What only that one knows.
    pub password: Option<&'a [u8]>,
    /// More, with 5.0.
    pub properties: Properties<'a>,
}

/// A message that the server sends for a client that has vanished.
#[derive(Clone, Debug, PartialEq)]
pub struct Will<'a> {
    /// Where to.
    pub topic: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// How.
    pub qos: QoS,
    /// Whether it is kept for those who come later.
    pub retain: bool,
    /// More, with 5.0.
    pub properties: Properties<'a>,
}

/// Whether a client may go on.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnAck<'a> {
    /// Whether the server remembers the client's session.
    pub session_present: bool,
    /// [`Reason::SUCCESS`], or why not.
    pub reason: Reason,
    /// More, with 5.0.
    pub properties: Properties<'a>,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish<'a> {
    /// Where to.
    pub topic: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// How.
    pub qos: QoS,
    /// To the server: keep it. From the server: it was kept.
    pub retain: bool,
    /// Whether it was sent before.
    pub dup: bool,
    /// `None` for quality 0 only.
    pub id: Option<PacketId>,
    /// More, with 5.0.
    pub properties: Properties<'a>,
}

/// The answer to a message, or to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Whose.
    pub id: PacketId,
    /// How it went; always well with 3.1.1.
    pub reason: Reason,
}

/// Filters, each with how its messages are to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// For the answer.
    pub id: PacketId,
    /// What is wanted.
    pub filters: Filters<'a>,
    /// More, with 5.0.
    pub properties: Properties<'a>,
}

/// Filters whose messages are to come no longer.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    /// For the answer.
    pub id: PacketId,
    /// Which.
    pub filters: Filters<'a>,
}

/// A filter, and how its messages are to come (MQTT 5.0, section 3.8.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// Which topics.
    pub filter: &'a str,
    /// With which quality at most.
    pub qos: QoS,
    /// Not what the subscriber said itself. 5.0 only.
    pub no_local: bool,
    /// With the mark that the message was kept as its sender set it. 5.0 only.
    pub retain_as_published: bool,
    /// What to do with messages that were kept. 5.0 only.
    pub retained: Retained,
}

impl<'a> Subscription<'a> {
    /// All that passes `filter`, with that quality at most.
    pub const fn new(filter: &'a str, qos: QoS) -> Self {
        Self { filter, qos, no_local: false, retain_as_published: false, retained: Retained::Send }
    }
}

/// Whether messages that were kept are sent when somebody subscribes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retained {
    /// They are.
    #[default]
    Send,
    /// They are, unless the subscription was there before.
    SendIfNew,
    /// They are not.
    Ignore,
}

/// The filters of a packet: as they lie there, or of a slice to be written.
#[derive(Clone, Copy, Debug)]
pub enum Filters<'a> {
    /// Read from a packet, and known to be well-formed.
    Read {
        /// Their bytes.
        bytes: &'a [u8],
        /// Whether each has its options behind it.
        options: bool,
    },
    /// To be written.
    Given(&'a [Subscription<'a>]),
}

impl PartialEq for Filters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// How each of a packet's filters went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes<'a> {
    /// Of which packet.
    pub id: PacketId,
    /// One reason a filter: the quality that was granted, or a failure. Empty in 3.1.1's answer to an end.
    pub codes: &'a [u8],
}
