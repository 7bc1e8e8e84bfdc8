//! One seed: a world, from its birth to what it came to.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wavetank_sim::node::PolledNode;
use wavetank_sim::time::Instant;
use wavetank_sim::world::{self, Snapshot, Stop, World};

use super::guided::Watch;
use super::signature::{first, kind_of};
use super::untested::unseen;
use super::{Failure, FailureKind, panics};
use crate::plan::Plan;
use crate::run::{Given, RunError, RunOptions, driven};

/// What a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How many events, after which it counts as one that never ends.
    pub events_max: u64,
    /// How many events or polls at one moment, after which time counts as standing still.
    pub events_per_instant_max: u64,
    /// How many seconds of the wall clock one event may take, after which its poll counts as one that never ends.
    pub stall_s: u64,
}

impl Default for Limits {
    /// A hundred million events, a million of them at one moment, ten seconds for one of them.
    fn default() -> Self {
        Self { events_max: 100_000_000, events_per_instant_max: 1_000_000, stall_s: 10 }
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which run.
    pub seed: u64,
    /// 32 hexadecimal digits; empty if nobody lived to tell.
    pub fingerprint: String,
    /// How many events it took.
    pub events: u64,
    /// How far virtual time came.
    pub virtual_ns: u64,
    /// The first thing that broke.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<Failure>,
    /// Expectations that need to hold in some run only, and did not in this one; by their place in the plan.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unseen: Vec<usize>,
}

impl Outcome {
    /// Of a run of which nothing is known but how it failed.
    pub(super) fn lost(seed: u64, failure: Failure) -> Self {
        Self { seed, fingerprint: String::new(), events: 0, virtual_ns: 0, failure: Some(failure), unseen: Vec::new() }
    }
}

/// A run that is over: what it came to, and the world as it stood at the end.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What it came to.
    pub outcome: Outcome,
    /// The world at the end.
    pub snapshot: Snapshot,
}

/// Beats as long as a world goes on, and knows whose code runs: for who watches from another thread.
#[derive(Clone, Debug, Default)]
pub struct Heart {
    beats: Arc<AtomicU64>,
    current: Arc<Mutex<Option<(u64, PolledNode)>>>,
}

impl Heart {
    /// Goes up with every few events, and with every seed.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Relaxed)
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Relaxed);
    }

    fn hold(&self, current: Option<(u64, PolledNode)>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// The seed whose world runs, and the failure that it is if that world never goes on.
    #[must_use]
    pub fn stalled(&self, plan: &Plan, limits: &Limits) -> Option<Outcome> {
        let (seed, polled) = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let node = polled.node().and_then(|node| plan.nodes.get(node.index()));
        let (kind, name) = node.map_or(("nobody", "nobody"), |node| (kind_of(plan, &node.name), &*node.name));
        let message = format!("a poll of {name} did not end within {} s of the wall clock", limits.stall_s);
        let place = format!("a poll of {kind}");
        Some(Outcome::lost(seed, Failure::new(FailureKind::Hang, &place, None, message)))
    }
}

/// How many events are handled between two beats.
const BEAT_EVENTS: u64 = 1_024;

/// Runs one seed to its end, on a thread of its own.
///
/// Panics of its nodes are noted with their places if [`listen`](super::listen) was called before.
///
/// # Errors
///
/// If no thread can be had, or the kernel itself panicked.
pub fn run_seed(plan: &Arc<Plan>, seed: u64, limits: &Limits, heart: &Heart) -> Result<Ran, RunError> {
    run_given(plan, seed, None, limits, heart)
}

/// As [`run_seed`], with what is `given` in place of what would be drawn.
///
/// # Errors
///
/// As for [`run_seed`].
pub fn run_given(
    plan: &Arc<Plan>,
    seed: u64,
    given: Option<Arc<Given>>,
    limits: &Limits,
    heart: &Heart,
) -> Result<Ran, RunError> {
    run_with(plan, seed, given, limits, heart, None)
}

/// How often a watchdog looks.
const LOOK: Duration = Duration::from_millis(500);

/// As [`run_given`], with a watchdog: a world whose poll never ends is left to spin on its thread for as long as the
/// process lives, and its run counts as one that hangs.
///
/// # Errors
///
/// As for [`run_seed`].
pub fn run_guarded(
    plan: &Arc<Plan>,
    seed: u64,
    given: Option<Arc<Given>>,
    limits: &Limits,
) -> Result<Outcome, RunError> {
    let heart = Heart::default();
    let (done, ran) = channel();
    let whole = {
        let (plan, given, limits, heart) = (Arc::clone(plan), given.clone(), *limits, heart.clone());
        // Whoever waited may have given it up.
        move || drop(done.send(run_given(&plan, seed, given, &limits, &heart).map(|ran| ran.outcome)))
    };
    if thread::Builder::new().name("a run".into()).spawn(whole).is_err() {
        return run_given(plan, seed, given, limits, &heart).map(|ran| ran.outcome);
    }
    let (mut seen, mut still) = (0, Duration::ZERO);
    loop {
        match ran.recv_timeout(LOOK) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Timeout) => {
                let beats = heart.beats();
                (seen, still) = if beats == seen { (seen, still + LOOK) } else { (beats, Duration::ZERO) };
                if still >= Duration::from_secs(limits.stall_s)
                    && let Some(hung) = heart.stalled(plan, limits)
                {
                    return Ok(hung);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                let failure = Failure::new(FailureKind::Abort, "the kernel panicked", None, "it did not say why");
                return Ok(Outcome::lost(seed, failure));
            }
        }
    }
}

/// As [`run_given`], and `watch` sees what it does.
pub(super) fn run_watched(
    plan: &Arc<Plan>,
    seed: u64,
    given: Option<Arc<Given>>,
    limits: &Limits,
    heart: &Heart,
    watch: &Watch,
) -> Result<Ran, RunError> {
    run_with(plan, seed, given, limits, heart, Some(watch))
}

fn run_with(
    plan: &Arc<Plan>,
    seed: u64,
    given: Option<Arc<Given>>,
    limits: &Limits,
    heart: &Heart,
    watch: Option<&Watch>,
) -> Result<Ran, RunError> {
    let plan = &plan.settled(seed)?;
    let polls_per_instant_max = Some(limits.events_per_instant_max);
    let options = RunOptions { seed: Some(seed), given, polls_per_instant_max, ..RunOptions::default() };
    let (end, bounds) = (Instant::from_nanos(plan.duration_ns), *limits);
    let own = heart.clone();
    let drive = move |world: &mut World| {
        let polled = world.polled();
        own.hold(Some((seed, polled.clone())));
        panics::begin();
        let exceeded = to_the_end(world, end, &bounds, || own.beat());
        (polled, exceeded, panics::end())
    };
    let ((polled, exceeded, sites), snapshot) = driven(plan, options, watch.cloned(), drive)?;
    heart.hold(None);
    heart.beat();
    let mut failure = first(plan, &snapshot, &sites);
    if let Some(exceeded) = exceeded {
        let kind =
            polled.node().and_then(|node| plan.nodes.get(node.index())).map_or("nobody", |node| node.kind.name());
        failure = Some(exceeded.failure(kind, &snapshot));
    }
    let outcome = Outcome {
        seed,
        fingerprint: snapshot.fingerprint.to_string(),
        events: snapshot.events,
        virtual_ns: snapshot.now.as_nanos(),
        failure,
        unseen: unseen(&snapshot.expectations).collect(),
    };
    Ok(Ran { outcome, snapshot })
}

/// Which limit a run has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exceeded {
    Events,
    Instant,
}

impl Exceeded {
    /// `kind` is the node's whose code ran last.
    fn failure(self, kind: &str, snapshot: &Snapshot) -> Failure {
        let (now, events) = (snapshot.now, snapshot.events);
        match self {
            Self::Events => {
                let message = format!("{events} events, and it was only {now}: {kind} ran last");
                Failure::new(
                    FailureKind::Timeout,
                    &format!("too many events, last {kind}"),
                    Some(now.as_nanos()),
                    message,
                )
            }
            Self::Instant => {
                let livelock = world::Failure::Livelock { at: now };
                Failure::new(FailureKind::Livelock, kind, Some(now.as_nanos()), livelock.to_string())
            }
        }
    }
}

/// Lets the world run to `end`. Says which limit it came to before, if it did.
fn to_the_end(world: &mut World, end: Instant, limits: &Limits, beat: impl Fn()) -> Option<Exceeded> {
    let (mut instant, mut instant_began) = (world.now(), world.events());
    loop {
        let left = limits.events_max.saturating_sub(world.events());
        let flow = match world.advance(end, BEAT_EVENTS.min(left)) {
            Stop::Limit => ControlFlow::Break(None),
            Stop::Livelock => ControlFlow::Break(Some(Exceeded::Instant)),
            Stop::Steps if world.events() >= limits.events_max => ControlFlow::Break(Some(Exceeded::Events)),
            Stop::Steps => ControlFlow::Continue(()),
        };
        beat();
        if let ControlFlow::Break(exceeded) = flow {
            return exceeded;
        }
        if world.now() > instant {
            (instant, instant_began) = (world.now(), world.events());
        } else if world.events() - instant_began >= limits.events_per_instant_max {
            return Some(Exceeded::Instant);
        }
    }
}
