//! Writing packets.

use super::{Ack, Codes, ConnAck, Connect, Packet, Properties, Publish, Reason, Retained, Subscription, Version};

/// A packet does not fit the buffer, or has a part that is longer than any packet's may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet is too long")]
pub struct Overflow;

/// The longest first line: a byte, and up to four for the length.
const HEADER_MAX: usize = 5;
const LEN_MAX: usize = 0x0fff_ffff;

/// Writes a packet to the beginning of `buffer`, and answers with its length. The buffer needs room for four bytes more
/// than the packet takes.
///
/// # Errors
/// [`Overflow`].
pub fn write(packet: &Packet<'_>, version: Version, buffer: &mut [u8]) -> Result<usize, Overflow> {
    let mut writer = Writer { buffer, at: HEADER_MAX };
    let first = match packet {
        Packet::Connect(connect) => {
            writer.connect(connect)?;
            0x10
        }
        Packet::ConnAck(ack) => {
            writer.conn_ack(ack, version)?;
            0x20
        }
        Packet::Publish(publish) => {
            writer.publish(publish, version)?;
            0x30 | u8::from(publish.dup) << 3 | publish.qos.bits() << 1 | u8::from(publish.retain)
        }
        Packet::PubAck(ack) => writer.ack(0x40, ack, version)?,
        Packet::PubRec(ack) => writer.ack(0x50, ack, version)?,
        Packet::PubRel(ack) => writer.ack(0x62, ack, version)?,
        Packet::PubComp(ack) => writer.ack(0x70, ack, version)?,
        Packet::Subscribe(subscribe) => {
            writer.word(subscribe.id.get())?;
            writer.properties(subscribe.properties, version)?;
            for filter in subscribe.filters.iter() {
                writer.binary(filter.filter.as_bytes())?;
                writer.bytes(&[options(&filter, version)])?;
            }
            0x82
        }
        Packet::SubAck(codes) => writer.codes(0x90, codes, version)?,
        Packet::Unsubscribe(unsubscribe) => {
            writer.word(unsubscribe.id.get())?;
            writer.properties(Properties::NONE, version)?;
            for filter in unsubscribe.filters.iter() {
                writer.binary(filter.filter.as_bytes())?;
            }
            0xa2
        }
        Packet::UnsubAck(codes) => writer.codes(0xb0, codes, version)?,
        Packet::PingReq => 0xc0,
        Packet::PingResp => 0xd0,
        Packet::Disconnect(reason) => {
            if version == Version::V5 && *reason != Reason::SUCCESS {
                writer.bytes(&[reason.0])?;
            }
            0xe0
        }
    };
    writer.finish(first)
}

fn options(subscription: &Subscription<'_>, version: Version) -> u8 {
    let retained = match subscription.retained {
        Retained::Send => 0,
        Retained::SendIfNew => 1,
        Retained::Ignore => 2,
    };
    let more = retained << 4 | u8::from(subscription.retain_as_published) << 3 | u8::from(subscription.no_local) << 2;
    subscription.qos.bits() | if version == Version::V5 { more } else { 0 }
}

struct Writer<'b> {
    buffer: &'b mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn connect(&mut self, connect: &Connect<'_>) -> Result<(), Overflow> {
        self.binary(b"MQTT")?;
        let mut flags = u8::from(connect.clean_start) << 1;
        if let Some(will) = &connect.will {
            flags |= 4 | will.qos.bits() << 3 | u8::from(will.retain) << 5;
        }
        flags |= u8::from(connect.password.is_some()) << 6 | u8::from(connect.username.is_some()) << 7;
        self.bytes(&[if connect.version == Version::V5 { 5 } else { 4 }, flags])?;
        self.word(connect.keep_alive_s)?;
        self.properties(connect.properties, connect.version)?;
        self.binary(connect.client_id.as_bytes())?;
        if let Some(will) = &connect.will {
            self.properties(will.properties, connect.version)?;
            self.binary(will.topic.as_bytes())?;
            self.binary(will.payload)?;
        }
        if let Some(username) = connect.username {
            self.binary(username.as_bytes())?;
        }
        connect.password.map_or(Ok(()), |password| self.binary(password))
    }

    fn conn_ack(&mut self, ack: &ConnAck<'_>, version: Version) -> Result<(), Overflow> {
        let code = match (version, ack.reason) {
            (Version::V5, reason) => reason.0,
            (Version::V311, Reason::SUCCESS) => 0,
            (Version::V311, Reason::UNSUPPORTED_VERSION) => 1,
            (Version::V311, Reason::CLIENT_ID_NOT_VALID) => 2,
            (Version::V311, Reason::BAD_CREDENTIALS) => 4,
            (Version::V311, Reason::NOT_AUTHORIZED) => 5,
            (Version::V311, _) => 3,
        };
        self.bytes(&[ack.session_present.into(), code])?;
        self.properties(ack.properties, version)
    }

    fn publish(&mut self, publish: &Publish<'_>, version: Version) -> Result<(), Overflow> {
        self.binary(publish.topic.as_bytes())?;
        if let Some(id) = publish.id {
            self.word(id.get())?;
        }
        self.properties(publish.properties, version)?;
        self.bytes(publish.payload)
    }

    fn ack(&mut self, first: u8, ack: &Ack, version: Version) -> Result<u8, Overflow> {
        self.word(ack.id.get())?;
        if version == Version::V5 && ack.reason != Reason::SUCCESS {
            self.bytes(&[ack.reason.0])?;
        }
        Ok(first)
    }

    fn codes(&mut self, first: u8, codes: &Codes<'_>, version: Version) -> Result<u8, Overflow> {
        self.word(codes.id.get())?;
        self.properties(Properties::NONE, version)?;
        // 3.1.1 answers an end without a word.
        if version == Version::V5 || first == 0x90 {
            self.bytes(codes.codes)?;
        }
        Ok(first)
    }

    fn properties(&mut self, properties: Properties<'_>, version: Version) -> Result<(), Overflow> {
        if version == Version::V311 {
            return Ok(());
        }
        let (len, digits) = variable(properties.0.len())?;
        self.bytes(&digits[..len])?;
        self.bytes(properties.0)
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<(), Overflow> {
        self.word(u16::try_from(bytes.len()).map_err(|_| Overflow)?)?;
        self.bytes(bytes)
    }

    fn word(&mut self, word: u16) -> Result<(), Overflow> {
        self.bytes(&word.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Overflow> {
        let room = self.buffer.get_mut(self.at..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(Overflow)?;
        room.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }

    /// Puts the first line before what was written.
    fn finish(self, first: u8) -> Result<usize, Overflow> {
        let body = self.at.checked_sub(HEADER_MAX).filter(|_| self.at <= self.buffer.len()).ok_or(Overflow)?;
        let (len, digits) = variable(body)?;
        self.buffer[0] = first;
        self.buffer[1..=len].copy_from_slice(&digits[..len]);
        self.buffer.copy_within(HEADER_MAX..self.at, 1 + len);
        Ok(1 + len + body)
    }
}

/// A number in as few bytes as it takes, and how many those are (section 1.5.5).
fn variable(mut number: usize) -> Result<(usize, [u8; 4]), Overflow> {
    if number > LEN_MAX {
        return Err(Overflow);
    }
    let mut digits = [0; 4];
    let mut len = 0;
    loop {
        digits[len] = (number & 0x7f) as u8;
        number >>= 7;
        if number > 0 {
            digits[len] |= 0x80;
        }
        len += 1;
        if number == 0 {
            return Ok((len, digits));
        }
    }
}
