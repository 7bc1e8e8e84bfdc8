//! What an air and its stations are told.

use super::duty::DutyCycle;
use super::place::{Fading, Track};
use super::waver::Waver;
use crate::time::Duration;

/// A medium that stations share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AirConfig {
    /// Its name, which its random streams bear.
    pub name: String,
    /// How its radios send.
    pub phy: Phy,
    /// How signals fade.
    pub fading: Fading,
    /// How they vary besides.
    pub waver: Waver,
    /// A weaker signal is not understood, in hundredths of a dBm.
    pub sensitivity_cdbm: i32,
    /// How much stronger than any other at the same time a signal must be to be understood, in hundredths of a decibel.
    pub capture_cdb: u32,
    /// How stations take turns.
    pub access: Access,
    /// How much of the time a station may be on the air, if there is a limit.
    pub duty_cycle: Option<DutyCycle>,
    /// How many frames wait at a station; more are dropped.
    pub queue_frames_max: usize,
}

/// How long things take on the air (IEEE 802.15.4-2006, clauses 6.4 to 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phy {
    /// A symbol.
    pub symbol: Duration,
    /// An octet, in symbols.
    pub octet_symbols: u32,
}

impl Phy {
    /// O-QPSK at 2,450 MHz: 250 kbit/s (clause 6.5).
    pub const OQPSK_2450: Self = Self { symbol: Duration::from_micros(16), octet_symbols: 2 };
    /// BPSK at 868 MHz: 20 kbit/s (clause 6.6).
    pub const BPSK_868: Self = Self { symbol: Duration::from_micros(50), octet_symbols: 8 };
    /// BPSK at 915 MHz: 40 kbit/s (clause 6.6).
    pub const BPSK_915: Self = Self { symbol: Duration::from_micros(25), octet_symbols: 8 };

    /// How long a frame of so many octets is on the air, its check sequence, preamble and length with it.
    #[must_use]
    pub fn airtime(&self, octets: usize) -> Duration {
        // Preamble 4, start 1, length 1 (clause 6.3); check sequence 2 (clause 7.2.1.9).
        self.symbol * self.octet_symbols * (octets as u32 + 8)
    }
}

/// Unslotted CSMA/CA with acknowledgements (IEEE 802.15.4-2006, clause 7.5.1.4, table 86).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// macMinBE: the first backoff is drawn from 2 to this many periods.
    pub exponent_min: u32,
    /// macMaxBE: no backoff is drawn from more than 2 to this many.
    pub exponent_max: u32,
    /// macMaxCSMABackoffs: how often the air may be busy before the station gives up.
    pub backoffs_max: u32,
    /// macMaxFrameRetries: how often a frame is sent again that was not acknowledged.
    pub retries_max: u32,
}

impl Default for Access {
    fn default() -> Self {
        Self { exponent_min: 3, exponent_max: 5, backoffs_max: 4, retries_max: 3 }
    }
}

/// A station: a radio and its antenna.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationConfig {
    /// Where it is.
    pub track: Track,
    /// How strongly it sends, in hundredths of a dBm.
    pub power_cdbm: i32,
    /// Its EUI-64, by which frames to it are known.
    pub eui: [u8; 8],
}
