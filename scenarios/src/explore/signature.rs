//! What broke, and where: the same words for the same bug, whatever the seed.

use std::fmt;

use serde::{Deserialize, Serialize};
use wavetank_sim::check::{Verdict, VerdictReport};
use wavetank_sim::world::{self, Snapshot};

use super::panics::Site;
use crate::plan::{Demand, Plan};

/// What kind of thing broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// An expectation broke.
    Expectation,
    /// A node's code panicked.
    Panic,
    /// Something was still expected, and all tasks waited for something that never came.
    Deadlock,
    /// Tasks kept each other busy while time stood still.
    Livelock,
    /// The run took more events than it may.
    Timeout,
    /// A poll did not end.
    Hang,
    /// The process died: an abort, an overflowing stack, a signal.
    Abort,
    /// A node asked for what differs from run to run, or the same run came out differently.
    Nondeterminism,
    /// A file of the run could not be written.
    Output,
}

impl FailureKind {
    /// The kind as one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expectation => "expectation",
            Self::Panic => "panic",
            Self::Deadlock => "deadlock",
            Self::Livelock => "livelock",
            Self::Timeout => "timeout",
            Self::Hang => "hang",
            Self::Abort => "abort",
            Self::Nondeterminism => "nondeterminism",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What broke and where, without times, addresses and numbers of nodes: `panic: src/queue.rs:12:5 in thermostat`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(String);

impl Signature {
    /// A kind and a place.
    #[must_use]
    pub fn new(kind: FailureKind, place: &str) -> Self {
        Self(format!("{kind}: {place}"))
    }

    /// The whole of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the kind.
    #[must_use]
    pub fn place(&self) -> &str {
        self.0.split_once(": ").map_or(&self.0, |(_, place)| place)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first thing that broke in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing.
    pub kind: FailureKind,
    /// What and where; the same for the same bug.
    pub signature: Signature,
    /// When, in nanoseconds of virtual time; `None` if nobody lived to tell.
    pub at_ns: Option<u64>,
    /// What was said, in this run's words.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, place: &str, at_ns: Option<u64>, message: impl Into<String>) -> Self {
        Self { kind, signature: Signature::new(kind, place), at_ns, message: message.into() }
    }
}

/// The first thing that broke in a run that is over, if anything did.
///
/// What a node did wrong comes before what was expected at the same moment, and expectations are in the scenario's order.
pub(super) fn first(plan: &Plan, snapshot: &Snapshot, sites: &[Site]) -> Option<Failure> {
    let mut sites = sites.iter();
    let troubles = snapshot.failures.iter().map(|failure| trouble(plan, snapshot, failure, &mut sites));
    let broken = snapshot.expectations.iter().enumerate().filter(|(_, report)| report.verdict == Verdict::Broken);
    let broken = broken.map(|(index, report)| expectation(plan, snapshot, index, report));
    // `min_by_key` takes the first of several.
    troubles.chain(broken).min_by_key(|failure| failure.at_ns.unwrap_or(u64::MAX))
}

fn trouble<'s>(
    plan: &Plan,
    snapshot: &Snapshot,
    failure: &world::Failure,
    sites: &mut impl Iterator<Item = &'s Site>,
) -> Failure {
    let message = failure.to_string();
    match failure {
        world::Failure::Panic { node, at, .. } => {
            let site = sites.next().map_or("somewhere", |site| &site.0);
            let place = format!("{site} in {}", kind_of(plan, node));
            Failure::new(FailureKind::Panic, &place, Some(at.as_nanos()), message)
        }
        world::Failure::Refusal { node, at, what } => {
            let place = format!("{} asked for {what}", kind_of(plan, node));
            Failure::new(FailureKind::Nondeterminism, &place, Some(at.as_nanos()), message)
        }
        world::Failure::Livelock { at } => {
            Failure::new(FailureKind::Livelock, "time stands still", Some(at.as_nanos()), message)
        }
        world::Failure::Output { message: what } => {
            Failure::new(FailureKind::Output, what, Some(snapshot.now.as_nanos()), message)
        }
    }
}

/// A broken expectation; a deadlock if it waited for something, and nothing at all moved any more or was going to.
fn expectation(plan: &Plan, snapshot: &Snapshot, index: usize, report: &VerdictReport) -> Failure {
    let waited = plan.expectations.get(index).is_some_and(|expectation| {
        matches!(expectation.demand, Demand::Eventually { .. } | Demand::Stable { .. } | Demand::Reaches { .. })
    });
    let detail = report.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    if waited && snapshot.pending == 0 && snapshot.stirred_at < report.at {
        let message = format!(
            "nothing moved after {}, and “{}” had not come true{detail}",
            snapshot.stirred_at.exact(),
            report.name
        );
        return Failure::new(FailureKind::Deadlock, &report.name, Some(report.at.as_nanos()), message);
    }
    let message = format!("“{}” broke at {}{detail}", report.name, report.at.exact());
    Failure::new(FailureKind::Expectation, &report.name, Some(report.at.as_nanos()), message)
}

/// What a node is; its name is not the same in every run that breaks in the same way.
pub(super) fn kind_of<'p>(plan: &'p Plan, node: &'p str) -> &'p str {
    plan.node(node).map_or(node, |index| plan.nodes[index].kind.name())
}
