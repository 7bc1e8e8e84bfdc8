//! Rates of OFDM at 20 MHz, and how long things take on the air (IEEE 802.11-2020, clauses 17 and 18).

use crate::time::{Duration, nanos};

/// A rate.
pub(super) struct Rate {
    /// Data bits of a symbol of 4 us (table 17-4).
    bits_per_symbol: u64,
    /// What is understood at it (table 17-18).
    pub(super) sensitivity_cdbm: i32,
}

const fn rate(bits_per_symbol: u64, sensitivity_dbm: i32) -> Rate {
    Rate { bits_per_symbol, sensitivity_cdbm: sensitivity_dbm * 100 }
}

/// 6, 9, 12, 18, 24, 36, 48 and 54 Mbit/s.
pub(super) const RATES: [Rate; 8] = [
    rate(24, -82),
    rate(36, -81),
    rate(48, -79),
    rate(72, -77),
    rate(96, -74),
    rate(144, -70),
    rate(192, -66),
    rate(216, -65),
];

/// At which rate a frame that was received at another is acknowledged: the highest of 6, 12 and 24 Mbit/s that is no higher
/// (clause 10.6.6.5.2).
pub(super) const fn control(rate: usize) -> usize {
    match rate {
        0 | 1 => 0,
        2 | 3 => 2,
        _ => 4,
    }
}

/// How long an acknowledgement is (clause 9.3.1.4).
pub(super) const ACK_OCTETS: usize = 14;

/// Which part of the spectrum is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// 2.4 GHz: ERP-OFDM with short slots (clause 18).
    Ghz2,
    /// 5 GHz: OFDM (clause 17).
    Ghz5,
}

impl Band {
    /// aSIFSTime (tables 18-5 and 17-21).
    pub(super) const fn sifs_ns(self) -> u64 {
        match self {
            Self::Ghz2 => 10_000,
            Self::Ghz5 => 16_000,
        }
    }

    /// aSlotTime.
    pub(super) const fn slot_ns(self) -> u64 {
        9_000
    }

    /// How long the air is idle before backoffs count on (clause 10.3.2.3).
    pub(super) const fn difs_ns(self) -> u64 {
        self.sifs_ns() + 2 * self.slot_ns()
    }

    /// How long a frame of so many octets, its check sequence with them, is on the air at a rate, counted from 0: preamble 16,
    /// signal 4, symbols of 4 us (clause 17.4.3), and the signal extension of 6 us at 2.4 GHz (clause 18.3.2.4).
    ///
    /// # Panics
    ///
    /// If there is no such rate.
    #[must_use]
    pub fn airtime(self, octets: usize, rate: usize) -> Duration {
        let symbols = (16 + 8 * octets as u64 + 6).div_ceil(RATES[rate].bits_per_symbol);
        let extension_us = match self {
            Self::Ghz2 => 6,
            Self::Ghz5 => 0,
        };
        Duration::from_micros(20 + 4 * symbols + extension_us)
    }

    pub(super) fn airtime_ns(self, octets: usize, rate: usize) -> u64 {
        nanos(self.airtime(octets, rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn airtimes_are_those_of_the_standard() {
        // 1,536 octets at 54 Mbit/s: 57 symbols of 216 bits; an acknowledgement at 24 Mbit/s: 2 symbols of 96 bits.
        assert_eq!(Band::Ghz5.airtime(1_536, 7), Duration::from_micros(20 + 57 * 4));
        assert_eq!(Band::Ghz5.airtime(ACK_OCTETS, 4), Duration::from_micros(28));
        assert_eq!(Band::Ghz2.airtime(ACK_OCTETS, 0), Duration::from_micros(20 + 6 * 4 + 6));
        assert_eq!((Band::Ghz2.difs_ns(), Band::Ghz5.difs_ns()), (28_000, 34_000));
        assert_eq!([0, 1, 2, 3, 4, 7].map(control), [0, 0, 2, 2, 4, 4]);
    }
}
