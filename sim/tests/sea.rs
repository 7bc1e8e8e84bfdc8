//! What links and faults do to frames, seen from both ends.

use std::future::poll_fn;
use std::task::Poll;

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::net::impair::{
    CoDelConfig, Corrupt, Delay, Duplicate, FqCoDelConfig, Given, How, Impairments, Kind, Kinds, LineConfig, Loss,
    Odds, Packet, RedConfig, Reorder, Shape, TailConfig, What,
};
use wavetank_sim::net::{CableId, DropReason, LinkConfig, Mac, Nic, Plug};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec};
use wavetank_sim::random::Probability;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Snapshot, World, WorldConfig};

const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn percent(percent: u64) -> Odds {
    Odds::independent(Probability::from_parts_per_billion(percent * 10_000_000))
}

/// Sends a UDP datagram over IPv4 of `bytes` bytes in all, with a number in it and all its checksums.
fn send(nic: &mut Nic, port: u16, number: u32, bytes: usize, ecn: u8) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    nic.transmit(&mut context).expect("always room").consume(14 + bytes, |frame| {
        frame.fill(0);
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        let (ip, udp) = frame[14..].split_at_mut(20);
        ip.copy_from_slice(&[0x45, ecn, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        ip[2..4].copy_from_slice(&(bytes as u16).to_be_bytes());
        let sum = sum(ip);
        ip[10..12].copy_from_slice(&(!sum).to_be_bytes());
        udp[..2].copy_from_slice(&port.to_be_bytes());
        udp[2..4].copy_from_slice(&port.to_be_bytes());
        let len = (udp.len() as u16).to_be_bytes();
        udp[4..6].copy_from_slice(&len);
        udp[8..12].copy_from_slice(&number.to_be_bytes());
        let mut pseudo = vec![10, 0, 0, 1, 10, 0, 0, 2, 0, 17, len[0], len[1]];
        pseudo.extend_from_slice(udp);
        let sum = self::sum(&pseudo);
        udp[6..8].copy_from_slice(&(!sum).to_be_bytes());
    });
}

fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}

struct Sea {
    world: World,
    nodes: [NodeId; 2],
    cable: CableId,
}

/// How one node sends to the other.
#[derive(Clone, Copy)]
struct Talk {
    count: u32,
    every: Duration,
    bytes: usize,
    ecn: u8,
}

const TALK: Talk = Talk { count: 1_000, every: MS, bytes: 100, ecn: 0 };

/// Two nodes on one cable: one sends numbered datagrams, the other counts them, their order, and their delays.
fn sea(config: &LinkConfig, talk: Talk) -> Sea {
    let mut world = World::new(&WorldConfig { seed: 11, ..WorldConfig::default() });
    let sender = world.add_node(NodeSpec::named("sender"), move |node: Node| async move {
        let (mut nic, clock) = (node.nic(0).expect("plugged in"), node.clock());
        for number in 0..talk.count {
            send(&mut nic, 9, number, talk.bytes, talk.ecn);
            clock.sleep(talk.every).await;
        }
        Exit::Halt
    });
    let receiver = world.add_node(NodeSpec::named("receiver"), move |node: Node| async move {
        let mut nic = node.nic(0).expect("plugged in");
        let mut last = None;
        loop {
            let frame = poll_fn(|context| match nic.receive(context) {
                Some((token, _)) => Poll::Ready(token.consume(|frame| frame.to_vec())),
                None => Poll::Pending,
            })
            .await;
            let number = u32::from_be_bytes([frame[42], frame[43], frame[44], frame[45]]);
            node.count("received", 1);
            node.count("late", u64::from(last.is_some_and(|last| number < last)));
            node.count("again", u64::from(last == Some(number)));
            node.count("marked", u64::from(frame[15] & 3 == 3));
            node.gauge("last", number.into());
            let sent_at = u64::from(number) * talk.every.as_nanos() as u64;
            let waited = node.world_now().as_nanos().saturating_sub(sent_at) / 1_000;
            node.gauge("waited_us", waited as i64);
            last = Some(number);
        }
    });
    let nics = [(sender, 1), (receiver, 2)].map(|(node, last)| world.add_nic(node, Mac([2, 0, 0, 0, 0, last])));
    let [a, b] = nics.map(Plug::Nic);
    let cable = world.connect("wire", a, b, config, &LinkConfig::default());
    Sea { world, nodes: [sender, receiver], cable }
}

fn impaired(impairments: Impairments) -> LinkConfig {
    LinkConfig { latency: 5 * MS, impairments: Some(Box::new(impairments)), ..LinkConfig::default() }
}

impl Sea {
    fn run(mut self, ms: u64) -> Snapshot {
        self.world.run_until(at(ms));
        self.world.finish()
    }

    fn fault(&mut self, from_ms: u64, for_ms: u64, kind: FaultKind) {
        self.world.add_fault(Fault { at: at(from_ms), duration: Some(for_ms as u32 * MS), kind });
    }
}

fn metric(snapshot: &Snapshot, name: &str) -> i64 {
    snapshot.metrics.iter().find(|metric| metric.name == name).map_or(0, |metric| metric.value)
}

fn dropped(snapshot: &Snapshot, reason: DropReason) -> u64 {
    snapshot.frames.dropped.iter().find(|(other, _)| *other == reason).map_or(0, |(_, count)| *count)
}

#[test]
fn what_was_offered_is_delivered_lost_or_doubled() {
    let all = Impairments {
        delay: Some(Delay { shape: Shape::Normal(MS), correlation: Probability::NEVER }),
        unordered: true,
        loss: Some(Loss::Random(percent(5))),
        duplicate: Some(Duplicate { odds: percent(5), later: MS }),
        corrupt: Some(Corrupt { odds: percent(5), how: How::Flip(1) }),
        reorder: Some(Reorder { odds: percent(5), gap: 1 }),
        ..Impairments::default()
    };
    let snapshot = sea(&impaired(all), TALK).run(3_000);
    let link = snapshot.links[0];
    assert_eq!(link.sent + link.duplicated, link.delivered + link.dropped);
    assert!(link.duplicated > 20, "{link:?}");
    assert!(dropped(&snapshot, DropReason::Loss) > 20);
    assert!(dropped(&snapshot, DropReason::BadChecksum) > 20, "the datagrams' checksums tell");
    assert!(metric(&snapshot, "late") > 20, "some overtook");
}

#[test]
fn damage_never_reaches_a_datagrams_content() {
    let flips =
        Impairments { corrupt: Some(Corrupt { odds: percent(100), how: How::Flip(1) }), ..Impairments::default() };
    let snapshot = sea(&impaired(flips), TALK).run(2_000);
    // What comes through was hit in the Ethernet header, which has no checksum here: 14 bytes of 114.
    let through = metric(&snapshot, "received");
    assert!((60..200).contains(&through), "{through}");
    assert_eq!(through as u64 + dropped(&snapshot, DropReason::BadChecksum), 1_000);
}

#[test]
fn too_big_is_gone_without_a_word() {
    let narrow = Impairments { mtu: Some(99), ..Impairments::default() };
    let snapshot = sea(&impaired(narrow), TALK).run(2_000);
    assert_eq!((metric(&snapshot, "received"), dropped(&snapshot, DropReason::TooBig)), (0, 1_000));
    let wide = Impairments { mtu: Some(100), ..Impairments::default() };
    assert_eq!(metric(&sea(&impaired(wide), TALK).run(2_000), "received"), 1_000);
}

/// A line of 8 Mbit/s that is offered 10.
fn congested(line: Option<LineConfig>, ecn: u8) -> Snapshot {
    let config = LinkConfig { rate_bps: Some(8_000_000), ..impaired(Impairments { line, ..Impairments::default() }) };
    let talk = Talk { count: 8_000, every: MS, bytes: 1_250, ecn };
    sea(&config, talk).run(8_000)
}

#[test]
fn a_queue_without_limit_bloats_and_codel_cures_it() {
    let bloat = congested(None, 0);
    assert!(metric(&bloat, "waited_us") > 1_000_000, "{}", metric(&bloat, "waited_us"));
    for line in [LineConfig::CoDel(CoDelConfig::default()), LineConfig::FqCoDel(FqCoDelConfig::default())] {
        let cured = congested(Some(line.clone()), 0);
        let waited = metric(&cured, "waited_us");
        assert!(waited < 250_000, "{line:?}: {waited}");
        assert!(dropped(&cured, DropReason::EarlyDrop) > 200, "{line:?}");
        // The line is never idle: 8 Mbit/s are 776 of these frames a second.
        assert!(metric(&cured, "received") > 7_600 * 776 / 1_000, "{line:?}: {}", metric(&cured, "received"));
    }
}

#[test]
fn ends_that_understand_it_are_told_instead() {
    let marked = congested(Some(LineConfig::CoDel(CoDelConfig { frames_max: 10_000, ..CoDelConfig::default() })), 2);
    assert!(metric(&marked, "marked") > 100, "{}", metric(&marked, "marked"));
    assert_eq!(dropped(&marked, DropReason::EarlyDrop), 0);
    assert_eq!(dropped(&marked, DropReason::BadChecksum), 0);
}

/// As netem's `loss … ecn`: the same packets are marked that would be lost, and those of others are lost.
#[test]
fn losses_can_be_marks() {
    let lossy = |ecn, marks_losses| {
        let loss = Some(Loss::Random(Odds::independent(Probability::from_parts_per_billion(100_000_000))));
        let config = impaired(Impairments { loss, marks_losses, ..Impairments::default() });
        let snapshot = sea(&config, Talk { count: 5_000, every: MS, bytes: 200, ecn }).run(6_000);
        assert_eq!(dropped(&snapshot, DropReason::BadChecksum), 0);
        (dropped(&snapshot, DropReason::Loss), metric(&snapshot, "marked") as u64)
    };
    let (lost, _) = lossy(2, false);
    assert!((400..600).contains(&lost), "{lost}");
    assert_eq!([lossy(2, true), lossy(0, true)], [(0, lost), (lost, 0)]);
}

#[test]
fn queues_are_bounded_by_frames_and_by_bytes() {
    let frames = TailConfig { frames_max: Some(10), bytes_max: None };
    let bytes = TailConfig { frames_max: None, bytes_max: Some(12_640) };
    for config in [frames, bytes] {
        let snapshot = congested(Some(LineConfig::Tail(config)), 0);
        let waited = metric(&snapshot, "waited_us");
        // Ten frames ahead, itself, and the latency: 11 × 1.288 + 5 ms.
        assert!((17_000..20_000).contains(&waited), "{config:?}: {waited}");
        assert!(dropped(&snapshot, DropReason::QueueFull) > 1_000);
    }
}

#[test]
fn red_keeps_the_queue_between_its_thresholds() {
    let red = RedConfig {
        min_bytes: 10_000,
        max_bytes: 30_000,
        probability: Probability::from_parts_per_billion(500_000_000),
        weight_log2: 6,
        ecn: false,
        limit_bytes: 100_000,
    };
    let snapshot = congested(Some(LineConfig::Red(red)), 0);
    assert!(dropped(&snapshot, DropReason::EarlyDrop) > 1_000);
    assert_eq!(dropped(&snapshot, DropReason::QueueFull), 0);
    let waited = metric(&snapshot, "waited_us");
    assert!((15_000..40_000).contains(&waited), "{waited}");
}

#[test]
fn a_listed_packet_is_lost_and_no_other() {
    let mut sea = sea(&LinkConfig { loss: Probability::ALWAYS, ..LinkConfig::default() }, TALK);
    let lost = |ordinal| Packet { link: sea.cable.tx(), ordinal, what: What::Lose };
    let packets = vec![lost(999), lost(3)];
    sea.world.give(&Given { kinds: Kinds::default().with(Kind::Lose), packets });
    let snapshot = sea.run(2_000);
    assert_eq!((metric(&snapshot, "received"), metric(&snapshot, "last")), (998, 998));
}

#[test]
fn a_clog_holds_back_and_lets_go_in_order() {
    let mut sea = sea(&LinkConfig { latency: MS, ..LinkConfig::default() }, TALK);
    let link = sea.cable.tx();
    sea.fault(100, 200, FaultKind::Clog(link));
    sea.fault(200, 200, FaultKind::Clog(link));
    sea.world.run_until(at(399));
    assert_eq!(metric(&sea.world.snapshot(), "received"), 100, "both hold");
    let snapshot = sea.run(2_000);
    assert_eq!((metric(&snapshot, "received"), metric(&snapshot, "late")), (1_000, 0));
}

#[test]
fn partitions_are_one_way_and_counted() {
    let mut sea = sea(&LinkConfig::default(), TALK);
    let [sender, receiver] = sea.nodes;
    let apart = |from, to| FaultKind::Partition { from: vec![from], to: vec![to] };
    sea.fault(100, 100, apart(receiver, sender));
    sea.fault(300, 100, apart(sender, receiver));
    sea.fault(350, 100, apart(sender, receiver));
    let snapshot = sea.run(2_000);
    assert_eq!(metric(&snapshot, "received"), 1_000 - 150);
    assert_eq!(dropped(&snapshot, DropReason::Partition), 150);
    let hits: Vec<u64> = snapshot.faults.iter().map(|fault| fault.hits).collect();
    assert_eq!(hits[0], 0, "nobody spoke that way");
    assert!(hits[1] > 0 && hits[2] > 0);
}

#[test]
fn links_are_changed_and_heal_in_any_order() {
    let mut sea = sea(&LinkConfig { latency: MS, ..LinkConfig::default() }, TALK);
    let link = sea.cable.tx();
    let slow =
        |ms| FaultKind::Retune { link, config: Box::new(LinkConfig { latency: ms * MS, ..LinkConfig::default() }) };
    sea.fault(100, 200, slow(20));
    sea.fault(200, 200, slow(50));
    sea.fault(250, 100, FaultKind::Mtu { link, bytes: 50 });
    let mut seen = Vec::new();
    for ms in [90, 190, 249, 295, 395, 600] {
        sea.world.run_until(at(ms));
        seen.push(metric(&sea.world.snapshot(), "waited_us"));
    }
    assert_eq!(seen, [1_000, 20_000, 20_000, 50_000, 50_000, 1_000]);
    let snapshot = sea.run(2_000);
    assert_eq!(dropped(&snapshot, DropReason::TooBig), 100);
}

#[test]
fn one_direction_can_be_cut() {
    let mut sea = sea(&LinkConfig::default(), TALK);
    let (tx, rx) = (sea.cable.tx(), sea.cable.rx());
    sea.fault(100, 100, FaultKind::CutLink(rx));
    sea.fault(300, 100, FaultKind::CutLink(tx));
    assert_eq!(metric(&sea.run(2_000), "received"), 900);
}

#[test]
fn a_slow_cpu_and_a_clock_gone_astray_heal() {
    let mut world = World::new(&WorldConfig::default());
    let node = world.add_node(NodeSpec::named("node"), |node: Node| async move {
        loop {
            node.clock().sleep(MS).await;
            node.count("rounds", 1);
            node.gauge(
                "astray_ms",
                (node.clock().wall().as_millis() as i64)
                    - 1_767_225_600_000
                    - (node.world_now().as_nanos() / 1_000_000) as i64,
            );
        }
    });
    let faults = [
        (100, FaultKind::SlowCpu { node, poll: 9 * MS }),
        (300, FaultKind::ClockStep { node, by_ns: -5_000_000_000 }),
        (500, FaultKind::ClockDrift { node, ppb: 100_000_000 }),
        (700, FaultKind::ClockStop(node)),
    ];
    for (ms, kind) in faults {
        world.add_fault(Fault { at: at(ms), duration: Some(100 * MS), kind });
    }
    let mut astray = Vec::new();
    for ms in [99, 200, 350, 450, 650, 1_000] {
        world.run_until(at(ms));
        astray.push(metric(&world.snapshot(), "astray_ms"));
    }
    assert_eq!(astray, [0, 0, -5_000, 0, 10, -90]);
    let rounds = metric(&world.snapshot(), "rounds");
    assert!((905..=915).contains(&rounds), "{rounds}");
}
