//! Messages on the wire (RFC 1035, section 4).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::Name;

pub(super) const HEADER: usize = 12;
/// The longest question: header, name, type and class.
pub(super) const QUESTION_MAX: usize = HEADER + super::NAME_MAX + 2 + 4;

pub(super) const RESPONSE: u8 = 0x80;
pub(super) const AUTHORITATIVE: u8 = 0x04;
pub(super) const TRUNCATED: u8 = 0x02;
pub(super) const RECURSION_DESIRED: u8 = 0x01;
const INTERNET: u16 = 1;
const SOA: u16 = 6;
const CNAME: u16 = 5;
/// More pointers than any server needs for one name: reading a name takes no longer because its message is long.
const POINTERS_MAX: usize = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses.
    Aaaa = 28,
}

/// How a server says that a question went (RFC 1035, section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    /// Well; but there may be no such record.
    NoError,
    /// The server did not understand.
    FormatError,
    /// The server could not find out.
    ServerFailure,
    /// There is no such name.
    NoSuchName,
    /// The server does not do that.
    NotImplemented,
    /// The server does not want to.
    Refused,
    /// Something else.
    Other(u8),
}

impl Rcode {
    pub(super) const fn of(byte: u8) -> Self {
        match byte & 0xf {
            0 => Rcode::NoError,
            1 => Rcode::FormatError,
            2 => Rcode::ServerFailure,
            3 => Rcode::NoSuchName,
            4 => Rcode::NotImplemented,
            5 => Rcode::Refused,
            other => Rcode::Other(other),
        }
    }

    pub(super) const fn byte(self) -> u8 {
        match self {
            Rcode::NoError => 0,
            Rcode::FormatError => 1,
            Rcode::ServerFailure => 2,
            Rcode::NoSuchName => 3,
            Rcode::NotImplemented => 4,
            Rcode::Refused => 5,
            Rcode::Other(byte) => byte & 0xf,
        }
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Under which number.
    pub id: u16,
    /// For which name.
    pub name: Name,
    /// For what: another number than that of a [`RecordType`] is possible.
    pub record_type: u16,
}

/// Bytes that are no message, or none that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a DNS message with one question")]
pub struct ParseError;

/// Writes a question, the letters of its name in the cases that `cases` draws; answers with its length.
pub(super) fn emit_question(
    id: u16,
    name: &Name,
    record_type: RecordType,
    cases: u64,
    buffer: &mut [u8; QUESTION_MAX],
) -> usize {
    buffer[..HEADER].fill(0);
    buffer[..2].copy_from_slice(&id.to_be_bytes());
    buffer[2] = RECURSION_DESIRED;
    buffer[5] = 1;
    let mut at = HEADER;
    let mut letters = 0;
    for label in name.labels() {
        buffer[at] = label.len() as u8;
        for (place, byte) in buffer[at + 1..].iter_mut().zip(label) {
            let upper = cases >> (letters % 64) & 1 == 1;
            *place = if upper { byte.to_ascii_uppercase() } else { *byte };
            letters += 1;
        }
        at += 1 + label.len();
    }
    let [t0, t1] = (record_type as u16).to_be_bytes();
    buffer[at..at + 5].copy_from_slice(&[0, t0, t1, 0, INTERNET as u8]);
    at + 5
}

/// Reads a question: a message with just one, as all that ask send.
///
/// # Errors
/// [`ParseError`].
pub fn parse_question(bytes: &[u8]) -> Result<Question, ParseError> {
    let header = bytes.first_chunk::<HEADER>().ok_or(ParseError)?;
    if header[2] & (RESPONSE | 0x78) != 0 || header[4..6] != [0, 1] {
        return Err(ParseError);
    }
    let mut reader = Reader { bytes, at: HEADER };
    let name = reader.name()?;
    let record_type = reader.word()?;
    if reader.word()? != INTERNET {
        return Err(ParseError);
    }
    Ok(Question { id: u16::from_be_bytes([header[0], header[1]]), name, record_type })
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    bytes: &'a [u8],
    /// Where the records begin.
    records: usize,
}

impl<'a> Answer<'a> {
    /// Takes an answer to `question`, whose id and name it must repeat byte for byte: whoever forges one has to
    /// guess them (RFC 5452, section 9.1).
    pub(super) fn parse(bytes: &'a [u8], question: &[u8]) -> Result<Self, ParseError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(ParseError)?;
        let is_answer = header[2] & RESPONSE != 0 && header[2] & 0x78 == 0;
        let repeats = header[..2] == question[..2] && rest.starts_with(&question[HEADER..]);
        if !is_answer || header[4..6] != [0, 1] || !repeats {
            return Err(ParseError);
        }
        Ok(Self { bytes, records: question.len() })
    }

    /// How it went.
    pub fn rcode(&self) -> Rcode {
        Rcode::of(self.bytes[3])
    }

    /// Whether there is more than this message could carry.
    pub fn is_truncated(&self) -> bool {
        self.bytes[2] & TRUNCATED != 0
    }

    fn count(&self, at: usize) -> usize {
        usize::from(u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]))
    }

    /// Hands the addresses of `name` to `take`, those of its aliases too, each with how long it may be kept.
    ///
    /// Answers with the name that the aliases lead to, and for how long the whole way holds.
    ///
    /// # Errors
    /// [`ParseError`] where the records are not what they should be.
    pub(super) fn addresses(
        &self,
        name: &Name,
        record_type: RecordType,
        mut take: impl FnMut(IpAddr),
    ) -> Result<(Name, u32), ParseError> {
        let (mut name, mut ttl) = (name.clone(), u32::MAX);
        // An alias may come after what it leads to: so each alias starts from the top again. Each can be followed
        // once, so there are as many rounds as records at most.
        for _ in 0..=self.count(6) {
            let mut alias = None;
            let mut reader = Reader { bytes: self.bytes, at: self.records };
            for _ in 0..self.count(6) {
                let record = reader.record()?;
                if !record.is_of(&name) || record.class != INTERNET {
                    continue;
                }
                match (record.kind, record_type) {
                    (CNAME, _) => alias = Some((record.name_at(record.data_at)?, record.ttl)),
                    (1, RecordType::A) => {
                        let octets: [u8; 4] = record.data.try_into().map_err(|_| ParseError)?;
                        ttl = ttl.min(record.ttl);
                        take(IpAddr::V4(Ipv4Addr::from(octets)));
                    }
                    (28, RecordType::Aaaa) => {
                        let octets: [u8; 16] = record.data.try_into().map_err(|_| ParseError)?;
                        ttl = ttl.min(record.ttl);
                        take(IpAddr::V6(Ipv6Addr::from(octets)));
                    }
                    _ => {}
                }
            }
            match alias {
                Some((target, alias_ttl)) if target != name => {
                    ttl = ttl.min(alias_ttl);
                    name = target;
                }
                _ => break,
            }
        }
        Ok((name, ttl))
    }

    /// For how long, in seconds, it may be remembered that there is nothing (RFC 2308, section 5).
    pub(super) fn negative_ttl(&self) -> Option<u32> {
        let mut reader = Reader { bytes: self.bytes, at: self.records };
        for _ in 0..self.count(6) {
            reader.record().ok()?;
        }
        for _ in 0..self.count(8) {
            let record = reader.record().ok()?;
            if record.kind == SOA {
                let minimum = record.data.last_chunk::<4>()?;
                return Some(record.ttl.min(u32::from_be_bytes(*minimum)));
            }
        }
        None
    }
}

struct RecordRead<'a> {
    bytes: &'a [u8],
    name_at: usize,
    kind: u16,
    class: u16,
    ttl: u32,
    data_at: usize,
    data: &'a [u8],
}

impl RecordRead<'_> {
    fn name_at(&self, at: usize) -> Result<Name, ParseError> {
        Reader { bytes: self.bytes, at }.name()
    }

    /// Whether the record is about that name. One that is no host's is about none that is asked for.
    fn is_of(&self, name: &Name) -> bool {
        self.name_at(self.name_at).is_ok_and(|own| own == *name)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ParseError> {
        let taken = self.bytes.get(self.at..self.at + len).ok_or(ParseError)?;
        self.at += len;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u16, ParseError> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn record(&mut self) -> Result<RecordRead<'a>, ParseError> {
        let name_at = self.at;
        self.skip_name()?;
        let (kind, class) = (self.word()?, self.word()?);
        let ttl = u32::from(self.word()?) << 16 | u32::from(self.word()?);
        let len = self.word()?;
        let data_at = self.at;
        let data = self.take(len.into())?;
        // The topmost bit must be taken for zero seconds (RFC 2181, section 8).
        let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
        Ok(RecordRead { bytes: self.bytes, name_at, kind, class, ttl, data_at, data })
    }

    fn skip_name(&mut self) -> Result<(), ParseError> {
        loop {
            match self.take(1)?[0] {
                0 => return Ok(()),
                len @ 1..=63 => {
                    self.take(len.into())?;
                }
                192.. => return self.take(1).map(drop),
                _ => return Err(ParseError),
            }
        }
    }

    /// Reads a name, following pointers (RFC 1035, section 4.1.4). Each must lead further back than the last, so
    /// that none leads around in a circle, and not into the header, where no name is.
    fn name(&mut self) -> Result<Name, ParseError> {
        let mut name = Name::default();
        let (mut at, mut limit, mut pointers) = (self.at, self.at, 0);
        let mut end = None;
        loop {
            let len = *self.bytes.get(at).ok_or(ParseError)?;
            match len {
                0 => {
                    self.at = end.unwrap_or(at + 1);
                    return if name.is_empty() { Err(ParseError) } else { Ok(name) };
                }
                1..=63 => {
                    let label = self.bytes.get(at + 1..at + 1 + usize::from(len)).ok_or(ParseError)?;
                    name.push(label).map_err(|_| ParseError)?;
                    at += 1 + usize::from(len);
                }
                192.. => {
                    let low = *self.bytes.get(at + 1).ok_or(ParseError)?;
                    let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                    end = end.or(Some(at + 2));
                    if target < HEADER || target >= limit || pointers >= POINTERS_MAX {
                        return Err(ParseError);
                    }
                    (at, limit, pointers) = (target, target, pointers + 1);
                }
                _ => return Err(ParseError),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prelude::*};
    use std::vec::Vec;

    fn question(name: &str, cases: u64) -> Vec<u8> {
        let mut buffer = [0xa5; QUESTION_MAX];
        let len = emit_question(7, &Name::new(name).unwrap(), RecordType::A, cases, &mut buffer);
        buffer[..len].to_vec()
    }

    proptest! {
        #[test]
        fn questions_are_read_as_written(
            labels in collection::vec("[a-z0-9_-]{1,12}", 1..6),
            cases: u64,
        ) {
            let name = labels.join(".");
            let read = parse_question(&question(&name, cases)).unwrap();
            prop_assert_eq!((read.id, read.name.as_str(), read.record_type), (7, name.as_str(), 1));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in collection::vec(any::<u8>(), 0..200), answers in 0_u8..5) {
            let _ = parse_question(&bytes);
            let asked = question("hub.lan", 5);
            if bytes.len() >= HEADER {
                bytes.splice(..HEADER, asked[..HEADER].iter().copied());
                bytes.splice(HEADER..HEADER, asked[HEADER..].iter().copied());
                bytes[2] |= RESPONSE;
                bytes[7] = answers;
                bytes[9] = answers;
                if let Ok(answer) = Answer::parse(&bytes, &asked) {
                    let _ = answer.addresses(&Name::new("hub.lan").unwrap(), RecordType::A, |_| ());
                    let _ = answer.negative_ttl();
                }
            }
        }
    }

    #[test]
    fn aliases_are_followed_in_whatever_order() {
        let asked = question("www.lan", 0);
        let mut bytes = asked.clone();
        bytes[2] |= RESPONSE;
        bytes[7] = 3;
        // hub.lan A, then mid.lan CNAME hub.lan, then www.lan CNAME mid.lan.
        let lan = (HEADER + 4) as u8;
        let hub = bytes.len() as u8;
        bytes.extend_from_slice(b"\x03hub\xc0");
        bytes.extend_from_slice(&[lan, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        let mid = bytes.len() as u8;
        bytes.extend_from_slice(b"\x03mid\xc0");
        bytes.extend_from_slice(&[lan, 0, 5, 0, 1, 0, 0, 0, 30, 0, 2, 0xc0, hub]);
        bytes.extend_from_slice(&[0xc0, HEADER as u8, 0, 5, 0, 1, 0, 0, 0, 90, 0, 2, 0xc0, mid]);
        let answer = Answer::parse(&bytes, &asked).unwrap();
        let mut found = Vec::new();
        let (name, ttl) =
            answer.addresses(&Name::new("www.lan").unwrap(), RecordType::A, |address| found.push(address)).unwrap();
        assert_eq!((name.as_str(), ttl), ("hub.lan", 30));
        assert_eq!(found, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn an_alias_of_itself_ends() {
        let asked = question("www.lan", 0);
        let mut bytes = asked.clone();
        bytes[2] |= RESPONSE;
        bytes[7] = 1;
        bytes.extend_from_slice(&[0xc0, HEADER as u8, 0, 5, 0, 1, 0, 0, 0, 90, 0, 2, 0xc0, HEADER as u8]);
        let answer = Answer::parse(&bytes, &asked).unwrap();
        let www = Name::new("www.lan").unwrap();
        let found = answer.addresses(&www, RecordType::A, |_| panic!("there is none"));
        assert_eq!(found, Ok((www, u32::MAX)));
    }
}
