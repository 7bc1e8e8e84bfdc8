//! Frames (RFC 6455, section 5.2): what their headers say, and what they must not.

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation,
    /// A message, or its first piece.
    Data(Kind),
    /// A farewell.
    Close,
    /// A question whether we are there.
    Ping,
    /// An answer to one of ours, or a sign of life.
    Pong,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    const fn read(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Opcode::Continuation,
            1 => Opcode::Data(Kind::Text),
            2 => Opcode::Data(Kind::Binary),
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    const fn code(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Data(Kind::Text) => 1,
            Opcode::Data(Kind::Binary) => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }
}

/// What the other side did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A reserved bit is set, which no extension here uses.
    #[error("a reserved bit is set")]
    Reserved,
    /// There is no frame of that kind.
    #[error("no kind of frame has the opcode {0}")]
    Opcode(u8),
    /// A server's frames are not masked (section 5.1).
    #[error("a server's frame is masked")]
    Masked,
    /// A control frame is in pieces, or longer than 125 bytes (section 5.5).
    #[error("a control frame is in pieces, or too long")]
    Control,
    /// A length is written longer than it has to be, or has its first bit set (section 5.2).
    #[error("a length is written as none may be")]
    Length,
    /// A message begins in the middle of another (section 5.4).
    #[error("a message begins within another")]
    Interleaved,
    /// A frame continues no message.
    #[error("a frame continues no message")]
    Continuation,
    /// A farewell's code is none that may be sent, or is half there (section 7.4).
    #[error("a farewell's code is none that may be sent")]
    CloseCode,
    /// Text, or a farewell's reason, is not UTF-8 (section 8.1).
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A message is longer than there is memory.
    #[error("a message is longer than there is memory")]
    TooLong,
}

impl Fault {
    /// By which code a farewell says so (section 7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Fault::NotUtf8 => 1007,
            Fault::TooLong => 1009,
            _ => 1002,
        }
    }
}

/// The longest header of a frame that is not masked.
pub(super) const HEADER_MAX: usize = 10;
/// The longest payload of a control frame.
pub(super) const CONTROL_MAX: usize = 125;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// The header of a frame that a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether the message ends with this frame.
    pub fin: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// How long its payload is, in bytes.
    pub len: u64,
}

impl Header {
    /// Reads the header that `bytes` begin with, and says how long it is; `None` if it is not all there.
    ///
    /// # Errors
    /// [`Fault`] if no server may send it, as soon as that is to be seen.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Fault> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(Fault::Reserved);
        }
        let (fin, code) = (first & FIN != 0, first & 0xf);
        let opcode = Opcode::read(code).ok_or(Fault::Opcode(code))?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        if second & MASKED != 0 {
            return Err(Fault::Masked);
        }
        if opcode.is_control() && (!fin || usize::from(second) > CONTROL_MAX) {
            return Err(Fault::Control);
        }
        let rest = &bytes[2..];
        let (len, header_len) = match second {
            126 => match rest.first_chunk() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(len) => (u64::from_be_bytes(*len), HEADER_MAX),
                None => return Ok(None),
            },
            len => (u64::from(len), 2),
        };
        let shortest = match header_len {
            4 => 126,
            HEADER_MAX => 0x1_0000,
            _ => 0,
        };
        if len < shortest || len >> 63 != 0 {
            return Err(Fault::Length);
        }
        Ok(Some((Self { fin, opcode, len }, header_len)))
    }
}

/// How long the header of a client's frame with a payload of `len` bytes is.
pub(super) const fn masked_header_len(len: usize) -> usize {
    match len {
        0..=125 => 6,
        126..=0xffff => 8,
        _ => 14,
    }
}

/// Writes a client's frame, masked by `key`, and says how long it is.
///
/// # Panics
/// If `frame` has no room for it.
pub(super) fn write_masked(frame: &mut [u8], (fin, opcode): (bool, Opcode), key: [u8; 4], payload: &[u8]) -> usize {
    let header_len = masked_header_len(payload.len());
    frame[0] = opcode.code() | if fin { FIN } else { 0 };
    match payload.len() {
        len @ 0..=125 => frame[1] = MASKED | len as u8,
        len @ 126..=0xffff => {
            frame[1] = MASKED | 126;
            frame[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame[1] = MASKED | 127;
            frame[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame[header_len - 4..header_len].copy_from_slice(&key);
    let masked = frame[header_len..header_len + payload.len()].iter_mut().zip(payload);
    for ((place, byte), mask) in masked.zip(key.iter().cycle()) {
        *place = byte ^ mask;
    }
    header_len + payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn headers_that_no_server_may_send_are_refused() {
        for (bytes, fault) in [
            (&[0xc1][..], Fault::Reserved),
            (&[0x83], Fault::Opcode(3)),
            (&[0x81, 0x85], Fault::Masked),
            (&[0x09, 0x00], Fault::Control),
            (&[0x88, 0x7e], Fault::Control),
            (&[0x82, 126, 0, 125], Fault::Length),
            (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Fault::Length),
            (&[0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0], Fault::Length),
        ] {
            assert_eq!(Header::read(bytes), Err(fault), "{bytes:x?}");
        }
        let long = Header { fin: false, opcode: Opcode::Data(Kind::Binary), len: 0x1_0000 };
        assert_eq!(Header::read(&[0x02, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Ok(Some((long, 10))));
        for cut in 0..10 {
            assert_eq!(Header::read(&[0x02, 127, 0, 0, 0, 0, 0, 1, 0, 0][..cut]), Ok(None));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_a_server_reads(
            payload in proptest::collection::vec(any::<u8>(), 0..300),
            key: [u8; 4],
            fin: bool,
        ) {
            let mut frame = vec![0; masked_header_len(payload.len()) + payload.len()];
            let len = write_masked(&mut frame, (fin, Opcode::Data(Kind::Binary)), key, &payload);
            prop_assert_eq!(len, frame.len());
            // Without the mask it is what a server would send.
            let header_len = masked_header_len(payload.len());
            let mut plain = frame.clone();
            plain[1] &= 0x7f;
            plain.drain(header_len - 4..header_len);
            let (header, at) = Header::read(&plain).unwrap().unwrap();
            prop_assert_eq!(header, Header { fin, opcode: Opcode::Data(Kind::Binary), len: payload.len() as u64 });
            for (i, byte) in plain[at..].iter().enumerate() {
                prop_assert_eq!(byte ^ key[i % 4], payload[i]);
            }
        }
    }
}
