//! Reading packets. Whatever is not exactly as the standard says is refused.

use super::{
    Ack, Codes, ConnAck, Connect, Filters, Packet, PacketId, Properties, Publish, QoS, Reason, Retained, Subscribe,
    Subscription, Unsubscribe, Version, Will,
};
use crate::mqtt::topic;

/// The bytes are no packet, or none that may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed packet")]
pub struct Malformed;

/// How long the packet is that `bytes` begin with, its header included; `None` if that cannot be told yet.
///
/// # Errors
/// If its length is malformed (MQTT 5.0, section 2.1.4).
pub fn packet_len(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut reader = Reader::new(bytes.get(1..).unwrap_or_default());
    match reader.variable() {
        Ok(len) => Ok(Some(bytes.len() - reader.rest().len() + len)),
        Err(Malformed) if bytes.len() < 5 => Ok(None),
        Err(Malformed) => Err(Malformed),
    }
}

/// Reads the one packet that `bytes` are, in that version; a CONNECT says itself which one it is in.
///
/// # Errors
/// [`Malformed`], of a packet that is not whole, too.
pub fn read(bytes: &[u8], version: Version) -> Result<Packet<'_>, Malformed> {
    let mut reader = Reader::new(bytes);
    let first = reader.byte()?;
    if reader.variable()? != reader.rest().len() {
        return Err(Malformed);
    }
    let (kind, flags) = (first >> 4, first & 0x0f);
    let flags_due = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
    if kind != 3 && flags != flags_due {
        return Err(Malformed);
    }
    let packet = match kind {
        1 => Packet::Connect(connect(&mut reader)?),
        2 => Packet::ConnAck(conn_ack(&mut reader, version)?),
        3 => Packet::Publish(publish(&mut reader, flags, version)?),
        4 => Packet::PubAck(ack(&mut reader, version)?),
        5 => Packet::PubRec(ack(&mut reader, version)?),
        6 => Packet::PubRel(ack(&mut reader, version)?),
        7 => Packet::PubComp(ack(&mut reader, version)?),
        8 => {
            let (id, properties, filters) = filters(&mut reader, version, true)?;
            Packet::Subscribe(Subscribe { id, filters, properties })
        }
        9 => Packet::SubAck(codes(&mut reader, version)?),
        10 => {
            let (id, _, filters) = filters(&mut reader, version, false)?;
            Packet::Unsubscribe(Unsubscribe { id, filters })
        }
        // 3.1.1 answers an end without a word.
        11 if version == Version::V311 => Packet::UnsubAck(Codes { id: reader.id()?, codes: &[] }),
        11 => Packet::UnsubAck(codes(&mut reader, version)?),
        12 => Packet::PingReq,
        13 => Packet::PingResp,
        14 => Packet::Disconnect(disconnect(&mut reader, version)?),
        _ => return Err(Malformed),
    };
    if reader.is_empty() { Ok(packet) } else { Err(Malformed) }
}

fn connect<'a>(reader: &mut Reader<'a>) -> Result<Connect<'a>, Malformed> {
    if reader.text()? != "MQTT" {
        return Err(Malformed);
    }
    let version = match reader.byte()? {
        4 => Version::V311,
        5 => Version::V5,
        _ => return Err(Malformed),
    };
    let flags = reader.byte()?;
    let has = |bit: u8| flags & 1 << bit != 0;
    let (keep_alive_s, properties) = (reader.word()?, properties(reader, version)?);
    let will_qos = QoS::from_bits(flags >> 3 & 3).ok_or(Malformed)?;
    let willed = has(2) || (will_qos == QoS::AtMostOnce && !has(5));
    // 3.1.1 has no password without a name.
    if has(0) || !willed || (version == Version::V311 && has(6) && !has(7)) {
        return Err(Malformed);
    }
    let client_id = reader.text()?;
    let will = match has(2) {
        true => {
            let properties = self::properties(reader, version)?;
            let topic = topic_name(reader)?;
            Some(Will { topic, payload: reader.binary()?, qos: will_qos, retain: has(5), properties })
        }
        false => None,
    };
    let username = if has(7) { Some(reader.text()?) } else { None };
    let password = if has(6) { Some(reader.binary()?) } else { None };
    Ok(Connect { version, clean_start: has(1), keep_alive_s, client_id, will, username, password, properties })
}

fn conn_ack<'a>(reader: &mut Reader<'a>, version: Version) -> Result<ConnAck<'a>, Malformed> {
    let session_present = reader.flag()?;
    let code = reader.byte()?;
    let reason = match version {
        Version::V5 => Reason(code),
        // 3.1.1 counts its refusals from 1 (section 3.2.2.3).
        Version::V311 => match code {
            0 => Reason::SUCCESS,
            1 => Reason::UNSUPPORTED_VERSION,
            2 => Reason::CLIENT_ID_NOT_VALID,
            3 => Reason::SERVER_UNAVAILABLE,
            4 => Reason::BAD_CREDENTIALS,
            5 => Reason::NOT_AUTHORIZED,
            _ => return Err(Malformed),
        },
    };
    if session_present && reason != Reason::SUCCESS {
        return Err(Malformed);
    }
    Ok(ConnAck { session_present, reason, properties: properties(reader, version)? })
}

fn publish<'a>(reader: &mut Reader<'a>, flags: u8, version: Version) -> Result<Publish<'a>, Malformed> {
    let qos = QoS::from_bits(flags >> 1 & 3).ok_or(Malformed)?;
    let dup = flags & 8 != 0;
    if dup && qos == QoS::AtMostOnce {
        return Err(Malformed);
    }
    let topic = topic_name(reader)?;
    let id = if qos == QoS::AtMostOnce { None } else { Some(reader.id()?) };
    let properties = properties(reader, version)?;
    Ok(Publish { topic, payload: reader.take_rest(), qos, retain: flags & 1 != 0, dup, id, properties })
}

fn ack(reader: &mut Reader<'_>, version: Version) -> Result<Ack, Malformed> {
    let id = reader.id()?;
    Ok(Ack { id, reason: reason(reader, version)? })
}

/// A reason that may be left out, and the properties behind it that may be, too.
fn reason(reader: &mut Reader<'_>, version: Version) -> Result<Reason, Malformed> {
    if version == Version::V311 || reader.is_empty() {
        return Ok(Reason::SUCCESS);
    }
    let reason = Reason(reader.byte()?);
    if !reader.is_empty() {
        Properties::read(reader)?;
    }
    Ok(reason)
}

fn disconnect(reader: &mut Reader<'_>, version: Version) -> Result<Reason, Malformed> {
    reason(reader, version)
}

fn filters<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    options: bool,
) -> Result<(PacketId, Properties<'a>, Filters<'a>), Malformed> {
    let (id, properties) = (reader.id()?, properties(reader, version)?);
    let bytes = reader.take_rest();
    let mut check = Reader::new(bytes);
    if check.is_empty() {
        return Err(Malformed);
    }
    while !check.is_empty() {
        let subscription = filter(&mut check, options)?;
        let bare = !subscription.no_local && !subscription.retain_as_published;
        if version == Version::V311 && !(bare && subscription.retained == Retained::Send) {
            return Err(Malformed);
        }
    }
    Ok((id, properties, Filters::Read { bytes, options }))
}

fn filter<'a>(reader: &mut Reader<'a>, options: bool) -> Result<Subscription<'a>, Malformed> {
    let filter = reader.text()?;
    let bits = if options { reader.byte()? } else { 0 };
    let retained = match bits >> 4 {
        0 => Retained::Send,
        1 => Retained::SendIfNew,
        2 => Retained::Ignore,
        _ => return Err(Malformed),
    };
    Ok(Subscription {
        filter,
        qos: QoS::from_bits(bits & 3).ok_or(Malformed)?,
        no_local: bits & 4 != 0,
        retain_as_published: bits & 8 != 0,
        retained,
    })
}

impl<'a> Filters<'a> {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Subscription<'a>> + use<'a> {
        let (bytes, options, given): (&[u8], bool, &'a [Subscription<'a>]) = match *self {
            Filters::Read { bytes, options } => (bytes, options, &[]),
            Filters::Given(given) => (&[], true, given),
        };
        let mut reader = Reader::new(bytes);
        let read = core::iter::from_fn(move || filter(&mut reader, options).ok());
        read.chain(given.iter().copied())
    }
}

fn codes<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Codes<'a>, Malformed> {
    let id = reader.id()?;
    properties(reader, version)?;
    Ok(Codes { id, codes: reader.take_rest() })
}

fn properties<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Properties<'a>, Malformed> {
    match version {
        Version::V311 => Ok(Properties::NONE),
        Version::V5 => Properties::read(reader),
    }
}

fn topic_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.text()?;
    if topic::is_name(name) { Ok(name) } else { Err(Malformed) }
}

/// Takes a packet's parts from its front.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(super) fn word(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn long(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from(self.word()?) << 16 | u32::from(self.word()?))
    }

    /// A number of one to four bytes, seven bits each, in as few as it takes (section 1.5.5).
    pub(super) fn variable(&mut self) -> Result<usize, Malformed> {
        let mut number = 0;
        for place in 0..4 {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return if byte == 0 && place > 0 { Err(Malformed) } else { Ok(number) };
            }
        }
        Err(Malformed)
    }

    pub(super) fn id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.word()?).ok_or(Malformed)
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.word()?;
        self.take(len.into())
    }

    /// UTF-8 without a null (section 1.5.4).
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = core::str::from_utf8(self.binary()?).map_err(|_| Malformed)?;
        if text.contains('\0') { Err(Malformed) } else { Ok(text) }
    }
}
