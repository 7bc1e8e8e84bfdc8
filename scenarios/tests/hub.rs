//! The hub's node: its database lives through anything that its power does.

use std::sync::Arc;

use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::time::Instant;
use wavetank_sim::world::{NodeState, Snapshot};

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

/// A hub that has heard two devices, which are gone for good when its power fails; meanwhile its disk reads something wrongly.
const FORGOTTEN: &str = r#"
version = 1
name = "Forgotten"
duration = "20s"

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"
config = { online_window = "1h" }

[node.thermostat]
kind = "thermostat"
count = 2
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080", period = "500ms" }

[network.lan]
kind = "switch"
members = ["*"]

[[fault]]
at = "5s"
for = "15s"
kind = "power-cut"
target = "thermostat-*"

[[fault]]
at = "6s"
for = "2s"
kind = "power-cut"
target = "hub"
"#;

#[test]
fn what_is_read_wrongly_once_is_not_emptied() {
    for lie in ["disk-garble", "disk-misdirect"] {
        for seed in 0..8 {
            let fault = "\n[[fault]]\nat = \"7s\"\nkind = \"LIE\"\noperation = \"read\"\ntarget = \"hub\"\ncount = 1\n";
            let text = format!("{FORGOTTEN}{}", fault.replace("LIE", lie));
            let plan = Arc::new(Plan::read("forgotten.toml", &text, &Registry::builtin()).expect("a plan"));
            let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
            let session = start(&plan, &options).expect("starts");
            session.run_until(Instant::from_nanos(plan.duration_ns)).expect("runs");
            let snapshot = session.finish().expect("ends");
            assert_eq!(snapshot.failures, [], "{lie}, seed {seed}");
            assert_eq!(snapshot.faults[2].hits, 1, "{lie}, seed {seed}");
            assert_eq!(value(&snapshot, "devices.known"), 2, "{lie}, seed {seed}: nobody tells it of them again");
        }
    }
}

#[test]
fn nobody_is_online_while_a_hub_is_off() {
    let plan = Arc::new(Plan::read("forgotten.toml", FORGOTTEN, &Registry::builtin()).expect("a plan"));
    let session = start(&plan, &RunOptions::default()).expect("starts");
    let online = [5_900, 6_100, 7_900, 20_000].map(|ms| {
        session.run_until(Instant::from_nanos(ms * 1_000_000)).expect("runs");
        let snapshot = session.snapshot().expect("runs");
        (value(&snapshot, "devices.known"), value(&snapshot, "devices.online"))
    });
    assert_eq!(online, [(2, 2), (2, 0), (2, 0), (2, 2)], "within the hour they count again when it is back");
    session.finish().expect("ends");
}

fn value(snapshot: &Snapshot, name: &str) -> i64 {
    snapshot.metrics.iter().find(|metric| metric.name == name).map_or(0, |metric| metric.value)
}
