//! Stations on a shared medium, frame by frame.

use std::future::poll_fn;
use std::task::Poll;

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::net::air::{
    Access, AirConfig, AirId, DutyCycle, Fading, Multipath, Phy, Point, Shadowing, StationConfig, Track, Waver,
    Waypoint,
};
use wavetank_sim::net::{CableId, DropReason, LinkConfig, Nic, Plug};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::trace::Event;
use wavetank_sim::world::{Snapshot, World, WorldConfig};

const MS: Duration = Duration::from_millis(1);
const EVERYONE: Option<u8> = None;

/// 2,450 MHz between walls: a station is understood for 31 m.
fn config() -> AirConfig {
    AirConfig {
        name: "field".to_owned(),
        phy: Phy::OQPSK_2450,
        fading: Fading { metre_cdb: 4_020, exponent_centi: 300 },
        waver: Waver::default(),
        sensitivity_cdbm: -8_500,
        capture_cdb: 300,
        access: Access::default(),
        duty_cycle: None,
        queue_frames_max: 32,
    }
}

fn metres(x: i64) -> Track {
    Track::at_rest(Point { x_mm: x * 1_000, y_mm: 0, z_mm: 0 })
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

const fn eui(station: u8) -> [u8; 8] {
    [2, 0, 0, 0, 0, 0, 0, station]
}

/// A data frame of `octets` without its check sequence, with a number in it.
fn frame(to: Option<u8>, from: u8, number: u32, octets: usize) -> Vec<u8> {
    let reversed = |station| eui(station).into_iter().rev();
    let mut frame = match to {
        Some(to) => [0x61, 0xdc, number as u8, 0xef, 0xbe].into_iter().chain(reversed(to)).collect(),
        None => vec![0x41, 0xd8, number as u8, 0xef, 0xbe, 0xff, 0xff],
    };
    frame.extend(reversed(from));
    frame.extend(number.to_be_bytes());
    frame.resize(octets, 0);
    frame
}

/// What a station does.
#[derive(Clone, Copy)]
struct Talk {
    to: Option<u8>,
    count: u32,
    every: Duration,
    octets: usize,
}

struct Field {
    world: World,
    air: AirId,
    nodes: Vec<NodeId>,
    cables: Vec<CableId>,
}

impl Field {
    fn new(config: &AirConfig) -> Self {
        let mut world = World::new(&WorldConfig { seed: 7, ..WorldConfig::default() });
        let air = world.add_air(config);
        world.keep_recent(1_000_000);
        Self { world, air, nodes: Vec::new(), cables: Vec::new() }
    }

    fn station(&mut self, track: Track, talk: Option<Talk>) -> NodeId {
        let number = self.nodes.len() as u8;
        self.program(track, move |node: Node| async move {
            let mut nic = node.nic(0).expect("a radio");
            let mut listener = node.nic(0).expect("the same");
            let hears = node.clone();
            node.spawn(async move {
                loop {
                    let octets = receive(&mut listener).await;
                    hears.count("received", 1);
                    hears.gauge("octets", octets as i64);
                    hears.gauge("at.us", (hears.clock().now().as_nanos() / 1_000) as i64);
                }
            });
            let Some(talk) = talk else { return std::future::pending::<Exit>().await };
            for turn in 0..talk.count {
                send(&mut nic, &frame(talk.to, number, turn, talk.octets));
                node.clock().sleep(talk.every).await;
            }
            std::future::pending().await
        })
    }

    /// A station whose node runs that.
    fn program<F: Future<Output = Exit> + 'static>(
        &mut self,
        track: Track,
        program: impl Fn(Node) -> F + 'static,
    ) -> NodeId {
        let number = self.nodes.len() as u8;
        let node = self.world.add_node(NodeSpec::named(format!("station-{number}")), program);
        let nic = self.world.add_radio(node, eui(number));
        let station = StationConfig { track, power_cdbm: 0, eui: eui(number) };
        let station = self.world.add_station(self.air, &station);
        let (name, plain) = (format!("field/station-{number}"), LinkConfig::default());
        self.cables.push(self.world.connect(&name, Plug::Nic(nic), Plug::Station(station), &plain, &plain));
        self.nodes.push(node);
        node
    }

    fn run(mut self, ms: u64) -> Snapshot {
        self.world.run_until(at(ms));
        self.world.finish()
    }
}

fn send(nic: &mut Nic, frame: &[u8]) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let room = nic.transmit(&mut context).expect("always room");
    room.consume(frame.len(), |bytes| bytes.copy_from_slice(frame));
}

async fn receive(nic: &mut Nic) -> usize {
    poll_fn(|context| match nic.receive(context) {
        Some((frame, _)) => Poll::Ready(frame.consume(|bytes| bytes.len())),
        None => Poll::Pending,
    })
    .await
}

fn metric(snapshot: &Snapshot, node: NodeId, name: &str) -> i64 {
    let found = snapshot.metrics.iter().find(|metric| metric.node == node && metric.name == name);
    found.map_or(0, |metric| metric.value)
}

fn dropped(snapshot: &Snapshot, reason: DropReason) -> u64 {
    snapshot.frames.dropped.iter().find(|(other, _)| *other == reason).map_or(0, |(_, count)| *count)
}

/// How often frames were sent, and how often of that again.
fn on_air(snapshot: &Snapshot) -> (usize, usize) {
    let attempts = snapshot.recent.iter().filter_map(|record| match record.event {
        Event::FrameOnAir { attempt, .. } => Some(attempt),
        _ => None,
    });
    let attempts: Vec<u32> = attempts.collect();
    (attempts.len(), attempts.iter().filter(|attempt| **attempt > 0).count())
}

#[test]
fn a_frame_takes_its_backoff_its_turn_and_its_octets() {
    let mut field = Field::new(&config());
    let sender = field.station(metres(0), Some(Talk { to: Some(1), count: 1, every: MS, octets: 100 }));
    let receiver = field.station(metres(10), None);
    let snapshot = field.run(100);
    let periods = snapshot.recent.iter().find_map(|record| match record.event {
        Event::FrameBackoff { periods, .. } => Some(periods),
        _ => None,
    });
    // Sensing 8 symbols, turning 12, and 108 octets of two symbols of 16 µs.
    let expected = periods.expect("it drew") * 320 + 128 + 192 + 108 * 32;
    assert_eq!(metric(&snapshot, receiver, "at.us"), i64::from(expected));
    assert_eq!((metric(&snapshot, receiver, "octets"), metric(&snapshot, sender, "received")), (100, 0));
    assert_eq!((on_air(&snapshot), snapshot.frames.dropped.len()), ((1, 0), 0));
    let delivered = snapshot.recent.iter().rev().find_map(|record| match record.event {
        Event::FrameDelivered { .. } => Some(record.at.as_nanos() / 1_000),
        _ => None,
    });
    // A turnaround and eleven octets later the sender knows.
    assert_eq!(delivered, Some(u64::from(expected) + 192 + 11 * 32));
}

/// One that always has something to send: 3.5 periods of backoff on average, sensing, turning, 133 octets, turning, an
/// acknowledgement of 11 octets, and the long space behind a frame.
#[test]
fn one_station_alone_sends_as_much_as_the_standard_lets_it() {
    let mut field = Field::new(&config());
    field.station(metres(0), Some(Talk { to: Some(1), count: 20_000, every: MS, octets: 125 }));
    let receiver = field.station(metres(10), None);
    let snapshot = field.run(20_000);
    let each_us = 3.5 * 320.0 + 128.0 + 192.0 + 133.0 * 32.0 + 192.0 + 352.0 + 640.0;
    let (received, expected) = (metric(&snapshot, receiver, "received") as f64, 20e6 / each_us);
    assert!((received / expected - 1.0).abs() < 0.01, "{received} of {expected}");
    assert!(dropped(&snapshot, DropReason::QueueFull) > 16_000);
}

#[test]
fn whoever_is_too_far_away_hears_nothing() {
    let mut field = Field::new(&config());
    field.station(metres(0), Some(Talk { to: EVERYONE, count: 10, every: 50 * MS, octets: 50 }));
    let near = field.station(metres(31), None);
    let far = field.station(metres(32), None);
    let snapshot = field.run(1_000);
    assert_eq!([near, far].map(|node| metric(&snapshot, node, "received")), [10, 0]);

    let mut field = Field::new(&config());
    field.station(metres(0), Some(Talk { to: Some(1), count: 10, every: 50 * MS, octets: 50 }));
    field.station(metres(32), None);
    let snapshot = field.run(1_000);
    assert_eq!((dropped(&snapshot, DropReason::NoAck), on_air(&snapshot)), (10, (40, 30)));
}

/// By 60 m a signal is 8.5 dB too weak, a little more than what shadowing gives to one in seven.
#[test]
fn shadows_let_some_hear_from_afar_and_keep_some_from_what_is_near() {
    let shadowing = Some(Shadowing { deviation_cdb: 800, coherence: None });
    let config = AirConfig { waver: Waver { shadowing, multipath: None }, ..config() };
    let heard_at = |distance| {
        let mut field = Field::new(&config);
        field.station(metres(0), Some(Talk { to: EVERYONE, count: 5, every: 50 * MS, octets: 50 }));
        let listeners: Vec<NodeId> = (0..200).map(|_| field.station(metres(distance), None)).collect();
        let snapshot = field.run(1_000);
        let heard: Vec<i64> = listeners.iter().map(|node| metric(&snapshot, *node, "received")).collect();
        assert!(heard.iter().all(|count| [0, 5].contains(count)), "it stays as it is: {heard:?}");
        heard.iter().filter(|count| **count == 5).count()
    };
    // 200 of one in two, and of 0.144, within four deviations.
    let (near, far) = (heard_at(31), heard_at(60));
    assert!((72..=128).contains(&near) && (9..=49).contains(&far), "{near} {far}");
    // A hundred times as far not even four deviations are enough.
    assert_eq!(heard_at(3_100), 0);
}

/// At 20 m a signal is 5.8 dB stronger than it must be; Rayleigh fading leaves so much of it in 76.7 % of all cases.
#[test]
fn a_signal_that_comes_many_ways_is_lost_now_and_then() {
    let multipath = Some(Multipath { m: 1, coherence: Some(10 * MS) });
    let config = AirConfig { waver: Waver { shadowing: None, multipath }, ..config() };
    let mut field = Field::new(&config);
    field.station(metres(0), Some(Talk { to: EVERYONE, count: 2_000, every: 20 * MS, octets: 50 }));
    let listener = field.station(metres(20), None);
    let snapshot = field.run(60_000);
    let heard = metric(&snapshot, listener, "received") as f64;
    // Four deviations of 2,000 draws.
    assert!((heard / 2_000.0 - 0.767).abs() < 0.038, "{heard}");
}

/// Two that do not hear each other, and one between them that hears both.
#[test]
fn hidden_stations_collide_and_neighbours_take_turns() {
    let talk = |octets| Some(Talk { to: Some(1), count: 200, every: 20 * MS, octets });
    let meet = |apart| {
        let mut field = Field::new(&config());
        field.station(metres(0), talk(120));
        let between = field.station(metres(apart / 2), None);
        field.station(metres(apart), talk(120));
        let snapshot = field.run(5_000);
        (metric(&snapshot, between, "received"), dropped(&snapshot, DropReason::Collision), on_air(&snapshot).1)
    };
    let (received, collisions, again) = meet(20);
    // They begin at the same instant: in one round of eight they draw the same backoff.
    assert!(received >= 398 && collisions < 90, "{received} {collisions}");
    let (hidden, more, much_more) = meet(50);
    assert!(more > 100 && more > 4 * collisions && much_more > 4 * again, "{more} {much_more}");
    assert!(hidden < received, "{hidden}");
}

/// A signal that is stronger by the capture ratio is understood all the same.
#[test]
fn the_near_one_drowns_the_far_one() {
    let mut field = Field::new(&config());
    let listener = field.station(metres(0), None);
    field.station(metres(-5), Some(Talk { to: EVERYONE, count: 300, every: 10 * MS, octets: 120 }));
    field.station(metres(28), Some(Talk { to: EVERYONE, count: 300, every: 10 * MS, octets: 120 }));
    let snapshot = field.run(5_000);
    let lost = dropped(&snapshot, DropReason::Collision) as i64;
    // They do not hear each other, so they overlap all the time; only the far one's frames suffer.
    assert!(lost > 150, "{lost}");
    assert_eq!(metric(&snapshot, listener, "received"), 600 - lost);
    let by_sender: Vec<u64> = snapshot.links.iter().step_by(2).map(|link| link.delivered).collect();
    assert_eq!(by_sender, [0, 300, 300]);
}

#[test]
fn who_sends_hears_nothing() {
    let mut field = Field::new(&config());
    // Two stations that begin at the same instant, draw the same backoff in one of eight times, and then hear nothing.
    for _ in 0..2 {
        field.station(metres(0), Some(Talk { to: EVERYONE, count: 500, every: 20 * MS, octets: 60 }));
    }
    let snapshot = field.run(12_000);
    let deaf = dropped(&snapshot, DropReason::Deaf);
    // In 500 rounds, 62.5 ± 4 deviations of 7.4; each costs two frames. None of the later turns is at the same time.
    assert!((66..=186).contains(&deaf) && deaf.is_multiple_of(2), "{deaf}");
}

#[test]
fn a_station_is_on_the_air_no_longer_than_it_may() {
    let limit = DutyCycle { share_ppb: 10_000_000, window: Duration::from_secs(10) };
    let mut field = Field::new(&AirConfig { duty_cycle: Some(limit), queue_frames_max: 4, ..config() });
    let (sender, receiver) = (0, 1);
    field.station(metres(0), Some(Talk { to: EVERYONE, count: 600, every: 50 * MS, octets: 92 }));
    field.station(metres(10), None);
    let nodes = field.nodes.clone();
    let snapshot = field.run(40_000);
    // 100 octets take 3.2 ms; 31 of them fit into 1 % of 10 s. In the fourth span there are but the four that waited.
    assert_eq!(metric(&snapshot, nodes[receiver], "received"), 3 * 31 + 4);
    assert!(dropped(&snapshot, DropReason::DutyCycle) > 400, "{:?}", snapshot.frames);
    let held = snapshot.recent.iter().filter(|record| matches!(record.event, Event::FrameHeld { .. })).count();
    // Each that finds the span used up waits for the time of another one to leave it.
    assert_eq!(held, 2 * 31 + 4);
    assert_eq!(metric(&snapshot, nodes[sender], "received"), 0);
}

#[test]
fn a_station_walks_out_of_reach_and_back() {
    let mut field = Field::new(&config());
    let point = |x: i64| Point { x_mm: x * 1_000, y_mm: 0, z_mm: 0 };
    let waypoint = |ms, x| Waypoint { at: at(ms), point: point(x) };
    field.station(metres(0), Some(Talk { to: Some(1), count: 400, every: 100 * MS, octets: 30 }));
    let track = Track {
        start: point(10),
        waypoints: vec![waypoint(10_000, 10), waypoint(20_000, 60), waypoint(30_000, 60), waypoint(40_000, 10)],
    };
    let walker = field.station(track, None);
    let (mut snapshots, mut world) = (Vec::new(), field.world);
    for second in [10, 20, 30, 40] {
        world.run_until(at(second * 1_000));
        snapshots.push(metric(&world.snapshot(), walker, "received"));
    }
    // It leaves at 5 m/s and is out of reach beyond 31 m: after 4.2 s, and before as much on its way back.
    assert!((99..=101).contains(&snapshots[0]), "{snapshots:?}");
    assert!((140..=144).contains(&snapshots[1]) && snapshots[2] == snapshots[1], "{snapshots:?}");
    assert!((180..=186).contains(&snapshots[3]), "{snapshots:?}");
}

#[test]
fn cut_antennas_and_lost_power_end_what_is_on_the_air() {
    let mut field = Field::new(&config());
    field.station(metres(0), Some(Talk { to: Some(1), count: 100, every: 10 * MS, octets: 100 }));
    let receiver = field.station(metres(10), None);
    let antenna = field.cables[1];
    let fault = |ms, kind| Fault { at: at(ms), duration: Some(100 * MS), kind };
    field.world.add_fault(fault(200, FaultKind::CutCable(antenna)));
    field.world.add_fault(fault(500, FaultKind::PowerCut(receiver)));
    let snapshot = field.run(2_000);
    let (no_ack, received) = (dropped(&snapshot, DropReason::NoAck), metric(&snapshot, receiver, "received"));
    // Nobody acknowledges what nobody hears: four times 5.7 ms and the spaces between them for each frame, twice 100 ms.
    assert!((6..=12).contains(&no_ack), "{no_ack}");
    assert_eq!(received as u64 + no_ack, 100, "{:?}", snapshot.frames);
    assert!(snapshot.faults.iter().all(|fault| fault.hits > 0));

    let mut field = Field::new(&config());
    field.station(metres(0), Some(Talk { to: Some(1), count: 100, every: 3 * MS, octets: 120 }));
    let listener = field.station(metres(10), None);
    field.world.add_fault(fault(41, FaultKind::PowerCut(field.nodes[0])));
    let snapshot = field.run(2_000);
    assert!(dropped(&snapshot, DropReason::NodeDown) >= 4, "what waited is gone: {:?}", snapshot.frames);
    assert!(metric(&snapshot, listener, "received") > 50);
}

/// Two hundred stations, each of which reaches its neighbours and nobody else.
#[test]
fn a_wide_field_is_the_same_twice() {
    let run = || {
        let mut field = Field::new(&config());
        for row in 0..10 {
            for column in 0..20 {
                let point = Point { x_mm: column * 20_000, y_mm: row * 20_000, z_mm: 0 };
                let talk = Talk { to: EVERYONE, count: 20, every: 100 * MS, octets: 60 };
                field.station(Track::at_rest(point), Some(talk));
            }
        }
        field.world.run_until(at(3_000));
        (field.world.fingerprint(), field.world.finish())
    };
    let ((once, snapshot), (twice, _)) = (run(), run());
    assert_eq!(once, twice);
    // Within 31 m on a grid of 20 m are those beside and those across: eight, but for the edges.
    let reached = |station: u64| {
        let beside = |at: u64, of: u64| 1 + u64::from(at > 0) + u64::from(at + 1 < of);
        beside(station % 20, 20) * beside(station / 20, 10) - 1
    };
    let sent: Vec<u64> = snapshot.links.iter().step_by(2).map(|link| link.delivered).collect();
    let expected: u64 = (0..200).map(|station| sent[station as usize] * reached(station)).sum();
    let offered: u64 = snapshot.links.iter().skip(1).step_by(2).map(|link| link.sent).sum();
    assert_eq!(offered, expected);
    assert_eq!(sent.iter().sum::<u64>() + dropped(&snapshot, DropReason::AirBusy), 4_000);
}

/// What became of its frames, as a node counts it that sends one to each of several stations in turn, and to everybody.
async fn watch(node: Node, to: Vec<Option<u8>>) -> Exit {
    let mut nic = node.nic(0).expect("a radio");
    let watch = nic.watch().expect("it is at a station");
    let (own, mut turn) = (node.clone(), 0);
    node.spawn(async move {
        loop {
            let (of, fate) = poll_fn(|context| watch.poll_next(context)).await;
            assert_eq!(of, turn, "this medium keeps their order");
            turn += 1;
            own.gauge("last.us", (own.world_now().as_nanos() / 1_000) as i64);
            own.count(
                match fate {
                    Ok(()) => "sent",
                    Err(DropReason::NoAck) => "no-ack",
                    Err(DropReason::AirBusy) => "busy",
                    Err(DropReason::LinkDown) => "link-down",
                    Err(reason) => panic!("{reason:?}"),
                },
                1,
            );
        }
    });
    for number in 0..400 {
        send(&mut nic, &frame(to[number as usize % to.len()], 0, number, 60));
        node.clock().sleep(20 * MS).await;
    }
    std::future::pending().await
}

#[test]
fn who_asks_learns_what_became_of_each_frame() {
    let mut field = Field::new(&config());
    // One that is there, one that is too far away, one that is not there at all, and everybody.
    let sender = field.program(metres(0), |node| watch(node, vec![Some(1), Some(2), Some(9), EVERYONE]));
    let near = field.station(metres(10), None);
    field.station(metres(500), None);
    let (air, cable) = (field.air, field.cables[0]);
    let fault = |ms, kind| Fault { at: at(ms), duration: Some(1_000 * MS), kind };
    field.world.add_fault(fault(2_000, FaultKind::Jam { air, name: "field".to_owned(), noise_cdb: 4_000 }));
    field.world.add_fault(fault(4_000, FaultKind::CutCable(cable)));
    let snapshot = field.run(9_000);
    let [sent, no_ack, busy, cut] =
        ["sent", "no-ack", "busy", "link-down"].map(|what| metric(&snapshot, sender, what) as u64);
    assert_eq!(sent + no_ack + busy + cut, 400);
    assert_eq!(
        [no_ack, busy, cut],
        [DropReason::NoAck, DropReason::AirBusy, DropReason::LinkDown].map(|of| dropped(&snapshot, of))
    );
    assert!((48..=51).contains(&busy) && (48..=51).contains(&cut), "fifty in each second: {busy} {cut}");
    assert_eq!((sent, no_ack), (150, 150), "half of the other three hundred reached somebody");
    assert_eq!(metric(&snapshot, near, "received"), 150);
}

#[test]
fn who_is_told_is_told_when_it_is_known_and_changes_nothing() {
    let run = |watches: bool| {
        let mut field = Field::new(&config());
        let to = vec![Some(1), Some(9)];
        let sender = match watches {
            true => field.program(metres(0), move |node| watch(node, to.clone())),
            false => field.program(metres(0), move |node| {
                let to = to.clone();
                async move {
                    let mut nic = node.nic(0).expect("a radio");
                    for number in 0..400 {
                        send(&mut nic, &frame(to[number as usize % 2], 0, number, 60));
                        node.clock().sleep(20 * MS).await;
                    }
                    std::future::pending().await
                }
            }),
        };
        field.station(metres(10), None);
        // Its node loses its power with frames under way, and begins anew: what is told is of this life's frames.
        let cut = FaultKind::PowerCut(field.nodes[0]);
        field.world.add_fault(Fault { at: at(1_021), duration: Some(10 * MS), kind: cut });
        let snapshot = field.run(10_000);
        let last = snapshot.recent.iter().rev().find_map(|record| match record.event {
            Event::FrameDropped { reason: DropReason::NoAck, .. } => Some(record.at.as_nanos() / 1_000),
            _ => None,
        });
        if watches {
            assert_eq!(metric(&snapshot, sender, "last.us") as u64, last.expect("nobody is number 9"));
        }
        snapshot.fingerprint
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn a_cable_tells_nobody_anything() {
    let mut world = World::new(&WorldConfig { seed: 7, ..WorldConfig::default() });
    let node = world.add_node(NodeSpec::named("wired"), |node: Node| async move {
        assert!(node.nic(0).expect("an interface").watch().is_none(), "a cable knows nothing");
        node.count("looked", 1);
        std::future::pending().await
    });
    let nic = world.add_nic(node, wavetank_sim::net::Mac([2, 0, 0, 0, 0, 1]));
    let other = world.add_node(NodeSpec::named("other"), |_: Node| std::future::pending());
    let far = world.add_nic(other, wavetank_sim::net::Mac([2, 0, 0, 0, 0, 2]));
    let plain = LinkConfig::default();
    world.connect("cable", Plug::Nic(nic), Plug::Nic(far), &plain, &plain);
    world.run_until(at(10));
    assert_eq!(metric(&world.finish(), node, "looked"), 1);
}
