//! Bare frames among hosts on one switch: the kernel and the network without a stack.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::net::{Mac, Nic};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::time::Duration;

use crate::hosts;
use crate::measured::{Measured, Tally};
use crate::tank::Tank;

/// Every host sends a frame of `bytes` bytes each millisecond, to all others in turn, for `millis` milliseconds.
/// Counts the frames that arrived.
#[must_use]
pub fn star(hosts: u32, bytes: usize, millis: u64) -> Measured {
    // The switch has learned where all are after the first turn.
    let tank = Tank { prepared: Duration::from_micros(10_250), measured: Duration::from_millis(millis) };
    let measured = tank.measure(move |world, tally| {
        let nics: Vec<_> = (0..hosts)
            .map(|host| {
                let tally = tally.clone();
                let node = world.add_node(NodeSpec::named(format!("host-{host}")), move |node: Node| {
                    let nic = || node.nic(0).expect("plugged in");
                    node.spawn(receive(nic(), tally.clone()));
                    send(node.clone(), nic(), host, hosts, bytes)
                });
                world.add_nic(node, mac(host))
            })
            .collect();
        hosts::star(world, &nics, &hosts::wire(Duration::from_micros(500)));
    });
    assert_eq!(measured.done.items, u64::from(hosts) * millis);
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

async fn send(node: Node, mut nic: Nic, host: u32, hosts: u32, bytes: usize) -> Exit {
    let clock = node.clock();
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
