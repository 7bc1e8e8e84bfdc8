//! Every gallery scenario comes to what it is meant to come to.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use wavetank_scenarios::plan::Verdict as Meant;
use wavetank_scenarios::run::{Given, Ran, Record, run as run_recorded};
use wavetank_scenarios::schema::FAULTS;
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

/// And every kind of fault that there is hits something in one of them: not an example in a house made for it, but a story
/// whose expectations ask what becomes of whoever is hit.
#[test]
fn every_scenario_comes_to_what_it_is_meant_to_and_every_fault_hits_in_one() {
    let mut hit = BTreeSet::new();
    for path in gallery() {
        let plan = plan(&path);
        let Ran { snapshot, decisions } = run_recorded(&plan, plan.seed, Record::Off, None).expect("runs");
        // The world's faults are those decided, in their order; what a fault brings about comes behind them.
        let fared = decisions.faults.iter().zip(&snapshot.faults);
        hit.extend(fared.filter(|(_, report)| report.hits > 0).map(|(fault, _)| fault.kind.shape().name));
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
    let spared: Vec<&str> = FAULTS.iter().map(|shape| shape.name).filter(|name| !hit.contains(name)).collect();
    assert!(spared.is_empty(), "no gallery scenario shows what comes of these faults: {spared:?}");
}

/// A run that is recorded is the same as one that is not; so is one that is given, in place of its draws, what chance decided in the
/// first, and one to which that came by way of a scenario file's text.
#[test]
fn one_seed_is_one_history() {
    const SEED: u64 = 7;
    for path in gallery() {
        let (plan, place) = (plan(&path), path.display());
        let Ran { snapshot: first, decisions } = run_recorded(&plan, SEED, Record::On, None).expect("runs");
        assert_eq!(run(&plan, Some(SEED)).fingerprint, first.fingerprint, "{place}: recording shows");

        let given = Arc::new(Given::all(decisions.clone()));
        let again = run_recorded(&plan, SEED, Record::On, Some(given)).expect("runs");
        assert_eq!(again.snapshot.fingerprint, first.fingerprint, "{place}: given its own decisions");
        assert_eq!(again.decisions, decisions, "{place}");

        let settled = plan.settled(SEED).expect("every seed makes a plan");
        let written = without_chance(&path, SEED) + &decisions.to_toml(&settled);
        let written = Plan::read("written.toml", &written, &Registry::builtin()).unwrap_or_else(|problems| {
            panic!("{place}: {:?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>())
        });
        assert_eq!(run(&Arc::new(written), Some(SEED)).fingerprint, first.fingerprint, "{place}: written down");
    }
}

/// A scenario's text as that seed settles it, without its faults, which are among the decisions, and without draws.
fn without_chance(path: &PathBuf, seed: u64) -> String {
    let text = fs::read_to_string(path).expect("readable");
    let text = wavetank_scenarios::swarm::settled(&text, seed).expect("sound");
    // Root keys stand before the first table.
    let without_faults: String = text
        .split("\n\n")
        .filter(|part| !part.contains("[[fault]]") && !part.contains("[[storm]]") && !part.contains("[[packet]]"))
        .map(|part| format!("{part}\n\n"))
        .collect();
    let given = "version = 1\ngiven = [\"lose\", \"duplicate\", \"corrupt\", \"delay\", \"overtake\", \"early-drop\", \"storm\"]";
    without_faults.replacen("version = 1", given, 1)
}
