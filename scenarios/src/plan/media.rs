//! Shared media in a plan: the air of radios and of access points, and where stations are.

use std::net::Ipv6Addr;

use crate::schema::{Band, Waver, WifiBand};

/// An interface that is a radio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transceiver {
    /// Its EUI-64, which is in the lower half of its addresses (RFC 4944, section 6).
    pub eui: [u8; 8],
    /// The number of its network.
    pub pan: u16,
    /// The first 64 bits of the network's addresses, in an order that all its members share.
    pub prefixes: Vec<Ipv6Addr>,
}

/// Where a node is, in millimetres to the east, to the north and up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// At the start.
    pub start_mm: [i64; 3],
    /// When it comes where.
    pub moves: Vec<(u64, [i64; 3])>,
}

/// The air that the radios of a network share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Radio {
    /// What they send on.
    pub band: Band,
    /// The exponent of the path loss, in hundredths.
    pub exponent_centi: u32,
    /// How signals vary besides.
    pub waver: Waver,
    /// How strongly they send, in hundredths of a dBm.
    pub power_cdbm: i32,
    /// What they understand, in hundredths of a dBm.
    pub sensitivity_cdbm: i32,
    /// How much stronger one signal must be than another, in hundredths of a decibel.
    pub capture_cdb: u32,
    /// Which share of which time each may send: parts in a billion, of nanoseconds.
    pub duty_cycle: Option<(u32, u64)>,
    /// The first and the last exponent of backoffs.
    pub exponents: [u32; 2],
    /// How often the air may be busy.
    pub backoffs: u32,
    /// How often a frame is sent again.
    pub retries: u32,
    /// How many frames wait.
    pub queue: usize,
}

/// How stations and access points share the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wifi {
    /// What they send on.
    pub band: WifiBand,
    /// The exponent of the path loss, in hundredths.
    pub exponent_centi: u32,
    /// How signals vary besides.
    pub waver: Waver,
    /// How strongly they send, in hundredths of a dBm.
    pub power_cdbm: i32,
    /// How much stronger one signal must be than another, in hundredths of a decibel.
    pub capture_cdb: u32,
    /// From one beacon to the next.
    pub beacon_ns: u64,
    /// After how many a station gives its access point up.
    pub beacons_lost: u32,
    /// How long a scan takes.
    pub scan_ns: u64,
    /// How long the handshake takes.
    pub handshake_ns: u64,
    /// Below which signal a station looks for another access point, in hundredths of a dBm.
    pub roam_cdbm: i32,
    /// How much stronger that must be, in hundredths of a decibel.
    pub hysteresis_cdb: u32,
    /// How often a frame is sent again.
    pub retries: u32,
    /// How many frames wait.
    pub queue: usize,
}

/// What an access point is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPoint {
    /// Its channel.
    pub channel: u8,
    /// How many stations it takes in.
    pub stations: usize,
}
