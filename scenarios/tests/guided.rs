//! Guided exploring: the same for every number of threads, within what the scenario allows, and what it finds can be
//! written down.

use std::ops::ControlFlow;
use std::sync::Arc;

use wavetank_scenarios::explore::guided::{self, Variation, Varied, again, written_out};
use wavetank_scenarios::explore::{Heart, Limits, run_seed};
use wavetank_scenarios::{Plan, Registry};

const ROUGH: &str = include_str!("guided/rough.toml");

fn plan(text: &str) -> Arc<Plan> {
    Arc::new(Plan::read("rough.toml", text, &Registry::builtin()).unwrap_or_else(|problems| panic!("{problems:?}")))
}

fn explore(plan: &Arc<Plan>, jobs: usize) -> Vec<Varied> {
    let mut all = Vec::new();
    let flow = guided::explore(plan, (5, 70), jobs, &Limits::default(), |varied| {
        all.push(varied);
        ControlFlow::<()>::Continue(())
    });
    assert!(flow.expect("worlds can be had").is_continue());
    all
}

#[test]
fn what_is_run_depends_on_the_first_seed_alone() {
    let plan = plan(ROUGH);
    let [one, three] = [1, 3].map(|jobs| explore(&plan, jobs));
    let told = |all: &[Varied]| -> Vec<_> { all.iter().map(|v| (v.variation.clone(), v.outcome.clone())).collect() };
    assert_eq!(told(&one), told(&three));
    assert_eq!(one.len(), 70);
    assert!(one[0].is_new && one.iter().any(|varied| !varied.variation.edits.is_empty()));
    // A plain variation is the seed's own run.
    let first = &one[0];
    assert_eq!(first.variation, Variation::plain(5));
    let plain = run_seed(&plan, 5, &Limits::default(), &Heart::default()).expect("a world can be had");
    assert_eq!(first.outcome, plain.outcome);
}

#[test]
fn what_fails_can_be_had_again_and_written_down() {
    let plan = plan(ROUGH);
    let failed = explore(&plan, 2).into_iter().filter(|varied| varied.outcome.failure.is_some());
    let mut checked = 0;
    for Varied { variation, outcome, .. } in failed.take(4) {
        assert_eq!(again(&plan, &variation, &Limits::default()).expect("a world can be had"), outcome);
        let written = written_out(ROUGH, &plan, &variation).expect("a world can be had");
        let written = Arc::new(Plan::read("w.toml", &written, &Registry::builtin()).expect("it is sound"));
        let same = run_seed(&written, written.seed, &Limits::default(), &Heart::default()).expect("a world can be had");
        assert_eq!(same.outcome.failure, outcome.failure, "{}", variation.told());
        checked += 1;
    }
    assert!(checked > 0, "some are too rough");
}
