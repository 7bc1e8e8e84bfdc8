//! Messages on the wire (RFC 7252, section 3).

use core::fmt;

use heapless::Vec;

/// The longest token (section 5.3.1).
const TOKEN_MAX: usize = 8;
/// Matches a response to its request.
pub type Token = Vec<u8, TOKEN_MAX, u8>;

const VERSION: u8 = 1;
const PAYLOAD_MARKER: u8 = 0xff;

/// How a message wants to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To be acknowledged.
    Confirmable,
    /// Not to be.
    NonConfirmable,
    /// Acknowledges.
    Acknowledgement,
    /// Says that the message could not be made sense of.
    Reset,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Confirmable, Kind::NonConfirmable, Kind::Acknowledgement, Kind::Reset];
}

/// A request's method, or how it went: class and detail.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(u8);

#[allow(missing_docs, reason = "the names are the RFC's own, section 12.1")]
impl Code {
    pub const EMPTY: Code = Code::new(0, 0);
    pub const GET: Code = Code::new(0, 1);
    pub const POST: Code = Code::new(0, 2);
    pub const PUT: Code = Code::new(0, 3);
    pub const DELETE: Code = Code::new(0, 4);
    pub const CREATED: Code = Code::new(2, 1);
    pub const DELETED: Code = Code::new(2, 2);
    pub const VALID: Code = Code::new(2, 3);
    pub const CHANGED: Code = Code::new(2, 4);
    pub const CONTENT: Code = Code::new(2, 5);
    pub const CONTINUE: Code = Code::new(2, 31);
    pub const BAD_REQUEST: Code = Code::new(4, 0);
    pub const BAD_OPTION: Code = Code::new(4, 2);
    pub const NOT_FOUND: Code = Code::new(4, 4);
    pub const METHOD_NOT_ALLOWED: Code = Code::new(4, 5);
    pub const ENTITY_INCOMPLETE: Code = Code::new(4, 8);
    pub const TOO_LARGE: Code = Code::new(4, 13);
    pub const INTERNAL_ERROR: Code = Code::new(5, 0);
    pub const SERVICE_UNAVAILABLE: Code = Code::new(5, 3);

    /// Of that class and detail.
    pub const fn new(class: u8, detail: u8) -> Self {
        Self(class << 5 | (detail & 0x1f))
    }

    /// 0 for requests, 2 for success, 4 and 5 for failure.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// Which of its class.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// Whether it is a request's.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// Whether it says that all went well.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an option is about (sections 5.10 and 12.2; RFC 7641, section 2; RFC 7959, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
#[allow(missing_docs, reason = "the names are the RFCs' own")]
pub enum OptionNumber {
    IfMatch = 1,
    UriHost = 3,
    ETag = 4,
    IfNoneMatch = 5,
    Observe = 6,
    UriPort = 7,
    UriPath = 11,
    ContentFormat = 12,
    MaxAge = 14,
    UriQuery = 15,
    Accept = 17,
    Block2 = 23,
    Block1 = 27,
    Size2 = 28,
    Size1 = 60,
}

/// Which part of a representation travels (RFC 7959, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block's number.
    pub number: u32,
    /// Whether there are more after it.
    pub more: bool,
    /// How long blocks are: 16 to 1,024 bytes, as a power of two.
    pub size: usize,
}

impl Block {
    /// Reads an option's value.
    pub fn of(value: u32) -> Option<Self> {
        let exponent = value & 7;
        (exponent < 7).then_some(Self { number: value >> 4, more: value & 8 != 0, size: 16 << exponent })
    }

    /// The option's value.
    pub fn value(self) -> u32 {
        let exponent = self.size.clamp(16, 1_024).ilog2() - 4;
        self.number << 4 | u32::from(self.more) << 3 | exponent
    }

    /// Where in the representation it begins.
    pub fn start(self) -> usize {
        self.number as usize * self.size
    }
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a CoAP message")]
pub struct ParseError;

/// A message, where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// How it wants to be treated.
    pub kind: Kind,
    /// What it asks, or how it went.
    pub code: Code,
    /// Which message of its sender it is.
    pub id: u16,
    /// Which request it belongs to.
    pub token: Token,
    options: &'a [u8],
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`ParseError`]: such a message is to be answered by a reset if it is confirmable, or ignored (section 4.2).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (&[first, code, i0, i1], rest) = bytes.split_first_chunk().ok_or(ParseError)?;
        let (token_len, code) = (usize::from(first & 0xf), Code(code));
        if first >> 6 != VERSION || token_len > TOKEN_MAX {
            return Err(ParseError);
        }
        let (token, rest) = rest.split_at_checked(token_len).ok_or(ParseError)?;
        if code == Code::EMPTY && bytes.len() != 4 {
            return Err(ParseError);
        }
        // The options are walked once here, so that whoever walks them again meets nothing bad.
        let mut walk = Walk { bytes: rest, number: 0 };
        while walk.step()?.is_some() {}
        let options = &rest[..rest.len() - walk.bytes.len()];
        let payload = match *walk.bytes {
            [] => &[],
            [_, ref payload @ ..] if !payload.is_empty() => payload,
            _ => return Err(ParseError),
        };
        Ok(Self {
            kind: Kind::ALL[usize::from(first >> 4 & 3)],
            code,
            id: u16::from_be_bytes([i0, i1]),
            token: token.iter().copied().collect(),
            options,
            payload,
        })
    }

    /// The options, in the order of their numbers.
    pub fn options(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut walk = Walk { bytes: self.options, number: 0 };
        core::iter::from_fn(move || walk.step().ok().flatten())
    }

    /// The values of one option.
    pub fn all(&self, number: OptionNumber) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.options().filter(move |&(own, _)| own == number as u16).map(|(_, value)| value)
    }

    /// The value of an option that is a number; `None` if it is not there, or too long for one.
    pub fn number(&self, number: OptionNumber) -> Option<u32> {
        let value = self.all(number).next().filter(|value| value.len() <= 4)?;
        Some(value.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
    }

    /// The block that the option names.
    pub fn block(&self, number: OptionNumber) -> Option<Block> {
        self.number(number).and_then(Block::of)
    }

    /// Whether its path is that one, written with slashes between the segments.
    pub fn is_at(&self, path: &str) -> bool {
        let wanted = path.split('/').filter(|segment| !segment.is_empty()).map(str::as_bytes);
        self.all(OptionNumber::UriPath).eq(wanted)
    }

    /// Whether it has a critical option, which must be understood, that is none of `known` (section 5.4.1).
    pub fn has_unknown_critical(&self, known: &[OptionNumber]) -> bool {
        self.options().any(|(number, _)| number & 1 == 1 && !known.iter().any(|&own| own as u16 == number))
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    number: u16,
}

impl<'a> Walk<'a> {
    fn step(&mut self) -> Result<Option<(u16, &'a [u8])>, ParseError> {
        let (first, rest) = match *self.bytes {
            [] | [PAYLOAD_MARKER, ..] => return Ok(None),
            [first, ref rest @ ..] => (first, rest),
        };
        let (delta, rest) = extended(first >> 4, rest)?;
        let (len, rest) = extended(first & 0xf, rest)?;
        let (value, rest) = rest.split_at_checked(len.into()).ok_or(ParseError)?;
        self.number = self.number.checked_add(delta).ok_or(ParseError)?;
        self.bytes = rest;
        Ok(Some((self.number, value)))
    }
}

/// A number of four bits, or what it announces.
fn extended(nibble: u8, rest: &[u8]) -> Result<(u16, &[u8]), ParseError> {
    match (nibble, rest) {
        (0..=12, rest) => Ok((nibble.into(), rest)),
        (13, [byte, rest @ ..]) => Ok((u16::from(*byte) + 13, rest)),
        (14, [high, low, rest @ ..]) => {
            let value = u16::from_be_bytes([*high, *low]).checked_add(269).ok_or(ParseError)?;
            Ok((value, rest))
        }
        _ => Err(ParseError),
    }
}

/// Writes a message into a buffer. Options must be written in the order of their numbers. What does not fit is told
/// at the end.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
    number: u16,
    fits: bool,
}

impl<'b> Writer<'b> {
    /// Begins a message.
    pub fn new(buffer: &'b mut [u8], kind: Kind, code: Code, id: u16, token: &[u8]) -> Self {
        debug_assert!(token.len() <= TOKEN_MAX, "tokens are made by Token");
        let mut writer = Self { buffer, len: 0, number: 0, fits: true };
        let [i0, i1] = id.to_be_bytes();
        writer.push(&[VERSION << 6 | (kind as u8) << 4 | token.len() as u8, code.0, i0, i1]);
        writer.push(token);
        writer
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, number: OptionNumber, value: &[u8]) -> Self {
        let number = number as u16;
        debug_assert!(number >= self.number, "options are written in the order of their numbers");
        let (delta, delta_bytes, delta_len) = nibble(number.saturating_sub(self.number));
        let (len, len_bytes, len_len) = nibble(value.len() as u16);
        self.push(&[delta << 4 | len]);
        self.push(&delta_bytes[..delta_len]);
        self.push(&len_bytes[..len_len]);
        self.push(value);
        self.number = number;
        self
    }

    /// Adds an option that is a number.
    #[must_use]
    pub fn number(self, number: OptionNumber, value: u32) -> Self {
        let bytes = value.to_be_bytes();
        self.option(number, &bytes[value.leading_zeros() as usize / 8..])
    }

    /// Adds the segments of a path.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            self = self.option(OptionNumber::UriPath, segment.as_bytes());
        }
        self
    }

    /// Ends the message with its payload; answers with its length, or `None` if the buffer is too short.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Option<usize> {
        if !payload.is_empty() {
            self.push(&[PAYLOAD_MARKER]);
            self.push(payload);
        }
        self.fits.then_some(self.len)
    }

    fn push(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.len..self.len + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.fits = false,
        }
    }
}

fn nibble(value: u16) -> (u8, [u8; 2], usize) {
    match value {
        0..=12 => (value as u8, [0; 2], 0),
        13..=268 => (13, [(value - 13) as u8, 0], 1),
        _ => (14, (value - 269).to_be_bytes(), 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prelude::*};

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in collection::vec(any::<u8>(), 0..120)) {
            if let Some(first) = bytes.first_mut() {
                *first = 0x40 | *first & 0x3f;
            }
            if let Ok(message) = Message::parse(&bytes) {
                let _ = message.options().count();
                let _ = message.block(OptionNumber::Block2);
                let _ = message.is_at("a/b");
                let _ = message.has_unknown_critical(&[]);
            }
        }

        #[test]
        fn what_is_written_is_read(
            kind in 0_usize..4,
            id: u16,
            token in collection::vec(any::<u8>(), 0..=8),
            path in collection::vec("[a-z]{1,300}", 0..4),
            observe in 0_u32..1 << 24,
            number in 0_u32..1 << 20,
            exponent in 0_u32..7,
            payload in collection::vec(any::<u8>(), 0..100),
        ) {
            let path = path.join("/");
            let block = Block { number, more: true, size: 16 << exponent };
            let mut buffer = [0; 2_048];
            let len = Writer::new(&mut buffer, Kind::ALL[kind], Code::GET, id, &token)
                .number(OptionNumber::Observe, observe)
                .path(&path)
                .number(OptionNumber::Block2, block.value())
                .number(OptionNumber::Size1, 5_000)
                .payload(&payload)
                .unwrap();
            let read = Message::parse(&buffer[..len]).unwrap();
            prop_assert_eq!((read.kind, read.code, read.id), (Kind::ALL[kind], Code::GET, id));
            prop_assert_eq!(&read.token[..], &token[..]);
            prop_assert!(read.is_at(&path));
            prop_assert_eq!(read.number(OptionNumber::Observe), Some(observe));
            prop_assert_eq!(read.block(OptionNumber::Block2), Some(block));
            prop_assert_eq!(read.number(OptionNumber::Size1), Some(5_000));
            prop_assert_eq!(read.payload, &payload[..]);
            for short in 0..len {
                let mut buffer = [0; 2_048];
                let written = Writer::new(&mut buffer[..short], Kind::ALL[kind], Code::GET, id, &token)
                    .number(OptionNumber::Observe, observe)
                    .path(&path)
                    .number(OptionNumber::Block2, block.value())
                    .number(OptionNumber::Size1, 5_000)
                    .payload(&payload);
                prop_assert_eq!(written, None);
            }
        }
    }
}
