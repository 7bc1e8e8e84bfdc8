//! What a meter writes down: on its flash, and for the broker.

use serde::Serialize;

use crate::pcf8583::MODULUS;

/// A record on the flash: three full numbers and a count.
pub(super) const RECORD_LEN: usize = 8 + 8 + 8 + 4;
/// Bytes that suffice for any record's JSON: its names and braces, and four full numbers.
pub(super) const JSON_MAX: usize = 130;

/// What was counted up to an instant. Each follows from the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// All pulses ever counted.
    pub(super) register: u64,
    /// Those that came since the record before.
    pub(super) pulses: u64,
    /// When, in milliseconds of the device's own clock since it was started.
    pub(super) at_ms: u64,
    /// What the counter showed.
    pub(super) count: u32,
}

impl Record {
    /// The record that follows, now that the counter shows `count`; `None` if there was no pulse.
    pub(super) fn next(&self, count: u32, at_ms: u64) -> Option<Record> {
        let pulses = u64::from((count + MODULUS - self.count % MODULUS) % MODULUS);
        (pulses > 0).then(|| Record { register: self.register.saturating_add(pulses), pulses, at_ms, count })
    }

    /// The record that follows when the counter is to begin at 0.
    pub(super) fn restarted(&self, at_ms: u64) -> Record {
        Record { pulses: 0, at_ms, count: 0, ..*self }
    }

    pub(super) fn encode(&self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        bytes[..8].copy_from_slice(&self.register.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.pulses.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes[24..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    /// `None` of bytes that are no record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
        let bytes: &[u8; RECORD_LEN] = bytes.try_into().ok()?;
        let long = |at: usize| u64::from_le_bytes(core::array::from_fn(|i| bytes[at + i]));
        let count = u32::from_le_bytes(core::array::from_fn(|i| bytes[24 + i]));
        (count < MODULUS).then(|| Record { register: long(0), pulses: long(8), at_ms: long(16), count })
    }

    /// Writes it, under its number, into `out`; `None` if it does not fit.
    pub(super) fn json<'o>(&self, id: u64, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let Record { register, pulses, at_ms, .. } = *self;
        let len = serde_json_core::to_slice(&Json { id, register, pulses, at_ms }, out).ok()?;
        Some(&out[..len])
    }
}

#[derive(Serialize)]
struct Json {
    id: u64,
    register: u64,
    pulses: u64,
    at_ms: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_counter_goes_round() {
        let record = Record { register: 999_990, pulses: 3, at_ms: 1, count: 999_990 };
        let next = record.next(5, 2);
        assert_eq!(next, Some(Record { register: 1_000_005, pulses: 15, at_ms: 2, count: 5 }));
        assert_eq!(record.next(999_990, 2), None);
        assert_eq!(record.restarted(7).next(4, 8).map(|next| (next.register, next.pulses)), Some((999_994, 4)));
    }

    #[test]
    fn the_longest_record_fits() {
        let record = Record { register: u64::MAX, pulses: u64::MAX, at_ms: u64::MAX, count: 0 };
        assert!(record.json(u64::MAX, &mut [0; JSON_MAX]).is_some());
        let record = Record { register: 12, pulses: 3, at_ms: 4, count: 12 };
        assert_eq!(record.json(5, &mut [0; JSON_MAX]), Some(&br#"{"id":5,"register":12,"pulses":3,"at_ms":4}"#[..]));
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read(register: u64, pulses: u64, at_ms: u64, count in 0..MODULUS) {
            let record = Record { register, pulses, at_ms, count };
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), count in 0..MODULUS) {
            let _ = Record::decode(&bytes).and_then(|record| record.next(count, 0));
        }
    }
}
