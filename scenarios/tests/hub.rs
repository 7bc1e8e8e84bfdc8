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

/// Every kind of device, none of which takes updates, and whom each works for. What is measured, told and passed on is as ever; in
/// between the hubs have no power for a while, and one thermostat's sensor does not always answer.
const TELLING: &str = r#"
version = 1
name = "Telling"
duration = "40s"

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"

[node.broker]
kind = "mqtt-broker"
address = "10.0.0.3/24"

[node.store]
kind = "image-store"
address = "10.0.0.4/24"

[node.dhcp]
kind = "dhcp-server"
address = "10.0.0.5/24"
config = { first = "10.0.0.100", count = 4 }

[node.near]
kind = "thermostat"
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080", sensor = { nack = "20 %" }, backoff_cap = "2s", health = { every = "4s" } }

[node.by-dhcp]
kind = "thermostat"
address = "dhcp"
config = { hub = "10.0.0.2:8080", backoff_cap = "2s", watchdog = "8s", health = { every = "4s" } }

[node.meter]
kind = "smart-meter"
address = "10.0.0.12/24"
config = { broker = "10.0.0.3:1883", backoff_cap = "2s", health = { hub = "10.0.0.2:8080", every = "4s" } }

[node.lamp]
kind = "lamp"
address = "10.0.0.13/24"
config = { broker = "10.0.0.3:1883", backoff_cap = "2s", health = { hub = "10.0.0.2:8080", every = "4s" } }

[node.station]
kind = "weather-station"
address = "10.0.0.14/24"
config = { server = "10.0.0.2:8080", backoff_cap = "2s", health = { every = "4s" } }

[node.camera]
kind = "camera"
address = "10.0.0.15/24"
config = { server = "10.0.0.4:8080", frame = "4 KiB", backoff_cap = "2s", health = { hub = "10.0.0.2:8080", every = "4s" } }

[node.far-hub]
kind = "telemetry-hub"
address = "fd00:2::3/64"
gateway = "fd00:2::1"

[node.collector]
kind = "coap-collector"
address = "fd00:2::2/64"
gateway = "fd00:2::1"

[node.gateway]
kind = "gateway"
address = { air = "fd00:1::1/64", far = "fd00:2::1/64" }
position = { x = 0, y = 0 }
config = { beat = "2s", backoff_cap = "2s", health = { hub = "[fd00:2::3]:8080", every = "4s" } }

[node.door]
kind = "door-sensor"
address = "fd00:1::11/64"
gateway = "fd00:1::1"
position = { x = 5, y = 0 }
config = { collector = "fd00:2::2", heartbeat = "4s", backoff_cap = "2s", health = { hub = "[fd00:2::3]:8080" } }

[network.lan]
kind = "switch"
members = ["hub", "broker", "store", "dhcp", "near", "by-dhcp", "meter", "lamp", "station", "camera"]

[network.air]
kind = "radio"
members = ["door", "gateway"]

[network.far]
kind = "switch"
members = ["gateway", "far-hub", "collector"]

[[fault]]
at = "12s"
for = "6s"
kind = "power-cut"
target = ["hub", "far-hub"]
"#;

#[test]
fn every_kind_of_device_says_how_it_is_without_taking_updates() {
    let ran = |text: &str| {
        let plan = Plan::read("telling.toml", text, &Registry::builtin())
            .unwrap_or_else(|problems| panic!("{:?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>()));
        let session = start(&Arc::new(plan), &RunOptions::default()).expect("starts");
        session.run_until(Instant::from_nanos(40_000_000_000)).expect("runs");
        session.finish().expect("ends")
    };
    let told = ran(TELLING);
    let of = |snapshot: &Snapshot, node: &str, name: &str| {
        let is = |metric: &&wavetank_sim::world::MetricValue| {
            snapshot.names.node(metric.node) == node && metric.name == name
        };
        snapshot.metrics.iter().find(is).map_or(0, |metric| metric.value)
    };
    for device in ["near", "by-dhcp", "meter", "lamp", "station", "camera", "gateway", "door"] {
        let reported = of(&told, device, "health.reported");
        assert!((5..=13).contains(&reported), "{device} reported {reported} times in 34 s with a hub, once in four");
        assert_eq!(of(&told, device, "firmware"), 0, "{device} has no images");
    }
    let devices = ["hub", "far-hub"].map(|hub| of(&told, hub, "health.devices"));
    assert_eq!(devices, [6, 2]);
    assert!(of(&told, "hub", "health.sensor-errors") > 0, "what is wrong is told");
    // Without the key nobody says anything.
    let quiet: String = TELLING
        .lines()
        .map(|line| match line.split_once(", health = {") {
            Some((before, _)) if line.starts_with("config") => format!("{before} }}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let quiet = quiet.replace("config = { beat = \"2s\"", "config = { uplink = \"fd00:2::3\", beat = \"2s\"");
    let reports = ["hub", "far-hub"].map(|hub| of(&ran(&quiet), hub, "health.reports"));
    assert_eq!(reports, [0, 0]);
}
