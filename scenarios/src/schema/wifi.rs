//! What access points and their stations share.

use toml::Spanned;

use super::language::{Shape, Table, optional};
use super::radio::within;
use super::reader::Reader;
use super::text::Text;
use super::waver::{MULTIPATH, SHADOWING, Waver};
use crate::units::Time;

/// `wifi` of a network.
#[derive(Clone, Debug, Default)]
pub struct Wifi {
    /// Which band.
    pub band: WifiBand,
    /// The exponent of the path loss, in hundredths.
    pub exponent_centi: Option<u32>,
    /// How signals vary besides.
    pub waver: Waver,
    /// How strongly all send, in hundredths of a dBm.
    pub power_cdbm: Option<i32>,
    /// How much stronger one signal must be than another, in hundredths of a decibel.
    pub capture_cdb: Option<u32>,
    /// From one beacon to the next.
    pub beacon: Option<Spanned<Time>>,
    /// After how many a station gives its access point up.
    pub beacons_lost: Option<u32>,
    /// How long a scan takes.
    pub scan: Option<Spanned<Time>>,
    /// How long the handshake takes.
    pub handshake: Option<Spanned<Time>>,
    /// Below which signal a station looks for another access point, in hundredths of a dBm.
    pub roam_cdbm: Option<i32>,
    /// How much stronger that must be, in hundredths of a decibel.
    pub hysteresis_cdb: Option<u32>,
    /// How often a frame is sent again.
    pub retries: Option<u32>,
    /// How many frames wait.
    pub queue: Option<usize>,
    /// Members at the switch.
    pub wired: Vec<Text>,
}

/// What access points and stations send on (IEEE 802.11-2020, clauses 17 and 18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WifiBand {
    /// ERP-OFDM.
    #[default]
    Ghz2,
    /// OFDM.
    Ghz5,
}

impl WifiBand {
    /// As the language names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ghz2 => "2.4 GHz",
            Self::Ghz5 => "5 GHz",
        }
    }

    /// The channels of 20 MHz that it has (IEEE 802.11-2020, table E-4: operating classes 81 and 115 to 125).
    #[must_use]
    pub fn has_channel(self, channel: u8) -> bool {
        match self {
            Self::Ghz2 => (1..=13).contains(&channel),
            Self::Ghz5 => match channel {
                36..=64 | 100..=144 => channel.is_multiple_of(4),
                149..=173 => channel % 4 == 1,
                _ => false,
            },
        }
    }
}

pub(super) static WIFI: Table = Table {
    doc: "How stations and access points share the air, and how stations join and roam (IEEE 802.11-2020, OFDM at 20 MHz: 6 to 54 Mbit/s by the distance).",
    fields: &[
        optional(
            "band",
            Shape::Word(&[
                ("2.4 GHz", "40.2 dB are lost over the first metre."),
                ("5 GHz", "46.8 dB are lost over the first metre."),
            ]),
            "What they send on; `2.4 GHz` if left out.",
            "band = \"5 GHz\"",
        ),
        optional(
            "wired",
            Shape::Names,
            "The members that are at the switch behind the access points by cable, by name or glob. All others are stations.",
            "wired = [\"hub\"]",
        ),
        optional(
            "exponent",
            Shape::Number,
            "How fast signals fade: ten times this many decibels with each tenfold distance; 3 if left out, 2 in free space.",
            "exponent = 3.5",
        ),
        SHADOWING,
        MULTIPATH,
        optional("power_dbm", Shape::Number, "How strongly all send, in dBm; 15 if left out.", "power_dbm = 20"),
        optional(
            "capture_db",
            Shape::Number,
            "How many decibels stronger than any other at the same time a signal must be to be understood; 10 if left out.",
            "capture_db = 6",
        ),
        optional(
            "beacon",
            Shape::Time,
            "From one beacon to the next (dot11BeaconPeriod); 102.4ms if left out.",
            "beacon = \"102.4ms\"",
        ),
        optional(
            "beacons_lost",
            Shape::Integer { min: 1, max: 1_000 },
            "After how many beacons that it does not hear a station gives its access point up; 7 if left out.",
            "beacons_lost = 10",
        ),
        optional(
            "scan",
            Shape::Time,
            "How long a station looks for access points on all channels, and hears nothing else; 300ms if left out.",
            "scan = \"1.3s\"",
        ),
        optional(
            "handshake",
            Shape::Time,
            "How long the handshake takes once a station is associated; 20ms if left out.",
            "handshake = \"100ms\"",
        ),
        optional(
            "roam_dbm",
            Shape::Number,
            "A station that hears its access point more weakly looks for a stronger one, in dBm; -70 if left out.",
            "roam_dbm = -75",
        ),
        optional(
            "hysteresis_db",
            Shape::Number,
            "How many decibels stronger another access point must be for a station to change over; 8 if left out.",
            "hysteresis_db = 12",
        ),
        optional(
            "retries",
            Shape::Integer { min: 0, max: 15 },
            "How often a frame is sent again that nobody acknowledged (dot11ShortRetryLimit); 7 if left out.",
            "retries = 7",
        ),
        optional(
            "queue",
            Shape::Integer { min: 1, max: 65_536 },
            "How many frames wait at a station or an access point, what comes on top is dropped; 64 if left out.",
            "queue = 64",
        ),
    ],
};

pub(super) fn wifi(network: &Reader<'_, '_>) -> Option<Wifi> {
    let reader = network.table("wifi")?;
    let centi = |key: &str, bounds: std::ops::RangeInclusive<i64>, told: &str| {
        within(&reader, key, reader.micro(key)? / 10_000, bounds, told)
    };
    let dbm = |key: &str| centi(key, -20_000..=10_000, "between -200 and 100 dBm").map(|dbm| dbm as i32);
    let db = |key: &str| centi(key, 0..=10_000, "between 0 and 100 dB").map(|db| db as u32);
    let count = |key: &str| reader.integer(key).and_then(|count| u32::try_from(*count.get_ref()).ok());
    let time = |key: &str| {
        reader.time(key).filter(|time| reader.nonzero(key, time.get_ref().as_nanos() == 0, time.span()).is_some())
    };
    Some(Wifi {
        band: if reader.word("band") == Some(1) { WifiBand::Ghz5 } else { WifiBand::Ghz2 },
        exponent_centi: centi("exponent", 100..=1_000, "between 1 and 10").map(|exponent| exponent as u32),
        waver: Waver::read(&reader),
        power_cdbm: dbm("power_dbm"),
        capture_cdb: db("capture_db"),
        beacon: time("beacon"),
        beacons_lost: count("beacons_lost"),
        scan: time("scan"),
        handshake: reader.time("handshake"),
        roam_cdbm: dbm("roam_dbm"),
        hysteresis_cdb: db("hysteresis_db"),
        retries: count("retries"),
        queue: count("queue").map(|queue| queue as usize),
        wired: reader.names("wired").unwrap_or_default(),
    })
}
