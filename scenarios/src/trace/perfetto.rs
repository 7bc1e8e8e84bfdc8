//! Chrome's trace event format, which Perfetto and chrome://tracing open: nodes as threads, frames as arrows between
//! them, faults as spans.
//!
//! The format's description is "Trace Event Format", Google, 2016. Its times are microseconds, here with three decimals.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::Entry;
use crate::plan::{End, Plan};

/// The rows of the picture.
const NODES: u32 = 1;
const NETWORK: u32 = 2;
const FAULTS: u32 = 3;
/// How long a moment is drawn: an arrow needs something to start from.
const MOMENT_NS: u64 = 1_000;

/// Writes a trace as it comes.
pub struct Writer<W: Write> {
    out: W,
    /// By the one-way link's name: the row of the end that sends, and of the one that receives.
    links: BTreeMap<String, [(u32, usize); 2]>,
    nodes: BTreeMap<String, usize>,
    /// Faults that last, by their description, and since when.
    faults: BTreeMap<String, u64>,
    last_ns: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a trace of this plan.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn new(mut out: W, plan: &Plan) -> io::Result<Self> {
        let row = |end: &End| match end {
            End::Node { node, .. } | End::AccessPoint { node, .. } => (NODES, node + 1),
            End::Switch { network, .. } | End::Air { network } | End::Trunk { network, .. } => (NETWORK, network + 1),
        };
        let mut links = BTreeMap::new();
        for link in &plan.links {
            let [a, b] = [row(&link.ends[0]), row(&link.ends[1])];
            links.insert(format!("{}/tx", link.name), [a, b]);
            links.insert(format!("{}/rx", link.name), [b, a]);
        }
        let nodes = plan.nodes.iter().enumerate().map(|(index, node)| (node.name.to_string(), index + 1)).collect();
        out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        let mut writer = Self { out, links, nodes, faults: BTreeMap::new(), last_ns: 0 };
        for (process, name) in [(NODES, "nodes"), (NETWORK, "switches"), (FAULTS, "faults")] {
            writer.name("process_name", (process, 0), name)?;
        }
        for (index, node) in plan.nodes.iter().enumerate() {
            writer.name("thread_name", (NODES, index + 1), &node.name)?;
        }
        for (index, network) in plan.networks.iter().enumerate() {
            writer.name("thread_name", (NETWORK, index + 1), &network.name)?;
        }
        Ok(writer)
    }

    /// Adds an event.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.last_ns = entry.ns;
        match entry.event.as_str() {
            "frame-sent" | "frame-delivered" | "frame-dropped" => self.frame(entry),
            "fault-began" => {
                let fault = entry.text("fault").unwrap_or("?").to_owned();
                self.faults.entry(fault).or_insert(entry.ns);
                Ok(())
            }
            "fault-ended" => {
                let fault = entry.text("fault").unwrap_or("?").to_owned();
                match self.faults.remove(&fault) {
                    Some(began) => self.span(&fault, (FAULTS, 1), began, entry.ns),
                    None => Ok(()),
                }
            }
            "verdict" => self.instant(&entry.what(), (FAULTS, 2), entry, "g"),
            _ => {
                let row = entry.node.as_ref().and_then(|node| self.nodes.get(node)).copied();
                self.instant(&entry.what(), row.map_or((FAULTS, 2), |row| (NODES, row)), entry, "t")
            }
        }
    }

    /// Ends the trace; faults that last are drawn to its end.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        for (fault, began) in std::mem::take(&mut self.faults) {
            self.span(&fault, (FAULTS, 1), began, self.last_ns)?;
        }
        self.name("thread_name", (FAULTS, 1), "faults")?;
        // The last one, for the comma.
        let verdicts =
            json!({ "name": "thread_name", "ph": "M", "pid": FAULTS, "tid": 2, "args": { "name": "verdicts" } });
        writeln!(self.out, "{verdicts}\n]}}")?;
        self.out.flush()
    }

    fn frame(&mut self, entry: &Entry) -> io::Result<()> {
        let (Some(link), Some(ordinal)) = (&entry.link, entry.number("ordinal")) else { return Ok(()) };
        let Some([from, to]) = self.links.get(link).copied() else { return Ok(()) };
        let id = format!("{link} {ordinal}");
        match entry.event.as_str() {
            "frame-sent" => {
                let bytes = entry.number("bytes").unwrap_or_default();
                self.span(&format!("send {bytes} bytes"), from, entry.ns, entry.ns + MOMENT_NS)?;
                self.arrow("s", &id, from, entry.ns)
            }
            "frame-delivered" => {
                self.span("receive", to, entry.ns, entry.ns + MOMENT_NS)?;
                self.arrow("f", &id, to, entry.ns)
            }
            _ => self.instant(&entry.what(), from, entry, "t"),
        }
    }

    fn span(&mut self, name: &str, (pid, tid): (u32, usize), from_ns: u64, to_ns: u64) -> io::Result<()> {
        let duration = micros(to_ns.saturating_sub(from_ns));
        self.line(json!({ "name": name, "ph": "X", "pid": pid, "tid": tid }), from_ns, &format!(",\"dur\":{duration}"))
    }

    fn arrow(&mut self, phase: &str, id: &str, (pid, tid): (u32, usize), ns: u64) -> io::Result<()> {
        let value =
            json!({ "name": "frame", "cat": "frame", "ph": phase, "bp": "e", "id": id, "pid": pid, "tid": tid });
        self.line(value, ns, "")
    }

    fn instant(&mut self, name: &str, (pid, tid): (u32, usize), entry: &Entry, scope: &str) -> io::Result<()> {
        let value = json!({
            "name": name, "ph": "i", "s": scope, "pid": pid, "tid": tid, "args": { "event": entry.index },
        });
        self.line(value, entry.ns, "")
    }

    fn name(&mut self, what: &str, (pid, tid): (u32, usize), name: &str) -> io::Result<()> {
        let value = json!({ "name": what, "ph": "M", "pid": pid, "tid": tid, "args": { "name": name } });
        writeln!(self.out, "{value},")
    }

    /// A time is written as text: a floating-point number would lose nanoseconds of long runs.
    #[expect(clippy::needless_pass_by_value, reason = "it is made for this call")]
    fn line(&mut self, value: Value, ns: u64, more: &str) -> io::Result<()> {
        let object = value.to_string();
        let object = object.strip_suffix('}').unwrap_or(&object);
        writeln!(self.out, "{object},\"ts\":{}{more}}},", micros(ns))
    }
}

fn micros(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000, ns % 1_000)
}
