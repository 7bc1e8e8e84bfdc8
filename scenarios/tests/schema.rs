//! What scenario files say, and what plans are made of them.

mod common;

use common::{gallery, registry};
use wavetank_scenarios::plan::{Demand, End, FaultKind, Plan};

fn plan(text: &str) -> Plan {
    match Plan::read("test.toml", text, &registry()) {
        Ok(plan) => plan,
        Err(problems) => panic!("{}", common::rendered(&problems)),
    }
}

#[test]
fn every_gallery_scenario_becomes_a_plan() {
    let gallery = gallery();
    assert!(gallery.len() >= 6, "the gallery has {} scenarios", gallery.len());
    for (name, text) in gallery {
        if let Err(problems) = Plan::read(&name, &text, &registry()) {
            panic!("{}", common::rendered(&problems));
        }
    }
}

#[test]
fn first_light_is_planned_as_it_is_written() {
    let text = gallery().into_iter().find(|(name, _)| name == "first-light.toml").expect("first light").1;
    let plan = plan(&text);
    let names: Vec<&str> = plan.nodes.iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["hub", "thermostat-1", "thermostat-2", "thermostat-3"]);
    assert_eq!((plan.duration_ns, plan.calm_ns, plan.seed), (60_000_000_000, 30_000_000_000, 42));

    let last = &plan.nodes[3].interfaces[0];
    assert_eq!(last.addresses[0].to_string(), "10.0.0.13/24");
    let link = &plan.links[last.link];
    assert_eq!(&*link.name, "lan/thermostat-3");
    assert_eq!(link.ends, [End::Node { node: 3, interface: 0 }, End::Switch { network: 0, part: 0 }]);
    assert_eq!(link.pipes[0], link.pipes[1]);
    let pipe = &link.pipes[0];
    assert_eq!((pipe.latency_ns, pipe.jitter_ns, pipe.loss_ppb), (1_000_000, 200_000, 10_000_000));
    assert_eq!((pipe.rate_bits_per_second, pipe.queue_bytes), (Some(10_000_000), Some(65_536)));

    let cut = plan.faults[0];
    assert_eq!((cut.at_ns, cut.until_ns), (10_000_000_000, Some(15_000_000_000)));
    assert_eq!(cut.kind, FaultKind::CutLink { link: plan.link("lan/thermostat-2").expect("a link") });
    assert_eq!(plan.faults[1].kind, FaultKind::PowerCut { node: 3 });

    let Demand::Stable { condition, after_ns, by_ns } = &plan.expectations[2].demand else {
        panic!("the last expectation is stable");
    };
    assert_eq!((*after_ns, *by_ns), (30_000_000_000, 45_000_000_000));
    assert_eq!(condition.cells()[0].nodes[..], [0]);
    assert_eq!(condition.holds(&[3]), Ok(true));
    assert_eq!(condition.holds(&[2]), Ok(false));
}

#[test]
fn configurations_are_typed() {
    let (_, text) = gallery().into_iter().find(|(name, _)| name == "sensor-nack.toml").expect("sensor-nack");
    let plan = plan(&text);
    let loose = &plan.nodes[plan.node("loose").expect("a node")];
    let config = loose.config.downcast_ref::<wavetank_scenarios::kinds::thermostat::Config>().expect("its type");
    assert_eq!(config.sensor.nack.as_ppb(), 200_000_000);
    assert_eq!(config.sensor.mean_millicelsius, 19_500);
    assert_eq!(config.sensor.noise_millicelsius, 50);
    assert_eq!(config.hub.to_string(), "10.0.0.2:8080");
}

const TWO_NETWORKS: &str = r#"
version = 1
name = "two networks"
duration = "10s"

[profile.fast]
latency = "1ms"
[profile.slow]
latency = "100ms"

[node.hub]
kind = "telemetry-hub"
address = { lan = ["10.0.0.2/24", "fd00::2/64"], uplink = "10.1.0.1/31" }

[node.thermostat]
kind = "thermostat"
count = 12
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080" }

[node.far]
kind = "thermostat"
address = "10.1.0.0/31"
config = { hub = "10.1.0.1:8080" }

[network.lan]
kind = "switch"
members = ["hub", "thermostat-*"]
profile = "fast"

[network.lan.link."thermostat-1?"]
jitter = "5ms"
[network.lan.link.thermostat-12]
profile = "slow"
loss = 1

[network.uplink]
kind = "point-to-point"
members = ["far", "hub"]

[network.uplink.link.far]
rate = "64 kbit/s"

[[fault]]
at = "1s"
for = "1s"
kind = "cut-link"
target = ["hub", "uplink"]
"#;

#[test]
fn nodes_can_be_in_several_networks_and_links_can_differ() {
    let plan = plan(TWO_NETWORKS);
    let hub = &plan.nodes[0];
    assert_eq!(hub.interfaces.len(), 2);
    assert_eq!(hub.interfaces[0].addresses.len(), 2);
    assert_ne!(hub.interfaces[0].mac, hub.interfaces[1].mac);
    let pipe = |name: &str| &plan.links[plan.link(name).expect("a link")].pipes[0];
    assert_eq!(pipe("lan/thermostat-9").jitter_ns, 0);
    assert_eq!(pipe("lan/thermostat-10").jitter_ns, 5_000_000);
    assert_eq!(pipe("lan/thermostat-12").latency_ns, 100_000_000);
    assert_eq!(pipe("lan/thermostat-12").jitter_ns, 0);
    assert_eq!(pipe("lan/thermostat-12").loss_ppb, 1_000_000_000);

    let uplink = &plan.links[plan.link("uplink").expect("a link")];
    assert_eq!(uplink.pipes[0].rate_bits_per_second, Some(64_000));
    assert_eq!(uplink.pipes[1].rate_bits_per_second, None);

    // All links of the hub, each once.
    let cut: Vec<_> = plan.faults.iter().map(|fault| fault.kind).collect();
    let own = |name: &str| FaultKind::CutLink { link: plan.link(name).expect("a link") };
    assert_eq!(cut, [own("lan/hub"), own("uplink")]);
}

#[test]
fn a_mac_depends_on_names_alone() {
    let spare =
        "[node.spare]\nkind = \"thermostat\"\naddress = \"10.0.0.99/24\"\nconfig = { hub = \"10.0.0.2:8080\" }\n";
    let more = TWO_NETWORKS
        .replace("[node.thermostat]", &format!("{spare}\n[node.thermostat]"))
        .replace("\"thermostat-*\"]", "\"spare\", \"thermostat-*\"]");
    let renamed = TWO_NETWORKS.replace("network.lan", "network.attic").replace("lan = [", "attic = [");
    let mac = |plan: &Plan| plan.nodes[plan.node("thermostat-5").expect("a node")].interfaces[0].mac;
    let all = plan(TWO_NETWORKS);
    assert_eq!(mac(&all), mac(&plan(&more)));
    assert_ne!(mac(&all), mac(&plan(&renamed)));
    assert!(all.nodes.iter().flat_map(|node| &node.interfaces).all(|interface| interface.mac[0] & 3 == 2));
}

#[test]
fn seeds_take_all_64_bits() {
    for (written, seed) in [
        ("18446744073709551615", u64::MAX),
        ("0xffff_ffff_ffff_ffff", u64::MAX),
        ("\"0xdeadbeef\"", 0xdead_beef),
        ("\"7\"", 7),
    ] {
        let text = TWO_NETWORKS.replace("duration =", &format!("seed = {written}\nduration ="));
        assert_eq!(plan(&text).seed, seed, "{written}");
    }
}
