//! Frames on a serial line (HDLC-lite; the Spinel draft, appendix A.1): bytes between flags, others escaped, and the check
//! sequence of PPP behind them (RFC 1662, sections 4.2 and C.2).

/// Between frames.
pub(super) const FLAG: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;
/// What an escaped byte is turned by.
const TURN: u8 = 0x20;
/// The check sequence's bytes.
const CHECK: usize = 2;

/// Whether it may not stand in a frame as it is: flags and escapes, what a line takes for flow control, and what the draft
/// keeps for makers.
const fn is_special(byte: u8) -> bool {
    matches!(byte, FLAG | ESCAPE | 0x11 | 0x13 | 0xf8)
}

/// The check sequence while it is reckoned.
#[derive(Clone, Copy, Debug)]
struct Check(u16);

impl Check {
    const START: Self = Self(0xffff);
    /// What a frame comes to together with its own check sequence.
    const GOOD: u16 = 0xf0b8;

    const fn with(self, byte: u8) -> Self {
        let mut sum = self.0 ^ byte as u16;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0x8408 };
            bit += 1;
        }
        Self(sum)
    }

    /// As it is sent.
    const fn bytes(self) -> [u8; CHECK] {
        (!self.0).to_le_bytes()
    }
}

/// How many bytes a frame of so many takes at most on the line.
pub(super) const fn encoded_max(len: usize) -> usize {
    2 * (len + CHECK) + 2
}

/// Writes a frame with its flags; answers with its length. One flag stands before it, too: it ends whatever was begun.
///
/// # Panics
/// If `line` has no room for it: see [`encoded_max`].
pub(super) fn encode(frame: &[u8], line: &mut [u8]) -> usize {
    let check = frame.iter().fold(Check::START, |check, byte| check.with(*byte)).bytes();
    let mut at = 0;
    let mut put = |byte| {
        line[at] = byte;
        at += 1;
    };
    put(FLAG);
    for &byte in frame.iter().chain(&check) {
        if is_special(byte) {
            put(ESCAPE);
            put(byte ^ TURN);
        } else {
            put(byte);
        }
    }
    put(FLAG);
    at
}

/// Why what stood between two flags is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its check sequence is wrong, or it has none.
    Check,
    /// It is longer than there is room for.
    Long,
    /// Its sender gave it up (RFC 1662, section 4.3), or bytes of it were lost.
    Aborted,
}

/// Takes a line's bytes and gives its frames, of up to `N` bytes with their check sequence.
#[derive(Debug)]
pub(super) struct Decoder<const N: usize> {
    bytes: [u8; N],
    len: usize,
    check: Check,
    is_escaped: bool,
    fault: Option<Fault>,
}

impl<const N: usize> Decoder<N> {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; N], len: 0, check: Check::START, is_escaped: false, fault: None }
    }

    /// Takes a byte; the frame that it ends, or why that is none.
    pub(super) fn take(&mut self, byte: u8) -> Option<Result<&[u8], Fault>> {
        if byte == FLAG {
            return self.end();
        }
        if byte == ESCAPE && !self.is_escaped {
            self.is_escaped = true;
            return None;
        }
        let byte = if core::mem::take(&mut self.is_escaped) { byte ^ TURN } else { byte };
        match self.bytes.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
                self.check = self.check.with(byte);
            }
            None => self.fault = self.fault.or(Some(Fault::Long)),
        }
        None
    }

    /// The line lost bytes: the frame that they belong to is none.
    pub(super) fn spoil(&mut self) {
        self.fault = self.fault.or(Some(Fault::Aborted));
    }

    fn end(&mut self) -> Option<Result<&[u8], Fault>> {
        let len = core::mem::take(&mut self.len);
        let check = core::mem::replace(&mut self.check, Check::START);
        let aborted = core::mem::take(&mut self.is_escaped).then_some(Fault::Aborted);
        let fault = self.fault.take().or(aborted);
        if let Some(fault) = fault {
            return Some(Err(fault));
        }
        // Between two frames there may be one flag, or more.
        if len == 0 {
            return None;
        }
        let is_good = len > CHECK && check.0 == Check::GOOD;
        Some(if is_good { Ok(&self.bytes[..len - CHECK]) } else { Err(Fault::Check) })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn encoded(frame: &[u8]) -> Vec<u8> {
        let mut line = std::vec![0; encoded_max(frame.len())];
        let len = encode(frame, &mut line);
        line.truncate(len);
        line
    }

    fn decoded<const N: usize>(line: &[u8]) -> Vec<Result<Vec<u8>, Fault>> {
        let mut decoder = Decoder::<N>::new();
        line.iter().filter_map(|byte| decoder.take(*byte).map(|frame| frame.map(<[u8]>::to_vec))).collect()
    }

    /// The check value of this sequence over "123456789", as catalogues of CRCs give it (CRC-16/IBM-SDLC, or X-25).
    #[test]
    fn the_check_sequence_is_that_of_x25() {
        let check = b"123456789".iter().fold(Check::START, |check, byte| check.with(*byte));
        assert_eq!(check.bytes(), 0x906e_u16.to_le_bytes());
        // RFC 1662, appendix C.2: with its own check sequence a frame comes to the good value.
        let whole = check.bytes().iter().fold(check, |check, byte| check.with(*byte));
        assert_eq!(whole.0, Check::GOOD);
    }

    /// RFC 1662, appendix C.2 has a table of 256 values; these are its first four, and its last.
    #[test]
    fn it_is_reckoned_as_by_the_table_of_the_rfc() {
        for (byte, value) in [(0, 0x0000), (1, 0x1189), (2, 0x2312), (3, 0x329b), (255, 0x0f78)] {
            assert_eq!(Check(0).with(byte).0, value, "{byte}");
        }
    }

    #[test]
    fn what_is_special_is_escaped() {
        let frame = [0x7e, 0x7d, 0x11, 0x13, 0xf8, 0x00];
        let line = encoded(&frame);
        assert_eq!(line[..12], [0x7e, 0x7d, 0x5e, 0x7d, 0x5d, 0x7d, 0x31, 0x7d, 0x33, 0x7d, 0xd8, 0x00]);
        assert!(line[1..line.len() - 1].iter().all(|byte| *byte == ESCAPE || !is_special(*byte)), "{line:02x?}");
        assert_eq!(decoded::<8>(&line), [Ok(frame.to_vec())]);
    }

    #[test]
    fn one_flag_between_frames_is_enough() {
        let mut line = encoded(b"one");
        line.pop();
        line.extend(encoded(b"other"));
        assert_eq!(decoded::<16>(&line), [Ok(b"one".to_vec()), Ok(b"other".to_vec())]);
    }

    #[test]
    fn every_frame_that_was_damaged_in_one_bit_is_refused() {
        let frame: Vec<u8> = (0..=255).step_by(3).collect();
        let line = encoded(&frame);
        for bit in 0..8 * line.len() {
            let mut damaged = line.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decoded::<128>(&damaged).iter().all(Result::is_err), "bit {bit}");
        }
        assert_eq!(decoded::<128>(&line), [Ok(frame)]);
    }

    #[test]
    fn what_is_too_long_short_or_given_up_is_none() {
        assert_eq!(decoded::<6>(&encoded(b"12345")), [Err(Fault::Long)]);
        assert_eq!(decoded::<7>(&encoded(b"12345")), [Ok(b"12345".to_vec())]);
        assert_eq!(decoded::<8>(&[FLAG, 1, 2, FLAG]), [Err(Fault::Check)]);
        assert_eq!(decoded::<8>(&[FLAG, 1, 2, ESCAPE, FLAG, FLAG]), [Err(Fault::Aborted)]);
        let mut decoder = Decoder::<8>::new();
        let line = encoded(b"abc");
        for byte in &line[..3] {
            assert_eq!(decoder.take(*byte), None);
        }
        decoder.spoil();
        let rest: Vec<_> = line[4..].iter().filter_map(|byte| decoder.take(*byte).map(Result::err)).collect();
        assert_eq!(rest, [Some(Fault::Aborted)]);
    }
}
