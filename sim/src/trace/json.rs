//! The trace as JSON Lines: one object an event, names instead of ids.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Event, Names, Record, Sink};

/// Writes every event as a line of JSON with the keys `index`, `ns`, `event` and those of its kind.
pub struct JsonLines<W: Write> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, which had better be buffered.
    pub fn new(out: W) -> Self {
        Self { out, error: None }
    }

    fn write(&mut self, record: &Record, names: &Names) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &record.with(names))?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> Sink for JsonLines<W> {
    fn record(&mut self, record: &Record, names: &Names) {
        if self.error.is_none() {
            self.error = self.write(record, names).err();
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

impl Record {
    /// The event with names instead of ids, to be serialised.
    #[must_use]
    pub fn with<'a>(&'a self, names: &'a Names) -> NamedRecord<'a> {
        NamedRecord { record: self, names }
    }
}

/// An event with names instead of ids.
///
/// It is serialised field by field: a map of values would draw hash keys on the world's thread in builds where such maps
/// are hash maps, and then looking would change what is looked at.
#[derive(Clone, Copy, Debug)]
pub struct NamedRecord<'a> {
    record: &'a Record,
    names: &'a Names,
}

impl Serialize for NamedRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Record { index, at, event } = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", index)?;
        map.serialize_entry("ns", at)?;
        map.serialize_entry("event", event.name())?;
        self.fields(event, &mut map)?;
        map.end()
    }
}

impl NamedRecord<'_> {
    fn fields<M: SerializeMap>(&self, event: &Event, map: &mut M) -> Result<(), M::Error> {
        let names = self.names;
        if let Some(node) = event.node() {
            map.serialize_entry("node", names.node(node))?;
        }
        if let Some(link) = event.link() {
            map.serialize_entry("link", names.link(link))?;
        }
        match *event {
            Event::Boot { cause, .. } => map.serialize_entry("cause", &cause),
            Event::Exit { exit, .. } => map.serialize_entry("exit", &exit),
            Event::PowerCut { .. } | Event::BrownOut { .. } | Event::Crash { .. } | Event::Bitten { .. } => Ok(()),
            Event::OutOfTurn { place, of } => {
                map.serialize_entry("place", &place)?;
                map.serialize_entry("of", &of)
            }
            Event::Panic { message, .. } => map.serialize_entry("message", names.symbol(message)),
            Event::Refusal { what, .. } | Event::Input { what } => map.serialize_entry("what", names.symbol(what)),
            Event::FrameSent { ordinal, bytes, digest, .. } => {
                map.serialize_entry("ordinal", &ordinal)?;
                map.serialize_entry("bytes", &bytes)?;
                map.serialize_entry("digest", &format_args!("{digest:032x}"))
            }
            Event::FrameDelivered { ordinal, .. } | Event::FrameDuplicated { ordinal, .. } => {
                map.serialize_entry("ordinal", &ordinal)
            }
            Event::FrameDamaged { ordinal, digest, .. } | Event::FrameMarked { ordinal, digest, .. } => {
                map.serialize_entry("ordinal", &ordinal)?;
                map.serialize_entry("digest", &format_args!("{digest:032x}"))
            }
            Event::FrameDropped { ordinal, reason, .. } => {
                map.serialize_entry("ordinal", &ordinal)?;
                map.serialize_entry("reason", reason.name())
            }
            Event::FrameBackoff { ordinal, periods, .. } => {
                map.serialize_entry("ordinal", &ordinal)?;
                map.serialize_entry("periods", &periods)
            }
            Event::FrameOnAir { ordinal, attempt, .. } => {
                map.serialize_entry("ordinal", &ordinal)?;
                map.serialize_entry("attempt", &attempt)
            }
            Event::FrameHeld { ordinal, ns, .. } => {
                map.serialize_entry("ordinal", &ordinal)?;
                map.serialize_entry("for_ns", &ns)
            }
            Event::RanOut { pool, room, .. } => {
                map.serialize_entry("pool", names.symbol(pool))?;
                map.serialize_entry("room", &room)
            }
            Event::Associated { access_point, dbm, .. } | Event::Roamed { access_point, dbm, .. } => {
                map.serialize_entry("access_point", names.node(access_point))?;
                map.serialize_entry("dbm", &dbm)
            }
            Event::Disassociated { access_point, reason, .. } => {
                map.serialize_entry("access_point", names.node(access_point))?;
                map.serialize_entry("reason", reason.name())
            }
            Event::FaultBegan { fault } | Event::FaultEnded { fault } => {
                map.serialize_entry("fault", names.fault(fault))
            }
            Event::FaultFelt { fault, what } => {
                map.serialize_entry("fault", names.fault(fault))?;
                map.serialize_entry("what", &what)
            }
            Event::Flow { kind, source, sequence, .. } => {
                map.serialize_entry("kind", names.symbol(kind))?;
                map.serialize_entry("source", names.symbol(source))?;
                map.serialize_entry("sequence", &sequence)
            }
            Event::Called { history, operation, what, .. } | Event::Answered { history, operation, what, .. } => {
                map.serialize_entry("history", names.symbol(history))?;
                map.serialize_entry("operation", &operation)?;
                map.serialize_entry("what", names.symbol(what))
            }
            Event::Verdict { expectation, verdict } => {
                map.serialize_entry("expectation", names.expectation(expectation))?;
                map.serialize_entry("verdict", &verdict)
            }
        }
    }
}
