//! Guided exploring: runs that showed something new are varied instead of drawing each run anew.
//!
//! A run's [`Behaviour`] is what it did, as a set of numbers. Runs that showed a number which none before them did are
//! kept; most of the next runs are [`Variation`]s of kept ones: their faults moved, left out, repeated, a frame lost, or
//! the same faults in other weather. Those whose behaviour is rare are varied most. Every fourth run is a fresh seed, so
//! that a guide that leads nowhere costs little.
//!
//! Runs are decided a round at a time, so that what comes out depends on the first seed alone and not on how many run
//! side by side. They share a process: a world that takes its process along ends the search.

mod behaviour;
mod mutate;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use wavetank_sim::random::Stream;

pub use behaviour::Behaviour;
pub(crate) use behaviour::Watch;
pub use mutate::{Edit, Variation};

use super::{Heart, Limits, Outcome, threads, world};
use crate::Plan;
use crate::run::RunError;
use crate::shrink::{self, ShrinkError};

/// How many runs are decided at a time.
const ROUND: u64 = 32;
/// One run of so many is a fresh seed.
const FRESH_ONE_IN: u64 = 4;
/// How many kept runs are looked at for the one whose behaviour is rarest.
const LOOKED_AT: u64 = 3;
/// How many times a variation is drawn anew that the scenario does not allow.
const TRIES: u64 = 8;

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Varied {
    /// What was run.
    pub variation: Variation,
    /// What it came to.
    pub outcome: Outcome,
    /// Whether it showed something new.
    pub is_new: bool,
}

/// A run that is worth varying.
struct Kept {
    variation: Variation,
    behaviour: Behaviour,
    /// About how many frames a link carried.
    frames: u64,
}

/// What a search knows.
struct Guide<'p> {
    plan: &'p Plan,
    next_seed: u64,
    dice: Stream,
    kept: Vec<Kept>,
    /// How many runs have shown each number.
    shown: BTreeMap<u64, u32>,
}

/// Runs `count` variations from the seed `first` on, on `jobs` threads, and calls `each` with what came of them, in an
/// order that does not depend on the threads. Ends early if `each` breaks.
///
/// # Errors
///
/// If a world cannot be had.
pub fn explore<B>(
    plan: &Arc<Plan>,
    (first, count): (u64, u64),
    jobs: usize,
    limits: &Limits,
    mut each: impl FnMut(Varied) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, RunError> {
    let dice = Stream::new(first, "explore/guided");
    let mut guide = Guide { plan, next_seed: first, dice, kept: Vec::new(), shown: BTreeMap::new() };
    let mut left = count;
    while left > 0 {
        let round: Vec<Variation> = (0..left.min(ROUND)).map(|turn| guide.next(turn)).collect();
        left -= round.len() as u64;
        let flow = threads::in_order(
            (0, round.len() as u64),
            jobs,
            |index| run(plan, &round[index as usize], limits),
            |index, ran| match ran {
                Err(error) => ControlFlow::Break(Err(error)),
                Ok((outcome, behaviour, frames)) => {
                    let variation = round[index as usize].clone();
                    let is_new = guide.take(&variation, behaviour, frames);
                    match each(Varied { variation, outcome, is_new }) {
                        ControlFlow::Continue(()) => ControlFlow::Continue(()),
                        ControlFlow::Break(end) => ControlFlow::Break(Ok(end)),
                    }
                }
            },
        );
        if let ControlFlow::Break(end) = flow {
            return end.map(ControlFlow::Break);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Runs a variation once more.
///
/// # Errors
///
/// If a world cannot be had.
pub fn again(plan: &Arc<Plan>, variation: &Variation, limits: &Limits) -> Result<Outcome, RunError> {
    run(plan, variation, limits).map(|(outcome, ..)| outcome)
}

/// A variation as a scenario of its own, in which nothing is left to chance; `text` is the plan's.
///
/// # Errors
///
/// If its run cannot be had.
pub fn written_out(text: &str, plan: &Arc<Plan>, variation: &Variation) -> Result<String, ShrinkError> {
    shrink::written_out(text, plan, variation.seed, variation.given(plan).map(Arc::new))
}

fn run(plan: &Arc<Plan>, variation: &Variation, limits: &Limits) -> Result<(Outcome, Behaviour, u64), RunError> {
    let watch = Watch::default();
    let given = variation.given(plan).map(Arc::new);
    let ran = world::run_watched(plan, variation.seed, given, limits, &Heart::default(), &watch)?;
    let frames = ran.snapshot.links.iter().map(|link| link.sent).max().unwrap_or(0);
    let behaviour = watch.behaviour(plan, &ran.snapshot);
    Ok((ran.outcome, behaviour, frames))
}

impl Guide<'_> {
    fn next(&mut self, turn: u64) -> Variation {
        if self.kept.is_empty() || turn.is_multiple_of(FRESH_ONE_IN) {
            return self.fresh();
        }
        for _ in 0..TRIES {
            let parent = self.parent();
            let (mut child, frames) = (self.kept[parent].variation.clone(), self.kept[parent].frames);
            match self.dice.below(4) {
                // The same faults in other weather, or others in the same.
                0 => child.seed = self.dice.below(u64::MAX),
                1 if !self.plan.storms.is_empty() => child.faults_of = self.dice.below(u64::MAX),
                _ => {
                    for _ in 0..1 + self.dice.below(3) {
                        child.edits.push(Edit::drawn(self.plan, &mut self.dice, frames));
                    }
                }
            }
            if child.given(self.plan).is_some() {
                return child;
            }
        }
        self.fresh()
    }

    fn fresh(&mut self) -> Variation {
        let seed = self.next_seed;
        self.next_seed = seed.wrapping_add(1);
        Variation::plain(seed)
    }

    /// Of a few kept runs, the one that shows what the fewest showed.
    fn parent(&mut self) -> usize {
        let drawn: Vec<usize> = (0..LOOKED_AT).map(|_| self.dice.below(self.kept.len() as u64) as usize).collect();
        let rarity = |index: usize| self.kept[index].behaviour.iter().map(|number| self.shown[number]).min();
        drawn.into_iter().min_by_key(|index| rarity(*index)).unwrap_or(0)
    }

    fn take(&mut self, variation: &Variation, behaviour: Behaviour, frames: u64) -> bool {
        let mut is_new = false;
        for number in &behaviour {
            let count = self.shown.entry(*number).or_default();
            is_new |= *count == 0;
            *count += 1;
        }
        if is_new {
            self.kept.push(Kept { variation: variation.clone(), behaviour, frames });
        }
        is_new
    }
}
