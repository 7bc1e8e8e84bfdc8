//! Bare frames among hosts on one switch: the kernel and the network without a stack.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::fault::{Fault, FaultKind};
use wavetank_sim::net::{CableId, Mac, Nic, Plug};
use wavetank_sim::node::{Exit, Node, NodeId, NodeSpec};
use wavetank_sim::random::Probability;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::World;

use crate::hosts;
use crate::measured::{Measured, Tally};
use crate::tank::Tank;

/// What lies between the hosts, besides the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sea {
    /// Whether links lose one frame in a hundred, and delay each by up to 100 us more.
    pub is_rough: bool,
    /// Whether hosts send one after another within the millisecond, so that no frame is sent or arrives together with
    /// another one.
    pub is_apart: bool,
    /// How many nodes there are that do nothing, each at a port of the switch.
    pub bystanders: u32,
    /// How many faults are active all the time: cut cables and other links of bystanders, bystanders that do not reach
    /// hosts, and clocks that run wrong.
    pub faults: u32,
}

/// Every host sends a frame of `bytes` bytes each millisecond, to all others in turn, for `millis` milliseconds.
/// Counts the frames that arrived.
#[must_use]
pub fn star(hosts: u32, bytes: usize, millis: u64, sea: Sea) -> Measured {
    // The switch has learned where all are after the first turn.
    let tank = Tank { prepared: Duration::from_micros(10_250), measured: Duration::from_millis(millis) };
    // No multiple of what lies between two hosts' beginnings, nor is that of both links.
    let latency = Duration::from_nanos(if sea.is_apart { 503_300 } else { 500_000 });
    let measured = tank.measure(move |world, tally| {
        let mut link = hosts::wire(latency);
        if sea.is_rough {
            link.loss = Probability::from_parts_per_billion(10_000_000);
            link.jitter = Duration::from_micros(100);
        }
        let switch = world.add_switch();
        let join = |world: &mut World, node, host| {
            let nic = Plug::Nic(world.add_nic(node, mac(host)));
            world.connect(&format!("lan/{host}"), nic, Plug::Switch(switch), &link, &link)
        };
        let talkers = (0..hosts).map(|host| {
            let tally = tally.clone();
            let node = world.add_node(NodeSpec::named(format!("host-{host}")), move |node: Node| {
                let nic = || node.nic(0).expect("plugged in");
                node.spawn(receive(nic(), tally.clone()));
                let begins =
                    Duration::from_nanos(u64::from(if sea.is_apart { host } else { 0 }) * 1_000_000 / u64::from(hosts));
                send(node.clone(), nic(), begins, host, hosts, bytes)
            });
            join(world, node, host);
            node
        });
        let talkers: Vec<NodeId> = talkers.collect();
        let bystanders = (hosts..hosts + sea.bystanders).map(|host| {
            let spec = NodeSpec::named(format!("bystander-{host}"));
            let node = world.add_node(spec, |_| std::future::pending::<Exit>());
            (node, join(world, node, host))
        });
        let bystanders: Vec<(NodeId, CableId)> = bystanders.collect();
        for fault in 0..sea.faults {
            let (node, cable) = bystanders[fault as usize % bystanders.len()];
            let talker = talkers[fault as usize % talkers.len()];
            let kind = match fault % 4 {
                0 => FaultKind::CutCable(cable),
                1 => FaultKind::Mtu { link: cable.tx(), bytes: 576 },
                2 => FaultKind::Partition { from: vec![node], to: vec![talker] },
                _ => FaultKind::ClockDrift { node: talker, ppb: 1_000 },
            };
            world.add_fault(Fault { at: Instant::START, duration: None, kind });
        }
    });
    let sent = u64::from(hosts) * millis;
    // Over two links, each of which loses one in a hundred.
    let lost = if sea.is_rough { sent / 40 } else { 0 };
    assert!((sent - lost..=sent).contains(&measured.done.items), "{} of {sent}", measured.done.items);
    measured
}

async fn receive(mut nic: Nic, tally: Tally) {
    poll_fn(|context| {
        while let Some((token, _)) = nic.receive(context) {
            token.consume(|_| tally.add(1));
        }
        Poll::<()>::Pending
    })
    .await;
}

async fn send(node: Node, mut nic: Nic, begins: Duration, host: u32, hosts: u32, bytes: usize) -> Exit {
    let clock = node.clock();
    clock.sleep(begins).await;
    let mut context = Context::from_waker(Waker::noop());
    for turn in 0.. {
        clock.sleep(Duration::from_millis(1)).await;
        let to = (host + 1 + turn % (hosts - 1)) % hosts;
        let token = nic.transmit(&mut context).expect("always room");
        token.consume(bytes, |frame| {
            frame[..6].copy_from_slice(&mac(to).0);
            frame[6..12].copy_from_slice(&mac(host).0);
            frame[12..].fill(1);
        });
    }
    Exit::Halt
}

fn mac(host: u32) -> Mac {
    let [_, a, b, c] = host.to_be_bytes();
    Mac([2, 0, 0, a, b, c])
}
