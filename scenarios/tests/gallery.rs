//! Every gallery scenario comes to what it is meant to come to.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use wavetank_scenarios::plan::Verdict as Meant;
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::check::Verdict;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

fn gallery() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/gallery");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("there is a gallery").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

fn plan(path: &PathBuf) -> Arc<Plan> {
    let text = fs::read_to_string(path).expect("readable");
    Arc::new(Plan::read(&path.display().to_string(), &text, &Registry::builtin()).expect("a plan"))
}

fn run(plan: &Arc<Plan>, seed: Option<u64>) -> Snapshot {
    let session = start(plan, &RunOptions { seed, ..RunOptions::default() }).expect("starts");
    session.run_until(Instant::from_nanos(plan.duration_ns)).expect("runs");
    session.finish().expect("ends")
}

fn has_failed(snapshot: &Snapshot) -> bool {
    let broken = snapshot.expectations.iter().any(|report| report.verdict == Verdict::Broken);
    broken || !snapshot.failures.is_empty()
}

#[test]
fn every_scenario_comes_to_what_it_is_meant_to() {
    for path in gallery() {
        let plan = plan(&path);
        let snapshot = run(&plan, None);
        let meant_to_fail = plan.verdict == Meant::Fail;
        assert_eq!(
            has_failed(&snapshot),
            meant_to_fail,
            "{}: {:#?}\n{:#?}\n{:#?}",
            path.display(),
            snapshot.expectations,
            snapshot.failures,
            snapshot.metrics.iter().map(|m| (snapshot.names.node(m.node), &*m.name, m.value)).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn one_seed_is_one_history() {
    for path in gallery() {
        let plan = plan(&path);
        assert_eq!(run(&plan, Some(7)).fingerprint, run(&plan, Some(7)).fingerprint, "{}", path.display());
    }
}
