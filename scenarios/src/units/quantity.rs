//! One reader for all quantities: a decimal number, a unit from a table, an exact integer result.

use std::fmt;

/// What can be measured, in which units, and how to talk about it.
#[derive(Debug)]
pub struct Dimension {
    /// With its article: `a time`.
    pub name: &'static str,
    /// Units and how many of the smallest unit each is worth, with spellings in order of preference.
    pub units: &'static [(&'static str, u64)],
    /// What people write instead, and the unit they mean.
    pub slips: &'static [(&'static str, &'static str)],
    /// The smallest unit's name, for what is finer still.
    pub smallest: &'static str,
    /// Examples that are right, quoted.
    pub examples: &'static str,
}

/// Why a quantity cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Whether the number and unit are fine and only their size is not.
    pub out_of_range: bool,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub help: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

impl std::error::Error for Malformed {}

impl Dimension {
    /// The value of `text` in the smallest unit, with its sign.
    ///
    /// # Errors
    /// If there is no number, no unit or an unknown one, or the value is not a whole number of the
    /// smallest unit or beyond 63 bits of it.
    pub fn signed(&self, text: &str) -> Result<i64, Malformed> {
        let text = text.trim();
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, unit) = (&rest[..end], rest[end..].trim_start());
        let scaled = self.scale(number, self.factor(number, unit)?)?;
        let value = i64::try_from(scaled).map_err(|_| self.beyond(text))?;
        Ok(if negative { -value } else { value })
    }

    /// As [`signed`](Self::signed), for what cannot be negative.
    ///
    /// # Errors
    /// As for `signed`, and if the value is negative.
    pub fn unsigned(&self, text: &str) -> Result<u64, Malformed> {
        let value = self.signed(text)?;
        u64::try_from(value).map_err(|_| Malformed {
            out_of_range: true,
            what: format!("{} cannot be negative", self.name),
            help: format!("write {}", self.examples),
        })
    }

    /// The shortest exact spelling, which [`signed`](Self::signed) reads back.
    #[must_use]
    pub fn spell(&self, value: i64) -> String {
        let size = value.unsigned_abs();
        let (unit, factor) = self
            .units
            .iter()
            .filter(|(_, factor)| size >= *factor && size.is_multiple_of(*factor))
            .rev()
            .max_by_key(|(_, factor)| *factor)
            .unwrap_or(&self.units[0]);
        let sign = if value < 0 { "-" } else { "" };
        format!("{sign}{}{unit}", size / factor)
    }

    fn factor(&self, number: &str, unit: &str) -> Result<u64, Malformed> {
        if number.is_empty() {
            return Err(self.malformed(format!("this is not {}", self.name)));
        }
        if let Some((_, factor)) = self.units.iter().find(|(name, _)| *name == unit) {
            return Ok(*factor);
        }
        let names: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        let all = crate::diagnose::list(names.iter().copied());
        if unit.is_empty() {
            return Err(Malformed {
                out_of_range: false,
                what: format!("{} needs a unit", self.name),
                help: format!("write {}; units are {all}", self.examples),
            });
        }
        let slip = self.slips.iter().find(|(slip, _)| *slip == unit);
        let same = |name: &&&str| name.eq_ignore_ascii_case(unit);
        let meant = slip.map(|(_, meant)| *meant).or_else(|| names.iter().find(same).copied());
        Err(Malformed {
            out_of_range: false,
            what: format!("`{unit}` is not a unit of {}", self.name.trim_start_matches("a ")),
            help: match meant {
                Some(meant) => format!("did you mean \"{number} {meant}\"? Units are {all}"),
                None => format!("write {}; units are {all}", self.examples),
            },
        })
    }

    fn scale(&self, number: &str, factor: u64) -> Result<u128, Malformed> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || (number.contains('.') && fraction.is_empty()) {
            return Err(self.malformed(format!("`{number}` is not a decimal number")));
        }
        let fraction = fraction.trim_end_matches('0');
        let places = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
        if whole.len() > 20 || places > 18 {
            return Err(self.beyond(number));
        }
        let mantissa: u128 = format!("{whole}{fraction}").parse().map_err(|_| self.beyond(number))?;
        let scaled = mantissa.checked_mul(u128::from(factor)).ok_or_else(|| self.beyond(number))?;
        let divisor = 10_u128.pow(places);
        if scaled % divisor != 0 {
            return Err(Malformed {
                out_of_range: true,
                what: format!("this is finer than {}", self.smallest),
                help: format!("{} is the smallest step", self.smallest),
            });
        }
        Ok(scaled / divisor)
    }

    fn malformed(&self, what: String) -> Malformed {
        Malformed { out_of_range: false, what, help: format!("write {}", self.examples) }
    }

    fn beyond(&self, text: &str) -> Malformed {
        Malformed {
            out_of_range: true,
            what: format!("`{text}` is more than can be held"),
            help: format!("write {} of a usual size, such as {}", self.name, self.examples),
        }
    }
}
