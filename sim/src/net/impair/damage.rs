//! Frames that are damaged on the way.

use rand_core::Rng;

use super::correlated::Odds;
use crate::random::Stream;

/// Which frames are damaged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// How likely.
    pub odds: Odds,
    /// How.
    pub how: How,
}

/// How a frame is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// So many of its bits are flipped, at most [`How::FLIPS_MAX`].
    Flip(u8),
    /// It ends too early.
    Truncate,
    /// So many of its bytes are replaced by garbage, at most [`How::GARBAGE_MAX`].
    Garble(u8),
}

impl How {
    /// The most bits that are flipped.
    pub const FLIPS_MAX: u8 = 8;
    /// The most bytes that are replaced.
    pub const GARBAGE_MAX: u8 = 64;

    /// The words that the places of the damage take at most.
    pub(super) const WORDS: u32 = 2 * (1 + Self::GARBAGE_MAX as u32);

    /// What it does to a frame of so many bytes.
    pub(super) fn damage(self, bytes: usize, stream: &mut Stream) -> Damage {
        let bytes = bytes as u64;
        match self {
            Self::Flip(count) => {
                let count = count.clamp(1, Self::FLIPS_MAX);
                Damage::Flip((0..count).map(|_| stream.below(bytes * 8) as u32).collect())
            }
            Self::Truncate => Damage::Truncate(stream.below(bytes) as u16),
            Self::Garble(count) => {
                let count = u64::from(count.clamp(1, Self::GARBAGE_MAX)).min(bytes);
                let at = stream.below(bytes - count + 1) as u16;
                Damage::Garble { at, bytes: (0..count).map(|_| stream.next_u64() as u8).collect() }
            }
        }
    }
}

/// What is done to the bytes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// These bits are flipped: bit 0 is the highest of the first byte, as it is first on the wire of a diagram.
    Flip(Vec<u32>),
    /// Only so many bytes are left.
    Truncate(u16),
    /// The bytes from a place on are these.
    Garble {
        /// The place of the first.
        at: u16,
        /// What is there now.
        bytes: Vec<u8>,
    },
}

impl Damage {
    /// Does it, as far as it lies within the frame. Returns how long the frame is then.
    pub(in crate::net) fn apply(&self, frame: &mut [u8]) -> usize {
        match self {
            Self::Flip(bits) => {
                for bit in bits {
                    if let Some(byte) = frame.get_mut(*bit as usize / 8) {
                        *byte ^= 0x80 >> (bit % 8);
                    }
                }
            }
            Self::Truncate(len) => return frame.len().min(usize::from(*len)),
            Self::Garble { at, bytes } => {
                for (place, byte) in frame.iter_mut().skip(usize::from(*at)).zip(bytes) {
                    *place = *byte;
                }
            }
        }
        frame.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_done_where_it_is_said() {
        let mut frame = [0; 4];
        assert_eq!(Damage::Flip(vec![0, 15, 99]).apply(&mut frame), 4);
        assert_eq!(frame, [0x80, 0x01, 0, 0]);
        assert_eq!(Damage::Garble { at: 3, bytes: vec![7, 8] }.apply(&mut frame), 4);
        assert_eq!(frame, [0x80, 0x01, 0, 7]);
        assert_eq!(Damage::Truncate(2).apply(&mut frame), 2);
        assert_eq!(Damage::Truncate(9).apply(&mut frame), 4);
    }

    #[test]
    fn every_bit_is_hit_alike() {
        let mut stream = Stream::new(3, "damage");
        let mut hits = [0.0; 512];
        for _ in 0..1_000_000 {
            let Damage::Flip(bits) = How::Flip(1).damage(64, &mut stream) else { panic!("flips") };
            hits[bits[0] as usize] += 1.0;
        }
        let expected = 1_000_000.0 / 512.0;
        let chi2: f64 = hits.iter().map(|seen| (seen - expected) * (seen - expected) / expected).sum();
        // 511 degrees of freedom, at 0.1 %.
        assert!(chi2 < 615.0, "{chi2}");
    }

    /// Of a million frames each, where they are cut, where garbage begins and what it is: χ², at 0.1 %.
    #[test]
    fn cuts_and_garbage_are_anywhere_and_anything() {
        const FRAMES: usize = 1_000_000;
        let chi2 = |seen: &[u32]| -> f64 {
            let expected = f64::from(seen.iter().sum::<u32>()) / seen.len() as f64;
            seen.iter().map(|seen| (f64::from(*seen) - expected).powi(2) / expected).sum()
        };
        let mut stream = Stream::new(5, "damage");
        let (mut cuts, mut places, mut values) = ([0; 64], [0; 61], [0; 256]);
        for _ in 0..FRAMES {
            let Damage::Truncate(left) = How::Truncate.damage(64, &mut stream) else { panic!("truncates") };
            cuts[usize::from(left)] += 1;
            let Damage::Garble { at, bytes } = How::Garble(4).damage(64, &mut stream) else { panic!("garbles") };
            places[usize::from(at)] += 1;
            bytes.iter().for_each(|byte| values[usize::from(*byte)] += 1);
        }
        // 63, 60 and 255 degrees of freedom.
        assert!(chi2(&cuts) < 103.4 && chi2(&places) < 99.6 && chi2(&values) < 330.5, "{cuts:?} {places:?} {values:?}");
    }

    #[test]
    fn a_frame_is_cut_and_garbled_within_its_length() {
        let mut stream = Stream::new(4, "damage");
        for len in [1, 14, 60, 1_514] {
            for _ in 0..1_000 {
                let Damage::Truncate(left) = How::Truncate.damage(len, &mut stream) else { panic!("truncates") };
                assert!(usize::from(left) < len);
                let Damage::Garble { at, bytes } = How::Garble(64).damage(len, &mut stream) else { panic!("garbles") };
                assert!(usize::from(at) + bytes.len() <= len);
            }
        }
    }
}
