//! Scenarios as tests: what the `#[wavetank::test]` attribute expands to.

use std::env;
use std::fs;
use std::sync::Arc;

use wavetank_sim::check::Verdict;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use crate::plan;
use crate::{Plan, Registry, RunOptions, start};

/// Runs the scenario at `path` with `seeds` seeds, from its own upwards, and calls `body` after each run.
///
/// The environment variable `WAVETANK_SEED` (decimal, or `0x` and hexadecimal digits) runs that one seed instead,
/// `WAVETANK_SEEDS` that many.
///
/// # Panics
///
/// If the scenario is not sound, or a run does not come to what the scenario means it to. The message names the seed and
/// the line that replays it.
pub fn run(path: &str, seeds: u64, registry: fn() -> Registry, body: impl Fn(&Snapshot)) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let plan = Plan::read(path, &text, &registry()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let plan = Arc::new(plan);
    let chosen = variable("WAVETANK_SEED");
    let (first, count) = match chosen {
        Some(seed) => (seed, 1),
        None => (plan.seed, variable("WAVETANK_SEEDS").unwrap_or(seeds)),
    };
    for seed in (0..count).map(|offset| first.wrapping_add(offset)) {
        let snapshot = run_seed(&plan, seed);
        if let Some(trouble) = trouble(&plan, &snapshot) {
            panic!("seed {seed}: {trouble}\nreplay it: WAVETANK_SEED={seed}, or wavetank run {path} --seed {seed}");
        }
        body(&snapshot);
    }
    println!("{path}: {count} seeds from {first}");
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
