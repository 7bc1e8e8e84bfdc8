//! Explaining from end to end: causes by themselves, causes only together, and pictures of both.

use std::ops::ControlFlow;
use std::sync::Arc;

use wavetank_scenarios::explain::{Explained, Mishap, explain};
use wavetank_scenarios::explore::Limits;
use wavetank_scenarios::{Plan, Registry};

const HOME: &str = r#"
version = 1
name = "Three thermostats"
duration = "20s"
seed = 4

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"
config = { online_window = "4s" }

[node.thermostat]
kind = "thermostat"
count = 3
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080" }

[network.lan]
kind = "switch"
members = ["hub", "thermostat-*"]

[[fault]]
at = "3s"
for = "500ms"
kind = "pause"
target = "hub"

[[expect]]
name = "all devices are heard in the end"
stable = 'metric("hub", "devices.online") == nodes("thermostat-*")'
after = "8s"
within = "5s"
"#;

const CUT: &str = r#"
[[fault]]
at = "6s"
kind = "cut-link"
target = "lan/thermostat-2"
"#;

const POWERLESS: &str = r#"
[[fault]]
at = "7s"
kind = "power-cut"
target = "thermostat-3"
"#;

fn explained(text: &str) -> (Explained, Arc<Plan>) {
    let plan = Plan::read("home.toml", text, &Registry::builtin()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let plan = Arc::new(plan);
    let explained = explain(&plan, plan.seed, &Limits::default(), 2, |_, _| ControlFlow::Continue(()));
    (explained.expect("it fails"), plan)
}

fn marked(explained: &Explained, mark: fn(&Mishap) -> bool) -> Vec<&str> {
    explained.mishaps.iter().filter(|mishap| mark(mishap)).map(|mishap| mishap.what.as_str()).collect()
}

#[test]
fn one_cause_is_told_and_drawn() {
    let (explained, plan) = explained(&format!("{HOME}{CUT}"));
    let [cause] = &marked(&explained, |mishap| mishap.causal)[..] else { panic!("{explained:?}") };
    assert!(cause.contains("cut-link") && cause.contains("lan/thermostat-2"), "{cause}");
    assert!(marked(&explained, |mishap| mishap.together).is_empty());
    let svg = explained.svg(&plan);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains(">thermostat-2</text>") && svg.contains("FAULT begins: cut-link lan/thermostat-2"), "{svg}");
    assert!(svg.contains("BROKEN: all devices are heard in the end"), "{svg}");
    assert!(svg.matches("<text").count() == svg.matches("</text>").count(), "{svg}");
    assert!(explained.mermaid(&plan).starts_with("sequenceDiagram"));
}

#[test]
fn causes_of_which_each_would_do_are_told_together() {
    let (explained, _) = explained(&format!("{HOME}{CUT}{POWERLESS}"));
    assert!(marked(&explained, |mishap| mishap.causal).is_empty(), "either would do");
    let [cut, powerless] = &marked(&explained, |mishap| mishap.together)[..] else { panic!("{explained:?}") };
    assert!(cut.contains("cut-link") && powerless.contains("power-cut"), "{cut}, {powerless}");
    assert!(explained.path.iter().any(|entry| entry.event == "fault-began"), "the path begins with them");
}

/// A sensor by radio, past a gateway that is a device, and another one beside it.
const PAST_A_GATEWAY: &str = r#"
version = 1
name = "Past a gateway"
duration = "30s"
seed = 4

[node.near]
kind = "pinger"
count = 2
address = "fd00:1::11/64"
gateway = "fd00:1::1"
position = { x = -10, y = 0, step_x = 20 }
config = { to = "fd00:2::20" }

[node.gateway]
kind = "gateway"
address = { air = "fd00:1::1/64", lan = "fd00:2::1/64" }
position = { x = 0, y = 0 }
config = { uplink = "fd00:2::20", beat = "1s" }

[node.station]
kind = "telemetry-hub"
address = "fd00:2::20/64"
gateway = "fd00:2::1"

[network.air]
kind = "radio"
members = ["near-*", "gateway"]

[network.lan]
kind = "switch"
members = ["gateway", "station"]

[[fault]]
at = "3s"
for = "500ms"
kind = "pause"
target = "station"

[[fault]]
at = "8s"
for = "1s"
kind = "clog"
target = "lan/gateway"

[[fault]]
at = "12s"
kind = "partition"
target = "near-2"
others = "station"
direction = "up"

[[expect]]
name = "each is answered twenty times"
eventually = 'min("near-*", "pings.answered") >= 20'
"#;

/// A partition holds across a gateway that knows nothing of it, and is told to be the cause; what passes nearby is not.
#[test]
fn a_partition_across_a_gateway_is_a_cause() {
    let (explained, plan) = explained(PAST_A_GATEWAY);
    let [cause] = &marked(&explained, |mishap| mishap.causal)[..] else { panic!("{explained:?}") };
    assert!(cause.contains("partition") && cause.contains("near-2"), "{cause}");
    assert!(marked(&explained, |mishap| mishap.together).is_empty(), "{explained:?}");
    assert!(explained.svg(&plan).contains("FAULT begins: partition near-2 -&gt; station"), "{}", explained.svg(&plan));
}
