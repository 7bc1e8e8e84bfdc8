//! Every planted bug is found within its number of seeds, and not in its twin.

use wavetank_planted::measure::{find, plan};
use wavetank_planted::{Build, all};

/// How many seeds of each twin a test runs; `cargo xtask planted` runs many more.
const TWIN_SEEDS: u64 = 30;

#[test]
fn every_bug_is_found_in_time_and_not_in_its_twin() {
    wavetank_scenarios::explore::listen(wavetank_scenarios::explore::Panics::Silent);
    for system in all() {
        let found = find(&system, Build::Planted, system.seeds_max, 2).expect("worlds can be had");
        assert!(found.is_some(), "{}: not within {} seeds", system.name, system.seeds_max);
        let twin = find(&system, Build::Fixed, TWIN_SEEDS, 2).expect("worlds can be had");
        assert!(twin.is_none(), "{}: {twin:?}", system.name);
    }
}

#[test]
fn twins_differ_in_their_code_alone() {
    for system in all() {
        let [planted, fixed] = [Build::Planted, Build::Fixed].map(|build| plan(&system, build));
        assert_eq!(planted.expectations, fixed.expectations);
        assert!(planted.duration_ns <= 20_000_000_000, "{}: short enough to run many", system.name);
    }
}
