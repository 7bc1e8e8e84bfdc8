//! A reading, and how it and its number travel as JSON.

use core::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use wavetank_stack::Instant;

/// Bytes that suffice for any reading's JSON: its names and braces, an id and four full numbers.
pub(super) const JSON_MAX: usize = 160;

/// A reading's number: 1, 2, 3 … over the device's whole life, never given twice.
pub(super) type Sequence = NonZeroU64;

/// One temperature, measured and waiting for the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// `None` until it is known where the numbering stands.
    pub(super) sequence: Option<Sequence>,
    /// When it was measured, by the device's own clock.
    pub(super) at: Instant,
    /// Thousandths of a degree Celsius.
    pub(super) celsius_milli: i32,
    /// It was sent at least once, so the hub may have it.
    pub(super) attempted: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    device: &'a str,
    sequence: u64,
    celsius_milli: i32,
    at_ms: u64,
}

/// Writes the body of a POST into `out`; `None` if it does not fit.
pub(super) fn encode<'o>(device: &str, sequence: Sequence, reading: &Reading, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let body =
        Body { device, sequence: sequence.get(), celsius_milli: reading.celsius_milli, at_ms: reading.at.as_millis() };
    let len = serde_json_core::to_slice(&body, out).ok()?;
    Some(&out[..len])
}

/// What the hub knows of this device, as far as the device cares.
#[derive(Deserialize)]
struct Known {
    last_sequence: u64,
}

/// The last number that the hub has seen, out of its answer; `None` if it does not say.
pub(super) fn decode_last_sequence(body: &[u8]) -> Option<u64> {
    let (known, _len) = serde_json_core::from_slice::<Known>(body).ok()?;
    Some(known.last_sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceId;

    #[test]
    fn a_reading_is_written_as_the_hub_reads_it() {
        let reading =
            Reading { sequence: None, at: Instant::from_micros(123_456_789), celsius_milli: -21_375, attempted: false };
        let mut out = [0; JSON_MAX];
        let seventeen = Sequence::new(17).expect("not zero");
        assert_eq!(
            encode("thermostat-1", seventeen, &reading, &mut out).expect("it fits"),
            br#"{"device":"thermostat-1","sequence":17,"celsius_milli":-21375,"at_ms":123456}"#
        );
    }

    #[test]
    fn the_longest_reading_fits() {
        let reading = Reading { sequence: None, at: Instant::MAX, celsius_milli: i32::MIN, attempted: false };
        let longest = core::str::from_utf8(&[b'x'; DeviceId::LEN_MAX]).expect("ASCII");
        assert!(encode(longest, Sequence::MAX, &reading, &mut [0; JSON_MAX]).is_some());
    }

    #[test]
    fn the_last_sequence_is_found_among_other_things() {
        for (body, last) in [
            (&br#"{"device":"a","last_sequence":17,"online":true}"#[..], Some(17)),
            (br#" { "x" : [1, {"last_sequence": 3}], "y": 1.5, "last_sequence" : 0 } "#, Some(0)),
            (br#"{"device":"a \"b\"","seen":null,"last_sequence":18446744073709551615}"#, Some(u64::MAX)),
            (br#"{"device":"a"}"#, None),
            (br#"{"last_sequence":null}"#, None),
            (br#"{"last_sequence":-1}"#, None),
            (br#"{"last_sequence":1"#, None),
            (b"not found", None),
            (b"", None),
        ] {
            assert_eq!(decode_last_sequence(body), last, "{:?}", core::str::from_utf8(body));
        }
    }
}
