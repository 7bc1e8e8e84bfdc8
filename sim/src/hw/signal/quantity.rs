//! Numbers as people write them in scenario files, kept as integers.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A physical value, held in millionths of its unit and written in whole units: `21.5` is 21,500,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micro(pub i64);

/// A span of virtual time, held in nanoseconds and written in seconds: `0.5` is 500,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(u64);

impl Seconds {
    /// So many whole seconds; at most 584 years.
    pub const fn from_secs(seconds: u64) -> Self {
        Seconds(seconds.saturating_mul(1_000_000_000))
    }

    /// So many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Seconds(nanos)
    }

    /// The span in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

/// Reads `number * scale`, rounded to the nearest integer, from an integer or a decimal.
struct Scaled {
    scale: i64,
    minimum: i64,
    expecting: &'static str,
}

impl Scaled {
    fn of_integer<E: de::Error>(&self, number: i128) -> Result<i64, E> {
        i64::try_from(number * i128::from(self.scale))
            .ok()
            .filter(|scaled| *scaled >= self.minimum)
            .ok_or_else(|| E::custom(format_args!("{number} is not {}", self.expecting)))
    }
}

impl Visitor<'_> for Scaled {
    type Value = i64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expecting)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        self.of_integer(i128::from(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
        self.of_integer(i128::from(number))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
    #[expect(clippy::cast_precision_loss, reason = "scales are powers of ten that f64 holds exactly")]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<i64, E> {
        // One multiplication and one rounding, which IEEE 754 defines to the last bit on every platform.
        let scaled = (number * self.scale as f64).round();
        let fits = scaled.abs() < 9.2e18 && scaled as i64 >= self.minimum;
        if fits { Ok(scaled as i64) } else { Err(E::custom(format_args!("{number} is not {}", self.expecting))) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "written for people; reading rounds back to the same integer")]
fn unscaled(value: i64, scale: i64) -> f64 {
    value as f64 / scale as f64
}

impl<'de> Deserialize<'de> for Micro {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = Scaled { scale: 1_000_000, minimum: i64::MIN, expecting: "a number between -9.2e12 and 9.2e12" };
        deserializer.deserialize_any(visitor).map(Micro)
    }
}

impl Serialize for Micro {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(unscaled(self.0, 1_000_000))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = Scaled { scale: 1_000_000_000, minimum: 0, expecting: "a number of seconds between 0 and 9.2e9" };
        let nanos = deserializer.deserialize_any(visitor)?;
        Ok(Seconds(nanos.unsigned_abs()))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = i64::try_from(self.0).unwrap_or(i64::MAX);
        serializer.serialize_f64(unscaled(nanos, 1_000_000_000))
    }
}

impl JsonSchema for Micro {
    fn schema_name() -> Cow<'static, str> {
        "Micro".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "description": "In the quantity's unit, to six decimals." })
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "description": "Seconds of virtual time, to nine decimals." })
    }
}
