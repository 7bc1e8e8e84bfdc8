//! Faults with absolute times and single targets.

use super::roster::{Roster, matches};
use super::wiring::Wiring;
use super::{End, Fault, FaultKind, Plan};
use crate::diagnose::{Code, Problem, list};
use crate::expr::Scope as _;
use crate::schema::{self, Lasting, Scenario, Target, Text};
use crate::units::Time;

/// The faults, and when the last of them is over.
pub(super) struct Timeline {
    pub(super) faults: Vec<Fault>,
    /// `None` if it depends on what could not be read.
    pub(super) calm_ns: Option<u64>,
}

pub(super) fn timeline(
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Timeline {
    let mut faults = Vec::new();
    let mut last_ns = Some(0);
    for (entry, fault) in scenario.faults.iter().enumerate() {
        let times = times(fault, scenario, problems);
        last_ns = last_ns.zip(times).map(|(last, (at, until))| last.max(until.unwrap_or(at)));
        let targets = targets(fault, roster, wiring, problems);
        if let Some((at_ns, until_ns)) = times {
            let kinds = targets.into_iter();
            faults.extend(kinds.map(|kind| Fault { at_ns, until_ns, kind, entry }));
        }
    }
    refuse_contradictions(&faults, scenario, roster, problems);
    Timeline { calm_ns: calm(scenario, last_ns, problems), faults }
}

impl Fault {
    /// The entry `[[fault]]` of a scenario file that says the same.
    #[must_use]
    pub fn to_toml(&self, plan: &Plan) -> String {
        let (kind, target) = match self.kind {
            FaultKind::CutLink { link } => (schema::FaultKind::CutLink, &plan.links[link].name),
            FaultKind::PowerCut { node } => (schema::FaultKind::PowerCut, &plan.nodes[node].name),
            FaultKind::Crash { node } => (schema::FaultKind::Crash, &plan.nodes[node].name),
            FaultKind::Restart { node } => (schema::FaultKind::Restart, &plan.nodes[node].name),
            FaultKind::Pause { node } => (schema::FaultKind::Pause, &plan.nodes[node].name),
        };
        let lasts = self.until_ns.map(|until_ns| Time::from_nanos(until_ns.saturating_sub(self.at_ns)));
        let lasts = lasts.map_or_else(String::new, |lasts| format!("for = \"{lasts}\"\n"));
        let (at, kind) = (Time::from_nanos(self.at_ns), kind.shape().name);
        format!("\n[[fault]]\nat = \"{at}\"\n{lasts}kind = \"{kind}\"\ntarget = \"{target}\"\n")
    }
}

/// When a fault begins and ends.
fn times(fault: &schema::Fault, scenario: &Scenario<'_>, problems: &mut Vec<Problem>) -> Option<(u64, Option<u64>)> {
    let at = fault.at.as_ref()?;
    let lasts = fault.lasts.as_ref().ok()?;
    let at_ns = at.get_ref().as_nanos();
    let lasts = lasts.as_ref().filter(|_| fault.kind.is_none_or(|kind| kind.shape().lasting == Lasting::Yes));
    let until_ns = lasts.map(|lasts| at_ns.saturating_add(lasts.get_ref().as_nanos()));
    if let Some(lasts) = lasts
        && lasts.get_ref().as_nanos() == 0
    {
        let problem = Problem::new(Code::OutOfRange, lasts.span(), "a fault that lasts no time is none", "this is 0");
        problems.push(problem.help("give it some time, or leave `for` out if it lasts to the end"));
    }
    let refuse = |code, span, what: String, help: String| Problem::new(code, span, what, "too late").help(help);
    if let Some(duration) = &scenario.duration {
        let end_ns = duration.get_ref().as_nanos();
        let run = format!("the run ends at {}", duration.get_ref());
        if at_ns >= end_ns {
            let what = format!("this fault begins at {}, but {run}", at.get_ref());
            let problem = refuse(Code::FaultTime, at.span(), what, "begin earlier, or lengthen `duration`".into());
            problems.push(problem.also(duration.span(), "the end"));
        } else if let (Some(until), Some(lasts)) = (until_ns.filter(|until| *until > end_ns), lasts) {
            let what = format!("this fault lasts to {}, but {run}", Time::from_nanos(until));
            let help = "shorten `for`, lengthen `duration`, or leave `for` out if it lasts to the end";
            let problem = refuse(Code::FaultTime, lasts.span(), what, help.into());
            problems.push(problem.also(duration.span(), "the end"));
        }
    }
    if let Some(calm) = &scenario.calm_after {
        let calm_ns = calm.get_ref().as_nanos();
        let (over, span) = match (until_ns, lasts) {
            (Some(until), Some(lasts)) => (until, lasts.span()),
            _ => (at_ns, at.span()),
        };
        if over > calm_ns {
            let what = format!("this fault is over at {}, after `calm_after`", Time::from_nanos(over));
            let help = format!("end it by {}, or let it be calm later", calm.get_ref());
            let problem = refuse(Code::FaultTime, span, what, help);
            problems.push(problem.also(calm.span(), "calm from here on"));
        }
    }
    Some((at_ns, until_ns))
}

/// What a fault happens to, each once, in the order of the plan's lists.
fn targets(
    fault: &schema::Fault,
    roster: &Roster<'_, '_>,
    wiring: &Wiring,
    problems: &mut Vec<Problem>,
) -> Vec<FaultKind> {
    let (Some(kind), Some(globs)) = (fault.kind, &fault.targets) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for glob in globs {
        let hits = match kind.shape().target {
            Target::Node => roster.select(glob, problems),
            Target::Link => links(glob, roster, wiring, problems),
        };
        for hit in hits {
            let target = aimed(kind, hit);
            if !found.contains(&target) {
                found.push(target);
            }
        }
    }
    found
}

fn aimed(kind: schema::FaultKind, index: usize) -> FaultKind {
    match kind {
        schema::FaultKind::CutLink => FaultKind::CutLink { link: index },
        schema::FaultKind::PowerCut => FaultKind::PowerCut { node: index },
        schema::FaultKind::Crash => FaultKind::Crash { node: index },
        schema::FaultKind::Restart => FaultKind::Restart { node: index },
        schema::FaultKind::Pause => FaultKind::Pause { node: index },
    }
}

/// The links whose names match, or that end at a node whose name does.
fn links(glob: &Text, roster: &Roster<'_, '_>, wiring: &Wiring, problems: &mut Vec<Problem>) -> Vec<usize> {
    let at_node = |end: &End| match end {
        End::Node { node, .. } => matches(glob.as_str(), &roster.members[*node].name),
        End::Switch { .. } => false,
    };
    let all = wiring.links.iter().enumerate();
    let hits = all.filter(|(_, link)| matches(glob.as_str(), &link.name) || link.ends.iter().any(at_node));
    let hits: Vec<usize> = hits.map(|(index, _)| index).collect();
    if hits.is_empty() && wiring.complete && roster.is_complete() {
        let links = wiring.links.iter().map(|link| &*link.name);
        let problem = match glob.as_str().contains('/') {
            true => Problem::new(
                Code::NoMatch,
                glob.span(),
                format!("no link matches \"{}\"", glob.as_str()),
                "matches nothing",
            )
            .help(format!("links are {}", list(links))),
            false => roster.no_match(glob.as_str(), glob.span(), "link or node"),
        };
        problems.push(problem);
    }
    hits
}

/// A node without power cannot crash, and one that is down cannot be restarted.
fn refuse_contradictions(
    faults: &[Fault],
    scenario: &Scenario<'_>,
    roster: &Roster<'_, '_>,
    problems: &mut Vec<Problem>,
) {
    let on_nodes = faults.iter().filter_map(|fault| match fault.kind {
        FaultKind::PowerCut { node } | FaultKind::Crash { node } | FaultKind::Restart { node } => {
            let over = match (fault.until_ns, fault.kind) {
                (Some(until), _) => until,
                (None, FaultKind::Restart { .. }) => fault.at_ns + 1,
                (None, _) => u64::MAX,
            };
            Some((node, fault.at_ns, over, fault.entry))
        }
        FaultKind::CutLink { .. } | FaultKind::Pause { .. } => None,
    });
    let mut on_nodes: Vec<_> = on_nodes.collect();
    on_nodes.sort_unstable();
    let mut told = Vec::new();
    let mut lasting: Option<(usize, u64, usize)> = None;
    for (node, at, over, entry) in on_nodes {
        match lasting {
            Some((same, until, earlier)) if same == node && at < until => {
                if !told.contains(&(earlier, entry)) {
                    problems.push(contradiction(&roster.members[node].name, earlier, entry, scenario));
                    told.push((earlier, entry));
                }
                if over > until {
                    lasting = Some((node, over, entry));
                }
            }
            _ => lasting = Some((node, over, entry)),
        }
    }
}

fn contradiction(node: &str, earlier: usize, later: usize, scenario: &Scenario<'_>) -> Problem {
    let told = |entry: usize| scenario.faults[entry].kind.map_or("fault", |kind| kind.shape().name);
    let place = |entry: usize| {
        let fault = &scenario.faults[entry];
        fault.at.as_ref().map_or(fault.span.clone(), schema::Spanned::span)
    };
    let what = format!("\"{node}\" is still down from a {} when this {} comes", told(earlier), told(later));
    Problem::new(Code::FaultConflict, place(later), what, "this one")
        .also(place(earlier), "still lasts then")
        .help("let the earlier one end before, or aim them at different nodes")
}

fn calm(scenario: &Scenario<'_>, last_ns: Option<u64>, problems: &mut Vec<Problem>) -> Option<u64> {
    let Some(calm) = &scenario.calm_after else {
        return last_ns;
    };
    let calm_ns = calm.get_ref().as_nanos();
    if let Some(duration) = &scenario.duration
        && calm_ns >= duration.get_ref().as_nanos()
    {
        let what = format!("it is never calm: the run ends at {}", duration.get_ref());
        let problem = Problem::new(Code::OutOfRange, calm.span(), what, "too late");
        problems.push(problem.also(duration.span(), "the end").help("let it be calm before the end"));
    }
    Some(calm_ns)
}
