//! Scenarios as tests: what the `#[wavetank::test]` attribute expands to, and the same for worlds built in code.

use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use miette::NarratableReportHandler;
use wavetank_sim::check::Verdict;
use wavetank_sim::session::{Ended, Session};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Snapshot, World, WorldConfig};

use crate::explore::{Untested, threads};
use crate::plan;
use crate::{Plan, Problems, Registry, RunError, RunOptions, start};

/// A test of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The package that the test is of.
    pub package: &'a str,
    /// The test's name.
    pub name: &'a str,
    /// The scenario's file.
    pub scenario: &'a str,
    /// How many seeds, from the scenario's own upwards.
    pub seeds: u64,
}

/// Runs a scenario with a row of seeds, and calls `body` after each run, in the order of the seeds.
///
/// Worlds run side by side on all processors, but what is told and which seed fails first does not depend on how many.
/// Environment variables choose otherwise: `WAVETANK_SEED` (decimal, or `0x` and hexadecimal digits) runs that one seed,
/// `WAVETANK_SEEDS` that many, `WAVETANK_JOBS` that many side by side; with 1, a debugger meets one world at a time.
///
/// # Panics
///
/// If the scenario is not sound, or a run does not come to what the scenario means it to; the message names the seed and
/// the line that replays it. Also if an expectation that needs to hold `sometimes` has held with none of the seeds, unless
/// there are fewer of them than the test asks for.
#[track_caller]
pub fn run(case: &Case<'_>, registry: fn() -> Registry, body: impl Fn(&Snapshot)) {
    let path = case.scenario;
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let plan = Plan::read(path, &text, &registry()).unwrap_or_else(|problems| panic!("{}", narrated(&problems)));
    let plan = Arc::new(plan);
    let row = Row::of(plan.seed, case.seeds);
    let mut untested = Untested::default();
    let trouble = row.run(
        |seed| run_seed(&plan, seed),
        |seed, ran| {
            let replay = Replay { case, seed };
            match ran {
                Ok(snapshot) => match trouble(&plan, &snapshot) {
                    None => {
                        untested.see(&snapshot.expectations);
                        body(&snapshot);
                    }
                    Some(trouble) => return replay.after(trouble),
                },
                Err(error) => return replay.after(error.to_string()),
            }
            ControlFlow::Continue(())
        },
    );
    if let ControlFlow::Break((replay, trouble)) = trouble {
        panic!("{path} with seed {}:\n{trouble}", replay.seed);
    }
    let names = untested.unmet().iter().map(|index| &*plan.expectations[*index].name);
    row.demand_tested(names);
    println!("{path}: {row}");
}

/// Worlds that are built in code instead of being read from a file, each with a seed of its own.
///
/// ```
/// use std::time::Duration;
/// use wavetank_scenarios::testing::Worlds;
/// use wavetank_sim::node::{Exit, Node, NodeSpec};
///
/// Worlds::lasting(Duration::from_secs(60)).seeds(1, 20).run(
///     |world| {
///         world.add_node(NodeSpec::named("clock"), |node: Node| async move {
///             for tick in 0.. {
///                 node.clock().sleep(Duration::from_secs(1)).await;
///                 node.gauge("ticks", tick);
///             }
///             Exit::Halt
///         });
///     },
///     |end| assert_eq!(end.metrics[0].value, 59),
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Worlds {
    duration: Duration,
    first: u64,
    seeds: u64,
}

impl Worlds {
    /// Worlds that last so long in virtual time; seed 0 alone.
    #[must_use]
    pub fn lasting(duration: Duration) -> Self {
        Self { duration, first: 0, seeds: 1 }
    }

    /// So many seeds from `first` upwards.
    #[must_use]
    pub fn seeds(self, first: u64, seeds: u64) -> Self {
        Self { first, seeds, ..self }
    }

    /// Lets `build` fill each world and `body` look at what has become of it, in the order of the seeds. The environment
    /// variables of [`run`] count here, too.
    ///
    /// # Panics
    ///
    /// If an expectation breaks, or a node fails; the message names the seed, and the variable `WAVETANK_SEED` runs it alone.
    /// Also if one that needs to hold sometimes has held with none of the seeds.
    #[track_caller]
    pub fn run(self, build: impl Fn(&mut World) + Send + Sync + 'static, body: impl Fn(&Snapshot)) {
        let (row, build) = (Row::of(self.first, self.seeds), Arc::new(build));
        let run_seed = |seed| {
            let (build, config) = (Arc::clone(&build), WorldConfig { seed, ..WorldConfig::default() });
            let session = Session::start(config, move |world| {
                build(world);
                Ok::<(), Ended>(())
            })?;
            session.run_until(Instant::START + self.duration)?;
            session.finish()
        };
        let (mut untested, mut names) = (Untested::default(), Vec::new());
        let trouble = row.run(run_seed, |seed, ran| {
            let again = Again(seed);
            let troubles = match ran {
                Ok(snapshot) => match troubles(&snapshot) {
                    none if none.is_empty() => {
                        untested.see(&snapshot.expectations);
                        names = snapshot.expectations.iter().map(|report| report.name.clone()).collect();
                        body(&snapshot);
                        return ControlFlow::Continue(());
                    }
                    troubles => troubles.join("\n"),
                },
                Err(error) => error.to_string(),
            };
            ControlFlow::Break((again, troubles))
        });
        if let ControlFlow::Break((again, trouble)) = trouble {
            panic!("seed {}:\n{trouble}", again.0);
        }
        row.demand_tested(untested.unmet().iter().map(|index| names[*index].as_str()));
        println!("{row}");
    }
}

/// The seeds of a test, as the environment has it.
struct Row {
    first: u64,
    count: u64,
    /// How many the test itself asks for.
    own_count: u64,
    jobs: usize,
}

impl Row {
    fn of(first: u64, count: u64) -> Self {
        let own_count = count;
        let (first, count) = match variable("WAVETANK_SEED") {
            Some(seed) => (seed, 1),
            None => (first, variable("WAVETANK_SEEDS").unwrap_or(count)),
        };
        let jobs = variable("WAVETANK_JOBS").and_then(|jobs| usize::try_from(jobs).ok());
        Self { first, count, own_count, jobs: jobs.unwrap_or_else(threads::jobs).max(1) }
    }

    /// What must hold in some run has held in one. Fewer seeds than the test asks for need not show it.
    #[track_caller]
    fn demand_tested<'n>(&self, unmet: impl Iterator<Item = &'n str>) {
        let unmet: Vec<&str> = unmet.collect();
        let told = format!("untested: with none of {self} was it ever so that “{}”", unmet.join("”, “"));
        assert!(unmet.is_empty() || self.count < self.own_count, "{told}");
    }

    fn run<R: Send, B>(
        &self,
        run: impl Fn(u64) -> R + Sync,
        each: impl FnMut(u64, R) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        threads::in_order((self.first, self.count), self.jobs, run, each)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, count, .. } = self;
        write!(f, "{count} seeds from {first}")
    }
}

/// All problems with their places, as plain text.
pub(crate) fn narrated(problems: &Problems) -> String {
    let mut text = String::new();
    let handler = NarratableReportHandler::new().with_context_lines(0);
    handler.render_report(&mut text, problems).expect("a string takes all");
    text
}

/// Says how to have the same again, whatever made the test panic: a run, or what is asserted of it.
struct Replay<'a> {
    case: &'a Case<'a>,
    seed: u64,
}

impl Replay<'_> {
    /// Breaks off with what went wrong; the way to have it again is told last.
    fn after(self, trouble: String) -> ControlFlow<(Self, String)> {
        ControlFlow::Break((self, trouble))
    }
}

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Case { package, name, .. } = self.case;
            eprintln!("replay it: WAVETANK_SEED={} cargo test -p {package} {name}", self.seed);
        }
    }
}

/// As [`Replay`], for worlds that are built in code.
struct Again(u64);

impl Drop for Again {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this seed alone: set WAVETANK_SEED={} and run this test again", self.0);
        }
    }
}

fn run_seed(plan: &Arc<Plan>, seed: u64) -> Result<Snapshot, RunError> {
    let plan = &plan.settled(seed)?;
    let session = start(plan, &RunOptions { seed: Some(seed), ..RunOptions::default() })?;
    session.run_until(Instant::from_nanos(plan.duration_ns))?;
    Ok(session.finish()?)
}

/// What a run came to that its scenario does not mean it to.
fn trouble(plan: &Plan, snapshot: &Snapshot) -> Option<String> {
    let all = troubles(snapshot);
    match (plan.verdict, all.is_empty()) {
        (plan::Verdict::Pass, false) => Some(all.join("\n")),
        (plan::Verdict::Fail, true) => Some("nothing broke, although the scenario means it to".to_owned()),
        _ => None,
    }
}

/// All that went wrong in a run.
fn troubles(snapshot: &Snapshot) -> Vec<String> {
    let broken = snapshot.expectations.iter().filter(|report| report.verdict == Verdict::Broken).map(|report| {
        let detail = report.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("“{}” broke at {}{detail}", report.name, report.at.exact())
    });
    snapshot.failures.iter().map(ToString::to_string).chain(broken).collect()
}

fn variable(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is not a number below 2^64")))
}
