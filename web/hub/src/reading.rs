//! What a device reports.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// One measurement, numbered by the device that took it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Reading {
    /// The device's name: see [`Reading::check`].
    pub device: String,
    /// Counts the device's readings, from 1.
    pub sequence: u64,
    /// The temperature in thousandths of a degree Celsius, of a device that measures one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius_milli: Option<i32>,
    /// What else was measured.
    #[serde(default, skip_serializing_if = "Quantities::is_empty")]
    pub quantities: Quantities,
    /// When it was taken, in milliseconds by the device's own clock.
    pub at_ms: u64,
}

/// What was measured beside a temperature, by name: thousandths of the unit in which the name ends, such as
/// `air_pressure_pascal`. At most 16; see [`Reading::check`] for their names.
pub type Quantities = BTreeMap<String, i64>;

/// So many quantities has a reading at most.
const QUANTITIES_MAX: usize = 16;
/// What JavaScript, too, takes for an integer (RFC 8259, section 6).
const VALUE_MAX: i64 = (1 << 53) - 1;

/// What is wrong with a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The device's name cannot be one.
    #[error("`device` must be 1 to 64 ASCII letters, digits, `.`, `_` or `-`, and begin with a letter or digit")]
    Device,
    /// Readings are counted from 1.
    #[error("`sequence` must be at least 1")]
    Sequence,
    /// Nothing is that cold, and no sensor survives that heat.
    #[error("`celsius_milli` must be in -273150..=1000000")]
    Celsius,
    /// A reading of nothing.
    #[error("a reading has `celsius_milli`, or `quantities`, or both")]
    Nothing,
    /// More than anybody measures at once.
    #[error("`quantities` has 16 entries at most")]
    TooMany,
    /// The name of a quantity cannot be one.
    #[error("the names of `quantities` are 1 to 32 small ASCII letters, digits or `_`, and begin with a letter")]
    Quantity,
    /// Not every reader of JSON could tell it from another.
    #[error("the values of `quantities` must be in -9007199254740991..=9007199254740991")]
    Value,
}

impl Reading {
    /// Whether the hub accepts this reading.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn check(&self) -> Result<(), Invalid> {
        if !is_plain_name(&self.device) {
            return Err(Invalid::Device);
        }
        if self.sequence == 0 {
            return Err(Invalid::Sequence);
        }
        if self.celsius_milli.is_some_and(|celsius| !(-273_150..=1_000_000).contains(&celsius)) {
            return Err(Invalid::Celsius);
        }
        if self.celsius_milli.is_none() && self.quantities.is_empty() {
            return Err(Invalid::Nothing);
        }
        if self.quantities.len() > QUANTITIES_MAX {
            return Err(Invalid::TooMany);
        }
        if !self.quantities.keys().all(|name| is_quantity(name)) {
            return Err(Invalid::Quantity);
        }
        if !self.quantities.values().all(|value| (-VALUE_MAX..=VALUE_MAX).contains(value)) {
            return Err(Invalid::Value);
        }
        Ok(())
    }
}

/// Names that are the same in JSON, in a metric and on a page.
fn is_quantity(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.as_bytes()[0].is_ascii_lowercase()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Names that mean the same in a path, on a command line and in a metric.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// A reading, or an array of readings.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Posted {
    One(Reading),
    Batch(Vec<Reading>),
}

impl Posted {
    pub(crate) fn readings(&self) -> &[Reading] {
        match self {
            Self::One(reading) => std::slice::from_ref(reading),
            Self::Batch(readings) => readings,
        }
    }
}

/// By hand, so that an error says which field is wrong; an untagged enum would only say that nothing fits.
impl<'de> Deserialize<'de> for Posted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Posted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reading or an array of readings")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Posted, A::Error> {
                Reading::deserialize(MapAccessDeserializer::new(map)).map(Posted::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Posted, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Posted::Batch)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use super::{Invalid, Quantities, Reading};

    fn temperature(celsius_milli: i32) -> Reading {
        let quantities = Quantities::new();
        Reading { device: "thermostat-1".into(), sequence: 1, celsius_milli: Some(celsius_milli), quantities, at_ms: 0 }
    }

    #[test]
    fn a_reading_is_checked_field_by_field() {
        let good = temperature(21_375);
        assert_eq!(good.check(), Ok(()));
        for device in ["", ".", "..", "-x", "a/b", "a b", "ü", &"x".repeat(65)] {
            assert_eq!(Reading { device: device.into(), ..good.clone() }.check(), Err(Invalid::Device), "{device}");
        }
        for device in ["7", "a.b_c-d", &"x".repeat(64)] {
            assert_eq!(Reading { device: device.into(), ..good.clone() }.check(), Ok(()), "{device}");
        }
        assert_eq!(Reading { sequence: 0, ..good.clone() }.check(), Err(Invalid::Sequence));
        for celsius_milli in [-273_151, 1_000_001, i32::MIN, i32::MAX] {
            assert_eq!(temperature(celsius_milli).check(), Err(Invalid::Celsius));
        }
    }

    #[test]
    fn quantities_have_names_and_bounds() {
        let of = |quantities: &[(&str, i64)], celsius_milli| {
            let quantities = quantities.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            Reading { quantities, celsius_milli, ..temperature(0) }.check()
        };
        let most = 9_007_199_254_740_991;
        assert_eq!(of(&[("air_pressure_pascal", 101_325_000), ("x2", -most)], None), Ok(()));
        assert_eq!(of(&[("humidity_percent", most)], Some(21_375)), Ok(()));
        assert_eq!(of(&[], None), Err(Invalid::Nothing));
        for name in ["", "_x", "2x", "X", "a-b", "ü", &"x".repeat(33)] {
            assert_eq!(of(&[(name, 0)], Some(0)), Err(Invalid::Quantity), "{name}");
        }
        for value in [most + 1, -most - 1, i64::MIN, i64::MAX] {
            assert_eq!(of(&[("x", value)], None), Err(Invalid::Value));
        }
        let names: Vec<String> = (0..17).map(|n| format!("q{n}")).collect();
        let many: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 0)).collect();
        assert_eq!(of(&many[..16], None), Ok(()));
        assert_eq!(of(&many, None), Err(Invalid::TooMany));
    }

    #[test]
    fn a_temperature_alone_is_written_as_ever() {
        let text = r#"{"device":"thermostat-1","sequence":1,"celsius_milli":21375,"at_ms":0}"#;
        let reading: Reading = serde_json::from_str(text).expect("a reading");
        assert_eq!(reading, temperature(21_375));
        assert_eq!(serde_json::to_string(&reading).expect("no maps of strange keys"), text);
    }
}
