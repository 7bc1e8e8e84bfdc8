//! Every fault and impairment that is listed, in a run of its own; and what storms and settings come to.

mod common;

use std::sync::Arc;

use common::{gallery, registry};
use wavetank_scenarios::plan::{Plan, Verdict};
use wavetank_scenarios::run::{Record, run};
use wavetank_scenarios::schema::{Sort, listing};
use wavetank_sim::check;
use wavetank_sim::world::Snapshot;

/// A house that every example stands in.
const HOUSE: &str = r#"
version = 1
name = "a house"
duration = "40s"

[profile.storm]
latency = "200ms"
loss = "20 %"

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"
config = { online_window = "5s" }

[node.thermostat]
kind = "thermostat"
count = 3
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080", backoff_cap = "3s" }

[node.broker]
kind = "mqtt-broker"
address = "10.0.0.3/24"

[node.meter]
kind = "smart-meter"
address = "10.0.0.31/24"
config = { broker = "10.0.0.3:1883", pulse_interval = "200ms", period = "1s" }
battery = { capacity = "220 mAh", draw = { idle = "2 mA" }, resistance = "15 Ohm" }

[node.logger]
kind = "field-logger"
address = "10.0.0.41/24"

[node.recorder]
kind = "bulk-sender"
address = "10.0.0.51/24"
config = { to = "10.0.0.52:5001", after = "12s", bytes = "20 kB" }

[node.archive]
kind = "bulk-receiver"
address = "10.0.0.52/24"

[network.lan]
kind = "switch"
members = ["hub", "thermostat-*", "router", "broker", "meter", "logger", "recorder", "archive"]
profile = "home"

[node.router]
kind = "router"
address = { lan = "10.0.0.1/24", wan = "192.0.2.1/24" }
config = { nat = { outside = "wan" } }

[node.far]
kind = "pinger"
address = "192.0.2.2/24"
config = { to = "192.0.2.1" }

[network.wan]
kind = "point-to-point"
members = ["router", "far"]

[node.ap]
kind = "access-point"
position = { x = 0, y = 0 }

[node.phone]
kind = "pinger"
address = "10.8.0.11/24"
position = { x = 5, y = 0 }
config = { to = "10.8.0.2" }

[node.desk]
kind = "pinger"
address = "10.8.0.2/24"
config = { to = "10.8.0.11" }

[network.house]
kind = "wifi"
members = ["ap", "phone", "desk"]
wifi = { wired = ["desk"] }

[profile.home]
latency = "2ms"
"#;

fn plan(text: &str) -> Arc<Plan> {
    match Plan::read("test.toml", text, &registry()) {
        Ok(plan) => Arc::new(plan),
        Err(problems) => panic!("{}\n{text}", common::rendered(&problems)),
    }
}

fn ran(text: &str) -> Snapshot {
    run(&plan(text), 3, Record::Off, None).expect("runs").snapshot
}

#[test]
fn every_listed_thing_has_an_example_that_runs() {
    for listed in listing() {
        let text = match (listed.sort, listed.name) {
            // A latency is there already, and some make sense only with a rate.
            (Sort::Impairment, "latency") => HOUSE.replace("latency = \"2ms\"\n", &(listed.example.clone() + "\n")),
            (Sort::Impairment, "rate") => format!("{HOUSE}{}\n", listed.example),
            (Sort::Impairment, _) => format!("{HOUSE}rate = \"10 Mbit/s\"\n{}\n", listed.example),
            _ => format!("{HOUSE}\n{}", listed.example),
        };
        let snapshot = ran(&text);
        assert!(snapshot.failures.is_empty(), "{}: {:?}", listed.name, snapshot.failures);
        let heard = snapshot.metrics.iter().find(|metric| metric.name == "devices.known").expect("the hub counts");
        assert_eq!(heard.value, 3, "{}", listed.name);
        if listed.sort == Sort::Fault {
            assert!(!snapshot.faults.is_empty(), "{}", listed.name);
            for fault in &snapshot.faults {
                assert!(fault.began && fault.hits > 0, "{}: {fault:?}", listed.name);
            }
        }
    }
}

#[test]
fn every_example_of_a_parameter_is_understood() {
    let tables = listing().into_iter().filter(|listed| [Sort::Impairment, Sort::Medium].contains(&listed.sort));
    for listed in tables.filter(|listed| listed.parameters.len() > 1) {
        for parameter in listed.parameters {
            let read: Result<toml::Table, _> = toml::from_str(parameter.example);
            assert!(read.is_ok_and(|table| table.contains_key(parameter.key)), "{}", parameter.example);
        }
    }
}

/// Every kind of fault has an example, which a test runs; that each is part of a story as well is seen to in `gallery.rs`.
#[test]
fn the_list_is_whole() {
    let listed: Vec<&str> = listing().iter().map(|listed| listed.name).collect();
    for shape in wavetank_scenarios::schema::FAULTS {
        assert!(listed.contains(&shape.name));
    }
    for key in [
        "latency",
        "jitter",
        "delay",
        "loss",
        "duplicate",
        "corrupt",
        "reorder",
        "slots",
        "rate",
        "overhead",
        "cells",
        "queue",
        "mtu",
        "storm",
    ] {
        assert!(listed.contains(&key), "{key}");
    }
}

/// A station's stack learns that its radio is with no access point, as it learns that a cable is cut: who has another way
/// takes it at once.
#[test]
fn a_stack_sees_that_its_station_is_out_of_reach() {
    let text = r#"
version = 1
name = "by air, and by wire where there is no air"
duration = "50s"

[node.rover]
kind = "pinger"
address = { house = "10.0.0.11/24", wire = "10.0.0.12/24" }
position = { x = 4, y = 0 }
moves = [{ at = "10s", x = 4, y = 0 }, { at = "20s", x = 200, y = 0 }, { at = "30s", x = 200, y = 0 }, { at = "40s", x = 4, y = 0 }]
config = { to = "10.0.0.2", period = "100ms", patience = "90ms", prefer = ["house", "wire"] }

[node.server]
kind = "ntp-server"
address = { house = "10.0.0.2/24", wire = "10.0.0.2/24" }

[node.ap]
kind = "access-point"
position = { x = 0, y = 0 }

[network.house]
kind = "wifi"
members = ["ap", "rover", "server"]
wifi = { wired = ["server"] }

[network.wire]
kind = "switch"
members = ["rover", "server"]

[[expect]]
name = "by air while it is near"
always = 'metric("rover", "interface") == 0'
from = "2s"
until = "10s"

[[expect]]
name = "by wire when it is far"
always = 'metric("rover", "interface") == 1 && metric("rover", "wifi.associated") == 0'
from = "21s"
until = "30s"

[[expect]]
name = "and by air again"
eventually = 'metric("rover", "interface") == 0 && metric("rover", "wifi.associations") == 2'
from = "32s"
"#;
    let snapshot = ran(text);
    let broken = snapshot.expectations.iter().filter(|report| report.verdict != check::Verdict::Held);
    assert_eq!(broken.count(), 0, "{:#?}\n{:#?}", snapshot.expectations, snapshot.metrics);
}

/// Addresses by DHCP are had by air, too, and what is asked for waits until there is an access point.
#[test]
fn a_station_asks_for_its_address_once_it_has_joined() {
    let text = r#"
version = 1
name = "an address by air"
duration = "40s"

[node.dhcp]
kind = "dhcp-server"
address = "10.0.0.1/24"
config = { first = "10.0.0.100", count = 20 }

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"

[node.ap]
kind = "access-point"
position = { x = 0, y = 0 }

[node.thermostat]
kind = "thermostat"
count = 3
address = "dhcp"
position = { x = 4, y = 0, step_x = 6 }
config = { hub = "10.0.0.2:8080" }

[network.house]
kind = "wifi"
members = ["*"]
wifi = { band = "5 GHz", wired = ["dhcp", "hub"] }

[[fault]]
at = "15s"
for = "5s"
kind = "power-cut"
target = "ap"

[[expect]]
name = "all are heard"
eventually = 'metric("hub", "devices.known") == 3'
within = "10s"

[[expect]]
name = "and all that they measure is stored once"
flow = { every = "reading.taken", once = "reading.stored", within = "10s" }
"#;
    let snapshot = ran(text);
    let broken = snapshot.expectations.iter().filter(|report| report.verdict != check::Verdict::Held);
    assert_eq!(broken.count(), 0, "{:#?}\n{:#?}", snapshot.expectations, snapshot.metrics);
}

fn from_gallery(name: &str) -> Arc<Plan> {
    let (_, text) = gallery().into_iter().find(|(file, _)| file == name).expect("in the gallery");
    plan(&text)
}

fn dropped(snapshot: &Snapshot, reason: &str) -> u64 {
    snapshot.frames.dropped.iter().find(|(other, _)| other.name() == reason).map_or(0, |(_, count)| *count)
}

#[test]
fn the_rough_sea_is_rough() {
    let plan = from_gallery("rough-sea.toml");
    let ran = run(&plan, plan.seed, Record::On, None).expect("runs");
    let links = &ran.snapshot.links;
    assert!(links.iter().map(|link| link.duplicated).sum::<u64>() > 5);
    assert!(dropped(&ran.snapshot, "bad-checksum") > 5);
    assert!(dropped(&ran.snapshot, "loss") > 20);
    let kinds: std::collections::BTreeSet<String> = ran
        .decisions
        .packets
        .iter()
        .map(|packet| format!("{:?}", packet.what).split([' ', '(', '{']).next().expect("a word").to_owned())
        .collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["Corrupt", "Delay", "Duplicate", "Lose", "Overtake"]);
}

#[test]
fn a_storm_differs_with_the_seed_and_spares_whom_it_is_told_to() {
    let plan = from_gallery("storm.toml");
    let faults = |seed| run(&plan, seed, Record::Off, None).expect("runs").decisions.faults;
    let (one, other) = (faults(1), faults(2));
    assert_eq!(one, faults(1));
    assert_ne!(one, other);
    assert!(one.len() > 20, "{}", one.len());
    assert!(one.iter().all(|fault| fault.until_ns.unwrap_or(fault.at_ns) <= plan.calm_ns));
    let text = HOUSE.replace("duration", "given = [\"storm\"]\nduration");
    let listed = listing();
    let storm = &listed.iter().find(|listed| listed.sort == Sort::Storm).expect("listed").example;
    let quiet = Plan::read("test.toml", &format!("{text}\n{storm}"), &registry()).expect("a plan");
    assert!(run(&Arc::new(quiet), 1, Record::Off, None).expect("runs").decisions.faults.is_empty());
}

/// Two ways between two stations: a storm that is to leave one never cuts both, and one that is not does.
#[test]
fn a_storm_leaves_a_way_if_it_is_told_to() {
    const WAYS: &str = r#"
version = 1
name = "two ways"
duration = "60s"

[node.a]
kind = "pinger"
address = { left = "10.1.0.10/24", right = "10.2.0.10/24" }
gateway = ["10.1.0.1", "10.2.0.1"]
config = { to = "10.9.0.2", prefer = ["left", "right"] }

[node.one]
kind = "router"
address = { left = "10.1.0.1/24", far = "10.9.0.1/24" }

[node.other]
kind = "router"
address = { right = "10.2.0.1/24", far = "10.9.0.3/24" }

[node.b]
kind = "ntp-server"
address = "10.9.0.2/24"

[network.left]
kind = "switch"
members = ["a", "one"]

[network.right]
kind = "switch"
members = ["a", "other"]

[network.far]
kind = "switch"
members = ["one", "other", "b"]

[[storm]]
kinds = ["cut-link", "power-cut"]
target = ["one", "other", "b"]
every = "500ms"
shortest = "1s"
longest = "4s"
at_once = 6
"#;
    let never_apart = |text: &str| {
        let faults = run(&plan(text), 5, Record::Off, None).expect("runs").decisions.faults;
        let plan = plan(text);
        // Of each fault: what it takes, as a side or as the end that both sides need.
        let sides = |index: usize, is_link: bool| {
            let name = if is_link { &plan.links[index].name } else { &plan.nodes[index].name };
            (name.contains("one"), name.contains("other"), name.ends_with('b'))
        };
        let at = |ns: u64| {
            let active =
                faults.iter().filter(|fault| fault.at_ns <= ns && fault.until_ns.is_some_and(|until| ns < until));
            active.fold((false, false, false), |sum, fault| {
                let one = sides(fault.kind.index(), fault.kind.shape().name == "cut-link");
                (sum.0 | one.0, sum.1 | one.1, sum.2 | one.2)
            })
        };
        let (mut hits, mut apart) = (0, 0);
        for fault in &faults {
            let (one, other, end) = at(fault.at_ns);
            hits += 1;
            apart += usize::from(end || (one && other));
        }
        (hits, apart)
    };
    let (hits, apart) = never_apart(WAYS);
    assert!(hits > 20 && apart > 10, "{hits} {apart}");
    let (hits, apart) = never_apart(&format!("{WAYS}keep = \"path\"\nbetween = [\"a\", \"b\"]\n"));
    assert!(hits > 10 && apart == 0, "{hits} {apart}");
}

/// A node with room for a few frames loses the others while it does not look; whoever sent them sends them again.
#[test]
fn a_small_ring_runs_out_and_costs_nothing_but_time() {
    let text = HOUSE.replace("[node.hub]\n", "[node.hub]\nring = 2\n")
        + "\n[[fault]]\nat = \"5s\"\nfor = \"3s\"\nkind = \"pause\"\ntarget = \"hub\"\nevery = \"6s\"\ntimes = 5\n\
           \n[[expect]]\nname = \"all is kept\"\nflow = { every = \"reading.acknowledged\", reaches = \"reading.kept\" }\n\
           \n[[expect]]\nname = \"and goes on\"\neventually = 'min(\"thermostat-*\", \"readings.acknowledged\") >= 30'\n";
    let small = ran(&text);
    assert!(dropped(&small, "ring-full") > 5, "{:?}", small.frames);
    assert!(
        small.expectations.iter().all(|report| report.verdict == check::Verdict::Held),
        "{:#?}",
        small.expectations
    );
    assert_eq!(dropped(&ran(&text.replace("ring = 2\n", "")), "ring-full"), 0, "there is room for 256");
}

/// What shows that the mechanism works would break without it.
#[test]
fn without_their_faults_the_scenarios_fail() {
    for name in ["wide-area-partition.toml", "clog.toml", "black-hole.toml", "storm.toml"] {
        let mut calm = (*from_gallery(name)).clone();
        calm.faults.clear();
        calm.late.clear();
        calm.storms.clear();
        assert_eq!(calm.verdict, Verdict::Pass);
        let seed = calm.seed;
        let snapshot = run(&Arc::new(calm), seed, Record::Off, None).expect("runs").snapshot;
        let broken = snapshot.expectations.iter().any(|report| report.verdict == check::Verdict::Broken);
        assert!(broken, "{name} passes in a calm sea");
    }
}

#[test]
fn directions_differ_where_they_are_told_to() {
    let text = HOUSE.replace(
        "latency = \"2ms\"\n",
        "latency = \"2ms\"\nup = { rate = \"1 Mbit/s\", loss = \"1 %\" }\ndown = { latency = \"9ms\", duplicate = \"2 %\" }\n",
    );
    let plan = plan(&text);
    let [up, down] = &plan.links[0].pipes;
    assert_eq!((up.latency_ns, up.rate_bits_per_second, up.loss_ppb), (2_000_000, Some(1_000_000), 10_000_000));
    assert_eq!((down.latency_ns, down.rate_bits_per_second, down.loss_ppb), (9_000_000, None, 0));
    assert!(up.more.is_none() && down.more.is_some());
}

/// What a scenario leaves to the seed is settled before the run, told with it, and written out with it.
#[test]
fn every_seed_settles_what_is_left_to_it() {
    let (_, text) = gallery().into_iter().find(|(file, _)| file == "swarm.toml").expect("in the gallery");
    let plan = plan(&text);
    let settled: Vec<Arc<Plan>> = (0..20).map(|seed| plan.settled(seed).expect("a plan")).collect();
    assert!(settled.iter().all(|plan| plan.settings.len() == 11), "{:?}", plan.settings);
    let counts: std::collections::BTreeSet<usize> = settled.iter().map(|plan| plan.nodes.len()).collect();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    for seed in [3, 4] {
        let ran = run(&plan, seed, Record::Off, None).expect("runs").snapshot;
        let written = wavetank_scenarios::shrink::written_out(&text, &plan, seed, None).expect("written");
        assert!(!written.contains("..") && !written.contains("one_of"), "{written}");
        let again = self::plan(&written);
        assert!(again.settings.is_empty());
        assert_eq!(run(&again, seed, Record::Off, None).expect("runs").snapshot.fingerprint, ran.fingerprint);
    }
}
