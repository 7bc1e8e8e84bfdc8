//! Faults of connections: the keys of the kinds `tcp-…`, and what a file says of one.

use std::fmt::Write as _;

use wavetank_sim::hw::Odds;
use wavetank_sim::net::{Direction as Way, LimitEnd, Tamper, Tampering};

use super::ailments::odds_told;
use super::language::{Field, Shape, optional};
use super::reader::Reader;
use super::{Direction, FaultKind, Told};
use crate::diagnose::{Code, Problem};
use crate::units::Time;

pub(super) const PORT: Field = optional(
    "port",
    Shape::Integer { min: 1, max: 65_535 },
    "Only connections with this TCP port at one of their ends; all if left out.",
    "port = 80",
);
pub(super) const BYTES: Field = optional(
    "bytes",
    Shape::Size,
    "Of `tcp-limit`: how much data of a connection passes, each way. Of `tcp-slice`: how long a piece of it is, from 1 B to what a \
        segment carries.",
    "bytes = \"2 KiB\"",
);
/// How a connection ends at its limit.
const ENDS: &[(&str, &str)] = &[
    (
        "fin",
        "As by a proxy that closes it (toxiproxy's limit_data): to whom the data goes it ends in order; once that is acknowledged \
            the sender hears an end, too, and is reset if it sends more.",
    ),
    ("reset", "Both ends are told at once that the other has reset it."),
];
pub(super) const END: Field = optional(
    "end",
    Shape::Word(ENDS),
    "How a connection ends that comes to its limit; \"fin\" if left out.",
    "end = \"reset\"",
);
pub(super) const VARIATION: Field = optional(
    "variation",
    Shape::Size,
    "By how much pieces are longer or shorter than `bytes`, evenly drawn; not at all if left out.",
    "variation = \"20 B\"",
);
pub(super) const AFTER: Field = optional(
    "after",
    Shape::Time,
    "How long it takes until the connection is reset: from the first segment of it that is seen (at once if left out), or, where \
        it stalls, from the first data that does not get through (never if left out).",
    "after = \"2s\"",
);

/// A kind of fault that happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TamperKind {
    /// Both ends are told that the other has reset it.
    Reset,
    /// It ends once so much has passed.
    Limit,
    /// Its end is kept back.
    SlowClose,
    /// Its segments are cut into pieces.
    Slice,
    /// Its data does not get through.
    Stall,
}

impl TamperKind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Reset, "tcp-reset"),
        (Self::Limit, "tcp-limit"),
        (Self::SlowClose, "tcp-slow-close"),
        (Self::Slice, "tcp-slice"),
        (Self::Stall, "tcp-stall"),
    ];

    /// The name of its row in [`FAULTS`](super::FAULTS).
    pub(super) fn name(self) -> &'static str {
        let (_, name) = Self::ALL[self as usize];
        name
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == name).map(|(kind, _)| *kind)
    }

    /// The kind of what is done.
    pub(crate) fn of(what: &Tampering) -> FaultKind {
        FaultKind::Tamper(Self::named(what.name()).expect("every kind has its name"))
    }

    /// What a fault of this kind does if nothing is said of it.
    pub(crate) const fn plain(self) -> Tampering {
        let how = match self {
            Self::Reset => Tamper::Reset { after_ns: 0 },
            Self::Limit => Tamper::Limit { bytes: 0, end: LimitEnd::Fin },
            Self::SlowClose => Tamper::SlowClose { extra_ns: 0 },
            Self::Slice => Tamper::Slice { bytes: 1, variation: 0, gap_ns: 0 },
            Self::Stall => Tamper::Stall { after_ns: None },
        };
        Tampering { port: None, odds: Odds::Always, only: None, how }
    }
}

/// What a fault does to connections, if it is of such a kind.
pub(super) fn tampering(
    reader: &Reader<'_, '_>,
    kind: Option<FaultKind>,
    direction: Option<Direction>,
    told: &Told,
) -> Option<Tampering> {
    let Some(FaultKind::Tamper(kind)) = kind else { return None };
    let port = reader.integer("port").and_then(|port| u16::try_from(port.into_inner()).ok());
    let bytes = reader.size("bytes").map(|size| size.get_ref().as_bytes());
    let after_ns = reader.time("after").map(|after| after.get_ref().as_nanos());
    let how = match kind {
        TamperKind::Reset => Tamper::Reset { after_ns: after_ns.unwrap_or(0) },
        TamperKind::Limit => {
            let end = if reader.word("end") == Some(1) { LimitEnd::Reset } else { LimitEnd::Fin };
            Tamper::Limit { bytes: bytes?, end }
        }
        TamperKind::SlowClose => Tamper::SlowClose { extra_ns: told.extra_ns() },
        TamperKind::Slice => slice(reader, bytes?, told.extra_ns())?,
        TamperKind::Stall => Tamper::Stall { after_ns },
    };
    let only = direction.map(|direction| match direction {
        Direction::Up => Way::Tx,
        Direction::Down => Way::Rx,
    });
    Some(Tampering { port, odds: told.odds(), only, how })
}

/// The longest piece that makes a difference: no segment carries more.
const PIECE_BYTES_MAX: u64 = 1_460;

fn slice(reader: &Reader<'_, '_>, bytes: u64, gap_ns: u64) -> Option<Tamper> {
    let variation = reader.size("variation").map_or(0, |size| size.get_ref().as_bytes());
    let refuse = |key: &str, what: String, help: &str| {
        let span = reader.key_span(key).unwrap_or(reader.span());
        reader.sink().push(Problem::new(Code::OutOfRange, span, what, "here").help(help));
    };
    if !(1..PIECE_BYTES_MAX).contains(&bytes) {
        let what =
            format!("pieces of {bytes} B: one has 1 B at least, and a segment has no more than {PIECE_BYTES_MAX} B");
        refuse("bytes", what, "write, for example, \"100 B\"");
        return None;
    }
    if variation >= bytes {
        let what = format!("pieces of {bytes} B cannot be shorter by {variation} B");
        refuse("variation", what, "make it less than `bytes`");
        return None;
    }
    let [bytes, variation] = [bytes, variation].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    Some(Tamper::Slice { bytes, variation, gap_ns })
}

/// The lines of a `[[fault]]` that say the same.
pub(crate) fn tampering_told(what: &Tampering) -> String {
    let mut text = String::new();
    let mut key = |name: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{name} = {value}").expect("a string takes all");
    };
    let time = |ns: u64| format!("\"{}\"", Time::from_nanos(ns));
    if let Some(port) = what.port {
        key("port", &port);
    }
    if let Some(only) = what.only {
        key("direction", &if only == Way::Tx { "\"up\"" } else { "\"down\"" });
    }
    match what.how {
        Tamper::Reset { after_ns } => key("after", &time(after_ns)),
        Tamper::Limit { bytes, end } => {
            key("bytes", &format_args!("\"{bytes} B\""));
            if end == LimitEnd::Reset {
                key("end", &"\"reset\"");
            }
        }
        Tamper::SlowClose { extra_ns } => key("extra", &time(extra_ns)),
        Tamper::Slice { bytes, variation, gap_ns } => {
            key("bytes", &format_args!("\"{bytes} B\""));
            key("variation", &format_args!("\"{variation} B\""));
            key("extra", &time(gap_ns));
        }
        Tamper::Stall { after_ns: Some(after_ns) } => key("after", &time(after_ns)),
        _ => {}
    }
    text + &odds_told(what.odds)
}
