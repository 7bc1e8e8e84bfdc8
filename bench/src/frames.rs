//! Bare frames among hosts on one switch: the kernel and the network without a stack.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::net::{LinkConfig, Mac, Plug};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Snapshot, World, WorldConfig};

fn mac(host: u32) -> Mac {
    let [_, a, b, c] = host.to_be_bytes();
    Mac([2, 0, 0, a, b, c])
}

/// Every host sends a frame of `bytes` bytes each millisecond, to all others in turn, for `millis` milliseconds.
#[must_use]
pub fn star(hosts: u32, bytes: usize, millis: u64) -> Snapshot {
    let mut world = World::new(&WorldConfig::default());
    let switch = world.add_switch();
    let link = LinkConfig { latency: Duration::from_micros(500), ..LinkConfig::default() };
    for host in 0..hosts {
        let node = world.add_node(NodeSpec::named(format!("host-{host}")), move |node: Node| async move {
            let mut receiver = node.nic(0).expect("plugged in");
            node.spawn(async move {
                poll_fn(|context| {
                    while let Some((token, _)) = receiver.receive(context) {
                        token.consume(|_| ());
                    }
                    Poll::<()>::Pending
                })
                .await;
            });
            let (mut nic, clock) = (node.nic(0).expect("plugged in"), node.clock());
            let mut context = Context::from_waker(Waker::noop());
            for turn in 0..millis as u32 {
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
        });
        let nic = world.add_nic(node, mac(host));
        world.connect(&format!("lan/{host}"), Plug::Nic(nic), Plug::Switch(switch), &link, &link);
    }
    world.run_until(Instant::START + Duration::from_millis(millis + 10));
    world.finish()
}
