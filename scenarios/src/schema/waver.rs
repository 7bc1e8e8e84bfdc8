//! How signals vary: the keys that networks of radios and of access points share.

use super::language::{Field, Shape, Table, optional, required};
use super::radio::within;
use super::reader::Reader;

const COHERENCE: Field = optional(
    "coherence",
    Shape::Time,
    "How long it stays as it is between two stations; for good if left out.",
    "coherence = \"30s\"",
);

pub(super) static SHADOWINGS: Table = Table {
    doc: "Log-normal shadowing: what walls and furniture take and give, drawn for each two stations, the same either way.",
    fields: &[
        required("deviation_db", Shape::Number, "The standard deviation, in decibels.", "deviation_db = 6"),
        COHERENCE,
    ],
};

pub(super) static MULTIPATHS: Table = Table {
    doc: "Nakagami fading, of a signal that comes many ways at a time, drawn for each two stations, the same either way.",
    fields: &[
        required(
            "m",
            Shape::Integer { min: 1, max: 20 },
            "Its shape: 1 is Rayleigh's, with no way that is the strongest; the greater, the less it varies.",
            "m = 1",
        ),
        optional(
            "coherence",
            Shape::Time,
            "How long it stays as it is between two stations; for good if left out.",
            "coherence = \"50ms\"",
        ),
    ],
};

pub(super) const SHADOWING: Field = optional(
    "shadowing",
    Shape::Table(&SHADOWINGS),
    "What signals gain or lose by what stands in their way; nothing if left out.",
    "shadowing = { deviation_db = 6 }",
);
pub(super) const MULTIPATH: Field = optional(
    "multipath",
    Shape::Table(&MULTIPATHS),
    "What they gain or lose by coming many ways; nothing if left out.",
    "multipath = { m = 1, coherence = \"50ms\" }",
);

/// How signals vary; times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Waver {
    /// The deviation in hundredths of a decibel, and how long it holds.
    pub shadowing: Option<(u32, Option<u64>)>,
    /// The shape, and how long it holds.
    pub multipath: Option<(u32, Option<u64>)>,
}

impl Waver {
    pub(super) fn read(reader: &Reader<'_, '_>) -> Self {
        let shadowing = reader.table("shadowing").and_then(|table| {
            let cdb = table.micro("deviation_db")? / 10_000;
            let cdb = within(&table, "deviation_db", cdb, 1..=3_000, "more than 0 and at most 30 dB")?;
            Some((cdb as u32, coherence(&table)))
        });
        let multipath = reader.table("multipath").and_then(|table| {
            let m = table.integer("m")?;
            Some((u32::try_from(*m.get_ref()).ok()?, coherence(&table)))
        });
        Self { shadowing, multipath }
    }
}

/// Less than this would have whoever sends look at everybody with every frame.
const COHERENCE_NS_MIN: u64 = 1_000_000;

fn coherence(table: &Reader<'_, '_>) -> Option<u64> {
    let ns = table.time("coherence")?.get_ref().as_nanos();
    within(
        table,
        "coherence",
        i64::try_from(ns).unwrap_or(i64::MAX),
        COHERENCE_NS_MIN as i64..=i64::MAX,
        "1ms or longer",
    )
    .map(|ns| ns as u64)
}
