//! What settings are when nothing is said of them, for `#[serde(default = "…")]`.

use crate::units::Time;

pub(super) const fn secs<const N: u64>() -> Time {
    Time::from_secs(N)
}

pub(super) const fn millis<const N: u64>() -> Time {
    Time::from_millis(N)
}

pub(super) const fn pages<const N: u16>() -> u16 {
    N
}

pub(super) const fn baud<const N: u32>() -> u32 {
    N
}
