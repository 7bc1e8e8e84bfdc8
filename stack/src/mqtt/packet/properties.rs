//! What MQTT 5.0 adds to packets (section 2.2.2).

use super::read::{Malformed, Reader};

/// Properties as they lie in a packet, known to be well-formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a>(pub(super) &'a [u8]);

/// A property that somebody here has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Property<'a> {
    /// For how many seconds a session outlives its connection; `u32::MAX` for good.
    SessionExpiry(u32),
    /// The name that the server gave the client.
    AssignedClientId(&'a str),
    /// The keep-alive that counts, in seconds.
    ServerKeepAlive(u16),
    /// In words, for people.
    ReasonString(&'a str),
    /// How many messages of quality 1 and 2 may be under way.
    ReceiveMaximum(u16),
    /// The best quality that there is: 0 or 1.
    MaximumQoS(u8),
    /// Whether messages are kept.
    RetainAvailable(bool),
    /// The longest packet.
    MaximumPacketSize(u32),
    /// How many seconds after the client the will is sent.
    WillDelay(u32),
    /// For how many seconds a message means anything.
    MessageExpiry(u32),
    /// Anything else.
    Other(u8),
}

impl<'a> Properties<'a> {
    /// None at all.
    pub const NONE: Properties<'static> = Properties(&[]);

    /// Properties that [`encode`](Self::encode) has written.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Properties(bytes)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || if reader.is_empty() { None } else { property(&mut reader).ok() })
    }

    /// Writes properties into `buffer`, for a packet to be written.
    ///
    /// # Panics
    /// If they do not fit; a number takes 5 bytes.
    pub fn encode(properties: &[Property<'_>], buffer: &'a mut [u8]) -> Self {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            buffer[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        for property in properties {
            let text = |text: &str| (text.len() as u16).to_be_bytes();
            match *property {
                Property::SessionExpiry(seconds) => [&[0x11][..], &seconds.to_be_bytes()].map(&mut put),
                Property::AssignedClientId(name) => {
                    put(&[0x12]);
                    [&text(name)[..], name.as_bytes()].map(&mut put)
                }
                Property::ServerKeepAlive(seconds) => [&[0x13][..], &seconds.to_be_bytes()].map(&mut put),
                Property::ReasonString(words) => {
                    put(&[0x1f]);
                    [&text(words)[..], words.as_bytes()].map(&mut put)
                }
                Property::ReceiveMaximum(messages) => [&[0x21][..], &messages.to_be_bytes()].map(&mut put),
                Property::MaximumQoS(bits) => [&[0x24][..], &[bits]].map(&mut put),
                Property::RetainAvailable(available) => [&[0x25][..], &[u8::from(available)]].map(&mut put),
                Property::MaximumPacketSize(bytes) => [&[0x27][..], &bytes.to_be_bytes()].map(&mut put),
                Property::WillDelay(seconds) => [&[0x18][..], &seconds.to_be_bytes()].map(&mut put),
                Property::MessageExpiry(seconds) => [&[0x02][..], &seconds.to_be_bytes()].map(&mut put),
                Property::Other(_) => continue,
            };
        }
        Properties(&buffer[..at])
    }

    /// Takes the properties at the reader's place.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let len = reader.variable()?;
        let bytes = reader.take(len)?;
        let mut inner = Reader::new(bytes);
        let mut seen = 0_u64;
        while let Some(&id) = inner.rest().first() {
            property(&mut inner)?;
            let bit = 1_u64.checked_shl(id.into()).ok_or(Malformed)?;
            // A user's properties and identifiers of subscriptions may come again.
            if seen & bit != 0 && !matches!(id, 0x26 | 0x0b) {
                return Err(Malformed);
            }
            seen |= bit;
        }
        Ok(Properties(bytes))
    }
}

fn property<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, Malformed> {
    let id = reader.byte()?;
    Ok(match id {
        0x11 => Property::SessionExpiry(reader.long()?),
        0x12 => Property::AssignedClientId(reader.text()?),
        0x13 => Property::ServerKeepAlive(reader.word()?),
        0x1f => Property::ReasonString(reader.text()?),
        0x21 => match reader.word()? {
            0 => return Err(Malformed),
            messages => Property::ReceiveMaximum(messages),
        },
        0x24 => match reader.byte()? {
            bits @ 0..=1 => Property::MaximumQoS(bits),
            _ => return Err(Malformed),
        },
        0x25 => Property::RetainAvailable(reader.flag()?),
        0x27 => match reader.long()? {
            0 => return Err(Malformed),
            bytes => Property::MaximumPacketSize(bytes),
        },
        0x18 => Property::WillDelay(reader.long()?),
        0x02 => Property::MessageExpiry(reader.long()?),
        0x01 | 0x17 | 0x19 | 0x28 | 0x29 | 0x2a => {
            reader.flag()?;
            Property::Other(id)
        }
        0x22 | 0x23 => {
            reader.word()?;
            Property::Other(id)
        }
        0x0b => match reader.variable()? {
            0 => return Err(Malformed),
            _ => Property::Other(id),
        },
        0x03 | 0x08 | 0x15 | 0x1a | 0x1c => {
            reader.text()?;
            Property::Other(id)
        }
        0x09 | 0x16 => {
            reader.binary()?;
            Property::Other(id)
        }
        0x26 => {
            reader.text()?;
            reader.text()?;
            Property::Other(id)
        }
        _ => return Err(Malformed),
    })
}
