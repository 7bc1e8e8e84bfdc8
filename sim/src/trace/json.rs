//! The trace as JSON Lines: one object an event, names instead of ids.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

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
}

impl<W: Write> Sink for JsonLines<W> {
    fn record(&mut self, record: &Record, names: &Names) {
        if self.error.is_none() {
            self.error = writeln!(self.out, "{}", record.to_json(names)).err();
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
    /// The event as a JSON object.
    #[must_use]
    pub fn to_json(&self, names: &Names) -> Value {
        let mut object = Map::new();
        object.insert("index".into(), self.index.into());
        object.insert("ns".into(), self.at.as_nanos().into());
        object.insert("event".into(), self.event.name().into());
        if let Value::Object(fields) = self.event.fields(names) {
            object.extend(fields);
        }
        Value::Object(object)
    }
}

impl Event {
    fn fields(&self, names: &Names) -> Value {
        match *self {
            Self::Boot { node, cause } => json!({ "node": names.node(node), "cause": cause }),
            Self::Exit { node, exit } => json!({ "node": names.node(node), "exit": exit }),
            Self::PowerCut { node } => json!({ "node": names.node(node) }),
            Self::Panic { node, message } => {
                json!({ "node": names.node(node), "message": names.symbol(message) })
            }
            Self::Refusal { node, what } => {
                json!({ "node": names.node(node), "what": names.symbol(what) })
            }
            Self::FrameSent { link, ordinal, bytes, digest } => json!({
                "link": names.link(link), "ordinal": ordinal, "bytes": bytes, "digest": format!("{digest:032x}"),
            }),
            Self::FrameDelivered { link, ordinal } => {
                json!({ "link": names.link(link), "ordinal": ordinal })
            }
            Self::FrameDropped { link, ordinal, reason } => {
                json!({ "link": names.link(link), "ordinal": ordinal, "reason": reason })
            }
            Self::FaultBegan { fault } | Self::FaultEnded { fault } => {
                json!({ "fault": names.fault(fault) })
            }
            Self::Flow { node, kind, source, sequence } => json!({
                "node": names.node(node), "kind": names.symbol(kind),
                "source": names.symbol(source), "sequence": sequence,
            }),
            Self::Verdict { expectation, verdict } => {
                json!({ "expectation": names.expectation(expectation), "verdict": verdict })
            }
            Self::Input { what } => json!({ "what": names.symbol(what) }),
        }
    }
}
