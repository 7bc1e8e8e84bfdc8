//! Versions, which have an order.

use core::fmt;
use core::str::FromStr;

/// `1.2.3`: three numbers of up to 65535, without leading zeros. The first counts most.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Counts most.
    pub major: u16,
    /// Counts between two of the same `major`.
    pub minor: u16,
    /// Counts between two of the same `minor`.
    pub patch: u16,
}

/// The text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers of up to 65535, such as `1.2.0`")]
pub struct InvalidVersion;

impl Version {
    /// The longest text of one, in bytes.
    pub const LEN_MAX: usize = 17;

    /// A version of these numbers.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// As one number for a gauge: 1.2.3 is 1,002,003. Versions whose last two numbers are below 1,000 keep their order.
    #[must_use]
    pub const fn as_gauge(self) -> i64 {
        (self.major as i64) * 1_000_000 + (self.minor as i64) * 1_000 + self.patch as i64
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let mut numbers =
            text.split('.').map(|digits| decimal(digits, 5).and_then(|number| u16::try_from(number).ok()));
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => Ok(Self { major, minor, patch }),
            _ => Err(InvalidVersion),
        }
    }
}

/// A number that is written in the one way there is.
pub(crate) fn decimal(digits: &str, digits_max: usize) -> Option<u32> {
    let plain = (1..=digits_max).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let leads_with_zero = digits.len() > 1 && digits.starts_with('0');
    if plain && !leads_with_zero { digits.parse().ok() } else { None }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
