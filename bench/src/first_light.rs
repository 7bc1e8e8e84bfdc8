//! Whole runs of the gallery's scenario first-light.

use std::sync::{Arc, LazyLock};

use wavetank_scenarios::{Plan, Registry, RunOptions};
use wavetank_sim::check::Verdict;
use wavetank_sim::time::{Duration, Instant};

use crate::measured::{Done, Measured, Stopwatch};

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let text = include_str!("../../scenarios/gallery/first-light.toml");
    Arc::new(Plan::read("first-light.toml", text, &Registry::builtin()).expect("the gallery is sound"))
});

/// Runs of 60 virtual seconds, building and ending included, with the scenario's own seed. Counts the runs.
#[must_use]
pub fn runs(runs: u64) -> Measured {
    let plan = &*PLAN;
    let watch = Stopwatch::start();
    let mut done = Done { items: runs, ..Done::default() };
    for _ in 0..runs {
        let session = wavetank_scenarios::start(plan, &RunOptions::default()).expect("a world that can be built");
        session.run_until(Instant::from_nanos(plan.duration_ns)).expect("the kernel does not panic");
        let snapshot = session.finish().expect("the kernel does not panic");
        assert_eq!(snapshot.failures, [], "a node's code failed");
        assert!(snapshot.expectations.iter().all(|report| report.verdict == Verdict::Held));
        done.events += snapshot.events;
        done.frames += snapshot.frames.delivered;
        done.virtual_time += Duration::from_nanos(plan.duration_ns);
        done.fingerprint = Some(snapshot.fingerprint);
    }
    watch.stop(done)
}
