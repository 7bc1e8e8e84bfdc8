//! How soon a bug is found by seeds, what is left of its failure, and whether the twin is clean.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wavetank_scenarios::Plan;
use wavetank_scenarios::explore::{Heart, Limits, Outcome, Ran, guided, run_seed, threads};
use wavetank_scenarios::run::RunError;
use wavetank_scenarios::shrink::{self, Case, Shrunk};

use crate::{Build, System};

/// Small systems need no more.
const LIMITS: Limits = Limits { events_max: 1_000_000, events_per_instant_max: 100_000, stall_s: 10 };

/// A bug that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many seeds it took, from the scenario's own.
    pub seeds: u64,
    /// How long that took.
    pub took: Duration,
    /// What the last of them came to.
    pub outcome: Outcome,
}

/// The plan of one of the twins.
///
/// # Panics
///
/// If the scenario is not sound, which the tests see to.
#[must_use]
pub fn plan(system: &System, build: Build) -> Arc<Plan> {
    let plan = Plan::read(system.name, system.scenario, &(system.kinds)(build));
    Arc::new(plan.unwrap_or_else(|problems| {
        let told: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
        panic!("{}: {}", system.name, told.join("\n"))
    }))
}

/// Runs seeds from the scenario's own on until one fails; `None` if none of `seeds_max` does.
///
/// # Errors
///
/// If a world cannot be had.
pub fn find(system: &System, build: Build, seeds_max: u64, jobs: usize) -> Result<Option<Found>, RunError> {
    let plan = plan(system, build);
    plainly(&plan, plan.seed, seeds_max, jobs)
}

/// As [`find`], from another seed on.
///
/// # Errors
///
/// If a world cannot be had.
pub fn plainly(plan: &Arc<Plan>, first: u64, seeds_max: u64, jobs: usize) -> Result<Option<Found>, RunError> {
    let began = Instant::now();
    let mut seeds = 0;
    let flow = threads::in_order(
        (first, seeds_max),
        jobs,
        |seed| run_seed(plan, seed, &LIMITS, &Heart::default()),
        |_, ran| {
            seeds += 1;
            match ran {
                Ok(Ran { outcome, .. }) if outcome.failure.is_none() => ControlFlow::Continue(()),
                Ok(Ran { outcome, .. }) => ControlFlow::Break(Ok(outcome)),
                Err(error) => ControlFlow::Break(Err(error)),
            }
        },
    );
    match flow {
        ControlFlow::Continue(()) => Ok(None),
        ControlFlow::Break(outcome) => Ok(Some(Found { seeds, took: began.elapsed(), outcome: outcome? })),
    }
}

/// As [`plainly`], with the guided search.
///
/// # Errors
///
/// If a world cannot be had.
pub fn guidedly(plan: &Arc<Plan>, first: u64, runs_max: u64, jobs: usize) -> Result<Option<Found>, RunError> {
    let began = Instant::now();
    let mut seeds = 0;
    let flow = guided::explore(plan, (first, runs_max), jobs, &LIMITS, |varied| {
        seeds += 1;
        match varied.outcome.failure {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(varied.outcome),
        }
    })?;
    Ok(match flow {
        ControlFlow::Continue(()) => None,
        ControlFlow::Break(outcome) => Some(Found { seeds, took: began.elapsed(), outcome }),
    })
}

/// Shrinks the failure of a seed.
///
/// # Errors
///
/// If it cannot be shrunk.
pub fn shrunk(system: &System, seed: u64, jobs: usize) -> Result<Shrunk, shrink::ShrinkError> {
    let registry = (system.kinds)(Build::Planted);
    let case = Case { name: system.name, text: system.scenario, registry: &registry, seed, limits: LIMITS, jobs };
    shrink::shrink(&case, |_| ControlFlow::Continue(()))
}
