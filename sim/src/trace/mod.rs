//! What happened: a closed set of events, hashed as they happen into the run's fingerprint.
//!
//! The trace holds what a run *means*: frames on wires, resets, faults, flows, verdicts. Logs, metrics, addresses and
//! allocations are not in it, so that looking changes nothing.
//!
//! An event is one 128-bit word of time, kind, subject and value, and one multiplication mixes it in where it happens: a
//! running state in two registers is cheaper than a buffer to be hashed in blocks. A frame's bytes are hashed once, where
//! they enter the network, and their digest travels with the frame: sending it over a link mixes digest and event in one
//! go. Whoever wants to see events themselves costs a run that nobody watches one flag.

mod event;
mod fingerprint;
mod json;
mod sink;

pub use event::{Event, Record, Symbol, TRACE_VERSION};
pub use fingerprint::Fingerprint;
pub use json::{JsonLines, NamedRecord};
pub use sink::Sink;

pub(crate) use fingerprint::digest;
use sink::Recent;

use crate::hash::Map;
use crate::net::{CableId, LinkId};
use crate::node::NodeId;
use crate::time::Instant;

/// The names behind the ids that events carry.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub(crate) nodes: Vec<String>,
    pub(crate) links: Vec<String>,
    pub(crate) symbols: Vec<String>,
    pub(crate) expectations: Vec<String>,
    pub(crate) faults: Vec<String>,
}

impl Names {
    /// The name of a node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &str {
        self.nodes.get(id.index()).map_or("?", String::as_str)
    }

    /// All nodes with their names, in the order of their ids.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &str)> {
        self.nodes.iter().enumerate().map(|(index, name)| (NodeId(index as u32), name.as_str()))
    }

    /// All cables with their names, in the order of their ids.
    pub fn cables(&self) -> impl ExactSizeIterator<Item = (CableId, &str)> {
        (0..self.links.len() / 2).map(|index| CableId(index as u32)).map(|id| (id, self.cable(id)))
    }

    /// The name of a cable.
    #[must_use]
    pub fn cable(&self, id: CableId) -> &str {
        self.link(id.tx()).trim_end_matches("/tx")
    }

    /// The name of a one-way link: the cable's, with `/tx` or `/rx` as its first end sees it.
    #[must_use]
    pub fn link(&self, id: LinkId) -> &str {
        self.links.get(id.index()).map_or("?", String::as_str)
    }

    /// The text of a symbol.
    #[must_use]
    pub fn symbol(&self, Symbol(index): Symbol) -> &str {
        self.symbols.get(index as usize).map_or("?", String::as_str)
    }

    /// The name of an expectation.
    #[must_use]
    pub fn expectation(&self, index: u32) -> &str {
        self.expectations.get(index as usize).map_or("?", String::as_str)
    }

    /// The description of a fault of the timeline.
    #[must_use]
    pub fn fault(&self, index: u32) -> &str {
        self.faults.get(index as usize).map_or("?", String::as_str)
    }
}

/// The trace of one world as it grows.
pub(crate) struct Trace {
    fingerprint: Fingerprint,
    count: u64,
    pub(crate) names: Names,
    symbols: Map<Box<str>, Symbol>,
    /// Whether anyone looks at events as they happen.
    watched: bool,
    sinks: Vec<Box<dyn Sink>>,
    recent: Option<Recent>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            fingerprint: Fingerprint::new(),
            count: 0,
            names: Names::default(),
            symbols: Map::default(),
            watched: false,
            sinks: Vec::new(),
            recent: None,
        }
    }

    pub(crate) fn add_sink(&mut self, sink: Box<dyn Sink>) {
        self.sinks.push(sink);
        self.watched = true;
    }

    pub(crate) fn keep_recent(&mut self, capacity: usize) {
        self.recent = Some(Recent::new(capacity));
        self.watched = true;
    }

    pub(crate) fn recent(&self) -> Vec<Record> {
        self.recent.iter().flat_map(Recent::records).copied().collect()
    }

    /// How many events were recorded so far; also the index of the next one.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    #[inline]
    pub(crate) fn record(&mut self, at: Instant, event: Event) {
        event.mix_into(at, &mut self.fingerprint);
        let index = self.count;
        self.count += 1;
        if self.watched {
            self.show(&Record { index, at, event });
        }
    }

    #[cold]
    fn show(&mut self, record: &Record) {
        if let Some(recent) = &mut self.recent {
            recent.record(record);
        }
        for sink in &mut self.sinks {
            sink.record(record, &self.names);
        }
    }

    /// The symbol of `text`. A text met for the first time enters the fingerprint.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.symbols.get(text) {
            return symbol;
        }
        let symbol = Symbol(u32::try_from(self.names.symbols.len()).expect("fewer than 2^32 symbols"));
        self.fingerprint.mix_text(text);
        self.names.symbols.push(text.to_owned());
        self.symbols.insert(text.into(), symbol);
        symbol
    }

    /// Flushes all sinks; the first error of any is returned.
    pub(crate) fn finish(&mut self) -> std::io::Result<()> {
        self.sinks.iter_mut().map(|sink| sink.finish()).fold(Ok(()), std::io::Result::and)
    }
}
