//! Places, and the air that radios share.

use toml::Spanned;

use super::language::{Shape, Table, optional};
use super::reader::Reader;
use super::waver::{MULTIPATH, SHADOWING, Waver};
use crate::diagnose::{Code, Problem, Span};
use crate::units::{Probability, Time};

/// `position` of a node, in millimetres.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Of the first.
    pub start_mm: [i64; 3],
    /// From one to the next, to the east and to the north.
    pub step_mm: [i64; 2],
    /// After how many a new row begins.
    pub columns: Option<u32>,
}

impl Position {
    /// Where the instance of that number is, counted from 0.
    #[must_use]
    pub fn of(&self, instance: u32) -> [i64; 3] {
        let (column, row) = match self.columns {
            Some(columns) => (instance % columns, instance / columns),
            None => (instance, instance),
        };
        let [x, y, z] = self.start_mm;
        [x + self.step_mm[0] * i64::from(column), y + self.step_mm[1] * i64::from(row), z]
    }
}

/// An entry of `moves`.
#[derive(Clone, Debug)]
pub struct Move {
    /// When.
    pub at: Option<Spanned<Time>>,
    /// Where to; `None` if that could not be read.
    pub to_mm: Option<[i64; 3]>,
}

/// `radio` of a network.
#[derive(Clone, Debug, Default)]
pub struct Air {
    /// Which band.
    pub band: Band,
    /// The exponent of the path loss, in hundredths.
    pub exponent_centi: Option<u32>,
    /// How signals vary besides.
    pub waver: Waver,
    /// How strongly radios send, in hundredths of a dBm.
    pub power_cdbm: Option<i32>,
    /// What they understand, in hundredths of a dBm.
    pub sensitivity_cdbm: Option<i32>,
    /// How much stronger one signal must be than another, in hundredths of a decibel.
    pub capture_cdb: Option<u32>,
    /// How much of the time a radio may send.
    pub duty_cycle: Option<Spanned<Probability>>,
    /// Of which time.
    pub window: Option<Spanned<Time>>,
    /// The first backoff is drawn from two to the power of this.
    pub exponent_min: Option<u32>,
    /// No backoff is drawn from more than two to the power of this.
    pub exponent_max: Option<u32>,
    /// How often the air may be busy.
    pub backoffs: Option<u32>,
    /// How often a frame is sent again.
    pub retries: Option<u32>,
    /// How many frames wait.
    pub queue: Option<usize>,
    /// The network's number.
    pub pan: Option<u16>,
}

/// What radios send on (IEEE 802.15.4-2006, clause 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Band {
    /// 250 kbit/s.
    #[default]
    Mhz2450,
    /// 20 kbit/s.
    Mhz868,
    /// 40 kbit/s.
    Mhz915,
}

pub(super) static RADIO: Table = Table {
    doc: "How radios reach each other and take turns (IEEE 802.15.4-2006).",
    fields: &[
        optional(
            "band",
            Shape::Word(&[
                ("2450 MHz", "250 kbit/s by O-QPSK; 40.2 dB are lost over the first metre."),
                ("868 MHz", "20 kbit/s by BPSK; 31.2 dB are lost over the first metre."),
                ("915 MHz", "40 kbit/s by BPSK; 31.7 dB are lost over the first metre."),
            ]),
            "What they send on; `2450 MHz` if left out.",
            "band = \"868 MHz\"",
        ),
        optional(
            "exponent",
            Shape::Number,
            "How fast signals fade: ten times this many decibels with each tenfold distance; 3 if left out, 2 in free space.",
            "exponent = 3.5",
        ),
        SHADOWING,
        MULTIPATH,
        optional("power_dbm", Shape::Number, "How strongly radios send, in dBm; 0 if left out.", "power_dbm = 10"),
        optional(
            "sensitivity_dbm",
            Shape::Number,
            "The weakest signal that is understood and sensed, in dBm; -85 at 2450 MHz, else -92, if left out.",
            "sensitivity_dbm = -97.5",
        ),
        optional(
            "capture_db",
            Shape::Number,
            "How many decibels stronger than any other at the same time a signal must be to be understood; 3 if left out.",
            "capture_db = 6",
        ),
        optional(
            "duty_cycle",
            Shape::Probability,
            "How much of the time each radio may send; what comes on top waits. Any time if left out.",
            "duty_cycle = \"1 %\"",
        ),
        optional(
            "window",
            Shape::Time,
            "The span of time that `duty_cycle` is a part of; 1h if left out.",
            "window = \"10min\"",
        ),
        optional(
            "min_be",
            Shape::Integer { min: 0, max: 8 },
            "The first backoff is drawn from 2 to the power of this many periods (macMinBE); 3 if left out.",
            "min_be = 3",
        ),
        optional(
            "max_be",
            Shape::Integer { min: 0, max: 8 },
            "No backoff is drawn from more than 2 to the power of this many periods (macMaxBE); 5 if left out.",
            "max_be = 5",
        ),
        optional(
            "backoffs",
            Shape::Integer { min: 0, max: 5 },
            "How often the air may be busy before a frame is given up (macMaxCSMABackoffs); 4 if left out.",
            "backoffs = 4",
        ),
        optional(
            "retries",
            Shape::Integer { min: 0, max: 7 },
            "How often a frame is sent again that nobody acknowledged (macMaxFrameRetries); 3 if left out.",
            "retries = 3",
        ),
        optional(
            "queue",
            Shape::Integer { min: 1, max: 65_536 },
            "How many frames wait at a radio, what comes on top is dropped; 32 if left out.",
            "queue = 32",
        ),
        optional(
            "pan",
            Shape::Integer { min: 0, max: 65_534 },
            "The number of the network, which its frames bear; 48879 (0xbeef) if left out.",
            "pan = 0x1234",
        ),
    ],
};

/// The place of a node; `Err` if it is said and could not be read.
pub(super) fn position(reader: &Reader<'_, '_>) -> Result<Option<Spanned<Position>>, ()> {
    if !reader.has("position") {
        return Ok(None);
    }
    let table = reader.table("position").ok_or(())?;
    let start_mm = point(&table).ok_or(())?;
    let step = |key| metres(&table, key).unwrap_or(0);
    let columns = table.integer("columns").and_then(|columns| u32::try_from(*columns.get_ref()).ok());
    let position = Position { start_mm, step_mm: [step("step_x"), step("step_y")], columns };
    Ok(Some(Spanned::new(table.span(), position)))
}

pub(super) fn moves(reader: &Reader<'_, '_>) -> Vec<Move> {
    let entries = reader.list("moves").into_iter();
    entries.map(|(_, entry)| Move { at: entry.time("at"), to_mm: point(&entry) }).collect()
}

fn point(reader: &Reader<'_, '_>) -> Option<[i64; 3]> {
    let [x, y, z] = ["x", "y", "z"].map(|key| metres(reader, key));
    Some([x?, y?, if reader.has("z") { z? } else { 0 }])
}

/// Farther away than this nobody is heard: the distance to the moon.
const FAR_MM: i64 = 400_000_000_000;

fn metres(reader: &Reader<'_, '_>, key: &str) -> Option<i64> {
    let mm = reader.micro(key)? / 1_000;
    within(reader, key, mm, -FAR_MM..=FAR_MM, "within 400,000 km of the origin")
}

/// Notes what is beyond its bounds, which are told in words.
pub(super) fn within(
    reader: &Reader<'_, '_>,
    key: &str,
    value: i64,
    bounds: std::ops::RangeInclusive<i64>,
    told: &str,
) -> Option<i64> {
    if bounds.contains(&value) {
        return Some(value);
    }
    let span: Span = reader.raw(key).map_or(reader.span(), Spanned::span);
    let problem = Problem::new(Code::OutOfRange, span, format!("`{key}` is not {told}"), "out of range");
    reader.sink().push(problem.help(format!("for example: {}", reader.example(key))));
    None
}

pub(super) fn radio(network: &Reader<'_, '_>) -> Option<Air> {
    let reader = network.table("radio")?;
    let centi = |key: &str, bounds: std::ops::RangeInclusive<i64>, told: &str| {
        within(&reader, key, reader.micro(key)? / 10_000, bounds, told)
    };
    let dbm = |key: &str| centi(key, -20_000..=10_000, "between -200 and 100 dBm").map(|dbm| dbm as i32);
    let count = |key: &str| reader.integer(key).and_then(|count| u32::try_from(*count.get_ref()).ok());
    Some(Air {
        band: match reader.word("band") {
            Some(1) => Band::Mhz868,
            Some(2) => Band::Mhz915,
            _ => Band::Mhz2450,
        },
        exponent_centi: centi("exponent", 100..=1_000, "between 1 and 10").map(|exponent| exponent as u32),
        waver: Waver::read(&reader),
        power_cdbm: dbm("power_dbm"),
        sensitivity_cdbm: dbm("sensitivity_dbm"),
        capture_cdb: centi("capture_db", 0..=10_000, "between 0 and 100 dB").map(|capture| capture as u32),
        duty_cycle: reader.probability("duty_cycle"),
        window: reader.time("window"),
        exponent_min: count("min_be"),
        exponent_max: count("max_be"),
        backoffs: count("backoffs"),
        retries: count("retries"),
        queue: count("queue").map(|queue| queue as usize),
        pan: count("pan").map(|pan| pan as u16),
    })
}
