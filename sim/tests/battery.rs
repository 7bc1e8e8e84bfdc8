//! Nodes that live on a battery: they brown out under load, come back, and stay down once it is empty.

use std::time::Duration;

use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::hw::battery::{BatterySpec, Draw};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec, ResetCause};
use wavetank_sim::time::Instant;
use wavetank_sim::trace::Event;
use wavetank_sim::world::{NodeState, Snapshot, World, WorldConfig};

const MA: u64 = 1_000_000;

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// 1 mAs at 3 V, behind 100 ohms.
fn battery() -> BatterySpec {
    BatterySpec {
        capacity_nc: 1_000_000,
        charge_ppb: 1_000_000_000,
        curve: vec![(0, 3_000_000)],
        resistance_mohm: 100_000,
        brown_out_uv: 2_500_000,
        recovers_uv: 2_600_000,
        hold_up: Duration::ZERO,
        restart: Duration::from_millis(10),
        draw: Draw { sleep_na: 0, idle_na: MA, busy_na: 3 * MA },
        radio: None,
        parts: vec![("heater".to_owned(), 6 * MA)],
        messages: Some("beats".to_owned()),
    }
}

/// A node that beats every 100 ms, and says why it was started.
fn beating(world: &mut World, battery: BatterySpec) -> NodeId {
    let spec = NodeSpec { battery: Some(battery), ..NodeSpec::named("node") };
    world.add_node(spec, |node: Node| async move {
        node.count(if node.reset_cause() == ResetCause::BrownOut { "boots.brown-out" } else { "boots.other" }, 1);
        loop {
            node.clock().sleep(Duration::from_millis(100)).await;
            node.count("beats", 1);
        }
    })
}

fn metric(snapshot: &Snapshot, name: &str) -> i64 {
    snapshot.metrics.iter().find(|metric| metric.name == name).map_or(0, |metric| metric.value)
}

fn ran(battery: BatterySpec, faults: &[(u64, u64, u64)], until_ms: u64) -> Snapshot {
    let mut world = World::new(&WorldConfig::default());
    world.keep_recent(100);
    let node = beating(&mut world, battery);
    for &(from_ms, for_ms, ma) in faults {
        let (at, duration) = (at(from_ms), Some(Duration::from_millis(for_ms)));
        world.add_fault(Fault { at, duration, kind: FaultKind::Drain { node, na: ma * MA } });
    }
    world.run_until(at(until_ms));
    world.finish()
}

#[test]
fn an_empty_battery_is_the_end() {
    let snapshot = ran(battery(), &[], 5_000);
    assert_eq!(snapshot.nodes, [NodeState::Off]);
    // 1 mA out of 1 mAs: it lasts a second, and the tenth beat comes as it ends.
    assert_eq!((metric(&snapshot, "beats"), metric(&snapshot, "brown.outs")), (10, 1));
    assert_eq!((metric(&snapshot, "energy.uj"), metric(&snapshot, "battery.permille")), (3_000, 0));
    assert_eq!(metric(&snapshot, "energy.uj.per.message"), 300);
    let ends: Vec<_> = snapshot.recent.iter().filter(|record| matches!(record.event, Event::BrownOut { .. })).collect();
    assert_eq!(ends.iter().map(|record| record.at).collect::<Vec<_>>(), [at(1_000)]);
    assert!(snapshot.events < 100, "{}", snapshot.events);
}

#[test]
fn a_sagging_battery_lets_its_node_come_back() {
    // Five more milliamperes drop 500 mV; with them it does not boot.
    let lasting = BatterySpec { capacity_nc: 1_000_000_000, ..battery() };
    let snapshot = ran(lasting, &[(250, 300, 5)], 1_000);
    assert_eq!((metric(&snapshot, "brown.outs"), metric(&snapshot, "boots.brown-out")), (1, 1));
    let boots: Vec<_> = snapshot.recent.iter().filter(|record| matches!(record.event, Event::Boot { .. })).collect();
    assert_eq!(boots.iter().map(|record| record.at).collect::<Vec<_>>(), [at(0), at(560)]);
}

#[test]
fn sleep_and_power_cuts_draw_nothing_here() {
    let mut world = World::new(&WorldConfig::default());
    let spec = NodeSpec { battery: Some(battery()), ..NodeSpec::named("sleeper") };
    let node = world.add_node(spec, |node: Node| async move {
        node.clock().sleep(Duration::from_millis(100)).await;
        Exit::SleepUntil(at(10_000))
    });
    let duration = Some(Duration::from_secs(100));
    world.add_fault(Fault { at: at(10_050), duration, kind: FaultKind::PowerCut(node) });
    world.run_until(at(100_000));
    let snapshot = world.finish();
    assert_eq!((metric(&snapshot, "energy.uj"), metric(&snapshot, "brown.outs")), (450, 0));
}

#[test]
fn a_part_at_work_can_be_too_much() {
    use wavetank_sim::hw::Cost as _;
    let mut world = World::new(&WorldConfig::default());
    let spec = NodeSpec { battery: Some(battery()), ..NodeSpec::named("heating") };
    world.add_node(spec, |node: Node| async move {
        let heater = node.part("heater");
        node.clock().sleep(Duration::from_millis(50)).await;
        let now_ns = node.world_now().as_nanos();
        heater.works(now_ns, now_ns + 1_000_000);
        node.clock().sleep(Duration::from_millis(50)).await;
        node.count("survived", 1);
        std::future::pending().await
    });
    world.run_until(at(200));
    let snapshot = world.finish();
    assert_eq!((metric(&snapshot, "survived"), metric(&snapshot, "brown.outs")), (0, 3));
}

/// What resets a node does not charge its battery: it boots only where a node boots that had no power.
#[test]
fn a_reset_is_no_power() {
    let resets = [|node| (400, None, FaultKind::Reset(node)), |node| (400, Some(20), FaultKind::Crash(node))];
    for reset in resets {
        let mut world = World::new(&WorldConfig::default());
        world.keep_recent(100);
        let node = beating(&mut world, BatterySpec { capacity_nc: 1_000_000_000, ..battery() });
        let drain = (250, Some(300), FaultKind::Drain { node, na: 5 * MA });
        for (ms, for_ms, kind) in [drain, reset(node)] {
            world.add_fault(Fault { at: at(ms), duration: for_ms.map(Duration::from_millis), kind });
        }
        world.run_until(at(1_000));
        let snapshot = world.finish();
        assert_eq!(metric(&snapshot, "brown.outs"), 1);
        let boots = snapshot.recent.iter().filter(|record| matches!(record.event, Event::Boot { .. }));
        assert_eq!(boots.map(|record| record.at).collect::<Vec<_>>(), [at(0), at(560)]);
    }
}
