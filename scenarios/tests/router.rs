//! Routers in the tank: what they send is as tshark expects it, and what separates nodes separates them across routers.

mod common;

use std::future::poll_fn;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::task::Poll;

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_scenarios::registry::{Metric, TypedKind};
use wavetank_scenarios::runtime::{Network, TankClock};
use wavetank_scenarios::site::Site;
use wavetank_scenarios::{Plan, Registry, RunOptions, start};
use wavetank_sim::net::DropReason;
use wavetank_sim::node::{Exit, Node};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::Snapshot;
use wavetank_stack::Stack;
use wavetank_stack::udp::{Options, Socket};

/// Two networks that a router joins, the second of which carries short packets only, with a NAT or without.
const NETWORKS: &str = r#"
version = 1
name = "two networks"
duration = "20s"

[profile.short]
latency = "1ms"
mtu = "600 B"

[node.pinger]
kind = "pinger"
address = "10.0.0.10/24"
gateway = "10.0.0.1"
config = { to = "192.0.2.20" }

[node.lost]
kind = "pinger"
address = "10.0.0.11/24"
gateway = "10.0.0.1"
config = { to = "192.0.2.20", hops = 1 }

[node.thrower]
kind = "thrower"
address = "10.0.0.12/24"

[node.station]
kind = "telemetry-hub"
address = "192.0.2.20/24"
gateway = "192.0.2.1"

[node.router]
kind = "router"
address = { lan = "10.0.0.1/24", wan = "192.0.2.1/24" }

[network.lan]
kind = "switch"
members = ["pinger", "lost", "thrower", "router"]

[network.wan]
kind = "point-to-point"
members = ["router", "station"]
profile = "short"
"#;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// Asks where the router is, and throws long packets at it: one that may be cut, one that may not.
fn thrower() -> TypedKind<Nothing> {
    TypedKind::new("thrower", "Throws long packets.").program(|_: &Arc<Nothing>, site: &mut Site<'_>| {
        let mac = site.interfaces()[0].mac;
        move |node: Node| async move {
            let mut nic = node.nic(0).expect("it is plugged in");
            let mut arp = [&[0xff; 6][..], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &mac, &[10, 0, 0, 12]].concat();
            arp.extend_from_slice(&[0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
            throw(&mut nic, &arp).await;
            let router = poll_fn(|cx| {
                while let Some((frame, _)) = nic.receive(cx) {
                    let sender = frame
                        .consume(|bytes| (bytes[12..14] == [8, 6] && bytes[21] == 2).then(|| bytes[6..12].to_vec()));
                    if let Some(sender) = sender {
                        return Poll::Ready(sender);
                    }
                }
                Poll::Pending
            })
            .await;
            for keeps_whole in [0x00, 0x40] {
                let mut packet = vec![0x45, 0, 0x04, 0xb0, 0x12, 0x34, keeps_whole, 0, 64, 17, 0, 0, 10, 0, 0, 12];
                packet.extend_from_slice(&[192, 0, 2, 20, 0x13, 0x88, 0x13, 0x89, 0x04, 0x9c, 0, 0]);
                packet.resize(1200, 7);
                let sum: u32 = packet[..20].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
                let sum = (sum & 0xffff) + (sum >> 16);
                packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
                throw(&mut nic, &[&router[..], &mac, &[8, 0], &packet].concat()).await;
            }
            Exit::Halt
        }
    })
}

/// Catches datagrams, and counts those that are whole.
fn catcher() -> TypedKind<Nothing> {
    let metrics = &[Metric { name: "caught", doc: "datagrams that came whole" }];
    let kind = TypedKind::new("catcher", "Catches datagrams.").pooled().metrics(metrics);
    kind.program(|_: &Arc<Nothing>, site: &mut Site<'_>| {
        let network = Network::of(site);
        move |node: Node| {
            let network = network.clone();
            async move {
                let nic = node.nic(0).expect("it is plugged in");
                let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &network.config_for(&node), 1);
                let catching = async {
                    let socket = Socket::bind(&stack, 5_001, Options::default()).expect("a free port");
                    let mut buffer = [0; 1_500];
                    loop {
                        let (len, from) = socket.recv_from(&mut buffer).await.expect("it fits");
                        let as_thrown = len == 1_172 && buffer[..len].iter().all(|byte| *byte == 7);
                        assert!(as_thrown, "{len} bytes from {from}");
                        node.count("caught", 1);
                    }
                };
                runner.run_with(catching).await
            }
        }
    })
}

#[test]
fn what_a_router_cuts_is_put_together_again() {
    for text in [NETWORKS.to_owned(), with_nat()] {
        let text =
            text.replace("telemetry-hub", "catcher").replace("mtu = \"600 B\"", "mtu = \"600 B\"\njitter = \"5ms\"");
        let snapshot = ran(&text, None);
        assert_eq!(metric(&snapshot, "router", "packets.fragmented"), 1);
        assert_eq!(metric(&snapshot, "station", "caught"), 1, "the other one must not be cut");
    }
}

/// A station in little memory: what is longer than it can put together it never has, and what would wait is dropped.
#[test]
fn who_has_no_room_for_fragments_or_waiting_packets_does_without() {
    let with = |node: &str, limits: &str| {
        let text = NETWORKS.replace("telemetry-hub", "catcher");
        ran(&text.replace(&format!("[node.{node}]"), &format!("[node.{node}]\nlimits = {{ {limits} }}")), None)
    };
    let caught = |limits: &str| metric(&with("station", limits), "station", "caught");
    assert_eq!([caught("reassembly = \"1 KiB\""), caught("reassembly = \"1500 B\"")], [0, 1]);
    let lost = |limits: &str| metric(&with("pinger", limits), "pinger", "pings.lost");
    assert_eq!([lost("waiting = 0"), lost("waiting = 1")], [1, 0], "the first, before it is known where the router is");
}

async fn throw(nic: &mut wavetank_sim::net::Nic, frame: &[u8]) {
    poll_fn(|cx| {
        let token = nic.transmit(cx).expect("there is room");
        token.consume(frame.len(), |bytes| bytes.copy_from_slice(frame));
        Poll::Ready(())
    })
    .await;
}

fn ran(text: &str, folder: Option<&Path>) -> Snapshot {
    let mut registry = Registry::builtin();
    registry.add(thrower()).add(catcher());
    let plan = Plan::read("test.toml", text, &registry).unwrap_or_else(|problems| {
        panic!("{}", common::rendered(&problems));
    });
    let options = RunOptions { pcap: folder.map(Path::to_owned), ..RunOptions::default() };
    let session = start(&Arc::new(plan), &options).expect("starts");
    session.run_until(Instant::START + Duration::from_secs(20)).expect("runs");
    let snapshot = session.finish().expect("ends");
    assert!(snapshot.failures.is_empty(), "{:?}", snapshot.failures);
    snapshot
}

fn metric(snapshot: &Snapshot, node: &str, name: &str) -> i64 {
    let is_it =
        |metric: &&wavetank_sim::world::MetricValue| snapshot.names.node(metric.node) == node && metric.name == name;
    snapshot.metrics.iter().find(is_it).map_or(0, |metric| metric.value)
}

fn with_nat() -> String {
    NETWORKS.replace("wan = \"192.0.2.1/24\" }", "wan = \"192.0.2.1/24\" }\nconfig = { nat = { outside = \"wan\" } }")
}

#[test]
fn pings_pass_and_short_sighted_ones_are_told_so() {
    for text in [NETWORKS.to_owned(), with_nat()] {
        let snapshot = ran(&text, None);
        assert!(metric(&snapshot, "pinger", "pings.answered") >= 19, "{text}");
        assert_eq!(metric(&snapshot, "lost", "pings.answered"), 0);
        assert!(metric(&snapshot, "lost", "pings.refused") >= 19);
        assert_eq!(metric(&snapshot, "router", "packets.fragmented"), 1);
        assert_eq!(metric(&snapshot, "router", "packets.too-big"), 1);
    }
}

#[test]
fn who_is_held_apart_stays_apart_across_a_router() {
    let fault = "[[fault]]\nat = \"0s\"\nkind = \"partition\"\ntarget = \"pinger\"\nothers = \"station\"\n";
    for text in [NETWORKS.to_owned(), with_nat()] {
        let snapshot = ran(&format!("{text}\n{fault}"), None);
        assert_eq!(metric(&snapshot, "pinger", "pings.answered"), 0);
        assert!(metric(&snapshot, "lost", "pings.refused") >= 19, "the router is still heard");
    }
}

#[test]
fn tshark_finds_what_the_router_says_it_did() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: there is no tshark on this machine");
        return;
    }
    for text in [NETWORKS.to_owned(), with_nat()] {
        let folder = tempfile::tempdir().expect("a folder");
        let snapshot = ran(&text, Some(folder.path()));
        let file = folder.path().join("router.pcapng");
        let count = |filter: &str| {
            let output = Command::new("tshark")
                .arg("-r")
                .arg(&file)
                .args(["-Y", filter, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"])
                .output()
                .expect("tshark runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text").lines().count()
        };
        let bad = "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0";
        assert_eq!(count(bad), 0);
        let counted = |name: &str| usize::try_from(metric(&snapshot, "router", name)).expect("a count");
        assert!(counted("packets.expired") >= 19);
        assert_eq!(count("icmp.type == 11 && icmp.code == 0"), counted("packets.expired"));
        assert_eq!(count("icmp.type == 3 && icmp.code == 4 && icmp.mtu == 600"), counted("packets.too-big"));
        // Hosts say of packets that came whole, or were put together, that nobody listens.
        let told = count("(icmp.type == 3 || icmp.type == 11) && !(icmp.type == 3 && icmp.code == 3)");
        assert_eq!(told, counted("packets.too-big") + counted("packets.expired"));
        assert_eq!(count("ip.flags.mf == 1 && ip.frag_offset == 0"), counted("packets.fragmented"));
        assert_eq!(count("ip.flags.mf == 1"), 2, "1,200 bytes in three parts");
        assert_eq!(count("ip.fragments && udp.length == 1180"), 1, "which are one again");
        let outside = "eth.src contains 02 && icmp.type == 8 && ip.src == 192.0.2.1";
        assert_eq!(count(outside) > 0, text != NETWORKS);
    }
}

/// Two networks of cables that are joined by radio: a relay knows the way by its gateway, the border by a route.
const JOINED_BY_RADIO: &str = r#"
version = 1
name = "joined by radio"
duration = "20s"

[node.pinger]
kind = "pinger"
address = "fd00:2::10/64"
gateway = "fd00:2::1"
config = { to = "fd00:3::20" }

[node.relay]
kind = "router"
address = { field = "fd00:2::1/64", air = "fd00:1::2/64" }
gateway = "fd00:1::1"
position = { x = 0, y = 0 }

[node.border]
kind = "router"
address = { air = "fd00:1::1/64", lan = "fd00:3::1/64" }
position = { x = 10, y = 0 }
config = { routes = [{ to = "fd00:2::/64", via = "fd00:1::2" }] }

[node.station]
kind = "telemetry-hub"
address = "fd00:3::20/64"
gateway = "fd00:3::1"

[network.field]
kind = "switch"
members = ["pinger", "relay"]

[network.air]
kind = "radio"
members = ["relay", "border"]

[network.lan]
kind = "switch"
members = ["border", "station"]
"#;

#[test]
fn routers_pass_on_by_radio_what_is_for_elsewhere() {
    let snapshot = ran(JOINED_BY_RADIO, None);
    assert!(metric(&snapshot, "pinger", "pings.answered") >= 18, "{:?}", snapshot.metrics);
}

/// Doors by radio, whose gateway is a device: it knows nothing of the tank, and yet passes on what it did not send itself.
const BEHIND_A_GATEWAY: &str = r#"
version = 1
name = "behind a gateway"
duration = "20s"

[node.near]
kind = "pinger"
address = "fd00:1::11/64"
gateway = "fd00:1::1"
position = { x = -10, y = 0 }
config = { to = "fd00:2::20" }

[node.other]
kind = "pinger"
address = "fd00:1::12/64"
gateway = "fd00:1::1"
position = { x = 10, y = 0 }
config = { to = "fd00:2::20" }

[node.inward]
kind = "pinger"
address = "fd00:2::30/64"
gateway = "fd00:2::1"
config = { to = "fd00:1::11" }

[node.gateway]
kind = "gateway"
address = { air = "fd00:1::1/64", lan = "fd00:2::1/64" }
position = { x = 0, y = 0 }
config = { uplink = "fd00:2::20", beat = "1s" }

[node.sender]
kind = "bulk-sender"
address = "fd00:1::13/64"
gateway = "fd00:1::1"
position = { x = 0, y = 10 }
config = { to = "[fd00:2::40]:5001", bytes = "6 kB", window = "2 kB", after = "2s" }

[node.receiver]
kind = "bulk-receiver"
address = "fd00:2::40/64"
gateway = "fd00:2::1"

[node.station]
kind = "telemetry-hub"
address = "fd00:2::20/64"
gateway = "fd00:2::1"

[network.air]
kind = "radio"
members = ["near", "other", "sender", "gateway"]

[network.lan]
kind = "switch"
members = ["gateway", "station", "inward", "receiver"]
"#;

/// By a radio of its own, and by a co-processor's.
fn gateways() -> [String; 2] {
    let module = BEHIND_A_GATEWAY.replace("beat = \"1s\"", "beat = \"1s\", rcp = {}");
    [BEHIND_A_GATEWAY.to_owned(), module]
}

#[test]
fn who_is_held_apart_stays_apart_across_a_gateway() {
    let fault = "[[fault]]\nat = \"0s\"\nkind = \"partition\"\ntarget = ";
    for text in gateways() {
        let answered =
            |snapshot: &Snapshot| ["near", "other", "inward"].map(|who| metric(snapshot, who, "pings.answered"));
        let calm = ran(&text, None);
        assert!(answered(&calm).iter().all(|answered| *answered >= 14), "{:?}", answered(&calm));
        // What comes by radio in several frames, too.
        assert_eq!((metric(&calm, "sender", "done"), metric(&calm, "receiver", "bytes.received")), (1, 6_000));
        let apart = ran(&format!("{text}\n{fault}\"sender\"\nothers = \"receiver\"\ndirection = \"up\"\n"), None);
        assert_eq!(metric(&apart, "receiver", "connections"), 0);
        let later = fault.replace("0s", "2350ms");
        let broken = ran(&format!("{text}\n{later}\"sender\"\nothers = \"receiver\"\n"), None);
        let got = metric(&broken, "receiver", "bytes.received");
        assert!(got > 0 && got < 6_000, "{got}");
        let apart = ran(&format!("{text}\n{fault}\"near\"\nothers = \"station\"\n"), None);
        let [near, other, inward] = answered(&apart);
        assert!(near == 0 && other >= 14 && inward >= 14, "{near} {other} {inward}");
        assert_eq!(metric(&apart, "gateway", "uplink"), 1, "what the gateway asks for itself is its own");
        let apart = ran(&format!("{text}\n{fault}\"inward\"\nothers = \"near\"\n"), None);
        let [near, other, inward] = answered(&apart);
        assert!(near >= 14 && other >= 14 && inward == 0, "{near} {other} {inward}");
        // One way only: the question arrives, the answer does not; and the other way round.
        for (target, others) in [("station", "near"), ("near", "station")] {
            let text = format!("{text}\n{fault}\"{target}\"\nothers = \"{others}\"\ndirection = \"up\"\n");
            let [near, other, inward] = answered(&ran(&text, None));
            assert!(near == 0 && other >= 14 && inward >= 14, "from {target}: {near} {other} {inward}");
        }
        // Of the gateway alone: others pass it still.
        let apart = ran(&format!("{text}\n{fault}\"gateway\"\nothers = \"station\"\n"), None);
        assert_eq!(metric(&apart, "gateway", "uplink"), 0);
        assert!(metric(&apart, "gateway", "uplink.misses") > 5);
    }
}

/// A gateway with a radio co-processor; a listener by radio that the gateway pings for somebody on the Ethernet.
const BY_MODULE: &str = r#"
version = 1
name = "by module"
duration = "20s"
seed = 3

[node.far]
kind = "pinger"
address = "fd00:2::30/64"
gateway = "fd00:2::1"
config = { to = "fd00:1::10" }

[node.near]
kind = "pinger"
address = "fd00:1::10/64"
gateway = "fd00:1::1"
position = { x = 10, y = 0 }
config = { to = "fd00:2::30" }

[node.gateway]
kind = "gateway"
address = { air = "fd00:1::1/64", lan = "fd00:2::1/64" }
position = { x = 0, y = 0 }
config = { uplink = "fd00:2::30", beat = "1s", rcp = {} }

[network.air]
kind = "radio"
members = ["near", "gateway"]

[network.lan]
kind = "switch"
members = ["gateway", "far"]
"#;

#[test]
fn a_radio_co_processor_says_of_frames_that_nobody_hears_and_of_a_busy_air() {
    let fault = |what: &str| format!("{BY_MODULE}\n[[fault]]\nat = \"10s\"\nfor = \"5s\"\n{what}\n");
    let counted = |text: &str| {
        let snapshot = ran(text, None);
        let of = |reason| snapshot.frames.dropped.iter().find(|(of, _)| *of == reason).map_or(0, |(_, count)| *count);
        let told = ["rcp.no-ack", "rcp.busy", "rcp.unsent", "rcp.refused", "rcp.silences", "rcp.unasked"];
        (told.map(|name| metric(&snapshot, "gateway", name)), [of(DropReason::NoAck), of(DropReason::AirBusy)])
    };
    let (calm, dropped) = counted(BY_MODULE);
    // What was to be sent before it was set up it did not take.
    let unsent = calm[2];
    assert_eq!((calm, dropped), ([0, 0, unsent, 0, 0, 0], [0; 2]));

    // Whoever is not there acknowledges nothing: each ping for it is a frame of the gateway's that comes to nothing.
    let (told, dropped) = counted(&fault("kind = \"power-cut\"\ntarget = \"near\""));
    let no_ack = told[0];
    assert!((2..=4).contains(&no_ack), "{told:?}");
    assert_eq!((told, dropped), ([no_ack, 0, unsent, 0, 0, 0], [no_ack as u64, 0]), "what the air knows, and no more");

    // On an air that is never free its frames find no place, and those of whoever has a radio of its own neither.
    let (told, [no_ack, busy]) = counted(&fault("kind = \"jam\"\ntarget = \"air\"\nnoise_db = 40"));
    assert!((2..=8).contains(&told[1]) && (told[1] as u64) < busy, "{told:?} {busy}");
    assert_eq!((told, no_ack), ([0, told[1], unsent, 0, 0, 0], 0));
}
