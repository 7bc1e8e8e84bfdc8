//! Devices and servers whose pools are smaller than what they were written for: what runs out is told, and all is well again
//! when there is room.

mod common;

use std::sync::Arc;

use common::{gallery, registry, rendered};
use wavetank_scenarios::plan::Plan;
use wavetank_scenarios::run::{Record, run};
use wavetank_sim::check::Verdict;
use wavetank_sim::world::Snapshot;

fn ran(text: &str) -> Snapshot {
    let plan = Plan::read("test.toml", text, &registry()).unwrap_or_else(|problems| panic!("{}", rendered(&problems)));
    let seed = plan.seed;
    run(&Arc::new(plan), seed, Record::Off, None).expect("runs").snapshot
}

fn sum(snapshot: &Snapshot, name: &str) -> i64 {
    snapshot.metrics.iter().filter(|metric| metric.name == name).map(|metric| metric.value).sum()
}

/// A story of the gallery, in which a device finds no room for a while, into which it starts. All that was expected is expected
/// all the same.
fn is_weathered(story: &str, target: &str, pool: &str, at_s: u64) {
    let (_, text) = gallery().into_iter().find(|(name, _)| name.strip_suffix(".toml") == Some(story)).expect("a story");
    let shrunk = format!(
        "\n[[fault]]\nat = \"{at_s}s\"\nfor = \"9s\"\nkind = \"shrink-pool\"\ntarget = \"{target}\"\npool = \"{pool}\"\nlimit = 0\n\
         \n[[fault]]\nat = \"{at_s}.5s\"\nkind = \"restart\"\ntarget = \"{target}\"\n"
    );
    let snapshot = ran(&(text + &shrunk));
    assert!(snapshot.failures.is_empty(), "{story}, {target}, {pool}: {:?}", snapshot.failures);
    for expectation in &snapshot.expectations {
        assert_eq!(expectation.verdict, Verdict::Held, "{story}, {target}, {pool}: {expectation:?}");
    }
    let hits = snapshot.faults.iter().filter(|fault| fault.name.starts_with("shrink-pool")).map(|fault| fault.hits);
    assert!(hits.sum::<u64>() > 0, "{story}, {target}, {pool}: nobody ran out");
}

#[test]
fn every_device_gets_over_having_no_room() {
    is_weathered("first-light", "thermostat-*", "connections", 10);
    is_weathered("dhcp-exhaustion", "thermostat-2", "connections", 200);
    is_weathered("dhcp-exhaustion", "thermostat-2", "sockets", 50);
    is_weathered("every-pulse-once", "meter-*", "connections", 40);
    is_weathered("every-opening-once", "door-*", "sockets", 85);
    is_weathered("weather-on-a-bus", "station-{http,mqtt}", "connections", 60);
    is_weathered("weather-on-a-bus", "station-coap", "sockets", 60);
    is_weathered("camera-on-a-thin-line", "camera-*", "connections", 100);
    is_weathered("one-lamp-two-switches", "lamp", "connections", 45);
    is_weathered("one-lamp-two-switches", "lamp", "sockets", 45);
    is_weathered("border-router", "gateway", "sockets", 70);
    is_weathered("border-router", "gateway", "connections", 70);
}

/// A thermostat that asks for its address and for the hub's by name, and loses its connection now and then.
const HOUSE: &str = r#"
version = 1
name = "a house of little"
duration = "60s"
seed = 3

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"

[node.dhcp]
kind = "dhcp-server"
address = "10.0.0.3/24"
config = { first = "10.0.0.100", count = 4, dns = ["10.0.0.4"] }

[node.dns]
kind = "dns-server"
address = "10.0.0.4/24"
config = { names = { "hub.lan" = "10.0.0.2" } }

[node.thermostat]
kind = "thermostat"
address = "dhcp"
limits = { LIMITS }
config = { hub = "hub.lan:8080", backoff_cap = "2s", exchange_timeout = "2s" }

[network.lan]
kind = "switch"
members = ["*"]

[[fault]]
at = "10s"
kind = "restart"
target = "hub"
every = "5s"
times = 6
"#;

/// What is measured of that house, with those limits: readings, questions for names, packets that might not wait, and frames.
fn with(limits: &str) -> [u64; 4] {
    let snapshot = ran(&HOUSE.replace("LIMITS", limits));
    assert!(snapshot.failures.is_empty(), "{limits}: {:?}", snapshot.failures);
    let names = ["readings.stored", "questions", "stack.dropped.neighbour-queue-full"];
    let [stored, asked, lost] = names.map(|name| sum(&snapshot, name).unsigned_abs());
    [stored, asked, lost, snapshot.frames.delivered]
}

#[test]
fn a_device_with_less_memory_than_it_was_written_for_makes_do() {
    let plain = with("");
    let told = |less: [u64; 4]| format!("{plain:?} {less:?}");
    assert_eq!(plain[..3], [60, 1, 0]);
    // Whoever remembers no name asks for it whenever it calls.
    let forgetful = with("names = 0");
    assert!(forgetful[0] == 60 && forgetful[1] == 7, "{}", told(forgetful));
    assert_eq!(with("names = 1"), plain, "one name is all that it needs");
    // And whoever knows one neighbour only asks where each is.
    let crowded = with("names = 0, neighbours = 1");
    assert!(crowded[0] == 60 && crowded[3] >= forgetful[3] + 6 * 4, "{}", told(crowded));
    // What may not wait is lost, and sent again.
    let hasty = with("waiting = 0");
    assert!(hasty[0] >= 58 && hasty[2] > 0, "{}", told(hasty));
    // A window that takes less than an answer takes it in more pieces.
    let narrow = with("stream_buffer = \"64 B\"");
    assert!(narrow[0] == 60 && narrow[3] > plain[3] + 60, "{}", told(narrow));
    // What no answer of the DHCP server fits into has no address.
    for nothing in ["datagram_buffer = \"64 B\"", "sockets = 0", "connections = 0"] {
        assert_eq!(with(nothing)[0], 0, "{nothing}");
    }
}

/// A limit on buffers that is a fault's is felt by who opens something meanwhile, and by nobody afterwards.
#[test]
fn a_fault_that_makes_buffers_shorter_has_hit_something() {
    let shrunk = |node: &str| {
        let fault = format!(
            "[[fault]]\nat = \"12s\"\nfor = \"10s\"\nkind = \"shrink-pool\"\ntarget = \"{node}\"\n\
             pool = \"stream_buffer\"\nlimit = 200\n[[fault]]\nat = \"14s\"\nkind = \"restart\"\ntarget = \"thermostat\"\n"
        );
        let snapshot = ran(&(HOUSE.replace("LIMITS", "") + &fault));
        assert!(sum(&snapshot, "readings.stored") > 40);
        snapshot.faults.iter().find(|fault| fault.name.starts_with("shrink-pool")).map_or(0, |fault| fault.hits)
    };
    assert!(shrunk("hub") > 1, "each buffer of each connection");
    assert_eq!(shrunk("thermostat"), 1, "all its memory at once, when it starts");
}
