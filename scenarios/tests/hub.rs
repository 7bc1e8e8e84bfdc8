//! The hub's node: its database lives through anything that its power does.

use std::sync::Arc;

use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::time::Instant;
use wavetank_sim::world::NodeState;

/// A hub whose power goes after `cut_us` microseconds and comes back ten milliseconds later.
fn cut_at(cut_us: u64) -> Arc<Plan> {
    let text = format!(
        r#"
version = 1
name = "Cut"
duration = "1s"

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"
config = {{ commit_cost = "1ms" }}

[node.thermostat]
kind = "thermostat"
address = "10.0.0.11/24"
config = {{ hub = "10.0.0.2:8080", period = "50ms" }}

[network.lan]
kind = "switch"
members = ["*"]

[[fault]]
at = "{cut_us}us"
for = "10ms"
kind = "power-cut"
target = "hub"

[[expect]]
name = "every acknowledged reading is stored"
flow = {{ every = "reading.acknowledged", reaches = "reading.stored" }}

[[expect]]
name = "no reading is stored twice"
flow = {{ unique = "reading.stored" }}
"#
    );
    Arc::new(Plan::read("cut.toml", &text, &Registry::builtin()).expect("a plan"))
}

#[test]
fn a_power_cut_at_any_moment_leaves_a_hub_that_boots() {
    for cut_us in (0..12_000).step_by(250).chain([60_000, 61_500, 62_250]) {
        let plan = cut_at(cut_us);
        for seed in 0..3 {
            let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
            let session = start(&plan, &options).expect("starts");
            session.run_until(Instant::from_nanos(plan.duration_ns)).expect("runs");
            let snapshot = session.finish().expect("ends");
            assert_eq!(snapshot.failures, [], "cut at {cut_us} us, seed {seed}");
            assert_eq!(snapshot.nodes[0], NodeState::Running, "cut at {cut_us} us, seed {seed}");
        }
    }
}
