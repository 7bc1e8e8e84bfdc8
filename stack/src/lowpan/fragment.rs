//! Fragments (RFC 4944, section 5.3): reading them, and putting packets together again.

use super::mac::Address;
use super::{PACKET_MAX, REASSEMBLY_TIME};
use crate::time::Instant;

/// What stands before the first fragment of a packet, and before each later one.
pub(super) const FIRST: usize = 4;
pub(super) const LATER: usize = 5;

const FIRST_DISPATCH: u8 = 0b11000;
const LATER_DISPATCH: u8 = 0b11100;

/// Offsets count these.
const UNIT: usize = 8;
const UNITS: usize = PACKET_MAX / UNIT;

/// A fragment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The packet's whole length.
    pub(super) size: u16,
    pub(super) tag: u16,
    /// Where in the packet it belongs; `None` for the first, whose headers are compressed.
    pub(super) offset: Option<u8>,
}

impl Header {
    /// Whether this begins with a fragment's header.
    pub(super) fn is_fragment(payload: &[u8]) -> bool {
        payload.first().is_some_and(|byte| matches!(byte >> 3, FIRST_DISPATCH | LATER_DISPATCH))
    }

    pub(super) fn parse(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (&[high, low, t0, t1], rest) = payload.split_first_chunk()?;
        let size = u16::from_be_bytes([high & 7, low]);
        let header = Self { size, tag: u16::from_be_bytes([t0, t1]), offset: None };
        match high >> 3 {
            FIRST_DISPATCH => Some((header, rest)),
            LATER_DISPATCH => {
                let (&offset, rest) = rest.split_first()?;
                Some((Self { offset: Some(offset), ..header }, rest))
            }
            _ => None,
        }
    }

    /// The header, of [`FIRST`] or [`LATER`] bytes.
    pub(super) fn emit(&self) -> ([u8; LATER], usize) {
        let [high, low] = self.size.to_be_bytes();
        let [t0, t1] = self.tag.to_be_bytes();
        match self.offset {
            None => ([FIRST_DISPATCH << 3 | high, low, t0, t1, 0], FIRST),
            Some(offset) => ([LATER_DISPATCH << 3 | high, low, t0, t1, offset], LATER),
        }
    }
}

/// Which packet a fragment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) size: u16,
    pub(super) tag: u16,
}

/// A packet that is being put together.
pub(super) struct Reassembly {
    key: Option<Key>,
    until: Instant,
    /// Which units have come, a bit each.
    come: [u8; UNITS / 8],
    bytes: [u8; PACKET_MAX],
}

/// What a piece comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Others are missing.
    Waits,
    /// The packet is whole.
    Whole,
    /// It does not fit the others: the packet is given up.
    Broken,
}

impl Reassembly {
    pub(super) const FREE: Reassembly =
        Reassembly { key: None, until: Instant::ZERO, come: [0; UNITS / 8], bytes: [0; PACKET_MAX] };

    pub(super) fn is_of(&self, key: &Key) -> bool {
        self.key.as_ref() == Some(key)
    }

    pub(super) fn is_free(&self) -> bool {
        self.key.is_none()
    }

    pub(super) fn is_from(&self, radio: Address) -> bool {
        self.key.is_some_and(|key| key.from == radio)
    }

    /// When its pieces are no longer waited for.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Whether a piece is missing for too long.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.key.is_some() && self.until <= now
    }

    pub(super) fn free(&mut self) {
        self.key = None;
    }

    pub(super) fn begin(&mut self, key: Key, now: Instant) {
        (self.key, self.until, self.come) = (Some(key), now + REASSEMBLY_TIME, [0; UNITS / 8]);
    }

    /// The packet, if it is whole.
    pub(super) fn packet(&self) -> &[u8] {
        let size = self.key.map_or(0, |key| usize::from(key.size));
        &self.bytes[..size]
    }

    pub(super) fn packet_mut(&mut self) -> &mut [u8] {
        let size = self.key.map_or(0, |key| usize::from(key.size));
        &mut self.bytes[..size]
    }

    /// Adds the pieces one behind the other, the first at `offset`, which counts bytes. All but the packet's end come in
    /// whole units; what has come before comes again without harm, what covers a part of that breaks the packet.
    pub(super) fn add(&mut self, offset: usize, pieces: [&[u8]; 2]) -> Added {
        let size = self.packet().len();
        let len = pieces[0].len() + pieces[1].len();
        let end = offset + len;
        if len == 0 || !offset.is_multiple_of(UNIT) || end > size || (!end.is_multiple_of(UNIT) && end != size) {
            return Added::Broken;
        }
        let units = offset / UNIT..end.div_ceil(UNIT);
        let known = units.clone().filter(|&unit| self.has(unit)).count();
        if known == units.len() {
            return Added::Waits;
        }
        if known > 0 {
            return Added::Broken;
        }
        for unit in units {
            self.come[unit / 8] |= 1 << (unit % 8);
        }
        let middle = offset + pieces[0].len();
        self.bytes[offset..middle].copy_from_slice(pieces[0]);
        self.bytes[middle..end].copy_from_slice(pieces[1]);
        if (0..size.div_ceil(UNIT)).all(|unit| self.has(unit)) { Added::Whole } else { Added::Waits }
    }

    fn has(&self, unit: usize) -> bool {
        self.come[unit / 8] & 1 << (unit % 8) != 0
    }
}
