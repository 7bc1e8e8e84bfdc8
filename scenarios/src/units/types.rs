//! The quantities themselves, each an integer of its smallest unit.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::quantity::{Dimension, Malformed};

static TIME: Dimension = Dimension {
    name: "a time",
    units: &[
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("min", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ],
    slips: &[
        ("m", "min"),
        ("minutes", "min"),
        ("minute", "min"),
        ("sec", "s"),
        ("secs", "s"),
        ("second", "s"),
        ("seconds", "s"),
        ("msec", "ms"),
        ("millis", "ms"),
        ("usec", "us"),
        ("hour", "h"),
        ("hours", "h"),
        ("day", "d"),
        ("days", "d"),
    ],
    smallest: "a nanosecond",
    examples: "\"250ms\", \"1.5s\" or \"2min\"",
};

static RATE: Dimension = Dimension {
    name: "a rate",
    units: &[("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)],
    slips: &[
        ("bps", "bit/s"),
        ("kbps", "kbit/s"),
        ("Kbps", "kbit/s"),
        ("kbit", "kbit/s"),
        ("Mbps", "Mbit/s"),
        ("mbps", "Mbit/s"),
        ("Mbit", "Mbit/s"),
        ("Gbps", "Gbit/s"),
        ("gbps", "Gbit/s"),
        ("Gbit", "Gbit/s"),
    ],
    smallest: "a bit a second",
    examples: "\"250 kbit/s\" or \"10 Mbit/s\"",
};

static SIZE: Dimension = Dimension {
    name: "a size",
    units: &[
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ],
    slips: &[("k", "KiB"), ("K", "KiB"), ("KB", "KiB"), ("M", "MiB"), ("bytes", "B"), ("byte", "B")],
    smallest: "a byte",
    examples: "\"1500 B\" or \"64 KiB\"",
};

static PROBABILITY: Dimension = Dimension {
    name: "a probability",
    units: &[("ppb", 1), ("ppm", 1_000), ("%", 10_000_000)],
    slips: &[("percent", "%"), ("pct", "%")],
    smallest: "a part in a billion",
    examples: "\"1 %\" or 0.01",
};

static CHARGE: Dimension = Dimension {
    name: "a charge",
    units: &[
        ("nC", 1),
        ("uC", 1_000),
        ("µC", 1_000),
        ("mC", 1_000_000),
        ("C", 1_000_000_000),
        ("uAh", 3_600_000),
        ("µAh", 3_600_000),
        ("mAh", 3_600_000_000),
        ("Ah", 3_600_000_000_000),
    ],
    slips: &[("mA", "mAh"), ("A", "Ah")],
    smallest: "a nanocoulomb",
    examples: "\"220 mAh\" or \"3.6 C\"",
};

static CURRENT: Dimension = Dimension {
    name: "a current",
    units: &[("nA", 1), ("uA", 1_000), ("µA", 1_000), ("mA", 1_000_000), ("A", 1_000_000_000)],
    slips: &[("mAh", "mA"), ("uAh", "uA"), ("amps", "A")],
    smallest: "a nanoampere",
    examples: "\"3 uA\" or \"17 mA\"",
};

static VOLTAGE: Dimension = Dimension {
    name: "a voltage",
    units: &[("uV", 1), ("µV", 1), ("mV", 1_000), ("V", 1_000_000)],
    slips: &[("volts", "V"), ("volt", "V")],
    smallest: "a microvolt",
    examples: "\"2.4 V\" or \"1800 mV\"",
};

static RESISTANCE: Dimension = Dimension {
    name: "a resistance",
    units: &[("mOhm", 1), ("Ohm", 1_000), ("kOhm", 1_000_000)],
    slips: &[("Ω", "Ohm"), ("mΩ", "mOhm"), ("kΩ", "kOhm"), ("ohms", "Ohm"), ("Ohms", "Ohm")],
    smallest: "a milliohm",
    examples: "\"15 Ohm\" or \"300 mOhm\"",
};

/// Parts in a billion that are all of it.
const WHOLE_PPB: u32 = 1_000_000_000;

/// A span of time that is not negative, in nanoseconds: `"250ms"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A span of time with a sign, in nanoseconds: `"-3s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedTime(i64);

/// Bits a second: `"10 Mbit/s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

/// Bytes: `"64 KiB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// Bytes, more or fewer: `"-14 B"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedSize(i64);

/// An electric charge in nanocoulombs: `"220 mAh"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Charge(u64);

/// An electric current in nanoamperes: `"17 mA"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Current(u64);

/// A voltage that is not negative, in microvolts: `"2.4 V"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voltage(u64);

/// An electric resistance in milliohms: `"15 Ohm"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resistance(u64);

/// A probability in parts in a billion: `"1 %"`, or the number 0.01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

/// How much too fast a clock runs, in parts in a billion; written in ppm as a number: `20.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Drift(i32);

impl Time {
    /// So many nanoseconds.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// So many milliseconds; stops at the largest time.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// So many seconds; stops at the largest time.
    #[must_use]
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// As the standard library's duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Reads `"250ms"`.
    ///
    /// # Errors
    /// If it is not a number with a unit of time, or negative, or finer than a nanosecond.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        TIME.unsigned(text).map(Self)
    }
}

impl SignedTime {
    /// So many nanoseconds.
    #[must_use]
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Reads `"-3s"`.
    ///
    /// # Errors
    /// As for [`Time::parse`], but a sign is allowed.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        TIME.signed(text).map(Self)
    }
}

impl Rate {
    /// In bits a second.
    #[must_use]
    pub const fn as_bits_per_second(self) -> u64 {
        self.0
    }

    /// Reads `"10 Mbit/s"`.
    ///
    /// # Errors
    /// If it is not a number with a unit of rate, or negative.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        RATE.unsigned(text).map(Self)
    }
}

impl SignedSize {
    /// In bytes.
    #[must_use]
    pub const fn as_bytes(self) -> i64 {
        self.0
    }

    /// Reads `"-14 B"`.
    ///
    /// # Errors
    /// As for [`Size::parse`], but a sign is allowed.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        SIZE.signed(text).map(Self)
    }
}

impl Size {
    /// So many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// Reads `"64 KiB"`.
    ///
    /// # Errors
    /// If it is not a number with a unit of size, or negative, or no whole number of bytes.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        SIZE.unsigned(text).map(Self)
    }
}

impl Charge {
    /// In nanocoulombs; 1 mAh is 3,600,000,000 of them.
    #[must_use]
    pub const fn as_nanocoulombs(self) -> u64 {
        self.0
    }

    /// Reads `"220 mAh"`.
    ///
    /// # Errors
    /// If it is not a number with a unit of charge, or negative, or finer than a nanocoulomb.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        CHARGE.unsigned(text).map(Self)
    }
}

impl Current {
    /// So many nanoamperes.
    #[must_use]
    pub const fn from_nanoamperes(na: u64) -> Self {
        Self(na)
    }

    /// In nanoamperes.
    #[must_use]
    pub const fn as_nanoamperes(self) -> u64 {
        self.0
    }

    /// Reads `"17 mA"`.
    ///
    /// # Errors
    /// If it is not a number with a unit of current, or negative, or finer than a nanoampere.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        CURRENT.unsigned(text).map(Self)
    }
}

impl Voltage {
    /// So many microvolts.
    #[must_use]
    pub const fn from_microvolts(uv: u64) -> Self {
        Self(uv)
    }

    /// In microvolts.
    #[must_use]
    pub const fn as_microvolts(self) -> u64 {
        self.0
    }

    /// Reads `"2.4 V"`.
    ///
    /// # Errors
    /// If it is not a number with a unit of voltage, or negative, or finer than a microvolt.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        VOLTAGE.unsigned(text).map(Self)
    }
}

impl Resistance {
    /// In milliohms.
    #[must_use]
    pub const fn as_milliohms(&self) -> u64 {
        self.0
    }

    /// Reads `"15 Ohm"`.
    ///
    /// # Errors
    /// If it is not a number with a unit of resistance, or negative, or finer than a milliohm.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        RESISTANCE.unsigned(text).map(Self)
    }
}

impl Probability {
    /// In parts in a billion, at most a billion.
    #[must_use]
    pub const fn as_ppb(self) -> u32 {
        self.0
    }

    /// Reads `"1 %"` or `"250 ppm"`.
    ///
    /// # Errors
    /// If it has no such unit, or is not between 0 % and 100 %.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Self::checked(PROBABILITY.signed(text)?, text)
    }

    /// Reads a bare number as it is spelled: `0.01`.
    ///
    /// # Errors
    /// If it is not between 0 and 1, or finer than a part in a billion.
    pub fn parse_number(text: &str) -> Result<Self, Malformed> {
        Self::checked(decimal(text, i64::from(WHOLE_PPB), &PROBABILITY)?, text).map_err(|malformed| {
            match text.parse::<u8>() {
                Ok(percent @ 2..=100) => Malformed { help: format!("did you mean \"{percent} %\"?"), ..malformed },
                _ => malformed,
            }
        })
    }

    fn checked(ppb: i64, text: &str) -> Result<Self, Malformed> {
        u32::try_from(ppb).ok().filter(|ppb| *ppb <= WHOLE_PPB).map(Self).ok_or_else(|| Malformed {
            out_of_range: true,
            what: format!("`{}` is not between 0 and 1", text.trim()),
            help: "a probability is between 0 and 1, or between \"0 %\" and \"100 %\"".into(),
        })
    }
}

impl Drift {
    /// The most that a clock can drift either way: a tenth.
    const MAX_PPB: i32 = 100_000_000;

    /// In parts in a billion.
    #[must_use]
    pub const fn as_ppb(self) -> i32 {
        self.0
    }

    /// Reads a number of ppm as it is spelled: `-20.5`.
    ///
    /// # Errors
    /// If it is finer than a part in a billion or beyond 100,000 ppm.
    pub fn parse_number(text: &str) -> Result<Self, Malformed> {
        let ppb = decimal(text, 1_000, &PPM)?;
        i32::try_from(ppb).ok().filter(|ppb| ppb.abs() <= Self::MAX_PPB).map(Self).ok_or_else(|| Malformed {
            out_of_range: true,
            what: format!("a drift of {text} ppm is more than any clock has"),
            help: "a crystal drifts by 20 to 100 ppm; at most 100000 is taken".into(),
        })
    }
}

static NUMBER: Dimension =
    Dimension { name: "a number", units: &[], slips: &[], smallest: "a millionth", examples: "-7.5 or 120" };

static SECONDS: Dimension =
    Dimension { name: "a number of seconds", units: &[], slips: &[], smallest: "a nanosecond", examples: "0 or 12.5" };

static PPM: Dimension =
    Dimension { name: "a drift", units: &[], slips: &[], smallest: "a thousandth of a ppm", examples: "-20 or 0.5" };

/// Reads a number as it is spelled, in millionths: `-7.5`.
pub(crate) fn micro(text: &str) -> Result<i64, Malformed> {
    decimal(text, 1_000_000, &NUMBER)
}

/// Reads a number of seconds as it is spelled, in nanoseconds: `12.5`.
pub(crate) fn nanos(text: &str) -> Result<i64, Malformed> {
    decimal(text, 1_000_000_000, &SECONDS)
}

/// A number as TOML spells it, times `factor`, exactly.
fn decimal(text: &str, factor: i64, dimension: &Dimension) -> Result<i64, Malformed> {
    let plain = text.replace('_', "");
    let (mantissa, exponent) = match plain.find(['e', 'E']) {
        Some(at) => (&plain[..at], plain[at + 1..].parse::<i32>().ok()),
        None => (plain.as_str(), Some(0)),
    };
    let refused = |what: &str| Malformed {
        out_of_range: true,
        what: format!("`{text}` {what}"),
        help: format!("write {}", dimension.examples),
    };
    let negative = mantissa.starts_with('-');
    let digits = mantissa.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let shift = exponent.and_then(|e| e.checked_sub(places));
    let value: Option<i128> = format!("{whole}{fraction}").parse().ok();
    let (Some(shift), Some(value)) = (shift, value) else {
        return Err(refused("is not a number that can be held"));
    };
    let Some(power) = 10_i128.checked_pow(shift.unsigned_abs()) else {
        return Err(refused("is not a number that can be held"));
    };
    let scaled = value.checked_mul(i128::from(factor));
    let exact = match scaled {
        Some(scaled) if shift < 0 && scaled % power == 0 => Some(scaled / power),
        Some(_) if shift < 0 => return Err(refused(&format!("is finer than {}", dimension.smallest))),
        Some(scaled) => scaled.checked_mul(power),
        None => None,
    };
    exact
        .and_then(|exact| i64::try_from(exact).ok())
        .map(|exact| if negative { -exact } else { exact })
        .ok_or_else(|| refused("is not a number that can be held"))
}

impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.as_duration()
    }
}

/// Reads a quantity from a string, and explains itself if it is something else.
struct Text(&'static Dimension);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with its unit, such as {}", self.0.name, self.0.examples)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

macro_rules! in_text {
    ($type:ident, $dimension:ident, $pattern:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let value = i64::try_from(self.0).unwrap_or(i64::MAX);
                f.write_str(&$dimension.spell(value))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_str(Text(&$dimension))?;
                Self::parse(&text).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "description": format!("{}: {}", $dimension.name, $dimension.examples),
                    "pattern": format!("^({0})(\\.\\.({0}))?$", $pattern),
                })
            }
        }
    };
}

in_text!(Time, TIME, r"\s*\+?[0-9]+(\.[0-9]+)?\s*(ns|us|µs|ms|s|min|h|d)\s*");
in_text!(SignedTime, TIME, r"\s*[+-]?[0-9]+(\.[0-9]+)?\s*(ns|us|µs|ms|s|min|h|d)\s*");
in_text!(Rate, RATE, r"\s*\+?[0-9]+(\.[0-9]+)?\s*[kMG]?bit/s\s*");
in_text!(Size, SIZE, r"\s*\+?[0-9]+(\.[0-9]+)?\s*(k|M|G|Ki|Mi|Gi)?B\s*");
in_text!(SignedSize, SIZE, r"\s*[+-]?[0-9]+(\.[0-9]+)?\s*(k|M|G|Ki|Mi|Gi)?B\s*");
in_text!(Charge, CHARGE, r"\s*\+?[0-9]+(\.[0-9]+)?\s*((n|u|µ|m)?C|(u|µ|m)?Ah)\s*");
in_text!(Current, CURRENT, r"\s*\+?[0-9]+(\.[0-9]+)?\s*(n|u|µ|m)?A\s*");
in_text!(Voltage, VOLTAGE, r"\s*\+?[0-9]+(\.[0-9]+)?\s*(u|µ|m)?V\s*");
in_text!(Resistance, RESISTANCE, r"\s*\+?[0-9]+(\.[0-9]+)?\s*(m|k)?Ohm\s*");
in_text!(Probability, PROBABILITY, r"\s*\+?[0-9]+(\.[0-9]+)?\s*(%|ppm|ppb)\s*");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        assert_eq!(Time::parse("250ms"), Ok(Time(250_000_000)));
        assert_eq!(Time::parse(" 1.5 s "), Ok(Time(1_500_000_000)));
        assert_eq!(Time::parse("0.000000001s"), Ok(Time(1)));
        assert_eq!(SignedTime::parse("-2min"), Ok(SignedTime(-120_000_000_000)));
        assert_eq!(SignedSize::parse("-14 B"), Ok(SignedSize(-14)));
        assert_eq!(Rate::parse("10 Mbit/s"), Ok(Rate(10_000_000)));
        assert_eq!(Size::parse("1.5 KiB"), Ok(Size(1536)));
        assert_eq!(Charge::parse("1.5 mAh"), Ok(Charge(5_400_000_000)));
        assert_eq!(Current::parse("0.5uA"), Ok(Current(500)));
        assert_eq!(Voltage::parse("2.45 V"), Ok(Voltage(2_450_000)));
        assert_eq!(Resistance::parse("15 Ohm"), Ok(Resistance(15_000)));
        assert_eq!(Probability::parse("1 %"), Ok(Probability(10_000_000)));
        assert_eq!(Probability::parse("0.0001%"), Ok(Probability(1_000)));
        assert_eq!(Probability::parse_number("0.01"), Ok(Probability(10_000_000)));
        assert_eq!(Probability::parse_number("1e-3"), Ok(Probability(1_000_000)));
        assert_eq!(Probability::parse_number("1"), Ok(Probability(WHOLE_PPB)));
        assert_eq!(Drift::parse_number("-20.5"), Ok(Drift(-20_500)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_remedy() {
        let told = |malformed: Malformed| format!("{malformed}");
        let time = |text| told(Time::parse(text).expect_err("refused"));
        assert!(time("5").starts_with("a time needs a unit"));
        assert!(time("5 m").contains("did you mean \"5 min\"?"));
        assert!(time("5 parsec").contains("`parsec` is not a unit of time"));
        assert!(time("-5s").contains("cannot be negative"));
        assert!(time("0.5ns").contains("finer than a nanosecond"));
        assert!(time("1..5s").contains("not a decimal number"));
        assert!(time("99999999999d").contains("more than can be held"));
        assert!(told(Current::parse("5 mAh").expect_err("refused")).contains("did you mean \"5 mA\"?"));
        assert!(told(Resistance::parse("5 Ω").expect_err("refused")).contains("did you mean \"5 Ohm\"?"));
        assert!(told(Rate::parse("10 Mbps").expect_err("refused")).contains("\"10 Mbit/s\""));
        assert!(told(Probability::parse("120 %").expect_err("refused")).contains("between 0 and 1"));
        assert!(Probability::parse_number("1.2").is_err());
        assert!(Probability::parse_number("-0.1").is_err());
        assert!(Probability::parse_number("nan").is_err());
        assert!(Probability::parse_number("1e400").is_err());
        assert!(Drift::parse_number("1e9").is_err());
    }

    #[test]
    fn other_quantities_are_spelled_exactly_too() {
        assert_eq!(Size(65_536).to_string(), "64KiB");
        assert_eq!(Rate(2_500_000).to_string(), "2500kbit/s");
        assert_eq!(Current(1_500_000).to_string(), "1500uA");
        assert_eq!(Probability(10_000_000).to_string(), "1%");
        assert_eq!(SignedTime(-3_000_000_000).to_string(), "-3s");
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in ["0ns", "1ns", "250ms", "90s", "2min", "1500us", "3d"] {
            let time = Time::parse(text).expect("a time");
            assert_eq!(time.to_string(), text);
        }
    }
}
