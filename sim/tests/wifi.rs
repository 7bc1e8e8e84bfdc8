//! Stations and access points of IEEE 802.11, frame by frame.

use std::future::poll_fn;
use std::task::Poll;

use embassy_net_driver::{Driver, LinkState, RxToken, TxToken};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::net::air::wifi::{Band, Parting, WifiConfig};
use wavetank_sim::net::air::{AirId, Point, Track, Waypoint};
use wavetank_sim::net::{CableId, DropReason, LinkConfig, Mac, Nic, Plug, SwitchId};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::trace::Event;
use wavetank_sim::world::{Snapshot, World, WorldConfig};

const MS: Duration = Duration::from_millis(1);
/// By when whoever has an access point in reach is with it.
const JOINED_MS: u64 = 1_000;

fn metres(x: i64) -> Track {
    Track::at_rest(Point { x_mm: x * 1_000, y_mm: 0, z_mm: 0 })
}

/// From one place to another, and when.
fn walk(from: i64, to: i64, begins_ms: u64, ends_ms: u64) -> Track {
    let point = |x: i64| Point { x_mm: x * 1_000, y_mm: 0, z_mm: 0 };
    let waypoints =
        vec![Waypoint { at: at(begins_ms), point: point(from) }, Waypoint { at: at(ends_ms), point: point(to) }];
    Track { start: point(from), waypoints }
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

const fn mac(node: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, node]
}

/// The number of a node that is everybody.
const EVERYONE: u8 = 255;

fn frame(to: u8, from: u8, number: u32, octets: usize) -> Vec<u8> {
    let to = if to == EVERYONE { [0xff; 6] } else { mac(to) };
    let mut frame = [to, mac(from)].concat();
    frame.extend([0x88, 0xb5]);
    frame.extend(number.to_be_bytes());
    frame.resize(octets, 0);
    frame
}

/// What a node sends.
#[derive(Clone, Copy)]
struct Talk {
    to: u8,
    from_ms: u64,
    count: u32,
    every: Duration,
    octets: usize,
}

const fn talk(to: u8, count: u32, every_ms: u64) -> Option<Talk> {
    Some(Talk { to, from_ms: JOINED_MS, count, every: Duration::from_millis(every_ms), octets: 200 })
}

/// A house: a switch, and access points and nodes at it.
struct House {
    world: World,
    air: AirId,
    switch: SwitchId,
    nodes: Vec<NodeId>,
    cables: Vec<CableId>,
}

impl House {
    fn new(config: &WifiConfig) -> Self {
        let mut world = World::new(&WorldConfig { seed: 11, ..WorldConfig::default() });
        let (air, switch) = (world.add_wifi(config), world.add_switch());
        world.keep_recent(2_000_000);
        Self { world, air, switch, nodes: Vec::new(), cables: Vec::new() }
    }

    fn node(&mut self, talk: Option<Talk>) -> NodeId {
        let number = self.nodes.len() as u8;
        let node = self.world.add_node(NodeSpec::named(format!("node-{number}")), move |node: Node| async move {
            let Some(mut nic) = node.nic(0) else { return std::future::pending::<Exit>().await };
            let (mut listener, hears) = (node.nic(0).expect("the same"), node.clone());
            node.spawn(async move {
                loop {
                    receive(&mut listener, &hears).await;
                }
            });
            let Some(talk) = talk else { return std::future::pending::<Exit>().await };
            node.clock().sleep(Duration::from_millis(talk.from_ms)).await;
            for turn in 0..talk.count {
                send(&mut nic, &frame(talk.to, number, turn, talk.octets));
                node.clock().sleep(talk.every).await;
            }
            std::future::pending().await
        });
        self.nodes.push(node);
        node
    }

    fn access_point(&mut self, track: &Track, channel: u8) -> NodeId {
        self.access_point_for(track, channel, 100)
    }

    fn access_point_for(&mut self, track: &Track, channel: u8, stations: usize) -> NodeId {
        let node = self.node(None);
        let station = self.world.add_access_point(self.air, node, track, channel, stations);
        self.plug(Plug::Station(station), Plug::Switch(self.switch));
        node
    }

    fn station(&mut self, track: &Track, talk: Option<Talk>) -> NodeId {
        let own = Mac(mac(self.nodes.len() as u8));
        let node = self.node(talk);
        let nic = self.world.add_nic(node, own);
        let station = self.world.add_client(self.air, node, track, own);
        self.plug(Plug::Nic(nic), Plug::Station(station));
        node
    }

    fn wired(&mut self, talk: Option<Talk>) -> NodeId {
        let own = Mac(mac(self.nodes.len() as u8));
        let node = self.node(talk);
        let nic = self.world.add_nic(node, own);
        self.plug(Plug::Nic(nic), Plug::Switch(self.switch));
        node
    }

    fn plug(&mut self, a: Plug, b: Plug) {
        let (name, plain) = (format!("house/{}", self.nodes.len() - 1), LinkConfig::default());
        self.cables.push(self.world.connect(&name, a, b, &plain, &plain));
    }

    fn fault(&mut self, from_ms: u64, ms: u64, kind: FaultKind) {
        self.world.add_fault(Fault { at: at(from_ms), duration: Some(Duration::from_millis(ms)), kind });
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

/// Counts what comes, and says whether the link is up as often as it is woken.
async fn receive(nic: &mut Nic, node: &Node) {
    let received = poll_fn(|context| {
        node.gauge("up", i64::from(nic.link_state(context) == LinkState::Up));
        match nic.receive(context) {
            Some((frame, _)) => Poll::Ready(frame.consume(|bytes| bytes.to_vec())),
            None => Poll::Pending,
        }
    });
    let bytes = received.await;
    // What an access point announces is nobody's.
    if bytes[12..14] != [0x88, 0xb5] {
        return;
    }
    let (from, number) = (bytes[11], i64::from(u32::from_be_bytes(bytes[14..18].try_into().expect("4 bytes"))));
    node.count("received", 1);
    node.count(&format!("from.{from}"), 1);
    node.gauge("last", number);
    node.gauge("at.us", (node.clock().now().as_nanos() / 1_000) as i64);
}

fn metric(snapshot: &Snapshot, node: NodeId, name: &str) -> i64 {
    let found = snapshot.metrics.iter().find(|metric| metric.node == node && metric.name == name);
    found.map_or(0, |metric| metric.value)
}

fn dropped(snapshot: &Snapshot, reason: DropReason) -> u64 {
    snapshot.frames.dropped.iter().find(|(other, _)| *other == reason).map_or(0, |(_, count)| *count)
}

/// What happened to associations: when in milliseconds, and what, with which node and why.
fn story(snapshot: &Snapshot) -> Vec<(u64, String)> {
    let told = snapshot.recent.iter().filter_map(|record| {
        let what = match record.event {
            Event::Associated { access_point, .. } => format!("associated {}", snapshot.names.node(access_point)),
            Event::Roamed { access_point, .. } => format!("roamed {}", snapshot.names.node(access_point)),
            Event::Disassociated { access_point, reason, .. } => {
                format!("{} {}", reason.name(), snapshot.names.node(access_point))
            }
            _ => return None,
        };
        Some((record.at.as_nanos() / 1_000_000, what))
    });
    told.collect()
}

fn words(snapshot: &Snapshot) -> Vec<String> {
    story(snapshot).into_iter().map(|(_, what)| what).collect()
}

#[test]
fn a_station_joins_and_its_frames_go_both_ways() {
    let mut house = House::new(&WifiConfig::default());
    let access_point = house.access_point(&metres(0), 6);
    let (station, server) = (
        house.station(&metres(10), talk(2, 50, 10)),
        house.wired(Some(Talk { from_ms: JOINED_MS + 5, ..talk(1, 50, 10).expect("talk") })),
    );
    let snapshot = house.run(2_000);
    assert_eq!(words(&snapshot), ["associated node-0"]);
    // A scan of 300 ms, four frames with their turns, and the handshake of 20 ms.
    let joined_ms = story(&snapshot)[0].0;
    assert!((320..340).contains(&joined_ms), "{joined_ms}");
    assert_eq!([station, server].map(|node| metric(&snapshot, node, "received")), [50, 50]);
    assert_eq!([station, server].map(|node| metric(&snapshot, node, "up")), [1, 1]);
    assert_eq!(snapshot.frames.dropped, [], "nothing is lost where nobody disturbs");
    let told = ["wifi.associated", "wifi.associations", "wifi.roams", "wifi.losses", "wifi.signal.dbm"];
    // 15 dBm, 40.18 dB over the first metre and 30 over the next nine.
    assert_eq!(told.map(|name| metric(&snapshot, station, name)), [1, 1, 0, 0, -56]);
    assert_eq!(metric(&snapshot, access_point, "wifi.stations"), 1);
}

#[test]
fn a_frame_takes_its_backoff_and_its_octets() {
    let mut house = House::new(&WifiConfig { band: Band::Ghz5, ..WifiConfig::default() });
    house.access_point(&metres(0), 36);
    house.station(&metres(5), Some(Talk { octets: 1_514, ..talk(2, 1, 1).expect("talk") }));
    let server = house.wired(None);
    let snapshot = house.run(1_100);
    let slots = snapshot.recent.iter().find_map(|record| match record.event {
        Event::FrameBackoff { periods, .. } => Some(periods),
        _ => None,
    });
    // 34 us of silence, the slots, and 1,536 octets at 54 Mbit/s: 57 symbols.
    let expected_us = 34 + slots.expect("it drew") * 9 + 20 + 57 * 4;
    assert_eq!(metric(&snapshot, server, "at.us"), 1_000_000 + i64::from(expected_us));
}

/// What n stations get through that always have something to send (G. Bianchi, "Performance analysis of the IEEE 802.11
/// distributed coordination function", IEEE JSAC 18(3), 2000): they all are where 6 Mbit/s is all that there is.
#[test]
fn stations_get_as_much_as_theory_says() {
    let (octets, band) = (1_014, Band::Ghz5);
    let (airtime_us, ack_us) = (20.0 + 4.0 * f64::ceil((22.0 + 8.0 * 1_036.0) / 24.0), 20.0 + 4.0 * 6.0);
    for stations in [1_u8, 5, 10] {
        // There is nobody to look for.
        let (beacon, roam_below_cdbm) = (Duration::from_secs(1), -10_000);
        let config = WifiConfig { band, beacon, beacons_lost: 100, roam_below_cdbm, ..WifiConfig::default() };
        let mut house = House::new(&config);
        house.access_point(&metres(0), 36);
        for _ in 0..stations {
            let talk = Talk { to: stations + 1, from_ms: 5_000, count: u32::MAX, every: MS, octets };
            house.station(&metres(60), Some(talk));
        }
        let server = house.wired(None);
        let (from, to) = (6_000, 16_000);
        house.world.run_until(at(from));
        let before = metric(&house.world.snapshot(), server, "received");
        let snapshot = house.run(to);
        assert_eq!(words(&snapshot).len(), usize::from(stations));
        let got = (metric(&snapshot, server, "received") - before) as f64 / (to - from) as f64 * 1_000.0;
        let expected = bianchi(f64::from(stations), airtime_us, ack_us);
        assert!((got / expected - 1.0).abs() < 0.03, "{stations}: {got} frames a second, and {expected} in theory");
    }
}

/// Frames a second, with windows from 16 to 1,024, slots of 9 us, SIFS 16 us and DIFS 34 us.
fn bianchi(stations: f64, airtime_us: f64, ack_us: f64) -> f64 {
    let (window, stages) = (16.0, 6);
    let attempts = |collides: f64| {
        let sum: f64 = (0..stages).map(|stage| (2.0 * collides).powi(stage)).sum();
        2.0 / (1.0 + window + collides * window * sum)
    };
    let collides = |attempts: f64| 1.0 - (1.0 - attempts).powf(stations - 1.0);
    // The one falls and the other grows: they meet once.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let mid = f64::midpoint(low, high);
        if attempts(collides(mid)) > mid { low = mid } else { high = mid }
    }
    let attempts = low;
    let some = 1.0 - (1.0 - attempts).powf(stations);
    let one = stations * attempts * (1.0 - attempts).powf(stations - 1.0);
    let (success_us, collision_us) = (airtime_us + 16.0 + ack_us + 34.0, airtime_us + 34.0);
    let slot_us = (1.0 - some) * 9.0 + one * success_us + (some - one) * collision_us;
    one / slot_us * 1e6
}

/// Far away frames take longer, and beyond the last rate nobody joins.
#[test]
fn rates_fall_with_the_distance() {
    let received = |distance| {
        let mut house = House::new(&WifiConfig { band: Band::Ghz5, ..WifiConfig::default() });
        house.access_point(&metres(0), 36);
        house.station(
            &metres(distance),
            Some(Talk { to: 2, from_ms: JOINED_MS, count: 1_000, every: MS, octets: 1_514 }),
        );
        let server = house.wired(None);
        let snapshot = house.run(2_000);
        (metric(&snapshot, server, "received"), words(&snapshot).len())
    };
    // 54 Mbit/s take 248 us, 6 Mbit/s 2,072; a frame a millisecond is offered. 15 - 40.18 - 30 log10(d) dBm.
    assert_eq!(received(10), (1_000, 1));
    let far = received(60).0;
    let each_us = 34.0 + 7.5 * 9.0 + 2_072.0 + 16.0 + 44.0;
    assert!((far as f64 / (1e6 / each_us) - 1.0).abs() < 0.03, "{far}");
    let middle = received(35).0;
    assert!(middle > 2 * far, "{middle} {far}");
    // 15 - 40.18 - 30 log10(80) is -82.3 dBm.
    assert_eq!(received(80), (0, 0));
}

/// From one access point to the other and back: what is sent to it finds it where it is, each frame once.
#[test]
fn a_station_roams_and_the_switch_learns_where_it_is() {
    for channels in [[1, 1], [1, 6]] {
        let mut house = House::new(&WifiConfig::default());
        let one = house.access_point(&metres(0), channels[0]);
        let other = house.access_point(&metres(60), channels[1]);
        let walker = house.station(&walk(5, 55, 5_000, 45_000), talk(3, 4_900, 10));
        let server = house.wired(talk(2, 4_900, 10));
        let snapshot = house.run(50_000);
        let story = story(&snapshot);
        assert_eq!(words(&snapshot), ["associated node-0", "roamed node-1"], "{channels:?}");
        // -70 dBm is where it begins to look, at 31 m; the other is 8 dB stronger beyond 39.
        let roamed_s = story[1].0 / 1_000;
        assert!((32..=42).contains(&roamed_s), "{story:?}");
        assert_eq!([one, other].map(|node| metric(&snapshot, node, "wifi.stations")), [0, 1]);
        assert_eq!(metric(&snapshot, walker, "up"), 1);
        let sent = metric(&snapshot, server, "received");
        // What it sends waits while it changes over; what is sent to it is lost while it looks and does.
        assert!(sent > 4_800 && metric(&snapshot, server, "last") == 4_899, "{sent}");
        let got = metric(&snapshot, walker, "received");
        assert!((4_600..4_900).contains(&got) && metric(&snapshot, walker, "last") == 4_899, "{got}");
        let lost = dropped(&snapshot, DropReason::NoAck) + dropped(&snapshot, DropReason::QueueFull);
        assert_eq!(
            got as u64 + lost + dropped(&snapshot, DropReason::NotAssociated),
            4_900 + 4_900 - sent as u64,
            "{lost}"
        );
    }
}

#[test]
fn whoever_walks_away_loses_its_access_point_and_finds_it_again() {
    let mut house = House::new(&WifiConfig::default());
    house.access_point(&metres(0), 1);
    let track = Track {
        waypoints: [walk(10, 100, 2_000, 10_000).waypoints, walk(100, 10, 20_000, 28_000).waypoints].concat(),
        ..walk(10, 10, 0, 0)
    };
    let walker = house.station(&track, None);
    house.world.run_until(at(15_000));
    assert_eq!(metric(&house.world.snapshot(), walker, "up"), 0);
    let snapshot = house.run(30_000);
    assert_eq!(words(&snapshot), ["associated node-0", "beacons-lost node-0", "associated node-0"]);
    let names = ["up", "wifi.associated", "wifi.associations", "wifi.losses"];
    assert_eq!(names.map(|name| metric(&snapshot, walker, name)), [1, 1, 2, 1]);
}

#[test]
fn an_access_point_without_power_is_left_for_another() {
    let mut house = House::new(&WifiConfig::default());
    let (near, far) = (house.access_point(&metres(0), 1), house.access_point(&metres(40), 6));
    house.station(&metres(5), talk(3, 5_000, 10));
    let server = house.wired(talk(2, 5_000, 10));
    house.fault(10_000, 5_000, FaultKind::PowerCut(near));
    house.fault(30_000, 1_000, FaultKind::Pause(far));
    let snapshot = house.run(60_000);
    let story = story(&snapshot);
    assert_eq!(words(&snapshot)[..3], ["associated node-0", "beacons-lost node-0", "associated node-1"]);
    // Seven beacons of 102.4 ms, then it scans and joins.
    assert!((10_600..10_850).contains(&story[1].0) && (10_950..11_200).contains(&story[2].0), "{story:?}");
    // -73 dBm is less than it would stay with: it goes back when the near one has power again.
    assert_eq!(words(&snapshot)[3..], ["roamed node-0"], "{story:?}");
    assert_eq!(metric(&snapshot, server, "last"), 4_999);
    assert!(dropped(&snapshot, DropReason::NotAssociated) > 20, "{:?}", snapshot.frames);
    assert!(snapshot.faults.iter().all(|fault| fault.hits > 0));
}

/// One that has power again knows nobody: it says so to who speaks.
#[test]
fn an_access_point_that_was_reset_sends_its_stations_away() {
    let mut house = House::new(&WifiConfig::default());
    let access_point = house.access_point(&metres(0), 1);
    house.station(&metres(5), talk(2, 3_000, 1));
    let server = house.wired(None);
    house.world.add_fault(Fault { at: at(2_000), duration: None, kind: FaultKind::Reset(access_point) });
    let snapshot = house.run(5_000);
    assert_eq!(words(&snapshot), ["associated node-0", "deauthenticated node-0", "associated node-0"]);
    assert!((2_000..2_110).contains(&story(&snapshot)[1].0), "{:?}", story(&snapshot));
    assert!(metric(&snapshot, server, "last") == 2_999, "{:?}", snapshot.frames);
}

#[test]
fn whoever_is_deauthenticated_comes_back_until_the_storm_is_over() {
    let mut house = House::new(&WifiConfig::default());
    let access_point = house.access_point(&metres(0), 1);
    let stations = [3, 4, 5].map(|x| house.station(&metres(x), None));
    let every = Duration::from_secs(1);
    house.fault(2_500, 5_000, FaultKind::Deauthenticate { node: access_point, every });
    house.fault(10_000, 500, FaultKind::Deauthenticate { node: stations[0], every: Duration::ZERO });
    let snapshot = house.run(12_000);
    let gone = words(&snapshot).iter().filter(|what| **what == "deauthenticated node-0").count();
    assert_eq!(gone, 3 * 5 + 1);
    assert_eq!(stations.map(|node| metric(&snapshot, node, "wifi.losses")), [6, 5, 5]);
    assert_eq!(stations.map(|node| metric(&snapshot, node, "up")), [1; 3]);
    assert_eq!(snapshot.faults.iter().map(|fault| fault.hits).collect::<Vec<_>>(), [15, 1]);
}

#[test]
fn noise_drowns_who_is_far_and_stops_who_listens() {
    let run = |noise_cdb| {
        let mut house = House::new(&WifiConfig::default());
        house.access_point(&metres(0), 1);
        let (near, far) = (house.station(&metres(4), None), house.station(&metres(40), None));
        let (air, name) = (house.air, "house".to_owned());
        house.fault(5_000, 5_000, FaultKind::Jam { air, name, noise_cdb });
        house.world.run_until(at(9_000));
        let snapshot = house.world.snapshot();
        let up = [near, far].map(|node| metric(&snapshot, node, "up"));
        let snapshot = house.run(15_000);
        assert_eq!([near, far].map(|node| metric(&snapshot, node, "up")), [1, 1], "it passes");
        assert_eq!(snapshot.faults[0].hits > 0, up != [1, 1]);
        up
    };
    // -43 dBm and -73 dBm, where -82 are understood in silence.
    assert_eq!([run(500), run(1_500), run(2_900)], [[1, 1], [1, 0], [0, 0]]);
}

#[test]
fn an_access_point_takes_in_no_more_than_it_may() {
    let mut house = House::new(&WifiConfig::default());
    let (near, far) = (house.access_point_for(&metres(0), 1, 2), house.access_point(&metres(30), 6));
    let stations = [1, 2, 3].map(|x| house.station(&metres(x), None));
    let snapshot = house.run(3_000);
    assert_eq!([near, far].map(|node| metric(&snapshot, node, "wifi.stations")), [2, 1], "{:?}", story(&snapshot));
    assert_eq!(stations.map(|node| metric(&snapshot, node, "up")), [1; 3]);
}

/// What stations of one access point say to each other does not leave it; what they say to all does.
#[test]
fn stations_of_one_access_point_speak_by_it() {
    let mut house = House::new(&WifiConfig::default());
    house.access_point(&metres(0), 1);
    let speaker = house.station(&metres(3), talk(2, 100, 10));
    let listener = house.station(&metres(-3), None);
    let announcer = house.station(&metres(5), Some(Talk { to: EVERYONE, ..talk(0, 10, 100).expect("talk") }));
    let server = house.wired(None);
    let snapshot = house.run(3_000);
    let heard = |node, name| metric(&snapshot, node, name);
    assert_eq!((heard(listener, "from.1"), heard(server, "from.1")), (100, 0));
    assert_eq!([speaker, listener, server].map(|node| heard(node, "from.3")), [10; 3]);
    assert_eq!(heard(announcer, "received"), 0, "nobody hears themselves");
}

/// Two that do not hear each other collide at the access point between them, where those that do take turns.
#[test]
fn hidden_stations_collide() {
    let gone = |snapshot: &Snapshot| dropped(snapshot, DropReason::NoAck) + dropped(snapshot, DropReason::QueueFull);
    let meet = |apart: i64| {
        let mut house = House::new(&WifiConfig::default());
        house.access_point(&metres(0), 1);
        let talk = Talk { to: 3, from_ms: JOINED_MS, count: 4_000, every: MS, octets: 300 };
        house.station(&metres(apart / 2), Some(talk));
        house.station(&metres(-apart / 2), Some(talk));
        let server = house.wired(None);
        let snapshot = house.run(6_000);
        // What came may be given up all the same, if nobody heard that it did.
        let received = metric(&snapshot, server, "received") as u64;
        assert!(received <= 8_000 && received + gone(&snapshot) >= 8_000, "{received} {:?}", snapshot.frames);
        dropped(&snapshot, DropReason::Collision)
    };
    let (near, hidden) = (meet(40), meet(100));
    assert!(hidden > 5 * near && near > 0, "{near} {hidden}");
}

#[test]
fn a_cut_antenna_and_a_node_without_power_are_out_of_the_network() {
    let mut house = House::new(&WifiConfig::default());
    house.access_point(&metres(0), 1);
    let station = house.station(&metres(5), None);
    let antenna = house.cables[1];
    house.fault(2_000, 2_000, FaultKind::CutCable(antenna));
    house.fault(6_000, 1_000, FaultKind::PowerCut(station));
    let snapshot = house.run(9_000);
    let partings: Vec<Parting> = snapshot
        .recent
        .iter()
        .filter_map(|record| match record.event {
            Event::Disassociated { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(partings, [Parting::BeaconsLost, Parting::PowerLost]);
    assert_eq!(metric(&snapshot, station, "up"), 1);
    assert_eq!(words(&snapshot).last().map(String::as_str), Some("associated node-0"));
}

#[test]
fn a_busy_house_is_the_same_twice() {
    let run = || {
        let mut house = House::new(&WifiConfig::default());
        house.access_point(&metres(0), 1);
        house.access_point(&metres(50), 1);
        for station in 0..20 {
            house.station(&walk(station, 60 - station, 2_000, 20_000), talk(22, 400, 50));
        }
        house.wired(None);
        house.world.run_until(at(22_000));
        (house.world.fingerprint(), house.world.finish())
    };
    let (first, snapshot) = run();
    assert_eq!(first, run().0);
    assert!(
        metric(
            &snapshot,
            snapshot.metrics.iter().find(|metric| metric.name == "from.2").expect("heard").node,
            "received"
        ) > 7_000
    );
}
