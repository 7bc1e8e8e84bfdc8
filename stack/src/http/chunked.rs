//! The chunked transfer coding (RFC 9112, section 7.1), undone in place and byte by byte.
//!
//! The decoder owns no buffer: coded bytes are handed in wherever the caller wants the body, and the data
//! among them is moved to the front. So a chunk may be split anywhere, and it costs no memory.

use super::slide;

/// Bytes of chunk extensions and of trailers that are skipped before the peer is thought to be mad.
const SKIP_MAX: u16 = 1024;

/// Hexadecimal digits of a chunk size; eight zeros more than anyone needs.
const DIGITS_MAX: u8 = 16;

/// The coding is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What became of the bytes handed to [`Decoder::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Bytes of body, now at the front.
    pub(super) data: usize,
    /// Bytes behind the body's end that are not part of it.
    pub(super) excess: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Decoder {
    state: State,
    /// Bytes of data left in this chunk; while in the size line, the size so far.
    left: u64,
    digits: u8,
    skipped: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    /// Blanks and extensions between the size and the end of its line.
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk: a trailer, or the end.
    Trailer,
    TrailerLine,
    TrailerLf,
    EndLf,
    Done,
    Malformed,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Decoder { state: State::Size, left: 0, digits: 0, skipped: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes `bytes` in place. Once it has failed it goes on failing.
    pub(super) fn decode(&mut self, bytes: &mut [u8]) -> Result<Decoded, Malformed> {
        let mut at = 0;
        let mut data = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let run = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                slide(bytes, at..at + run, data);
                at += run;
                data += run;
                self.left -= run as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.step(bytes[at]);
                at += 1;
            }
        }
        if self.state == State::Malformed {
            return Err(Malformed);
        }
        Ok(Decoded { data, excess: bytes.len() - at })
    }

    fn step(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (State::Size, _) if byte.is_ascii_hexdigit() => self.digit(byte),
            (State::Size, b'\r') if self.digits > 0 => State::SizeLf,
            (State::Size, b';' | b' ' | b'\t') if self.digits > 0 => self.skip(State::Extension),
            (State::Extension | State::TrailerLine, b'\n') => State::Malformed,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, _) => self.skip(State::Extension),
            (State::SizeLf, b'\n') if self.left == 0 => State::Trailer,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.digits = 0;
                State::Size
            }
            (State::Trailer, b'\r') => State::EndLf,
            (State::Trailer, b'\n') => State::Malformed,
            (State::TrailerLine, b'\r') => self.skip(State::TrailerLf),
            (State::Trailer | State::TrailerLine, _) => self.skip(State::TrailerLine),
            (State::TrailerLf, b'\n') => State::Trailer,
            (State::EndLf, b'\n') => State::Done,
            _ => State::Malformed,
        }
    }

    fn digit(&mut self, byte: u8) -> State {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.digits += 1;
        if self.digits > DIGITS_MAX {
            return State::Malformed;
        }
        self.left = self.left << 4 | u64::from(value);
        State::Size
    }

    fn skip(&mut self, next: State) -> State {
        self.skipped += 1;
        if self.skipped > SKIP_MAX { State::Malformed } else { next }
    }
}
