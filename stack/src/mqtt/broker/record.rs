//! What a broker has to remember, as keys and values for whatever keeps them.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::session::{Phase, Queued, Stored, Wish};
use crate::mqtt::packet::{PacketId, QoS};

/// A key, and its new value; `None` if it has none any more.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// A key and its value, read.
pub(super) enum Record {
    Session { client: String, expiry_s: u32 },
    Subscription { client: String, filter: String, wish: Wish },
    Queued { client: String, queued: Queued },
    Received { client: String, id: PacketId },
    Retained(Rc<Stored>),
}

pub(super) fn session(client: &str) -> Vec<u8> {
    key(b's', client, &[])
}

pub(super) fn subscription(client: &str, filter: &str) -> Vec<u8> {
    key(b'f', client, filter.as_bytes())
}

pub(super) fn queued(client: &str, sequence: u64) -> Vec<u8> {
    key(b'q', client, &sequence.to_be_bytes())
}

pub(super) fn received(client: &str, id: PacketId) -> Vec<u8> {
    key(b'i', client, &id.get().to_be_bytes())
}

pub(super) fn retained(topic: &str) -> Vec<u8> {
    key(b'r', topic, &[])
}

/// Names have no null in them, so it ends them.
fn key(kind: u8, name: &str, rest: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0], rest].concat()
}

pub(super) fn session_value(expiry_s: u32) -> Vec<u8> {
    expiry_s.to_be_bytes().to_vec()
}

pub(super) fn wish_value(wish: Wish) -> Vec<u8> {
    [wish.qos.bits() | u8::from(wish.no_local) << 2 | u8::from(wish.retain_as_published) << 3].to_vec()
}

pub(super) fn queued_value(queued: &Queued) -> Vec<u8> {
    let (phase, id) = match queued.phase {
        Phase::Waiting => (0, 0),
        Phase::Sent(id) => (1, id.get()),
        Phase::Released(id) => (2, id.get()),
    };
    let flags = queued.qos.bits() | u8::from(queued.retain) << 2 | phase << 3;
    [&[flags][..], &id.to_be_bytes(), &stored_value(&queued.message)].concat()
}

pub(super) fn stored_value(stored: &Stored) -> Vec<u8> {
    let flags = stored.qos.bits() | u8::from(stored.retain) << 2;
    let len = (stored.topic.len() as u16).to_be_bytes();
    [&[flags][..], &len, stored.topic.as_bytes(), &stored.payload].concat()
}

/// Reads a key and its value; `None` if they are none of a broker's.
pub(super) fn read(key: &[u8], value: &[u8]) -> Option<Record> {
    let (&kind, key) = key.split_first()?;
    let end = key.iter().position(|byte| *byte == 0)?;
    let (name, rest) = (String::from_utf8(key[..end].to_vec()).ok()?, &key[end + 1..]);
    Some(match kind {
        b's' => Record::Session { client: name, expiry_s: u32::from_be_bytes(value.try_into().ok()?) },
        b'f' => {
            let [flags] = *value else {
                return None;
            };
            let qos = QoS::from_bits(flags & 3)?;
            let wish = Wish { qos, no_local: flags & 4 != 0, retain_as_published: flags & 8 != 0 };
            Record::Subscription { client: name, filter: String::from_utf8(rest.to_vec()).ok()?, wish }
        }
        b'q' => {
            let (head, stored) = value.split_first_chunk::<3>()?;
            let id = PacketId::new(u16::from_be_bytes([head[1], head[2]]));
            let phase = match head[0] >> 3 {
                0 => Phase::Waiting,
                1 => Phase::Sent(id?),
                2 => Phase::Released(id?),
                _ => return None,
            };
            let queued = Queued {
                sequence: u64::from_be_bytes(rest.try_into().ok()?),
                message: Rc::new(read_stored(stored)?),
                qos: QoS::from_bits(head[0] & 3)?,
                retain: head[0] & 4 != 0,
                phase,
                seen: false,
            };
            Record::Queued { client: name, queued }
        }
        b'i' => Record::Received { client: name, id: PacketId::new(u16::from_be_bytes(rest.try_into().ok()?))? },
        b'r' => Record::Retained(Rc::new(read_stored(value)?)),
        _ => return None,
    })
}

fn read_stored(value: &[u8]) -> Option<Stored> {
    let (head, rest) = value.split_first_chunk::<3>()?;
    let (topic, payload) = rest.split_at_checked(u16::from_be_bytes([head[1], head[2]]).into())?;
    Some(Stored {
        topic: String::from_utf8(topic.to_vec()).ok()?,
        payload: payload.to_vec(),
        qos: QoS::from_bits(head[0] & 3)?,
        retain: head[0] & 4 != 0,
    })
}
