//! What Spinel's frames say (the Spinel draft, sections 3 to 5): a header, a command and mostly a property with its value.
//! Numbers are little-endian, EUI-64s as they are written.

use super::FRAME_MAX;

/// The header's upper bits, and the lower ones that tell answers apart.
const HEADER: u8 = 0x80;
const HEADER_MASK: u8 = 0xc0;
pub(super) const TID_MASK: u8 = 0x0f;
/// The check sequence of a radio's frame, which a co-processor makes and checks, and which has a place all the same.
const FCS: usize = 2;

/// What the host asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Reset = 1,
    Get = 2,
    Set = 3,
}

/// What the co-processor says of a property: that is its value.
const VALUE_IS: u32 = 6;

/// Properties, as the draft numbers them.
pub(super) mod property {
    pub(crate) const LAST_STATUS: u32 = 0x00;
    pub(crate) const PROTOCOL_VERSION: u32 = 0x01;
    pub(crate) const CAPS: u32 = 0x05;
    pub(crate) const PHY_ENABLED: u32 = 0x20;
    pub(crate) const PHY_CHAN: u32 = 0x21;
    pub(crate) const PHY_TX_POWER: u32 = 0x25;
    pub(crate) const MAC_LADDR: u32 = 0x34;
    pub(crate) const MAC_SADDR: u32 = 0x35;
    pub(crate) const MAC_PANID: u32 = 0x36;
    pub(crate) const MAC_RAW_STREAM_ENABLED: u32 = 0x37;
    pub(crate) const STREAM_RAW: u32 = 0x71;
}

/// What a [`property::LAST_STATUS`] can be.
pub(super) mod status {
    pub(crate) const OK: u32 = 0;
    pub(crate) const INVALID_STATE: u32 = 4;
    pub(crate) const DROPPED: u32 = 14;
    pub(crate) const NO_ACK: u32 = 17;
    pub(crate) const CCA_FAILURE: u32 = 18;
    /// It has just been reset, for one reason or another.
    pub(crate) const RESET: core::ops::Range<u32> = 112..128;
}

/// The version of the protocol.
pub(super) const VERSION_MAJOR: u32 = 4;
/// The capability of taking and giving a radio's frames as they are.
const CAP_MAC_RAW: u32 = 513;

/// Of frames' metadata: the frame was sent and not received; its check sequence was wrong.
const FLAG_SENT: u16 = 1 << 0;
const FLAG_DAMAGED: u16 = 1 << 2;

/// The longest frame that we send: a radio's frame, and what it says beside it.
pub(super) const SENT_MAX: usize = 1 + 1 + 1 + 2 + FRAME_MAX + FCS + 7;
/// The longest frame that we take, with its check sequence: a radio's, with room for what later versions say beside it; or
/// what a co-processor is capable of, which is some dozens of numbers.
pub(super) const HEARD_MAX: usize = 256;

/// Takes a value apart.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// A packed number (section 3.2): seven bits a byte, the lowest first, in three bytes at most.
    fn packed(&mut self) -> Option<u32> {
        let mut number = 0;
        for at in 0..3 {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Data behind its length.
    fn data(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        let (data, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(data)
    }
}

/// What a co-processor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice<'a> {
    /// Which question it answers; 0 if none.
    pub(super) tid: u8,
    pub(super) property: u32,
    value: &'a [u8],
}

impl<'a> Notice<'a> {
    /// Reads a frame; `None` if it is none of Spinel, or says something else than a property's value.
    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(frame);
        let header = fields.byte().filter(|header| header & HEADER_MASK == HEADER)?;
        fields.packed().filter(|command| *command == VALUE_IS)?;
        let property = fields.packed()?;
        Some(Self { tid: header & TID_MASK, property, value: fields.0 })
    }

    /// The status that it tells, if it does.
    pub(super) fn status(&self) -> Option<u32> {
        (self.property == property::LAST_STATUS).then(|| Fields(self.value).packed())?
    }

    /// The first number of its value: a version, for one.
    pub(super) fn number(&self) -> Option<u32> {
        Fields(self.value).packed()
    }

    /// Whether the capabilities that are its value have that of a radio's frames.
    pub(super) fn has_raw(&self) -> bool {
        let mut fields = Fields(self.value);
        core::iter::from_fn(|| fields.packed()).any(|capability| capability == CAP_MAC_RAW)
    }

    /// The radio's frame that is its value, without its check sequence.
    pub(super) fn heard(&self) -> Heard<'a> {
        let mut fields = Fields(self.value);
        let Some(frame) = fields.data() else { return Heard::Malformed };
        // What is left out of the metadata has its usual value.
        let _strengths = (fields.byte(), fields.byte());
        let flags = fields.u16().unwrap_or(0);
        if flags & FLAG_SENT != 0 {
            return Heard::Own;
        }
        // Whoever could not receive a frame tells of one without bytes.
        if frame.is_empty() || flags & FLAG_DAMAGED != 0 {
            return Heard::Damaged;
        }
        match frame.len().checked_sub(FCS) {
            Some(len) if len <= FRAME_MAX => Heard::Frame(&frame[..len]),
            _ => Heard::Malformed,
        }
    }
}

/// What a radio's frame came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// It was heard.
    Frame(&'a [u8]),
    /// It was heard, but not as it was sent.
    Damaged,
    /// It was one of ours.
    Own,
    /// It is none.
    Malformed,
}

/// A frame to a co-processor, being written.
#[derive(Debug)]
pub(super) struct Message {
    bytes: [u8; SENT_MAX],
    len: usize,
}

impl Message {
    pub(super) fn new(tid: u8, command: Command) -> Self {
        let mut message = Self { bytes: [0; SENT_MAX], len: 0 };
        message.put(&[HEADER | tid & TID_MASK, command as u8]);
        message
    }

    /// A question, or a wish, about a property.
    pub(super) fn about(tid: u8, command: Command, property: u32, value: &[u8]) -> Self {
        let mut message = Self::new(tid, command);
        message.put_packed(property);
        message.put(value);
        message
    }

    /// The wish that a radio's frame be sent.
    pub(super) fn send(tid: u8, frame: &[u8], channel: u8, backoffs: u8, retries: u8) -> Self {
        let mut message = Self::about(tid, Command::Set, property::STREAM_RAW, &[]);
        let len = (frame.len() + FCS) as u16;
        message.put(&len.to_le_bytes());
        message.put(frame);
        message.put(&[0; FCS]);
        // Whether it listens first; and that its header is not written anew, that it is new, and that it is as it is to be sent.
        message.put(&[channel, backoffs, retries, 1, 0, 0, 1]);
        message
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn put_packed(&mut self, mut number: u32) {
        while number >= 0x80 {
            self.put(&[number as u8 | 0x80]);
            number >>= 7;
        }
        self.put(&[number as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draft's test vectors of packed numbers, appendix B.1.
    #[test]
    fn numbers_are_packed_as_in_the_draft() {
        let vectors: [(u32, &[u8]); 10] = [
            (0, &[0x00]),
            (1, &[0x01]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (129, &[0x81, 0x01]),
            (1_337, &[0xb9, 0x0a]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (16_385, &[0x81, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
        ];
        for (number, bytes) in vectors {
            assert_eq!(Fields(bytes).packed(), Some(number), "{bytes:02x?}");
            assert_eq!(Fields(&bytes[..bytes.len() - 1]).packed(), None, "{bytes:02x?} cut");
            let message = Message::about(0, Command::Get, number, &[]);
            assert_eq!(&message.bytes()[2..], bytes, "{number}");
        }
        assert_eq!(Fields(&[0x80, 0x80, 0x80, 0x01]).packed(), None, "no number takes four bytes");
    }

    /// The draft's test vectors of a reset and the word of it, appendix B.2 and B.3.
    #[test]
    fn a_reset_is_as_in_the_draft() {
        assert_eq!(Message::new(0, Command::Reset).bytes(), [0x80, 0x01]);
        let notice = Notice::parse(&[0x80, 0x06, 0x00, 0x72]).expect("it is a property's value");
        assert_eq!((notice.tid, notice.status()), (0, Some(114)));
        assert!(status::RESET.contains(&114));
    }

    #[test]
    fn a_frame_goes_out_with_room_for_its_check_sequence() {
        let message = Message::send(5, &[0xaa, 0xbb], 15, 4, 3);
        let all = [0x85, 0x03, 0x71, 4, 0, 0xaa, 0xbb, 0, 0, 15, 4, 3, 1, 0, 0, 1];
        assert_eq!(message.bytes(), all);
        assert_eq!(Message::send(15, &[0; FRAME_MAX], 26, 4, 3).bytes().len(), SENT_MAX);
    }

    #[test]
    fn a_frame_comes_in_with_what_was_heard_beside_it() {
        let heard = |value: &[u8]| {
            let mut frame = std::vec![0x80, 0x06, 0x71];
            frame.extend_from_slice(value);
            match Notice::parse(&frame).expect("it is a property's value").heard() {
                Heard::Frame(frame) => Ok(frame.to_vec()),
                Heard::Damaged => Err("damaged"),
                Heard::Own => Err("own"),
                Heard::Malformed => Err("malformed"),
            }
        };
        assert_eq!(heard(&[3, 0, 7, 0xff, 0xff]), Ok(std::vec![7]), "all but the frame may be left out");
        assert_eq!(heard(&[3, 0, 7, 0xff, 0xff, 0xc4, 0x80, 0, 0, 10, 0, 15]), Ok(std::vec![7]));
        assert_eq!(heard(&[3, 0, 7, 0xff, 0xff, 0xc4, 0x80, 4, 0]), Err("damaged"));
        assert_eq!(heard(&[0, 0, 0xc4, 0x80, 0, 0]), Err("damaged"));
        assert_eq!(heard(&[3, 0, 7, 0xff, 0xff, 0xc4, 0x80, 1, 0]), Err("own"));
        assert_eq!(heard(&[4, 0, 7, 0xff, 0xff]), Err("malformed"));
        assert_eq!(heard(&[1, 0, 7]), Err("malformed"), "no room for a check sequence");
        assert_eq!(heard(&[9]), Err("malformed"));
    }

    #[test]
    fn what_is_no_property_s_value_is_none() {
        for frame in [&[][..], &[0x80], &[0x40, 6, 0, 0], &[0x80, 2, 0], &[0x80, 6], &[0x80, 6, 0x80]] {
            assert_eq!(Notice::parse(frame), None, "{frame:02x?}");
        }
        let caps = Notice::parse(&[0x81, 6, 5, 0x22, 0x81, 0x04]).expect("it is a property's value");
        assert!(caps.has_raw());
        let caps = Notice::parse(&[0x81, 6, 5, 0x22, 0x81]).expect("it is a property's value");
        assert!(!caps.has_raw());
    }
}
