//! Explaining: which of a failing run's faults caused the failure, and what lies between them and it.
//!
//! Each fault, and each thing that happened to a single frame, is left out in turn, with everything else as it was. If the
//! run then no longer fails in the same way, it was a cause. Where several would each do and none is a cause by itself, the
//! least of them are looked for without which together it does not fail.

mod mermaid;
mod svg;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use wavetank_sim::time::Instant;

use crate::Plan;
use crate::explore::{Failure, Limits, Signature, run_guarded, threads};
use crate::plan::{self, End};
use crate::run::{Decisions, Given, Record, RunError, RunOptions};
use crate::shrink::ddmin;
use crate::trace::{Entry, TraceError, of_run};

/// How many events of the path are kept at its beginning, and as many at its end.
const PATH_HALF: usize = 20;

/// Why a run failed.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// What broke.
    pub failure: Failure,
    /// All that went wrong before, in the order of the scenario and of chance.
    pub mishaps: Vec<Mishap>,
    /// What happened to whom the causes hit, from the first of them to the failure.
    pub path: Vec<Entry>,
    /// How many events of the path's middle are left out.
    pub left_out: usize,
    /// Where in `path` they would stand.
    #[serde(skip)]
    pub gap: usize,
}

/// A fault, or what happened to a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mishap {
    /// As a scenario would say it, in a line.
    pub what: String,
    /// Whether the run fails in this way only with it.
    pub causal: bool,
    /// Whether it is one of several without which together the run does not fail in this way; where none is causal by
    /// itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// What the run comes to without it, if that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
}

/// Why nothing could be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The seed does not fail.
    #[error("nothing breaks with seed {0}: there is nothing to explain")]
    NoFailure(u64),
    /// A run could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its events could not be had.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Somebody has seen enough.
    #[error("ended before it was done")]
    Interrupted,
}

/// Explains a seed's failure; calls `each` with how many of how many mishaps have been left out, and ends early if it breaks.
///
/// # Errors
///
/// If the seed does not fail, or `each` breaks.
pub fn explain(
    plan: &Arc<Plan>,
    seed: u64,
    limits: &Limits,
    jobs: usize,
    mut each: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Explained, ExplainError> {
    let plan = &plan.settled(seed).map_err(RunError::from)?;
    let outcome = run_guarded(plan, seed, None, limits)?;
    let Some(failure) = outcome.failure else { return Err(ExplainError::NoFailure(seed)) };
    let all = crate::run::run(plan, seed, Record::On, None)?.decisions;
    let count = all.faults.len() + all.packets.len();
    let mut mishaps = Vec::new();
    let mut causes = Causes::default();
    let without = |index: u64| {
        let given = Arc::new(Given::all(all_but(&all, index as usize)));
        run_guarded(plan, seed, Some(given), limits).map(|outcome| outcome.failure)
    };
    let flow = threads::in_order((0, count as u64), jobs, without, |index, instead| {
        let instead = match instead {
            Ok(instead) => instead.map(|failure| failure.signature),
            Err(error) => return ControlFlow::Break(ExplainError::Run(error)),
        };
        let causal = instead.as_ref() != Some(&failure.signature);
        if causal {
            causes.add(plan, &only(&all, index as usize));
        }
        let instead = instead.as_ref().map_or("nothing breaks", Signature::as_str);
        let without = causal.then(|| instead.to_owned());
        mishaps.push(Mishap { what: described(plan, &all, index as usize), causal, together: false, without });
        match each(mishaps.len(), count) {
            ControlFlow::Break(()) => ControlFlow::Break(ExplainError::Interrupted),
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
        }
    });
    if let ControlFlow::Break(error) = flow {
        return Err(error);
    }
    if count > 1 && mishaps.iter().all(|mishap| !mishap.causal) {
        let fails = |left: &Decisions| {
            let given = Arc::new(Given::all(left.clone()));
            let outcome = run_guarded(plan, seed, Some(given), limits)?;
            Ok(outcome.failure.is_some_and(|other| other.signature == failure.signature))
        };
        for index in together(&all, fails, || each(count, count))? {
            mishaps[index].together = true;
            causes.add(plan, &only(&all, index));
        }
    }
    let (path, left_out) = path(plan, seed, &failure, &causes)?;
    let gap = if left_out > 0 { PATH_HALF } else { path.len() };
    Ok(Explained { failure, mishaps, path, left_out, gap })
}

impl Explained {
    /// The path as a space-time diagram: a column for each node and network, time downwards, a line for each frame.
    #[must_use]
    pub fn svg(&self, plan: &Plan) -> String {
        svg::diagram(self, plan)
    }

    /// The path as a sequence diagram in Mermaid's language.
    #[must_use]
    pub fn mermaid(&self, plan: &Plan) -> String {
        mermaid::diagram(self, plan)
    }
}

/// The least mishaps without which, all left out together, it no longer `fails`; none if it fails without any.
fn together(
    all: &Decisions,
    fails: impl Fn(&Decisions) -> Result<bool, RunError>,
    mut goes_on: impl FnMut() -> ControlFlow<()>,
) -> Result<Vec<usize>, ExplainError> {
    if fails(&Decisions::default())? {
        return Ok(Vec::new());
    }
    let count = all.faults.len() + all.packets.len();
    ddmin::least((0..count).collect(), |candidates: &[Vec<usize>]| {
        for (place, out) in candidates.iter().enumerate() {
            if goes_on().is_break() {
                return Err(ExplainError::Interrupted);
            }
            let mut left = all.clone();
            // From the last to the first, so that those before keep their places.
            for index in out.iter().rev() {
                left = all_but(&left, *index);
            }
            if !fails(&left)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    })
}

/// Faults are counted first, then what happened to frames.
fn all_but(all: &Decisions, index: usize) -> Decisions {
    let mut rest = all.clone();
    match index.checked_sub(all.faults.len()) {
        None => drop(rest.faults.remove(index)),
        Some(packet) => drop(rest.packets.remove(packet)),
    }
    rest
}

fn only(all: &Decisions, index: usize) -> Decisions {
    match index.checked_sub(all.faults.len()) {
        None => Decisions { faults: vec![all.faults[index]], packets: Vec::new() },
        Some(packet) => Decisions { faults: Vec::new(), packets: vec![all.packets[packet].clone()] },
    }
}

/// In the language of scenarios, in a line: `fault: at = "10s", kind = "cut-link", target = "lan/hub"`.
fn described(plan: &Plan, all: &Decisions, index: usize) -> String {
    let text = only(all, index).to_toml(plan);
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let list = lines.next().unwrap_or_default().trim_matches(['[', ']']);
    format!("{list}: {}", lines.collect::<Vec<_>>().join(", "))
}

/// Where causes begin, and whom they hit.
#[derive(Debug, Default)]
struct Causes {
    /// When faults begin.
    faults_ns: BTreeSet<u64>,
    /// Frames, by one-way link and ordinal.
    frames: BTreeSet<(String, u64)>,
    /// The names of nodes: targets, and ends of links.
    nodes: BTreeSet<String>,
}

impl Causes {
    fn add(&mut self, plan: &Plan, one: &Decisions) {
        for fault in &one.faults {
            self.faults_ns.insert(fault.at_ns);
            match fault.kind {
                plan::FaultKind::CutLink { link }
                | plan::FaultKind::CutOneWay { link, .. }
                | plan::FaultKind::Clog { link, .. }
                | plan::FaultKind::Degrade { link, .. }
                | plan::FaultKind::Mtu { link, .. }
                | plan::FaultKind::Tamper { link, .. } => self.hits_link(plan, link),
                plan::FaultKind::Partition { sides } => {
                    let plan::Sides { from, to } = &plan.sides[sides];
                    from.iter().chain(to).for_each(|node| self.hits_node(plan, *node));
                }
                plan::FaultKind::PowerCut { node }
                | plan::FaultKind::BrownOut { node }
                | plan::FaultKind::BatteryDrain { node, .. }
                | plan::FaultKind::Crash { node }
                | plan::FaultKind::Restart { node }
                | plan::FaultKind::Pause { node }
                | plan::FaultKind::SlowCpu { node, .. }
                | plan::FaultKind::ClockStep { node, .. }
                | plan::FaultKind::ClockDrift { node, .. }
                | plan::FaultKind::ClockStop { node }
                | plan::FaultKind::Hang { node }
                | plan::FaultKind::SpuriousPolls { node, .. }
                | plan::FaultKind::LateWakes { node, .. }
                | plan::FaultKind::Starve { node }
                | plan::FaultKind::DropTasks { node, .. }
                | plan::FaultKind::Cancel { node, .. }
                | plan::FaultKind::Part { node, .. }
                | plan::FaultKind::ArpPoison { node, .. }
                | plan::FaultKind::IpConflict { node, .. }
                | plan::FaultKind::MacDuplicate { node, .. }
                | plan::FaultKind::Deauthenticate { node, .. }
                | plan::FaultKind::ShrinkPool { node, .. }
                | plan::FaultKind::NatReboot { node }
                | plan::FaultKind::WrongRoute { node, .. } => self.hits_node(plan, node),
                plan::FaultKind::Loop { network } | plan::FaultKind::Jam { network, .. } => {
                    plan.networks[network].links.iter().for_each(|link| self.hits_link(plan, *link));
                }
            }
        }
        for packet in &one.packets {
            let direction = match packet.direction {
                plan::Direction::Up => "tx",
                plan::Direction::Down => "rx",
            };
            self.frames.insert((format!("{}/{direction}", plan.links[packet.link].name), packet.frame));
            self.hits_link(plan, packet.link);
        }
    }

    fn hits_node(&mut self, plan: &Plan, node: usize) {
        self.nodes.insert(plan.nodes[node].name.to_string());
    }

    fn hits_link(&mut self, plan: &Plan, link: usize) {
        for end in plan.links[link].ends {
            if let End::Node { node, .. } = end {
                self.hits_node(plan, node);
            }
        }
    }

    fn begin_with(&self, entry: &Entry) -> bool {
        let is_frame = || {
            let frame = entry.link.clone().zip(entry.number("ordinal"));
            frame.is_some_and(|frame| self.frames.contains(&frame))
        };
        (entry.event == "fault-began" && self.faults_ns.contains(&entry.ns)) || is_frame()
    }

    fn hit(&self, entry: &Entry) -> bool {
        // A fault can be about several nodes, and say more than their names.
        let names = |place: &str| place.split(['/', ',', ' ']).any(|part| self.nodes.contains(part));
        entry.place().is_some_and(names) || entry.text("source").is_some_and(|source| self.nodes.contains(source))
    }
}

/// What happened to those who were hit, from the first cause to the failure.
fn path(plan: &Arc<Plan>, seed: u64, failure: &Failure, causes: &Causes) -> Result<(Vec<Entry>, usize), TraceError> {
    let end_ns = failure.at_ns.unwrap_or(plan.duration_ns);
    let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
    let (mut path, mut began) = (Vec::new(), false);
    of_run(plan, &options, Instant::from_nanos(end_ns), |entry| {
        began |= causes.begin_with(&entry);
        if (began && causes.hit(&entry)) || is_failure(&entry) {
            path.push(entry);
        }
        ControlFlow::Continue(())
    })?;
    let left_out = path.len().saturating_sub(2 * PATH_HALF);
    path.drain(path.len().min(PATH_HALF)..path.len().min(PATH_HALF) + left_out);
    Ok((path, left_out))
}

fn is_failure(entry: &Entry) -> bool {
    matches!(entry.event.as_str(), "panic" | "refusal") || entry.text("verdict") == Some("broken")
}
