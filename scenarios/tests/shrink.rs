//! Shrinking from end to end: what is left is what matters, and it fails as before.

use std::ops::ControlFlow;
use std::sync::Arc;

use wavetank_scenarios::explore::{Heart, Limits, run_seed};
use wavetank_scenarios::shrink::{Case, ShrinkError, Shrunk, shrink};
use wavetank_scenarios::{Plan, Registry};

/// One cable is cut for good among much else that goes wrong.
const STORM: &str = r#"
version = 1
name = "A storm with one fault that matters"
duration = "40s"
seed = 42

[profile.home]
latency = "1ms"
jitter = "1ms"
loss = "3 %"

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"
config = { online_window = "5s" }

[node.thermostat]
kind = "thermostat"
count = 3
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080", backoff_cap = "5s" }

[network.lan]
kind = "switch"
members = ["hub", "thermostat-*"]
profile = "home"

[[fault]]
at = "4s"
for = "1s"
kind = "cut-link"
target = "lan/*"

[[fault]]
at = "8s"
for = "2s"
kind = "power-cut"
target = "thermostat-*"

[[fault]]
at = "12s"
kind = "cut-link"
target = "lan/thermostat-2"

[[fault]]
at = "13s"
kind = "restart"
target = "hub"

[[expect]]
name = "no reading is stored twice"
flow = { unique = "reading.stored" }

[[expect]]
name = "all devices are heard again"
stable = 'metric("hub", "devices.online") == nodes("thermostat-*")'
after = "calm"
within = "15s"
"#;

fn case<'a>(text: &'a str, registry: &'a Registry, jobs: usize) -> Case<'a> {
    Case { name: "storm.toml", text, registry, seed: 7, limits: Limits::default(), jobs }
}

fn shrunk(text: &str, jobs: usize) -> Result<Shrunk, ShrinkError> {
    shrink(&case(text, &Registry::builtin(), jobs), |_| ControlFlow::Continue(()))
}

#[test]
fn what_matters_is_left_and_fails_as_before() {
    let small = shrunk(STORM, 3).expect("it fails");
    assert_eq!(small, shrunk(STORM, 1).expect("it fails"), "however many runs go side by side");
    assert_eq!(small.signature.as_str(), "expectation: all devices are heard again");
    assert!(small.faults[0] > 20, "lost frames are among them: {:?}", small.faults);
    assert_eq!(small.faults[1], 1, "{}", small.text);
    assert!(small.text.contains("kind = \"cut-link\""), "{}", small.text);
    assert!(!small.text.contains("no reading is stored twice"), "{}", small.text);
    assert!(!small.text.contains("jitter"), "{}", small.text);
    let plan = Plan::read("small.toml", &small.text, &Registry::builtin()).expect("it is sound");
    assert!(plan.nodes.len() < 4, "{}", small.text);
    let plan = Arc::new(plan);
    let outcomes =
        [(); 2].map(|()| run_seed(&plan, plan.seed, &Limits::default(), &Heart::default()).expect("runs").outcome);
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0].failure.as_ref().map(|failure| &failure.signature), Some(&small.signature));
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let calm = STORM.replace("at = \"12s\"", "at = \"12s\"\nfor = \"1s\"");
    assert!(matches!(shrunk(&calm, 1), Err(ShrinkError::NoFailure { seed: 7, .. })));
    assert!(matches!(shrunk("version = 1", 1), Err(ShrinkError::Scenario(_))));
}

#[test]
fn whoever_has_seen_enough_ends_it() {
    let ended = shrink(&case(STORM, &Registry::builtin(), 2), |_| ControlFlow::Break(()));
    assert!(matches!(ended, Err(ShrinkError::Interrupted)));
}

#[test]
fn who_is_told_of_a_node_that_fails_by_itself_keeps_it() {
    let hopeless = STORM.split("[[fault]]").next().expect("its beginning").to_owned()
        + r#"
[[expect]]
name = "much is known"
eventually = 'sum("thermostat-*", "readings.acknowledged") > 1000'
"#;
    let small = shrunk(&hopeless, 2).expect("it fails");
    assert_eq!(small.faults[1], 0, "{}", small.text);
    // Without the hub it would fail as well, and for another reason.
    assert!(small.text.contains("[node.hub]") && small.text.contains("count = 1"), "{}", small.text);
}
