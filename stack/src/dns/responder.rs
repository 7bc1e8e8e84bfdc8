//! Answering: what a small authoritative server says to one question.

use core::net::IpAddr;

use super::{
    message::{AUTHORITATIVE, HEADER, RESPONSE, Rcode, TRUNCATED, parse_question},
    name::Name,
};

/// What a server knows of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// An address of it.
    Address(IpAddr),
    /// It is another name's alias.
    Alias(&'a Name),
}

/// What a server has to say to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// How it went; with anything but [`Rcode::NoError`] the records do not count.
    pub rcode: Rcode,
    /// Each with its owner, in the order in which they are sent.
    pub records: &'a [(&'a Name, Record<'a>)],
    /// For how many seconds the records hold.
    pub ttl: u32,
    /// Has the client ask again by TCP.
    pub truncated: bool,
}

/// Writes the answer to the question in `bytes` into `buffer`; answers with its length, or `None` if it is no
/// question or the buffer is too short for it. Records of the other family, and those that do not fit, are left out.
pub fn respond(bytes: &[u8], reply: &Reply<'_>, buffer: &mut [u8]) -> Option<usize> {
    let question = parse_question(bytes).ok()?;
    let question_end = HEADER + question.name.wire_len() + 4;
    // Byte for byte, since whoever asked compares the letters' case.
    buffer.get_mut(..question_end)?.copy_from_slice(bytes.get(..question_end)?);
    let truncated = if reply.truncated { TRUNCATED } else { 0 };
    buffer[2] = RESPONSE | AUTHORITATIVE | truncated | (bytes[2] & 1);
    buffer[3] = 0x80 | reply.rcode.byte();
    buffer[6..HEADER].fill(0);
    let mut writer = Writer { buffer, len: question_end, answers: 0 };
    if reply.rcode == Rcode::NoError && !reply.truncated {
        for (owner, record) in reply.records {
            writer.record(owner, record, question.record_type, reply.ttl);
        }
    }
    let Writer { buffer, len, answers } = writer;
    buffer[6..8].copy_from_slice(&answers.to_be_bytes());
    Some(len)
}

struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
    answers: u16,
}

impl Writer<'_> {
    /// Writes a record if it is asked for, and if there is room.
    fn record(&mut self, owner: &Name, record: &Record<'_>, wanted: u16, ttl: u32) {
        let before = self.len;
        let written = match record {
            Record::Address(IpAddr::V4(address)) if wanted == 1 => {
                self.head(owner, 1, ttl, 4).and_then(|()| self.push(&address.octets()))
            }
            Record::Address(IpAddr::V6(address)) if wanted == 28 => {
                self.head(owner, 28, ttl, 16).and_then(|()| self.push(&address.octets()))
            }
            Record::Alias(target) => {
                self.head(owner, 5, ttl, target.wire_len() as u16).and_then(|()| self.name(target))
            }
            Record::Address(_) => None,
        };
        match written {
            Some(()) => self.answers += 1,
            None => self.len = before,
        }
    }

    fn head(&mut self, owner: &Name, kind: u8, ttl: u32, len: u16) -> Option<()> {
        self.name(owner)?;
        self.push(&[0, kind, 0, 1])?;
        self.push(&ttl.to_be_bytes())?;
        self.push(&len.to_be_bytes())
    }

    fn name(&mut self, name: &Name) -> Option<()> {
        for label in name.labels() {
            self.push(&[label.len() as u8])?;
            self.push(label)?;
        }
        self.push(&[0])
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.buffer.get_mut(self.len..self.len + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }
}
