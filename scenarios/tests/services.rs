//! Services of the network that are slow, or say what is no longer so.

mod common;

use std::sync::Arc;

use common::{registry, rendered};
use wavetank_scenarios::plan::Plan;
use wavetank_scenarios::run::{Record, run};
use wavetank_sim::world::Snapshot;

/// A thermostat that asks for its address, and for the hub's by name.
const HOUSE: &str = r#"
version = 1
name = "a house that asks"
duration = "40s"

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"

[node.dhcp]
kind = "dhcp-server"
address = "10.0.0.3/24"
config = { first = "10.0.0.100", count = 4, dns = ["10.0.0.4"], delay = "DELAY", answers = "LENDS" }

[node.dns]
kind = "dns-server"
address = "10.0.0.4/24"
config = { names = { "hub.lan" = "10.0.0.2" }, former = { "hub.lan" = "10.0.0.77" }, answers = "ANSWERS" }

[node.thermostat]
kind = "thermostat"
address = "dhcp"
config = { hub = "hub.lan:8080", backoff_cap = "3s", connect_timeout = "2s" }

[network.lan]
kind = "switch"
members = ["*"]

[[expect]]
name = "it has an address within three seconds"
eventually = 'metric("thermostat", "lease") == 1'
within = "3s"
"#;

fn ran(delay: &str, answers: &str) -> Snapshot {
    lived(&HOUSE.replace("DELAY", delay).replace("ANSWERS", answers).replace("LENDS", "honest"))
}

fn lived(text: &str) -> Snapshot {
    let plan = Plan::read("test.toml", text, &registry()).unwrap_or_else(|problems| panic!("{}", rendered(&problems)));
    run(&Arc::new(plan), 3, Record::Off, None).expect("runs").snapshot
}

/// Of all nodes that have it.
fn sum(snapshot: &Snapshot, name: &str) -> i64 {
    snapshot.metrics.iter().filter(|metric| metric.name == name).map(|metric| metric.value).sum()
}

fn metric(snapshot: &Snapshot, name: &str) -> i64 {
    snapshot.metrics.iter().find(|metric| metric.name == name).map_or(0, |metric| metric.value)
}

fn held(snapshot: &Snapshot) -> bool {
    snapshot.expectations[0].verdict == wavetank_sim::check::Verdict::Held
}

#[test]
fn a_dhcp_server_can_take_its_time() {
    let (quick, slow) = (ran("0s", "honest"), ran("1700ms", "honest"));
    assert!(held(&quick) && !held(&slow));
    assert!(metric(&quick, "readings.stored") > 30 && metric(&slow, "readings.stored") > 20);
    assert_eq!(metric(&slow, "lease"), 1, "late is not never");
}

#[test]
fn a_name_server_can_say_what_was() {
    let stale = ran("0s", "stale");
    assert_eq!(metric(&stale, "readings.stored"), 0, "nobody is where the hub was");
    assert!(metric(&stale, "connects.failed") > 3 && metric(&stale, "questions") > 0);
    let text = HOUSE.replace("DELAY", "0s").replace("former = { \"hub.lan\" = \"10.0.0.77\" }, ", "");
    let text = text.replace("ANSWERS", "stale").replace("LENDS", "honest");
    let problems = Plan::read("test.toml", &text, &registry()).expect_err("refused");
    assert!(rendered(&problems).contains("stale answers are those of `former`, which is empty"));
}

#[test]
fn a_name_server_can_be_of_no_use_in_many_ways() {
    let of = |answers: &str, names: [&str; 3]| {
        let useless = ran("0s", answers);
        names.map(|name| metric(&useless, name))
    };
    for answers in ["refusing", "unknown", "failing", "truncated"] {
        let [stored, failed, asked] = of(answers, ["readings.stored", "names.failed", "questions"]);
        assert!(stored == 0 && failed > 3 && asked > 3, "{answers}: {stored} {failed} {asked}");
    }
    // Who gets no answer, or none that is to be believed, asks on until it has no more time to call anybody.
    for answers in ["silent", "forged"] {
        let [stored, failed, asked] = of(answers, ["readings.stored", "connects.failed", "questions"]);
        assert!(stored == 0 && failed > 3 && asked > failed, "{answers}: {stored} {failed} {asked}");
    }
    let [stored, failed, called] = of("wrong", ["readings.stored", "names.failed", "connects.failed"]);
    assert!(stored == 0 && failed == 0 && called > 3, "the name leads somewhere: {stored} {failed} {called}");
}

#[test]
fn a_dhcp_server_can_lend_nothing_or_one_address_to_all() {
    let lending = |lends: &str| {
        let two = HOUSE
            .replace("[node.thermostat]", "[node.thermostat]\ncount = 2")
            .replace("\"thermostat\", \"lease\"", "\"thermostat-1\", \"lease\"");
        let snapshot = lived(&two.replace("DELAY", "0s").replace("ANSWERS", "honest").replace("LENDS", lends));
        ["leases.bound", "leases.refused", "leases.contested"].map(|name| sum(&snapshot, name))
    };
    assert_eq!(lending("honest"), [2, 0, 0]);
    assert_eq!(lending("silent"), [0, 0, 0]);
    let [bound, refused, contested] = lending("refusing");
    // What the server counts goes by the same name.
    assert!(bound == 0 && refused >= 4 && contested == 0, "{bound} {refused} {contested}");
    let [bound, refused, contested] = lending("doubling");
    assert!(bound >= 1 && refused == 0 && contested >= 2, "{bound} {refused} {contested}");
}

/// Clocks that ask a server, and one that knows another.
const CLOCKS: &str = r#"
version = 1
name = "what time is it"
duration = "200s"

[node.odd]
kind = "ntp-server"
address = "10.0.0.2/24"
config = { ODD }

[node.right]
kind = "ntp-server"
address = "10.0.0.3/24"

[node.clock]
kind = "sntp-client"
address = "10.0.0.11/24"
clock = { drift_ppm = 40 }
config = { servers = SERVERS, interval = "16s" }

[network.lan]
kind = "switch"
members = ["*"]
"#;

#[test]
fn a_time_server_can_be_of_no_use_in_many_ways() {
    let told = |odd: &str, servers: &str| {
        let snapshot = lived(&CLOCKS.replace("ODD", odd).replace("SERVERS", servers));
        let asked = |name: &str| {
            let node = snapshot.names.nodes().find(|(_, other)| *other == name).expect("a node").0;
            let of = |metric: &&wavetank_sim::world::MetricValue| metric.node == node && metric.name == "questions";
            snapshot.metrics.iter().find(of).map_or(0, |metric| metric.value)
        };
        let [set, kissed, failed] =
            ["clock.set", "servers.kissed", "servers.failed"].map(|name| metric(&snapshot, name));
        (asked("odd"), asked("right"), [set, kissed, failed], metric(&snapshot, "clock.error.us"))
    };
    const ALONE: &str = r#"["10.0.0.2"]"#;
    const BOTH: &str = r#"["10.0.0.2", "10.0.0.3"]"#;
    let (asked, _, [set, kissed, failed], error_us) = told("answers = \"honest\"", ALONE);
    assert!(asked >= 3 && set >= 1 && kissed + failed == 0 && error_us.abs() < 10_000, "{asked} {set} {error_us}");
    // Who is denied asks a server that is the only one once more in a thousand seconds, not in two hundred (RFC 5905, section 7.4).
    assert_eq!(told("answers = \"deny\"", ALONE), (1, 0, [0, 1, 0], 0));
    // RATE is to be asked more seldom: after 16, 32, 64 seconds, and then after more than are left.
    let (asked, _, [set, kissed, _], _) = told("answers = \"rate\"", ALONE);
    assert!((2..=4).contains(&asked) && set == 0 && kissed == asked, "{asked} {kissed}");
    // An answer to another question is none, nor is silence; a server that does not know the time says so.
    for odd in ["answers = \"forged\"", "answers = \"silent\"", "stratum = 16"] {
        let (asked, _, [set, kissed, failed], _) = told(odd, ALONE);
        assert!(asked >= 4 && set + kissed == 0 && failed >= asked - 1, "{odd}: {asked} {set} {kissed} {failed}");
    }
    // Whoever knows another server turns to it, and its clock is right.
    for odd in ["deny", "rate", "forged", "silent"] {
        let (asked, right, [set, ..], error_us) = told(&format!("answers = \"{odd}\""), BOTH);
        assert!(asked == 1 && right >= 3 && set >= 1, "{odd}: {asked} {right} {set}");
        assert!(error_us.abs() < 10_000, "{odd}: {error_us}");
    }
    // And one that is an hour ahead, by what it says, is an hour ahead.
    let (.., error_us) = told("offset = \"1h\"", ALONE);
    assert!((error_us - 3_600_000_000).abs() < 10_000, "{error_us}");
}

/// A head-end whose way to the broker goes when its request for a connection has come there, and before the answer is back: the
/// session that it finds later began without its subscription.
const UNHEARD: &str = r#"
version = 1
name = "a head-end that was cut off in time"
duration = "80s"

[profile.slow]
latency = "50ms"

[node.broker]
kind = "mqtt-broker"
address = "10.0.0.3/24"

[node.head-end]
kind = "head-end"
address = "10.0.0.4/24"
config = { broker = "10.0.0.3:1883", keep_alive = "5s" }

[node.meter]
kind = "smart-meter"
address = "10.0.0.11/24"
config = { broker = "10.0.0.3:1883", pulses_until = "60s" }

[network.field]
kind = "switch"
members = ["*"]
profile = "slow"

[[fault]]
at = "0s"
for = "40s"
kind = "power-cut"
target = "meter"

# The question for the broker takes 200 ms there and back, and so does opening the connection.
[[fault]]
at = "530ms"
for = "20s"
kind = "cut-link"
target = "field/head-end"

[[expect]]
name = "every pulse is on the bill"
flow = { every = "pulse.made", reaches = "pulse.kept", within = "15s" }
"#;

#[test]
fn a_head_end_subscribes_until_it_has_been_heard() {
    let plan = Plan::read("test.toml", UNHEARD, &registry());
    let plan = plan.unwrap_or_else(|problems| panic!("{}", rendered(&problems)));
    let snapshot = run(&Arc::new(plan), 3, Record::Off, None).expect("runs").snapshot;
    assert_eq!(metric(&snapshot, "connected"), 1, "it is back");
    assert!(metric(&snapshot, "clients.came") >= 3, "it came twice, and the meter");
    assert!(metric(&snapshot, "pulses.billed") > 0);
    assert!(held(&snapshot), "{:?}", snapshot.expectations);
}
