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

#[test]
fn one_seed_is_one_history() {
    for path in gallery() {
        let plan = plan(&path);
        assert_eq!(run(&plan, Some(7)).fingerprint, run(&plan, Some(7)).fingerprint, "{}", path.display());
    }
}

/// What chance decided, given to another run in place of its draws, is the same history.
#[test]
fn a_run_that_is_given_its_own_decisions_is_the_same_run() {
    for path in gallery() {
        let plan = plan(&path);
        let first = run_recorded(&plan, 7, Record::On, None).expect("runs");
        let given = Arc::new(Given::all(first.decisions.clone()));
        let again = run_recorded(&plan, 7, Record::On, Some(given)).expect("runs");
        assert_eq!(again.snapshot.fingerprint, first.snapshot.fingerprint, "{}", path.display());
        assert_eq!(again.decisions, first.decisions, "{}", path.display());
        assert_eq!(first.snapshot.fingerprint, run(&plan, Some(7)).fingerprint, "{}: recording shows", path.display());
    }
}

/// The same, by way of a scenario file's text.
#[test]
fn decisions_written_as_a_scenario_are_the_same_run() {
    for path in gallery() {
        let plan = plan(&path);
        let first = run_recorded(&plan, 7, Record::On, None).expect("runs");
        let text = fs::read_to_string(&path).expect("readable");
        let text = wavetank_scenarios::swarm::settled(&text, 7).expect("sound");
        // Root keys stand before the first table, and the faults of the file are among the decisions.
        let without_faults: String = text
            .split("\n\n")
            .filter(|part| !part.contains("[[fault]]") && !part.contains("[[storm]]") && !part.contains("[[packet]]"))
            .map(|part| format!("{part}\n\n"))
            .collect();
        let given = "version = 1\ngiven = [\"lose\", \"duplicate\", \"corrupt\", \"delay\", \"overtake\", \"early-drop\", \"storm\"]";
        let settled = plan.settled(7).expect("every seed makes a plan");
        let written = without_faults.replacen("version = 1", given, 1) + &first.decisions.to_toml(&settled);
        let again = Plan::read("written.toml", &written, &Registry::builtin()).unwrap_or_else(|problems| {
            panic!("{}: {:?}", path.display(), problems.iter().map(ToString::to_string).collect::<Vec<_>>())
        });
        let again = run(&Arc::new(again), Some(7));
        assert_eq!(again.fingerprint, first.snapshot.fingerprint, "{}", path.display());
    }
}
