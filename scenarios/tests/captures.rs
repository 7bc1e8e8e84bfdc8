//! Captures, as tshark sees them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use wavetank_scenarios::run::Record;
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::net::DropReason;
use wavetank_sim::net::impair::What;
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

/// A router on a stick: one cable to a trunk, and a sub-interface for each virtual network on it.
const STICK: &str = r#"
version = 1
name = "a router on a stick"
duration = "20s"

[node.desk]
kind = "pinger"
address = "10.10.0.11/24"
gateway = "10.10.0.1"
config = { to = "10.20.0.11" }

[node.guest]
kind = "pinger"
address = "10.20.0.11/24"
gateway = "10.20.0.1"
config = { to = "10.0.0.11" }

[node.warden]
kind = "pinger"
address = "10.0.0.11/24"
gateway = "10.0.0.1"
config = { to = "10.10.0.11" }

[node.stick]
kind = "router"
address = { house = ["10.0.0.1/24", "10.10.0.1/24", "10.20.0.1/24"] }

[node.stick.config]
subinterfaces = [
    { network = "house", vlan = 10, subnet = "10.10.0.0/24" },
    { network = "house", vlan = 20, subnet = "10.20.0.0/24" },
]

[network.house]
kind = "switch"
members = ["desk", "guest", "warden", "stick"]

[network.house.link.stick]
vlan = 1
trunk = [10, 20]

[network.house.link.desk]
vlan = 10

[network.house.link.guest]
vlan = 20
"#;

#[test]
fn a_router_on_a_stick_takes_packets_from_one_virtual_network_to_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let snapshot = capture_text(folder.path(), STICK);
    for name in ["desk", "guest", "warden"] {
        let of = snapshot.names.nodes().find(|(_, other)| *other == name).expect("a node").0;
        let found = snapshot.metrics.iter().find(|metric| metric.node == of && metric.name == "pings.answered");
        assert!(found.is_some_and(|metric| metric.value > 15), "{name}: {:?}", snapshot.frames);
    }
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: there is no tshark on this machine");
        return;
    }
    let stick = folder.path().join("link-house-stick.pcapng");
    let count = |filter: &str| tshark(&stick, &["-Y", filter]).lines().count();
    // What the desk asks comes up in one network and goes down in the other.
    let asked = "icmp.type == 8 && ip.src == 10.10.0.11 && ip.dst == 10.20.0.11";
    let (came, went) = (
        count(&format!("vlan.id == 10 && ip.ttl == 64 && {asked}")),
        count(&format!("vlan.id == 20 && ip.ttl == 63 && {asked}")),
    );
    assert!(came > 15 && came == went, "{came} {went}");
    // The network without a tag has an address, too.
    assert!(count("!vlan && icmp && ip.addr == 10.0.0.11") > 30);
    assert_eq!(count("_ws.malformed || (vlan.id == 10 && arp.dst.proto_ipv4 == 10.20.0.1)"), 0);
}

/// Many ask three stations, the ways to which double, reorder and damage.
const ROUGH: &str = r#"
version = 1
name = "rough ways"
duration = "20s"
seed = 4

[node.ask-twice]
kind = "pinger"
count = 8
address = "10.0.0.11/24"
config = { to = "10.0.0.2", period = "50ms", patience = "40ms" }

[node.ask-overtaking]
kind = "pinger"
count = 8
address = "10.0.0.21/24"
config = { to = "10.0.0.3", period = "50ms", patience = "40ms" }

[node.ask-damaged]
kind = "pinger"
count = 8
address = "10.0.0.31/24"
config = { to = "10.0.0.4", period = "50ms", patience = "40ms" }

[node.twice]
kind = "telemetry-hub"
address = "10.0.0.2/24"

[node.overtaking]
kind = "telemetry-hub"
address = "10.0.0.3/24"

[node.damaged]
kind = "telemetry-hub"
address = "10.0.0.4/24"

[network.lan]
kind = "switch"
members = ["ask-*", "twice", "overtaking", "damaged"]

[network.lan.link.twice]
down = { latency = "20ms", duplicate = { probability = "5 %", by = "1ms" } }

[network.lan.link.overtaking]
down = { latency = "200ms", reorder = { probability = "10 %", gap = 3 } }

[network.lan.link.damaged]
down = { latency = "5ms", corrupt = { probability = "10 %", how = "flip", count = 1 } }
"#;

/// What a capture's frames say of themselves, one entry a frame.
fn told(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut arguments = vec!["-Y", filter, "-T", "fields"];
    fields.iter().for_each(|field| arguments.extend(["-e", field]));
    tshark(file, &[&arguments[..], &CHECKSUMS[..]].concat()).lines().map(ToOwned::to_owned).collect()
}

/// What links say that they did to frames is what tshark finds in captures of what was offered to them, and of what came.
#[test]
fn tshark_counts_what_links_say_that_they_did() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: there is no tshark on this machine");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plan = Arc::new(Plan::read("rough.toml", ROUGH, &Registry::builtin()).expect("a plan"));
    let options = RunOptions { pcap: Some(folder.path().to_owned()), record: Record::On, ..RunOptions::default() };
    let session = start(&plan, &options).expect("starts");
    session.run_until(Instant::from_nanos(plan.duration_ns)).expect("runs");
    let snapshot = session.finish().expect("ends");
    let path = |name: &str| folder.path().join(format!("{name}.pcapng"));
    let what = |wanted: fn(&What) -> bool| snapshot.packets.iter().filter(move |packet| wanted(&packet.what));
    // A question is known by who asks, and its number; and what asks for an Ethernet address by who does.
    let fields = ["ip.src", "icmp.seq", "arp.src.proto_ipv4", "arp.dst.proto_ipv4"];
    let sent = |station: &str, address: &str| {
        let filter = format!("!(ip.src == {address} || arp.src.proto_ipv4 == {address})");
        told(&path(&format!("link-lan-{station}")), &filter, &fields)
    };
    let came = |station: &str| told(&path(station), "frame.packet_flags_direction == 1", &fields);

    // Doubled: of each frame as many more came as the link says that it made.
    let (offered, arrived) = (sent("twice", "10.0.0.2"), came("twice"));
    let doubled = what(|what| matches!(what, What::Duplicate(_))).count();
    assert!(doubled > 50, "{doubled}");
    assert_eq!(arrived.len() - offered.len(), doubled);
    let mut twice: Vec<&String> =
        what(|what| matches!(what, What::Duplicate(_))).map(|it| &offered[it.ordinal as usize]).collect();
    let mut more: Vec<&String> = arrived.iter().collect();
    for frame in &offered {
        more.remove(more.iter().position(|other| *other == frame).expect("nothing is lost"));
    }
    twice.sort_unstable();
    more.sort_unstable();
    assert_eq!(twice, more);

    // Overtaking: who came before somebody that was sent earlier.
    let (offered, arrived) = (sent("overtaking", "10.0.0.3"), came("overtaking"));
    let mut places: Vec<usize> = Vec::new();
    for frame in &arrived {
        let is_it = |(at, other): &(usize, &String)| *other == frame && !places.contains(at);
        places.push(offered.iter().enumerate().find(is_it).expect("nothing came that was not sent").0);
    }
    let overtook = (0..places.len()).filter(|at| places[at + 1..].iter().any(|later| *later < places[*at]));
    let mut overtook: Vec<u64> = overtook.map(|at| places[at] as u64).collect();
    overtook.sort_unstable();
    let said: Vec<u64> = what(|what| matches!(what, What::Overtake)).map(|it| it.ordinal).collect();
    assert!(said.len() > 100, "{}", said.len());
    // What is still on its way at the end overtakes nobody, and is overtaken by nobody who could be seen.
    let said: Vec<u64> = said.into_iter().filter(|at| places.contains(&(*at as usize))).collect();
    assert_eq!(overtook, said);

    // Damaged: whatever a checksum tells was refused for that, and nothing else was.
    let bad = "ip.checksum.status == 0 || icmp.checksum.status == 0 || tcp.checksum.status == 0";
    let file = path("damaged");
    let seen = told(&file, bad, &["frame.number"]);
    let refused = told(&file, "frame.comment contains \"bad-checksum\"", &["frame.number"]);
    let counted = snapshot.frames.dropped.iter().find(|(reason, _)| *reason == DropReason::BadChecksum);
    assert_eq!(seen, refused);
    assert_eq!(refused.len() as u64, counted.map_or(0, |(_, count)| *count));
    let damaged = what(|what| matches!(what, What::Corrupt(_))).count();
    assert!(refused.len() > 100 && refused.len() <= damaged, "{} of {damaged}", refused.len());
}

/// Who sends files to an archive each, past somebody who tampers with what goes there.
const TAMPERED: &str = r#"
version = 1
name = "somebody on the line"
duration = "30s"
seed = 6

[profile.wire]
latency = "3ms"
rate = "20 Mbit/s"

[network.lan]
kind = "switch"
members = ["*"]
profile = "wire"
"#;

/// What middleboxes say that they did is what tshark finds between what was sent and what came, and all of it is whole TCP.
#[test]
fn tshark_sees_what_middleboxes_say_that_they_did() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: there is no tshark on this machine");
        return;
    }
    let boxes = [
        ("slice", "bytes = \"200 B\"\nvariation = \"50 B\"\nextra = \"1ms\"\ndirection = \"down\""),
        ("reset", "after = \"40ms\""),
        ("limit", "bytes = \"5000 B\"\nend = \"reset\"\ndirection = \"down\""),
        ("stall", "after = \"2s\"\ndirection = \"down\""),
        ("slow-close", "extra = \"4s\"\ndirection = \"down\""),
    ];
    let mut text = TAMPERED.to_owned();
    for (at, (how, keys)) in boxes.iter().enumerate() {
        // What is broken off is begun anew as long as there is something to send.
        let bytes = if ["slice", "slow-close"].contains(how) { "40 kB" } else { "1 GB" };
        text += &format!(
            "\n[node.to-{how}]\nkind = \"bulk-sender\"\naddress = \"10.0.0.{}/24\"\n\
             config = {{ to = \"10.0.0.{}:5001\", after = \"1s\", bytes = \"{bytes}\" }}\n\
             \n[node.{how}]\nkind = \"bulk-receiver\"\naddress = \"10.0.0.{}/24\"\n\
             \n[[fault]]\nat = \"0s\"\nkind = \"tcp-{how}\"\ntarget = \"lan/{how}\"\n{keys}\n",
            11 + at,
            31 + at,
            31 + at
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let snapshot = capture_text(folder.path(), &text);
    let hits = |how: &str| {
        let mut faults = snapshot.faults.iter();
        faults.find(|fault| fault.name.contains(&format!("lan/{how}"))).expect("a fault").hits as usize
    };
    const SENT: &str = "frame.packet_flags_direction == 2";
    const CAME: &str = "frame.packet_flags_direction == 1";
    let numbers = |node: &str, filter: &str, field: &str| {
        let told = told(&folder.path().join(format!("{node}.pcapng")), filter, &[field]);
        told.iter().map(|number| number.parse().expect("a number")).collect::<Vec<f64>>()
    };
    for (how, _) in boxes {
        for node in [how.to_owned(), format!("to-{how}")] {
            let bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0";
            assert!(numbers(&node, bad, "frame.number").is_empty(), "{node}");
        }
        println!("{how}: {} hits", hits(how));
    }

    // Cut up: as many long ones were sent as were cut, and what came of each is no longer than it may be; nothing is missing.
    let data = |direction: &str| format!("{direction} && tcp.len > 0");
    let (whole, pieces) = (numbers("to-slice", &data(SENT), "tcp.len"), numbers("slice", &data(CAME), "tcp.len"));
    assert_eq!(whole.iter().filter(|len| **len > 250.0).count(), hits("slice"));
    assert!(pieces.iter().all(|len| *len <= 250.0) && pieces.len() > 150, "{pieces:?}");
    assert!(whole.iter().sum::<f64>() == 40_000.0 && pieces.iter().sum::<f64>() == 40_000.0);
    let odd = "tcp.analysis.lost_segment || tcp.analysis.out_of_order || tcp.analysis.retransmission";
    assert!(numbers("slice", odd, "frame.number").is_empty());

    // Reset: each end of each connection that was hit hears of it, in the other's name, and tshark takes the number for right; what
    // was under way meanwhile is answered in the same way.
    assert!(hits("reset") >= 20, "{}", hits("reset"));
    for (node, other) in [("to-reset", "10.0.0.32"), ("reset", "10.0.0.12")] {
        let forged = format!("{CAME} && tcp.flags.reset == 1 && ip.src == {other}");
        let mut streams = numbers(node, &forged, "tcp.stream");
        streams.dedup();
        assert_eq!(streams.len(), hits("reset"), "{node}");
        assert!(numbers(node, &format!("{forged} && tcp.analysis.lost_segment"), "frame.number").is_empty());
    }
    // Neither has said that to the other.
    assert!(numbers("to-reset", &format!("{SENT} && tcp.flags.reset == 1"), "frame.number").is_empty());

    // Limited: each connection bears that much, to the byte.
    let streams = numbers("limit", &data(CAME), "tcp.stream");
    let lens = numbers("limit", &data(CAME), "tcp.len");
    let mut borne = std::collections::BTreeMap::<u64, f64>::new();
    streams.iter().zip(&lens).for_each(|(stream, len)| *borne.entry(*stream as u64).or_default() += len);
    assert_eq!(borne.len(), hits("limit"));
    assert!(borne.len() >= 15 && borne.values().all(|bytes| *bytes == 5_000.0), "{borne:?}");

    // Stalled: connections open, and no data comes of what was sent; each piece that was sent was kept, and each connection reset
    // after that.
    assert!(numbers("stall", &format!("{CAME} && tcp.flags.syn == 1"), "frame.number").len() >= 5);
    assert!(numbers("stall", &data(CAME), "frame.number").is_empty());
    let kept = numbers("to-stall", &data(SENT), "frame.number").len();
    let mut reset = numbers("to-stall", &format!("{CAME} && tcp.flags.reset == 1"), "tcp.stream");
    reset.dedup();
    assert!(reset.len() >= 5 && kept + reset.len() == hits("stall"), "{kept} {reset:?}");

    // Closed late: the end is there four seconds after what it follows, and no sooner.
    let ends = |node: &str, direction: &str| {
        numbers(node, &format!("{direction} && tcp.flags.fin == 1"), "frame.time_relative")
    };
    // Who is not answered asks, by a byte that was acknowledged: that is no data.
    let new = format!("{} && !tcp.analysis.keep_alive", data(CAME));
    let last = numbers("slow-close", &new, "frame.time_relative").into_iter().fold(0.0, f64::max);
    let first = ends("slow-close", CAME).first().copied().expect("an end");
    assert!((4.0..4.1).contains(&(first - last)), "{first} after {last}");
    // The sender, who is not told that it came, sends it again: one connection is hit.
    assert!(ends("to-slow-close", SENT).len() >= 2 && hits("slow-close") == 1);
}
