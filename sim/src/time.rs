//! Virtual time: nanoseconds since a world's start.

use std::fmt;
use std::ops::{Add, Sub};

pub use core::time::Duration;

/// An instant of virtual time, in nanoseconds since the world's start.
///
/// It holds 584 years; arithmetic that would leave that range saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The start of every world.
    pub const START: Self = Self(0);
    /// The end of time: nothing is scheduled later.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `ns` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// As people read it: seconds, their thousands grouped, with as many decimals as there are: `3,600 s`, `12.0005 s`.
    #[must_use]
    pub fn exact(self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let digits = (self.0 / 1_000_000_000).to_string();
            for (index, digit) in digits.chars().enumerate() {
                let separator = if index > 0 && (digits.len() - index).is_multiple_of(3) { "," } else { "" };
                write!(f, "{separator}{digit}")?;
            }
            match format!("{:09}", self.0 % 1_000_000_000).trim_end_matches('0') {
                "" => f.write_str(" s"),
                part => write!(f, ".{part} s"),
            }
        })
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The length of `duration` in nanoseconds, saturating at 584 years.
#[must_use]
pub const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl fmt::Display for Instant {
    /// Seconds with nine decimals: `12.000500000s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format_args!("{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000).to_string();
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_no_more_digits_than_there_are() {
        let exact = [60_000_000_000, 31_250_000_000, 1, 3_600_000_000_000].map(|ns| Instant(ns).exact().to_string());
        assert_eq!(exact, ["60 s", "31.25 s", "0.000000001 s", "3,600 s"]);
    }
}
