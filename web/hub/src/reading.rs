//! What a device reports.

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
    /// The temperature in thousandths of a degree Celsius.
    pub celsius_milli: i32,
    /// When it was taken, in milliseconds by the device's own clock.
    pub at_ms: u64,
}

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
        if !(-273_150..=1_000_000).contains(&self.celsius_milli) {
            return Err(Invalid::Celsius);
        }
        Ok(())
    }
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
    use super::{Invalid, Reading};

    #[test]
    fn a_reading_is_checked_field_by_field() {
        let good = Reading { device: "thermostat-1".into(), sequence: 1, celsius_milli: 21_375, at_ms: 0 };
        assert_eq!(good.check(), Ok(()));
        for device in ["", ".", "..", "-x", "a/b", "a b", "ü", &"x".repeat(65)] {
            assert_eq!(Reading { device: device.into(), ..good.clone() }.check(), Err(Invalid::Device), "{device}");
        }
        for device in ["7", "a.b_c-d", &"x".repeat(64)] {
            assert_eq!(Reading { device: device.into(), ..good.clone() }.check(), Ok(()), "{device}");
        }
        assert_eq!(Reading { sequence: 0, ..good.clone() }.check(), Err(Invalid::Sequence));
        for celsius_milli in [-273_151, 1_000_001, i32::MIN, i32::MAX] {
            assert_eq!(Reading { celsius_milli, ..good.clone() }.check(), Err(Invalid::Celsius));
        }
    }
}
