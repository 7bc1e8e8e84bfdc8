//! Shrinking: from a failure that takes hundreds of faults to a scenario file that has only those that matter.
//!
//! What chance did in the failing run is written down as data: faults of storms, and what happened to single frames.
//! From there on nothing is left to chance. The list is reduced by delta debugging, then the scenario around it: what
//! else is expected, nodes, duration, parameters, how long faults last. A candidate is taken only if it fails with the
//! same signature; where faults matter it must also hold without them, so that what is left is still how they matter; where
//! none does, nodes stay that others are told of.
//! The result does not depend on how many candidates are tried side by side: of a round's candidates the
//! first that fails is taken.
//!
//! What this cannot do: failures that take the process along, and polls that never end. A candidate whose poll never ends
//! does not fail as the run did.

pub(crate) mod ddmin;
mod draft;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use self::draft::Draft;
use crate::explore::{FailureKind, Limits, Signature, run_guarded, threads};
use crate::run::{Given, Record, RunError};
use crate::{Plan, Problems, Registry, swarm};

/// What is to be shrunk.
pub struct Case<'a> {
    /// The scenario file's name, for messages.
    pub name: &'a str,
    /// The scenario.
    pub text: &'a str,
    /// The kinds that it names.
    pub registry: &'a Registry,
    /// The seed that fails.
    pub seed: u64,
    /// What each run may take.
    pub limits: Limits,
    /// How many runs go side by side.
    pub jobs: usize,
}

/// A scenario that fails as the one that it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The scenario file, without a comment.
    pub text: String,
    /// What breaks.
    pub signature: Signature,
    /// How many faults and packets the failing run had, and how many are left.
    pub faults: [usize; 2],
    /// How many runs it took.
    pub runs: u64,
}

/// What is going on, for who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is being reduced.
    pub what: &'static str,
    /// How many faults and packets are left.
    pub left: usize,
    /// How many runs it took so far.
    pub runs: u64,
}

/// Why nothing could be shrunk.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// It does not fail.
    #[error("{name} does not fail with seed {seed}: there is nothing to shrink")]
    NoFailure {
        /// The scenario file.
        name: String,
        /// The seed.
        seed: u64,
    },
    /// It never ends: each candidate would take as long as it takes to give it up.
    #[error("seed {seed} cannot be shrunk: {message}")]
    Hangs {
        /// The seed.
        seed: u64,
        /// Whose poll does not end.
        message: String,
    },
    /// The same decisions do not lead to the same failure.
    #[error("what was written down of the run with seed {seed} does not lead to “{signature}”, but to {instead}")]
    NotRepeated {
        /// The seed.
        seed: u64,
        /// What broke in the run.
        signature: Signature,
        /// What breaks when it is given what happened.
        instead: String,
    },
    /// The scenario is not sound, or what is written is not.
    #[error("{0}")]
    Scenario(String),
    /// A run could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Somebody has seen enough.
    #[error("ended before it was done")]
    Interrupted,
}

/// Shrinks, and calls `each` before each round of runs; it ends early if `each` breaks.
///
/// # Errors
///
/// If the seed does not fail, its run cannot be had again from what was written down of it, or `each` breaks.
pub fn shrink(case: &Case<'_>, each: impl FnMut(Step) -> ControlFlow<()>) -> Result<Shrunk, ShrinkError> {
    // What was left to the seed is written out: a smaller scenario would draw otherwise.
    let settled = settled(case.name, case.text, case.seed)?;
    let case = &Case { text: &settled, ..*case };
    let plan = Arc::new(read(case, case.text).map_err(ShrinkError::Scenario)?);
    let outcome = run_guarded(&plan, case.seed, None, &case.limits)?;
    let Some(failure) = outcome.failure else {
        return Err(ShrinkError::NoFailure { name: case.name.to_owned(), seed: case.seed });
    };
    if failure.kind == FailureKind::Hang {
        return Err(ShrinkError::Hangs { seed: case.seed, message: failure.message });
    }
    let decided = crate::run::run(&plan, case.seed, Record::On, None)?.decisions.to_toml(&plan);
    let unreadable = |error: toml::de::Error| ShrinkError::Scenario(error.to_string());
    let draft = Draft::new(case.text, case.seed, &plan, &decided).map_err(unreadable)?.meant_to_fail();
    let needed = matches!(failure.kind, FailureKind::Expectation | FailureKind::Deadlock);
    let needed = needed.then(|| failure.signature.place().to_owned());
    let all = draft.mishaps.len();
    let whole = Arc::new(read(case, &draft.text()).map_err(ShrinkError::Scenario)?);
    let again = run_guarded(&whole, case.seed, None, &case.limits)?.failure;
    let at_ns = match again {
        Some(again) if again.signature == failure.signature => again.at_ns.unwrap_or(plan.duration_ns),
        other => {
            let instead =
                other.map_or_else(|| "no failure at all".to_owned(), |other| format!("“{}”", other.signature));
            return Err(ShrinkError::NotRepeated { seed: case.seed, signature: failure.signature, instead });
        }
    };
    let mut shrinker =
        Shrinker { case, signature: failure.signature, at_ns, left: all, runs: 2, mishaps_matter: false, each };
    let draft = shrinker.shrink(&draft, needed.as_deref())?;
    Ok(Shrunk {
        text: draft.text(),
        signature: shrinker.signature,
        faults: [all, draft.mishaps.len()],
        runs: shrinker.runs,
    })
}

/// A run as a scenario of its own in which nothing is left to chance: `text` is the plan's, and `given` what was given to
/// the run in place of what the seed draws.
///
/// # Errors
///
/// If the run cannot be had.
pub fn written_out(text: &str, plan: &Arc<Plan>, seed: u64, given: Option<Arc<Given>>) -> Result<String, ShrinkError> {
    let (plan, text) = (&plan.settled(seed).map_err(RunError::from)?, settled(&plan.name, text, seed)?);
    let decided = crate::run::run(plan, seed, Record::On, given)?.decisions.to_toml(plan);
    let draft = Draft::new(&text, seed, plan, &decided).map_err(|error| ShrinkError::Scenario(error.to_string()))?;
    Ok(draft.meant_to_fail().text())
}

/// A scenario with all that it leaves to the seed as this seed has it.
fn settled<'t>(name: &str, text: &'t str, seed: u64) -> Result<Cow<'t, str>, ShrinkError> {
    swarm::settled(text, seed)
        .map_err(|problems| ShrinkError::Scenario(crate::testing::narrated(&Problems::new(name, text, problems))))
}

fn read(case: &Case<'_>, text: &str) -> Result<Plan, String> {
    Plan::read(case.name, text, case.registry).map_err(|problems| crate::testing::narrated(&problems))
}

struct Shrinker<'c, F> {
    case: &'c Case<'c>,
    signature: Signature,
    /// When the draft breaks that is the smallest so far.
    at_ns: u64,
    /// How many mishaps it has.
    left: usize,
    runs: u64,
    /// Whether it holds without any mishap.
    mishaps_matter: bool,
    each: F,
}

impl<F: FnMut(Step) -> ControlFlow<()>> Shrinker<'_, F> {
    fn shrink(&mut self, draft: &Draft, needed: Option<&str>) -> Result<Draft, ShrinkError> {
        let mut draft = self.fewer_mishaps(draft)?;
        self.mishaps_matter = !draft.mishaps.is_empty();
        loop {
            let before = draft.clone();
            draft =
                self.repeat("expectations", draft, |draft, _| draft.expecting_less(needed).into_iter().collect())?;
            draft = self.repeat("nodes", draft, |draft, _| draft.smaller())?;
            draft = self.repeat("duration", draft, Draft::shorter)?;
            draft = self.repeat("parameters", draft, |draft, _| draft.plainer())?;
            draft = self.repeat("how long faults last", draft, |draft, _| draft.briefer())?;
            draft = self.repeat("when faults begin", draft, |draft, _| draft.retimed())?;
            draft = self.fewer_mishaps(&draft)?;
            if draft == before {
                return Ok(draft);
            }
        }
    }

    fn fewer_mishaps(&mut self, draft: &Draft) -> Result<Draft, ShrinkError> {
        let least = ddmin::least(draft.mishaps.clone(), |candidates| {
            let drafts: Vec<Draft> = candidates.iter().map(|mishaps| draft.with(mishaps.clone())).collect();
            self.first_that_fails("faults", &drafts)
        })?;
        Ok(draft.with(least))
    }

    /// Takes the first candidate that fails, as long as there is one.
    fn repeat(
        &mut self,
        what: &'static str,
        mut draft: Draft,
        candidates: impl Fn(&Draft, u64) -> Vec<Draft>,
    ) -> Result<Draft, ShrinkError> {
        loop {
            let mut drafts = candidates(&draft, self.at_ns);
            drafts.retain(|candidate| *candidate != draft);
            for candidate in &mut drafts {
                // Names that are gone take their mishaps along; what is not sound is refused below.
                if let Ok(plan) = read(self.case, &candidate.calm().text()) {
                    *candidate = candidate.fitting(&plan);
                }
            }
            match self.first_that_fails(what, &drafts)? {
                Some(found) => draft = drafts.swap_remove(found),
                None => return Ok(draft),
            }
        }
    }

    fn first_that_fails(&mut self, what: &'static str, drafts: &[Draft]) -> Result<Option<usize>, ShrinkError> {
        let (case, signature, left, matter) = (self.case, &self.signature, self.left, self.mishaps_matter);
        let (runs, each) = (&mut self.runs, &mut self.each);
        let flow = threads::in_order(
            (0, drafts.len() as u64),
            case.jobs,
            |index| {
                let draft = &drafts[index as usize];
                let at_ns = fails(case, signature, draft)?;
                // With less around it, it may fail for want of what was left out.
                let is_own = matter && fails(case, signature, &draft.calm()).is_some();
                (!is_own).then_some(at_ns)
            },
            |index, failed| {
                *runs += 1;
                match (each(Step { what, left, runs: *runs }), failed) {
                    (ControlFlow::Break(()), _) => ControlFlow::Break(None),
                    (_, Some(at_ns)) => ControlFlow::Break(Some((index as usize, at_ns))),
                    (_, None) => ControlFlow::Continue(()),
                }
            },
        );
        match flow {
            ControlFlow::Continue(()) => Ok(None),
            ControlFlow::Break(None) => Err(ShrinkError::Interrupted),
            ControlFlow::Break(Some((found, at_ns))) => {
                (self.at_ns, self.left) = (at_ns, drafts[found].mishaps.len());
                Ok(Some(found))
            }
        }
    }
}

/// When the draft fails with this signature, if it does. One that is not sound does not.
fn fails(case: &Case<'_>, signature: &Signature, draft: &Draft) -> Option<u64> {
    let plan = Arc::new(read(case, &draft.text()).ok()?);
    let failure = run_guarded(&plan, case.seed, None, &case.limits).ok()?.failure?;
    (failure.signature == *signature).then(|| failure.at_ns.unwrap_or(plan.duration_ns))
}
