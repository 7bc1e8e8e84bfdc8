//! A look at the weather: what was measured at one time, on the flash and as it travels.

use core::fmt::Write as _;

use crate::DeviceId;
use crate::report::{BODY_MAX, Body};

/// A record on the flash: when, what there is, and a word for each that can be.
pub(super) const RECORD_LEN: usize = 8 + 1 + 4 * QUANTITIES;
const QUANTITIES: usize = 8;

/// The quantities beside the air's temperature, as they are told: thousandths of the unit in which each name ends.
const NAMES: [&str; QUANTITIES - 1] =
    ["case_celsius", "air_pressure_pascal", "humidity_percent", "mast_x_g", "mast_y_g", "mast_z_g", "battery_volt"];

/// Thousandths of each quantity's unit; `None` if it was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// When, in milliseconds by the station's own clock.
    pub(super) at_ms: u64,
    /// The air's temperature, by the thermometer, in °C.
    pub(super) celsius: Option<i32>,
    /// The temperature in the barometer's case, its pressure and its humidity: in °C, Pa and %.
    pub(super) barometer: [Option<i32>; 3],
    /// How the mast stands: what gravity is along its three axes, in g.
    pub(super) mast: [Option<i32>; 3],
    /// The battery, in V.
    pub(super) battery: Option<i32>,
}

impl Record {
    /// Whether there is nothing of the weather in it.
    pub(super) fn is_empty(&self) -> bool {
        self.values()[..QUANTITIES - 1].iter().all(Option::is_none)
    }

    fn values(&self) -> [Option<i32>; QUANTITIES] {
        let ([case, pressure, humidity], [x, y, z]) = (self.barometer, self.mast);
        [self.celsius, case, pressure, humidity, x, y, z, self.battery]
    }

    pub(super) fn encode(&self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        bytes[..8].copy_from_slice(&self.at_ms.to_le_bytes());
        for (index, value) in self.values().into_iter().enumerate() {
            if let Some(value) = value {
                bytes[8] |= 1 << index;
                bytes[9 + 4 * index..][..4].copy_from_slice(&value.to_le_bytes());
            }
        }
        bytes
    }

    /// `None` of bytes that are no record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; RECORD_LEN] = bytes.try_into().ok()?;
        let (at_ms, rest) = bytes.split_first_chunk()?;
        let (known, words) = rest.split_first()?;
        let mut values = [None; QUANTITIES];
        for (index, (value, word)) in values.iter_mut().zip(words.as_chunks().0).enumerate() {
            *value = (known & 1 << index != 0).then(|| i32::from_le_bytes(*word));
        }
        let [celsius, case, pressure, humidity, x, y, z, battery] = values;
        let (barometer, mast) = ([case, pressure, humidity], [x, y, z]);
        Some(Self { at_ms: u64::from_le_bytes(*at_ms), celsius, barometer, mast, battery })
    }

    /// Writes it into `body`, as the telemetry hub reads it.
    pub(super) fn json(&self, device: &DeviceId, number: u64, body: &mut Body) {
        const {
            // Braces and names; an id, two full numbers, and eight words with a sign.
            assert!(120 + 150 + DeviceId::LEN_MAX + 2 * 20 + QUANTITIES * 11 <= BODY_MAX);
        }
        self.write(device, number, body).expect("there is room for any record");
    }

    fn write(&self, device: &DeviceId, number: u64, body: &mut Body) -> core::fmt::Result {
        body.clear();
        write!(body, r#"{{"device":"{device}","sequence":{number}"#)?;
        if let Some(celsius) = self.celsius {
            write!(body, r#","celsius_milli":{celsius}"#)?;
        }
        let mut before = "";
        for (name, value) in NAMES.iter().zip(&self.values()[1..]) {
            if let Some(value) = value {
                let opening = if before.is_empty() { r#","quantities":{"# } else { "" };
                write!(body, r#"{opening}{before}"{name}":{value}"#)?;
                before = ",";
            }
        }
        let closing = if before.is_empty() { "" } else { "}" };
        write!(body, r#"{closing},"at_ms":{}}}"#, self.at_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(record: &Record) -> Body {
        let mut body = Body::new();
        record.json(&DeviceId::new("station-1").expect("a name"), 17, &mut body);
        body
    }

    #[test]
    fn a_look_is_told_as_far_as_it_was_measured() {
        let celsius = Record { at_ms: 5, celsius: Some(-21_375), ..Record::default() };
        assert_eq!(json(&celsius), r#"{"device":"station-1","sequence":17,"celsius_milli":-21375,"at_ms":5}"#);
        let mut barometer = Record { at_ms: 5, ..Record::default() };
        barometer.barometer = [None, Some(101_325_000), Some(45_210)];
        barometer.battery = Some(3_012);
        assert_eq!(
            json(&barometer),
            concat!(
                r#"{"device":"station-1","sequence":17,"quantities":{"air_pressure_pascal":101325000,"#,
                r#""humidity_percent":45210,"battery_volt":3012},"at_ms":5}"#
            )
        );
        assert!(!celsius.is_empty() && !barometer.is_empty());
        assert!(Record { battery: Some(3_000), ..Record::default() }.is_empty());
    }

    #[test]
    fn the_longest_look_fits() {
        let least = Some(i32::MIN);
        let most = Record { at_ms: u64::MAX, celsius: least, barometer: [least; 3], mast: [least; 3], battery: least };
        let longest = core::str::from_utf8(&[b'x'; DeviceId::LEN_MAX]).expect("ASCII");
        most.json(&DeviceId::new(longest).expect("a name"), u64::MAX, &mut Body::new());
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read(at_ms: u64, values: [Option<i32>; 8]) {
            let [celsius, a, b, c, x, y, z, battery] = values;
            let record = Record { at_ms, celsius, barometer: [a, b, c], mast: [x, y, z], battery };
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Record::decode(&bytes);
        }
    }
}
