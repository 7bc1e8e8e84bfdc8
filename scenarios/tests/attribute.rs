//! The test attribute from end to end: what passes, what fails, and what failing says.

use std::cell::Cell;
use std::process::Command;

use wavetank_scenarios::Registry;
use wavetank_scenarios::testing::{Case, run};
use wavetank_sim::world::Snapshot;

const BREAKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attribute/breaks.toml");

#[wavetank_scenarios::test(scenario = "gallery/first-light.toml", seeds = 2)]
fn a_scenario_that_holds_passes() {}

#[wavetank_scenarios::test(scenario = "gallery/meant-to-fail.toml", seeds = 2, registry = Registry::builtin)]
fn a_scenario_that_is_meant_to_fail_passes_if_it_does(run: &Snapshot) {
    assert!(run.failures.is_empty());
}

#[wavetank_scenarios::test(scenario = "tests/attribute/breaks.toml", seeds = 2)]
#[should_panic(expected = "breaks.toml with seed 7:\n“the thermostat is heard” broke at 5")]
fn a_scenario_that_breaks_fails_and_names_the_first_seed() {}

#[wavetank_scenarios::test(scenario = "tests/attribute/missing.toml")]
#[should_panic(expected = "missing.toml: No such file")]
fn a_scenario_that_is_not_there_fails() {}

#[wavetank_scenarios::test(scenario = "tests/broken/kind-unknown.toml")]
#[should_panic(expected = "did you mean")]
fn a_scenario_that_is_not_sound_fails_with_its_diagnostics() {}

#[wavetank_scenarios::test(scenario = "gallery/first-light.toml", seeds = 3)]
#[should_panic(expected = "the hub stores nothing")]
fn what_is_asserted_of_a_run_can_fail_too(_run: &Snapshot) {
    panic!("the hub stores nothing");
}

#[wavetank_scenarios::test(scenario = "tests/attribute/untested.toml", seeds = 3)]
#[should_panic(expected = "untested: with none of 3 seeds from 7 was it ever so that “a reading is posted twice”")]
fn what_never_holds_and_sometimes_should_is_told() {}

#[test]
fn as_many_seeds_are_run_as_are_asked_for() {
    let runs = Cell::new(0);
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/gallery/back-to-back.toml");
    run(&Case { package: "tide", name: "ebb", scenario, seeds: 3 }, Registry::builtin, |_| runs.set(runs.get() + 1));
    assert_eq!(runs.get(), 3);
}

/// Breaks where the tests below ask for it, to see what a person would.
#[test]
fn breaks_on_request() {
    if std::env::var_os("WAVETANK_SEED").is_some() {
        run(&Case { package: "tide", name: "ebb", scenario: BREAKS, seeds: 1 }, Registry::builtin, |_| ());
    }
}

/// What a test that breaks says on standard error.
fn broken_with(seed: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("a test is a file"))
        .args(["--exact", "breaks_on_request", "--nocapture"])
        .env("WAVETANK_SEED", seed)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it starts");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_failure_ends_with_the_line_that_replays_it() {
    let told = broken_with("0x1f");
    assert!(told.contains("breaks.toml with seed 31:"), "{told}");
    assert!(told.contains("attribute.rs:"), "the place is the test's: {told}");
    assert!(told.contains("replay it: WAVETANK_SEED=31 cargo test -p tide ebb"), "{told}");
}

#[test]
fn a_seed_that_is_no_number_is_told() {
    let told = broken_with("lucky");
    assert!(told.contains("WAVETANK_SEED=lucky is not a number below 2^64"), "{told}");
}
