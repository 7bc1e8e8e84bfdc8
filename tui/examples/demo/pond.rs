//! A small world to look at: sensors report to a hub over a switch, and not all goes well.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::check::{Aggregate, Cell, Expectation, Mode, Rule};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::net::{CableId, LinkConfig, Mac, Nic, Plug, SwitchId};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec};
use wavetank_sim::random::Probability;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::World;

const HUB: u16 = 0;

/// What a worn cable does to frames.
pub(crate) fn worn() -> LinkConfig {
    LinkConfig {
        jitter: Duration::from_micros(50),
        rate_bps: Some(100_000_000),
        loss: Probability::from_parts_per_billion(10_000_000),
        ..good()
    }
}

/// What a good cable does.
pub(crate) fn good() -> LinkConfig {
    LinkConfig { latency: Duration::from_micros(200), ..LinkConfig::default() }
}

/// Fills a world with a hub and so many sensors, the last of which has a bug.
pub(crate) fn fill(world: &mut World, sensors: u16, profile: &LinkConfig) {
    let switch = world.add_switch();
    let hub = world.add_node(NodeSpec::named("hub"), hub);
    plug(world, switch, hub, HUB, profile);
    for number in 1..=sensors {
        let has_bug = number == sensors;
        let spec = NodeSpec { boot_time: Duration::from_millis(20), ..NodeSpec::named(format!("sensor-{number}")) };
        let node = world.add_node(spec, move |node| sensor(node, number, has_bug));
        let cable = plug(world, switch, node, number, profile);
        match number {
            1 => fault(world, 3, 2, FaultKind::CutCable(cable)),
            2 => fault(world, 5, 4, FaultKind::PowerCut(node)),
            _ => {}
        }
    }
    expect(world, hub);
}

fn fault(world: &mut World, at_s: u64, for_s: u64, kind: FaultKind) {
    world.add_fault(Fault { at: second(at_s), duration: Some(Duration::from_secs(for_s)), kind });
}

const fn second(second: u64) -> Instant {
    Instant::from_nanos(second * 1_000_000_000)
}

fn plug(world: &mut World, switch: SwitchId, node: NodeId, number: u16, profile: &LinkConfig) -> CableId {
    let nic = world.add_nic(node, mac(number));
    let name = if number == HUB { "lan/hub".to_owned() } else { format!("lan/sensor-{number}") };
    world.connect(&name, Plug::Nic(nic), Plug::Switch(switch), profile, profile)
}

fn expect(world: &mut World, hub: NodeId) {
    let stored = || vec![Cell { nodes: vec![hub], metric: "readings.stored".into(), aggregate: Aggregate::Sum }];
    world.expect(Expectation {
        name: "the hub hears a hundred readings".into(),
        rule: Rule::Metrics {
            mode: Mode::Eventually,
            from: Instant::START,
            until: second(20),
            cells: stored(),
            predicate: Arc::new(|cells| Ok(cells[0] >= 100)),
        },
    });
    world.expect(Expectation {
        name: "no reading is stored twice".into(),
        rule: Rule::FlowUnique { at: "reading.stored".into(), window: Instant::START..=Instant::MAX },
    });
    world.expect(Expectation {
        name: "every reading is stored".into(),
        rule: Rule::FlowReaches {
            once: false,
            from: "reading.taken".into(),
            to: "reading.stored".into(),
            within: Duration::from_secs(1),
            window: Instant::START..=Instant::MAX,
        },
    });
}

async fn hub(node: Node) -> Exit {
    let mut nic = node.nic(0).expect("plugged in");
    loop {
        let (from, number) = receive(&mut nic).await;
        node.count("readings.stored", 1);
        node.flow("reading.stored", &format!("sensor-{from}"), number);
        send(&mut nic, from, number);
    }
}

async fn sensor(node: Node, own: u16, has_bug: bool) -> Exit {
    let (mut nic, clock, name) = (node.nic(0).expect("plugged in"), node.clock(), node.name().to_owned());
    // Without a flash to remember it by, the reset time makes numbers new.
    let first = node.world_now().as_nanos() / 1_000_000;
    for taken in 0.. {
        clock.sleep(Duration::from_millis(40 + u64::from(own))).await;
        assert!(!has_bug || taken < 150, "the buffer of {taken} readings is full");
        node.count("readings.taken", 1);
        node.gauge("milli-celsius", 21_000 + (taken as i64 * 37) % 900);
        node.flow("reading.taken", &name, first + taken);
        send(&mut nic, HUB, first + taken);
        while try_receive(&mut nic).is_ready() {
            node.count("readings.acknowledged", 1);
        }
    }
    Exit::Halt
}

const fn mac(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    Mac([2, 0, 0, 0, high, low])
}

/// An Ethernet frame of a local experimental kind (IEEE 802, 9.2.3) with a number in it.
fn send(nic: &mut Nic, to: u16, number: u64) {
    let from = nic.mac();
    let mut context = Context::from_waker(Waker::noop());
    let token = nic.transmit(&mut context).expect("there is always room");
    token.consume(60, |frame| {
        frame.fill(0);
        frame[..6].copy_from_slice(&mac(to).0);
        frame[6..12].copy_from_slice(&from.0);
        frame[12..14].copy_from_slice(&[0x88, 0xB5]);
        frame[14..22].copy_from_slice(&number.to_be_bytes());
    });
}

/// Who sent the next frame, and the number in it.
async fn receive(nic: &mut Nic) -> (u16, u64) {
    poll_fn(|context| read(nic, context)).await
}

fn try_receive(nic: &mut Nic) -> Poll<(u16, u64)> {
    read(nic, &mut Context::from_waker(Waker::noop()))
}

fn read(nic: &mut Nic, context: &mut Context<'_>) -> Poll<(u16, u64)> {
    let Some((token, _)) = nic.receive(context) else { return Poll::Pending };
    Poll::Ready(token.consume(|frame| {
        let number = frame[14..22].try_into().expect("eight bytes");
        (u16::from_be_bytes([frame[10], frame[11]]), u64::from_be_bytes(number))
    }))
}
