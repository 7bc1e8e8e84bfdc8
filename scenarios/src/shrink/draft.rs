//! A scenario file that is being made smaller: its tables, and what goes wrong as a list of its own.

use std::net::{IpAddr, SocketAddr};

use toml::{Table, Value};

use crate::plan::{Chance, Plan};
use crate::units::Time;

/// What a draft says goes wrong: an entry of `[[fault]]` or `[[packet]]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mishap {
    list: &'static str,
    entry: Table,
}

/// A scenario that could be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    base: Table,
    pub(super) mishaps: Vec<Mishap>,
}

/// The lists of mishaps, in the order in which they are written.
const LISTS: [&str; 2] = ["fault", "packet"];
/// What a written scenario no longer leaves to chance, nor to globs.
const REPLACED: [&str; 4] = ["fault", "packet", "storm", "given"];

impl Draft {
    /// The scenario `text`, with `decided` (entries of both lists) in place of what it says goes wrong and of chance.
    pub(super) fn new(text: &str, seed: u64, plan: &Plan, decided: &str) -> Result<Self, toml::de::Error> {
        let mut base: Table = text.parse()?;
        let decided: Table = decided.parse()?;
        for key in REPLACED {
            base.remove(key);
        }
        // A scenario's numbers are signed; seeds beyond that are written as the language takes them.
        let seed = i64::try_from(seed).map_or_else(|_| Value::String(seed.to_string()), Value::Integer);
        base.insert("seed".into(), seed);
        // With fewer faults, calm would come sooner than in the run that failed.
        if (1..plan.duration_ns).contains(&plan.calm_ns) && !base.contains_key("calm_after") {
            let calm = Time::from_nanos(plan.calm_ns).to_string();
            base.insert("calm_after".into(), Value::String(calm));
        }
        let given = Chance::ALL.into_iter().map(|chance| Value::String(chance.name().to_owned()));
        base.insert("given".into(), Value::Array(given.collect()));
        let mishaps = LISTS.into_iter().flat_map(|list| {
            let entries = decided.get(list).and_then(Value::as_array).into_iter().flatten();
            entries.filter_map(Value::as_table).map(move |entry| Mishap { list, entry: entry.clone() })
        });
        Ok(Self { base, mishaps: mishaps.collect() })
    }

    /// The scenario file.
    pub(super) fn text(&self) -> String {
        let mut all = self.base.clone();
        for list in LISTS {
            let entries = self.mishaps.iter().filter(|mishap| mishap.list == list);
            let entries: Vec<Value> = entries.map(|mishap| Value::Table(mishap.entry.clone())).collect();
            if !entries.is_empty() {
                all.insert(list.into(), Value::Array(entries));
            }
        }
        toml::to_string(&all).expect("what was read from a file can be written")
    }

    pub(super) fn with(&self, mishaps: Vec<Mishap>) -> Self {
        Self { base: self.base.clone(), mishaps }
    }

    /// The scenario means to fail: what it shows is a failure.
    pub(super) fn meant_to_fail(mut self) -> Self {
        self.base.insert("verdict".into(), Value::String("fail".into()));
        self
    }

    /// Drafts with nothing expected but `needed`, if anything.
    pub(super) fn expecting_less(&self, needed: Option<&str>) -> Option<Self> {
        let expected = self.base.get("expect")?.as_array()?;
        let is_needed = |entry: &&Value| needed.is_some() && entry.get("name").and_then(Value::as_str) == needed;
        let kept: Vec<Value> = expected.iter().filter(is_needed).cloned().collect();
        if kept.len() == expected.len() {
            return None;
        }
        let mut less = self.clone();
        match kept.is_empty() {
            true => drop(less.base.remove("expect")),
            false => drop(less.base.insert("expect".into(), Value::Array(kept))),
        }
        Some(less)
    }

    /// Drafts with fewer nodes, the fewest first: entries that are left out, counts that are lower.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let Some(nodes) = self.base.get("node").and_then(Value::as_table) else { return Vec::new() };
        let mut drafts = Vec::new();
        for (name, entry) in nodes {
            // Where nothing goes wrong, whoever is told of somebody that is not there fails in a way of its own.
            if !self.mishaps.is_empty() || !is_told_to_others(name, nodes) {
                drafts.extend(self.without_node(name));
            }
            let count = entry.get("count").and_then(Value::as_integer).unwrap_or(1);
            let mut fewer: Vec<i64> = vec![1, 2, count / 2, count - 1];
            fewer.retain(|fewer| (1..count).contains(fewer));
            fewer.dedup();
            for fewer in fewer {
                let mut draft = self.clone();
                if let Some(entry) = draft.base.get_mut("node").and_then(|nodes| nodes.get_mut(name)) {
                    set(entry, "count", Value::Integer(fewer));
                    drafts.push(draft);
                }
            }
        }
        drafts
    }

    /// Without an entry of nodes, wherever it is named alone.
    fn without_node(&self, name: &str) -> Option<Self> {
        let mut draft = self.clone();
        draft.base.get_mut("node")?.as_table_mut()?.remove(name)?;
        if let Some(networks) = draft.base.get_mut("network").and_then(Value::as_table_mut) {
            for (_, network) in networks.iter_mut() {
                if let Some(members) = network.get_mut("members").and_then(Value::as_array_mut) {
                    let of_it =
                        |member: &str| member == name || member.strip_prefix(name).is_some_and(|rest| rest == "-*");
                    members.retain(|member| !member.as_str().is_some_and(of_it));
                }
            }
        }
        Some(draft)
    }

    /// Without the mishaps whose target the plan does not have. The plan is of this draft without its mishaps.
    pub(super) fn fitting(&self, plan: &Plan) -> Self {
        let known = |name: &str| plan.node(name).is_some() || plan.link(name).is_some();
        let fits = |mishap: &&Mishap| {
            ["target", "link"].into_iter().filter_map(|key| mishap.entry.get(key)).all(|target| match target {
                Value::String(name) => known(name),
                Value::Array(names) => names.iter().filter_map(Value::as_str).all(known),
                _ => true,
            })
        };
        self.with(self.mishaps.iter().filter(fits).cloned().collect())
    }

    /// Without any mishap, to see which names there are.
    pub(super) fn calm(&self) -> Self {
        self.with(Vec::new())
    }

    /// Drafts that end sooner: `at_ns` is when it breaks.
    pub(super) fn shorter(&self, at_ns: u64) -> Vec<Self> {
        let breaks_s = at_ns.div_ceil(1_000_000_000).max(1);
        let now = self.base.get("duration").and_then(Value::as_str).and_then(|text| Time::parse(text).ok());
        let sooner = |end_s: &u64| now.is_some_and(|now| Time::from_secs(*end_s) < now);
        let ends = [breaks_s, breaks_s + 1, breaks_s + 5].into_iter().filter(sooner);
        let shorter = ends.map(|end_s| {
            let mut draft = self.clone();
            draft.base.insert("duration".into(), Value::String(format!("{end_s}s")));
            draft
        });
        shorter.collect()
    }

    /// Drafts with one parameter of a profile, a network or a link less. Latency stays: a network without it is no network.
    pub(super) fn plainer(&self) -> Vec<Self> {
        let mut places = vec![vec!["calm_after".to_owned()]];
        for section in ["profile", "network"] {
            if let Some(table) = self.base.get(section).and_then(Value::as_table) {
                collect(table, &mut vec![section.to_owned()], &mut places);
            }
        }
        let plainer = places.into_iter().filter_map(|place| {
            let mut draft = self.clone();
            let (key, path) = place.split_last()?;
            let mut table = &mut draft.base;
            for step in path {
                table = table.get_mut(step)?.as_table_mut()?;
            }
            table.remove(key).map(|_| draft)
        });
        plainer.collect()
    }

    /// Drafts without anything that happens to a frame, in which one fault begins a little earlier or later: what frames
    /// met may have mattered only for being in time for it.
    pub(super) fn retimed(&self) -> Vec<Self> {
        let faults: Vec<Mishap> = self.mishaps.iter().filter(|mishap| mishap.list == "fault").cloned().collect();
        if faults.len() == self.mishaps.len() {
            return Vec::new();
        }
        let mut drafts = Vec::new();
        for (index, by_ms) in (0..faults.len()).flat_map(|index| MOVES_MS.map(|by_ms| (index, by_ms))) {
            let at = faults[index].entry.get("at").and_then(Value::as_str).and_then(|at| Time::parse(at).ok());
            let moved = at.and_then(|at| at.as_nanos().checked_add_signed(by_ms * 1_000_000));
            let Some(moved) = moved else { continue };
            let mut faults = faults.clone();
            faults[index].entry.insert("at".into(), Value::String(Time::from_nanos(moved).to_string()));
            drafts.push(self.with(faults));
        }
        drafts
    }

    /// Drafts in which one mishap lasts half as long.
    pub(super) fn briefer(&self) -> Vec<Self> {
        let mut drafts = Vec::new();
        for (index, mishap) in self.mishaps.iter().enumerate() {
            let Some(lasts) = mishap.entry.get("for").and_then(Value::as_str) else { continue };
            let Ok(lasts) = Time::parse(lasts) else { continue };
            let half_ms = lasts.as_nanos() / 2_000_000;
            if half_ms == 0 {
                continue;
            }
            let half = Time::from_millis(half_ms).to_string();
            let mut draft = self.clone();
            draft.mishaps[index].entry.insert("for".into(), Value::String(half));
            drafts.push(draft);
        }
        drafts
    }
}

/// Whether the configuration of another entry of nodes has an address of this one.
fn is_told_to_others(name: &str, nodes: &Table) -> bool {
    let own = nodes.get(name).and_then(|entry| entry.get("address"));
    let ip = |text: &str| text.split('/').next()?.parse().ok();
    let addresses: Vec<IpAddr> = texts(own).into_iter().filter_map(ip).collect();
    let others = nodes.iter().filter(|(other, _)| *other != name).map(|(_, entry)| entry.get("config"));
    let told = |text: &&str| text.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    others.flat_map(texts).any(|text| told(&text).is_ok_and(|ip: IpAddr| addresses.contains(&ip)))
}

/// All texts in a value.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().flat_map(|value| texts(Some(value))).collect(),
        Some(Value::Table(table)) => table.iter().flat_map(|(_, value)| texts(Some(value))).collect(),
        _ => Vec::new(),
    }
}

/// How much a fault is moved, in milliseconds, so that nothing else is needed.
const MOVES_MS: [i64; 14] = [1, -1, 2, -2, 4, -4, 8, -8, 16, -16, 32, -32, 64, -64];

/// What a network does to frames, and can do without.
const PARAMETERS: [&str; 12] = [
    "jitter",
    "delay",
    "loss",
    "duplicate",
    "corrupt",
    "reorder",
    "slots",
    "rate",
    "overhead",
    "cells",
    "queue",
    "mtu",
];

fn collect(table: &Table, path: &mut Vec<String>, places: &mut Vec<Vec<String>>) {
    for (key, value) in table {
        path.push(key.clone());
        match value {
            _ if PARAMETERS.contains(&key.as_str()) => places.push(path.clone()),
            Value::Table(inner) => collect(inner, path, places),
            _ => {}
        }
        path.pop();
    }
}

fn set(entry: &mut Value, key: &str, value: Value) {
    if let Some(table) = entry.as_table_mut() {
        table.insert(key.to_owned(), value);
    }
}
