//! Scenarios as tests: what the `#[wavetank::test]` attribute expands to.

use std::env;
use std::fs;
use std::sync::Arc;
use std::thread;

use miette::NarratableReportHandler;
use wavetank_sim::check::Verdict;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use crate::plan;
use crate::{Plan, Problems, Registry, RunOptions, start};

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

/// Runs a scenario with a row of seeds, and calls `body` after each run.
///
/// The environment variable `WAVETANK_SEED` (decimal, or `0x` and hexadecimal digits) runs that one seed instead,
/// `WAVETANK_SEEDS` that many.
///
/// # Panics
///
/// If the scenario is not sound, or a run does not come to what the scenario means it to. The message names the seed and
/// the line that replays it.
#[track_caller]
pub fn run(case: &Case<'_>, registry: fn() -> Registry, body: impl Fn(&Snapshot)) {
    let path = case.scenario;
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let plan = Plan::read(path, &text, &registry()).unwrap_or_else(|problems| panic!("{}", narrated(&problems)));
    let plan = Arc::new(plan);
    let (first, count) = match variable("WAVETANK_SEED") {
        Some(seed) => (seed, 1),
        None => (plan.seed, variable("WAVETANK_SEEDS").unwrap_or(case.seeds)),
    };
    for seed in (0..count).map(|offset| first.wrapping_add(offset)) {
        let replay = Replay { case, seed };
        let snapshot = run_seed(&plan, seed);
        if let Some(trouble) = trouble(&plan, &snapshot) {
            panic!("{path} with seed {seed}:\n{trouble}");
        }
        body(&snapshot);
        drop(replay);
    }
    println!("{path}: {count} seeds from {first}");
}

/// All problems with their places, as plain text.
fn narrated(problems: &Problems) -> String {
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

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Case { package, name, .. } = self.case;
            eprintln!("replay it: WAVETANK_SEED={} cargo test -p {package} {name}", self.seed);
        }
    }
}

fn run_seed(plan: &Arc<Plan>, seed: u64) -> Snapshot {
    let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
    let session = start(plan, &options).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let ended = session.run_until(Instant::from_nanos(plan.duration_ns)).and_then(|_| session.finish());
    ended.unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

/// What a run came to that its scenario does not mean it to.
fn trouble(plan: &Plan, snapshot: &Snapshot) -> Option<String> {
    let broken = snapshot.expectations.iter().filter(|report| report.verdict == Verdict::Broken).map(|report| {
        let detail = report.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("“{}” broke at {}{detail}", report.name, report.at)
    });
    let all: Vec<_> = snapshot.failures.iter().map(ToString::to_string).chain(broken).collect();
    match (plan.verdict, all.is_empty()) {
        (plan::Verdict::Pass, false) => Some(all.join("\n")),
        (plan::Verdict::Fail, true) => Some("nothing broke, although the scenario means it to".to_owned()),
        _ => None,
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is not a number below 2^64")))
}
