//! Captures, as tshark sees them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

fn capture(folder: &Path, gallery: &str) {
    let path = format!("{}/gallery/{gallery}.toml", env!("CARGO_MANIFEST_DIR"));
    capture_text(folder, &fs::read_to_string(&path).expect("readable"));
}

fn capture_text(folder: &Path, text: &str) -> Snapshot {
    let plan = Arc::new(Plan::read("captured.toml", text, &Registry::builtin()).expect("a plan"));
    let options = RunOptions { pcap: Some(folder.to_owned()), ..RunOptions::default() };
    let session = start(&plan, &options).expect("starts");
    session.run_until(Instant::from_nanos(plan.duration_ns)).expect("runs");
    let snapshot = session.finish().expect("ends");
    assert!(snapshot.failures.is_empty(), "{:?}", snapshot.failures);
    snapshot
}

fn tshark(file: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tshark").arg("-r").arg(file).args(arguments).output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

const CHECKSUMS: [&str; 8] = [
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-o",
    "udp.check_checksum:TRUE",
    "-o",
    "tcp.desegment_tcp_streams:TRUE",
];

#[test]
fn every_capture_is_whole_to_its_checksums() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: there is no tshark on this machine");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    capture(folder.path(), "first-light");
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).expect("written").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    assert_eq!(files.len(), 8, "four nodes and four links");
    for file in &files {
        let bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0";
        let found = tshark(file, &[&["-Y", bad], &CHECKSUMS[..]].concat());
        assert_eq!(found, "", "{}", file.display());
    }
    let hub = folder.path().join("hub.pcapng");
    let requests = tshark(
        &hub,
        &["-Y", "http.request.method == POST && http.request.uri == \"/readings\"", "-d", "tcp.port==8080,http"],
    );
    assert!(requests.lines().count() > 80, "{requests}");
    let answers = tshark(&hub, &["-Y", "http.response.code == 201", "-d", "tcp.port==8080,http"]);
    assert!(answers.lines().count() > 80, "{answers}");
}

/// Frames of IEEE 802.15.4 with 6LoWPAN in them, and what a border router made of them.
#[test]
fn what_is_on_the_air_is_6lowpan() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: there is no tshark on this machine");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    capture(folder.path(), "radio");
    // The prefix that the radios agreed on: tshark is told, as they were.
    let context = ["-o", "6lowpan.context0:fd00:1::/64"];
    let border = folder.path().join("border.pcapng");
    let fields = |filter: &str, field: &str| {
        let told = tshark(&border, &[&["-Y", filter, "-T", "fields", "-e", field], &context[..]].concat());
        told.lines().map(ToOwned::to_owned).collect::<Vec<String>>()
    };
    assert!(fields("_ws.malformed", "frame.number").is_empty());
    let lengths = fields("wpan", "frame.len");
    assert!(lengths.len() > 500 && lengths.iter().all(|len| len.parse::<u32>().is_ok_and(|len| len <= 125)));
    let on_air = fields("wpan && icmpv6.type == 128", "ipv6.dst");
    assert!(on_air.len() > 100 && on_air.iter().all(|to| to == "fd00:2::2"), "{}", on_air.len());
    // What was asked on the air is asked on the Ethernet, and the watchers' questions are asked on the air.
    assert!(fields("eth && icmpv6.type == 128", "frame.number").len() > 100);
    assert!(fields("wpan && coap.code == 69", "frame.number").len() > 20, "answers with content");
    assert!(fields("eth && coap.code == 69", "frame.number").len() > 20);
}

/// Two offices and guests of both, on two switches that one cable joins.
const OFFICES: &str = r#"
version = 1
name = "offices and guests"
duration = "20s"

[node.desk]
kind = "pinger"
count = 2
address = "10.0.0.11/24"
config = { to = "10.0.0.12" }

[node.guest]
kind = "pinger"
count = 2
address = "10.0.0.21/24"
config = { to = "10.0.0.22" }

[node.burglar]
kind = "pinger"
address = "10.0.0.31/24"
config = { to = "10.0.0.11" }

[network.house]
kind = "regions"
members = ["desk-*", "guest-*", "burglar"]
region = { north = ["desk-1", "guest-1", "burglar"], south = ["desk-2", "guest-2"] }

[network.house.link."desk-*"]
vlan = 10

[network.house.link."{guest-*,burglar}"]
vlan = 20

[network.house.path."north/south"]
latency = "1ms"
trunk = [10, 20]
"#;

#[test]
fn virtual_networks_are_apart_and_bear_tags_between_switches() {
    let folder = tempfile::tempdir().expect("a folder");
    let snapshot = capture_text(folder.path(), OFFICES);
    let answered = |name: &str| {
        let of = snapshot.names.nodes().find(|(_, other)| *other == name).expect("a node").0;
        let found = snapshot.metrics.iter().find(|metric| metric.node == of && metric.name == "pings.answered");
        found.map_or(0, |metric| metric.value)
    };
    assert!(["desk-1", "guest-1"].map(answered).iter().all(|answered| *answered > 15));
    assert_eq!(answered("burglar"), 0, "who is in another network is not there");
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: there is no tshark on this machine");
        return;
    }
    let trunk = folder.path().join("link-house-north-south.pcapng");
    let count = |filter: &str| tshark(&trunk, &["-Y", filter]).lines().count();
    assert!(count("vlan.id == 10 && icmp") > 30 && count("vlan.id == 20 && icmp") > 30);
    assert_eq!((count("!vlan"), count("_ws.malformed")), (0, 0));
    assert_eq!(count("vlan.id == 10 && ip.addr == 10.0.0.31"), 0);
    let desk = folder.path().join("desk-1.pcapng");
    assert_eq!(tshark(&desk, &["-Y", "vlan || ip.addr == 10.0.0.21 || arp.src.proto_ipv4 == 10.0.0.31"]), "");
}
