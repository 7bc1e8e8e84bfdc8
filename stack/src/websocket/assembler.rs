//! What comes, put together: frames out of bytes, messages out of frames (RFC 6455, sections 5.4 and 5.5).
//!
//! It reads no stream and sends nothing: it lends room for bytes, is told how many came, and says what they came to.

use core::fmt;

use heapless::Vec;

use super::frame::{CONTROL_MAX, Fault, HEADER_MAX, Header, Kind, Opcode};

/// The shortest buffer: a header, and something to say.
const SHORTEST: usize = 2 * HEADER_MAX;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message: [`Assembler::message`] lends it until the next event is asked for.
    Message(Kind),
    /// A question, to be answered by a pong with [`Assembler::control`]'s bytes.
    Ping,
    /// An answer, or a sign of life.
    Pong,
    /// A farewell, by its code if it has one; [`Assembler::reason`] lends what else it says.
    Close(Option<u16>),
}

/// A frame whose payload is under way.
#[derive(Clone, Copy)]
struct Frame {
    left: usize,
    fin: bool,
    opcode: Opcode,
}

/// Messages under way, in memory that is lent. What of a message has come lies at the front of the buffer, and behind it
/// what is not read yet.
pub struct Assembler<'b> {
    buffer: &'b mut [u8],
    /// How much of the message has come.
    message: usize,
    /// How much of it is known to be text.
    checked: usize,
    /// From where to where the bytes lie that are not read yet.
    raw: (usize, usize),
    /// What the message under way is.
    kind: Option<Kind>,
    frame: Option<Frame>,
    control: Vec<u8, CONTROL_MAX>,
    /// The message is whole, and was told of.
    told: bool,
}

impl<'b> Assembler<'b> {
    /// Over `buffer`, which holds the longest message and 10 bytes.
    ///
    /// # Panics
    /// If it is shorter than 20 bytes.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self::with(buffer, (0, 0))
    }

    /// Over a buffer in which bytes lie that came already.
    pub(super) fn with(buffer: &'b mut [u8], raw: (usize, usize)) -> Self {
        assert!(buffer.len() >= SHORTEST, "a buffer holds a header and something to say");
        Self { buffer, message: 0, checked: 0, raw, kind: None, frame: None, control: Vec::new(), told: false }
    }

    /// Room for what comes next: never none, if [`Assembler::poll_event`] was asked until it had nothing more.
    pub fn room(&mut self) -> &mut [u8] {
        self.forget_told();
        let (start, end) = self.raw;
        self.buffer.copy_within(start..end, self.message);
        self.raw = (self.message, self.message + (end - start));
        &mut self.buffer[self.raw.1..]
    }

    /// So many bytes came into the room.
    ///
    /// # Panics
    /// If there was less room.
    pub fn came(&mut self, len: usize) {
        assert!(len <= self.buffer.len() - self.raw.1, "no more came than there was room for");
        self.raw.1 += len;
    }

    /// What the bytes that came say; `None` if that is not to be known before more have come.
    ///
    /// # Errors
    /// What the other side did wrong. Nothing that comes after it means anything.
    pub fn poll_event(&mut self) -> Result<Option<Event>, Fault> {
        self.forget_told();
        loop {
            let Some(frame) = &mut self.frame else {
                let Some((header, len)) = Header::read(&self.buffer[self.raw.0..self.raw.1])? else {
                    return Ok(None);
                };
                self.begin(header)?;
                self.raw.0 += len;
                continue;
            };
            let (start, end) = self.raw;
            let len = frame.left.min(end - start);
            frame.left -= len;
            let Frame { left, fin, opcode } = *frame;
            if opcode.is_control() {
                // A control frame's payload is no longer than this is.
                let _ = self.control.extend_from_slice(&self.buffer[start..start + len]);
            } else {
                self.buffer.copy_within(start..start + len, self.message);
                self.message += len;
                self.check()?;
            }
            self.raw.0 += len;
            if left > 0 {
                return Ok(None);
            }
            self.frame = None;
            match (opcode, self.kind) {
                (Opcode::Ping, _) => return Ok(Some(Event::Ping)),
                (Opcode::Pong, _) => return Ok(Some(Event::Pong)),
                (Opcode::Close, _) => return self.farewell().map(|code| Some(Event::Close(code))),
                (_, Some(kind)) if fin => {
                    if kind == Kind::Text && self.checked < self.message {
                        // It ends in the middle of a character.
                        return Err(Fault::NotUtf8);
                    }
                    self.told = true;
                    return Ok(Some(Event::Message(kind)));
                }
                _ => {}
            }
        }
    }

    /// The message that was told of last.
    pub fn message(&self) -> &[u8] {
        &self.buffer[..self.message]
    }

    /// The payload of the control frame that was told of last.
    pub fn control(&self) -> &[u8] {
        &self.control
    }

    /// What the farewell that was told of last says beside its code.
    pub fn reason(&self) -> &str {
        let reason = self.control.get(2..).unwrap_or_default();
        core::str::from_utf8(reason).unwrap_or_default()
    }

    /// Forgets all that came.
    pub(super) fn forget(&mut self) {
        (self.message, self.checked, self.raw, self.told) = (0, 0, (0, 0), false);
        (self.kind, self.frame) = (None, None);
    }

    fn forget_told(&mut self) {
        if core::mem::take(&mut self.told) {
            (self.message, self.checked, self.kind) = (0, 0, None);
        }
    }

    /// A frame begins.
    fn begin(&mut self, header: Header) -> Result<(), Fault> {
        match (header.opcode, self.kind) {
            (Opcode::Data(_), Some(_)) => return Err(Fault::Interleaved),
            (Opcode::Continuation, None) => return Err(Fault::Continuation),
            (Opcode::Data(kind), None) => self.kind = Some(kind),
            (Opcode::Continuation, Some(_)) => {}
            _ => self.control.clear(),
        }
        let room = self.buffer.len() - HEADER_MAX - self.message;
        let left = usize::try_from(header.len).ok().filter(|len| *len <= room || header.opcode.is_control());
        self.frame = Some(Frame { left: left.ok_or(Fault::TooLong)?, fin: header.fin, opcode: header.opcode });
        Ok(())
    }

    /// Makes sure that what came of a text is text, as far as its characters are whole.
    fn check(&mut self) -> Result<(), Fault> {
        if self.kind != Some(Kind::Text) {
            return Ok(());
        }
        match core::str::from_utf8(&self.buffer[self.checked..self.message]) {
            Ok(_) => self.checked = self.message,
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Fault::NotUtf8),
        }
        Ok(())
    }

    /// The code of a farewell (section 5.5.1).
    fn farewell(&self) -> Result<Option<u16>, Fault> {
        let (code, reason) = match *self.control {
            [] => return Ok(None),
            [high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
            [_] => return Err(Fault::CloseCode),
        };
        if !may_be_sent(code) {
            return Err(Fault::CloseCode);
        }
        core::str::from_utf8(reason).map_err(|_| Fault::NotUtf8)?;
        Ok(Some(code))
    }
}

/// Whether a farewell may have that code (section 7.4, and IANA's registry as of RFC 6455).
pub(super) const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

impl fmt::Debug for Assembler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler").field("message", &self.message).field("raw", &self.raw).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{borrow::ToOwned, string::String, vec, vec::Vec};

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..126 => frame.push(len as u8),
            len => frame.extend_from_slice(&[126, (len >> 8) as u8, len as u8]),
        }
        frame.extend_from_slice(payload);
        frame
    }

    /// All that the bytes come to, given so many at a time, in a buffer of that size.
    fn heard(bytes: &[u8], step: usize, room: usize) -> (Vec<String>, Option<Fault>) {
        let mut buffer = vec![0xa5; room];
        let mut assembler = Assembler::new(&mut buffer);
        let (mut told, mut rest) = (Vec::new(), bytes);
        loop {
            loop {
                match assembler.poll_event() {
                    Ok(None) => break,
                    Ok(Some(Event::Message(kind))) => {
                        let message = assembler.message();
                        if kind == Kind::Text {
                            core::str::from_utf8(message).unwrap();
                        }
                        told.push(std::format!("{kind:?} {}", String::from_utf8_lossy(message)));
                    }
                    Ok(Some(Event::Close(code))) => told.push(std::format!("Close {code:?} {}", assembler.reason())),
                    Ok(Some(event)) => {
                        told.push(std::format!("{event:?} {}", String::from_utf8_lossy(assembler.control())));
                    }
                    Err(fault) => return (told, Some(fault)),
                }
            }
            if rest.is_empty() {
                return (told, None);
            }
            let place = assembler.room();
            assert!(!place.is_empty());
            let len = step.min(rest.len()).min(place.len());
            place[..len].copy_from_slice(&rest[..len]);
            assembler.came(len);
            rest = &rest[len..];
        }
    }

    #[test]
    fn pieces_make_a_message_with_control_frames_in_between() {
        let bytes = [
            frame(0x01, "für al".as_bytes()),
            frame(0x89, b"there?"),
            frame(0x00, &"le ☂".as_bytes()[..5]),
            frame(0x8a, b""),
            frame(0x80, &"le ☂".as_bytes()[5..]),
            frame(0x82, &[7; 40]),
            frame(0x81, b""),
            frame(0x88, b"\x03\xe8bye"),
        ]
        .concat();
        let expected = [
            "Ping there?",
            "Pong ",
            "Text für alle ☂",
            &std::format!("Binary {}", "\u{7}".repeat(40)),
            "Text ",
            "Close Some(1000) bye",
        ];
        for step in 1..bytes.len() {
            assert_eq!(heard(&bytes, step, 64), (expected.map(ToOwned::to_owned).to_vec(), None), "{step} at a time");
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        let cases: [(Vec<u8>, Fault); 9] = [
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), Fault::Interleaved),
            (frame(0x80, b"a"), Fault::Continuation),
            (frame(0x81, b"\xff"), Fault::NotUtf8),
            (frame(0x81, b"\xe2\x98"), Fault::NotUtf8),
            ([frame(0x01, b"\xe2\x98"), frame(0x80, b"a")].concat(), Fault::NotUtf8),
            (frame(0x88, b"\x03"), Fault::CloseCode),
            (frame(0x88, &1005_u16.to_be_bytes()), Fault::CloseCode),
            (frame(0x88, b"\x03\xe8\xff"), Fault::NotUtf8),
            ([frame(0x02, &[0; 40]), frame(0x80, &[0; 15])].concat(), Fault::TooLong),
        ];
        for (bytes, fault) in cases {
            for step in [1, 3, 100] {
                assert_eq!(heard(&bytes, step, 64).1, Some(fault), "{bytes:x?}");
            }
        }
        assert_eq!(
            heard(&[frame(0x02, &[0; 40]), frame(0x80, &[0; 14])].concat(), 9, 64).1,
            None,
            "just as long as may be"
        );
    }

    #[test]
    fn text_that_cannot_become_any_is_refused_before_its_end() {
        let begun = [&[0x01, 20][..], b"so far so good \xc0"].concat();
        assert_eq!(heard(&begun, 100, 64).1, Some(Fault::NotUtf8));
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_the_same_however_they_come(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            step in 1_usize..50,
            plausible: bool,
        ) {
            let mut bytes = bytes;
            if plausible {
                for at in (0..bytes.len().saturating_sub(1)).step_by(11) {
                    bytes[at] &= 0x8b;
                    bytes[at + 1] &= 0x0f;
                }
            }
            prop_assert_eq!(heard(&bytes, step, 48), heard(&bytes, 1, 48));
        }
    }
}
