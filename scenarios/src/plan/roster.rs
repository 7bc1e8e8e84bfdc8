//! The nodes by name, and what their names and globs mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnose::{Code, Problem, Span, did_you_mean, list};
use crate::expr::Scope;
use crate::registry::{Kind, Registry, STACK_METRICS};
use crate::schema::{self, Scenario, Text};
use wavetank_sim::hw::battery::METRICS;
use wavetank_sim::net::air::wifi;

/// All nodes of a scenario, as far as their names are known.
pub(super) struct Roster<'s, 'i> {
    pub(super) members: Vec<Member<'s, 'i>>,
    /// What to name to a person: single names, and patterns for the many.
    patterns: Vec<String>,
    /// Whether all names could be told.
    complete: bool,
    /// Which of them are stations of IEEE 802.11, once that is known.
    pub(super) stations: Vec<bool>,
}

/// One node.
pub(super) struct Member<'s, 'i> {
    pub(super) name: Arc<str>,
    /// The table it comes from.
    pub(super) entry: &'s schema::Node<'i>,
    /// Which of the table's nodes it is, from 0.
    pub(super) instance: u32,
    pub(super) kind: Option<Arc<dyn Kind>>,
}

impl<'s, 'i> Roster<'s, 'i> {
    pub(super) fn new(scenario: &'s Scenario<'i>, registry: &Registry, problems: &mut Vec<Problem>) -> Self {
        let mut roster = Self { members: Vec::new(), patterns: Vec::new(), complete: true, stations: Vec::new() };
        for entry in &scenario.nodes {
            let kind = kind_of(entry, registry, problems);
            roster.enrol(entry, kind.as_ref(), problems);
        }
        roster.refuse_twins(problems);
        roster
    }

    fn enrol(&mut self, entry: &'s schema::Node<'i>, kind: Option<&Arc<dyn Kind>>, problems: &mut Vec<Problem>) {
        let Ok(count) = &entry.count else {
            self.complete = false;
            return;
        };
        let Some(pattern) = pattern_of(entry, problems) else {
            self.complete = false;
            return;
        };
        let many = count.as_ref().map_or(1, |count| *count.get_ref());
        self.patterns.push(pattern.replace("{n}", "*"));
        self.members.extend((0..many).map(|instance| Member {
            name: pattern.replace("{n}", &(instance + 1).to_string()).into(),
            entry,
            instance,
            kind: kind.cloned(),
        }));
    }

    fn refuse_twins(&self, problems: &mut Vec<Problem>) {
        let mut seen: BTreeMap<&str, &Member<'_, '_>> = BTreeMap::new();
        let mut told: Vec<(Span, Span)> = Vec::new();
        for member in &self.members {
            let Some(twin) = seen.insert(&member.name, member) else {
                continue;
            };
            let (first, second) = (twin.place(), member.place());
            if told.contains(&(first.clone(), second.clone())) {
                continue;
            }
            let what = format!("two nodes are called \"{}\"", member.name);
            let problem = Problem::new(Code::Duplicate, second.clone(), what, "the second")
                .also(first.clone(), "the first")
                .help("give one of them another `name`");
            problems.push(problem);
            told.push((first, second));
        }
    }

    /// The nodes that match, or a problem if there are none.
    pub(super) fn select(&self, glob: &Text, problems: &mut Vec<Problem>) -> Vec<usize> {
        let found = self.matching(glob.as_str());
        if found.is_empty() && self.complete {
            problems.push(self.no_match(glob.as_str(), glob.span(), "node"));
        }
        found
    }

    /// What a node with a battery has beside its kind's metrics.
    fn of_battery(&self, node: usize) -> &'static [(&'static str, &'static str)] {
        if self.members[node].entry.battery.is_some() { METRICS } else { &[] }
    }

    /// What a station of IEEE 802.11 has beside its kind's metrics.
    fn of_radio(&self, node: usize) -> &'static [(&'static str, &'static str)] {
        if self.stations.get(node).is_some_and(|is_station| *is_station) { wifi::METRICS } else { &[] }
    }

    pub(super) fn no_match(&self, glob: &str, span: Span, noun: &str) -> Problem {
        let names = || self.patterns.iter().map(String::as_str);
        let help = match did_you_mean(glob, names()) {
            Some(meant) => format!("did you mean \"{meant}\"? Nodes are {}", list(names())),
            None => format!("nodes are {}", list(names())),
        };
        Problem::new(Code::NoMatch, span, format!("no {noun} matches \"{glob}\""), "matches nothing").help(help)
    }
}

impl Member<'_, '_> {
    /// Where the file says its name.
    pub(super) fn place(&self) -> Span {
        self.entry.name.as_ref().unwrap_or(&self.entry.key).span()
    }
}

/// Whether `name` matches `glob`: `*`, `?`, `[1-3]`, `{a,b}`.
pub(super) fn matches(glob: &str, name: &str) -> bool {
    fast_glob::glob_match(glob, name)
}

fn kind_of(entry: &schema::Node<'_>, registry: &Registry, problems: &mut Vec<Problem>) -> Option<Arc<dyn Kind>> {
    let name = entry.kind.as_ref()?;
    let kind = registry.kind(name.as_str());
    if kind.is_none() {
        let names = || registry.iter().map(|kind| kind.name());
        let help = match did_you_mean(name.as_str(), names()) {
            Some(meant) => format!("did you mean \"{meant}\"? Kinds are {}", list(names())),
            None => format!("kinds are {}; your own come from your registry", list(names())),
        };
        let what = format!("there is no kind of node called \"{}\"", name.as_str());
        let problem = Problem::new(Code::UnknownKind, name.span(), what, "unknown kind");
        problems.push(problem.help(help));
    }
    kind.cloned()
}

/// The pattern of an entry's names, in which `{n}` is the number.
fn pattern_of(entry: &schema::Node<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    let count = entry.count.as_ref().ok()?.as_ref();
    let (pattern, said) = match (&entry.name, count) {
        (Some(name), _) => (name.as_str().to_owned(), name),
        (None, Some(_)) => (format!("{}-{{n}}", entry.key.as_str()), &entry.key),
        (None, None) => (entry.key.as_str().to_owned(), &entry.key),
    };
    let numbered = pattern.contains("{n}");
    let conflict = match count {
        Some(count) if *count.get_ref() > 1 && !numbered => {
            Some(("`count` needs a `{n}` in the name", "write \"sensor-{n}\", for example"))
        }
        None if numbered => Some(("`{n}` in a name needs a `count`", "add `count = 3`, for example")),
        _ => None,
    };
    if let Some((what, help)) = conflict {
        let problem = Problem::new(Code::KeyConflict, said.span(), what, "in this name");
        problems.push(problem.help(help));
        return None;
    }
    let last = count.map_or(1, |count| *count.get_ref());
    if let Some(problem) = bad_name(&pattern.replace("{n}", &last.to_string()), said.span()) {
        problems.push(problem);
        return None;
    }
    Some(pattern)
}

/// The longest name, in bytes: what a device can keep as its id.
const NAME_MAX: usize = wavetank_devices::DeviceId::LEN_MAX;

/// Names stand in file names, stream labels, globs and the devices' own ids, so they are plain and short.
pub(super) fn bad_name(name: &str, span: Span) -> Option<Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good =
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) && name.len() <= NAME_MAX;
    (!good).then(|| {
        Problem::new(Code::BadName, span, format!("\"{name}\" cannot be a name"), "here").help(format!(
            "a name is at most {NAME_MAX} letters, digits, `-`, `_` and `.`, and begins with a letter or digit"
        ))
    })
}

impl Scope for Roster<'_, '_> {
    fn matching(&self, glob: &str) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        let found = members.filter(|(_, member)| matches(glob, &member.name));
        found.map(|(index, _)| index).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.patterns.iter().map(String::as_str).collect()
    }

    fn declares(&self, node: usize, metric: &str) -> Option<bool> {
        let kind = self.members[node].kind.as_ref()?;
        let mut of_others = self.of_battery(node).iter().chain(self.of_radio(node));
        let of_stack = kind.counts_its_stack() && STACK_METRICS.iter().any(|known| known.name == metric);
        Some(
            of_stack
                || of_others.any(|(name, _)| *name == metric)
                || kind.metrics().iter().any(|known| known.name == metric),
        )
    }

    fn metrics(&self, node: usize) -> Vec<&str> {
        let kind = self.members[node].kind.as_ref();
        let own = kind.map_or(&[][..], |kind| kind.metrics()).iter().map(|metric| metric.name);
        own.chain(self.of_battery(node).iter().chain(self.of_radio(node)).map(|(name, _)| *name)).collect()
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
