//! UDP through the async handles.

use std::net::SocketAddr;
use std::pin::pin;

use futures::future::{Either, select};
use wavetank_sim::net::LinkConfig;
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{Snapshot, World, WorldConfig};
use wavetank_stack::udp::{Options, Socket};

use crate::hosts;

/// `hosts` hosts on one switch; each sends 64 bytes every millisecond, to all others in turn.
#[must_use]
pub fn star(hosts: u32, millis: u64) -> Snapshot {
    let mut world = World::new(&WorldConfig::default());
    let nics: Vec<_> = (0..hosts)
        .map(|host| {
            hosts::add(&mut world, host, move |node, stack| async move {
                let socket = Socket::bind(&stack, 9, Options::default()).expect("the port is free");
                let receive = async {
                    let mut datagram = [0; 128];
                    while socket.recv_from(&mut datagram).await.is_ok() {
                        node.count("received", 1);
                    }
                };
                let clock = node.clock();
                let send = async {
                    for turn in 0.. {
                        clock.sleep(Duration::from_millis(1)).await;
                        let peer = (host + 1 + turn % (hosts - 1)) % hosts;
                        let sent = socket.send_to(&[1; 64], SocketAddr::new(hosts::address(peer), 9)).await;
                        sent.expect("there is room");
                    }
                };
                let (Either::Left(((), _)) | Either::Right(((), _))) = select(pin!(receive), pin!(send)).await;
            })
        })
        .collect();
    let link = LinkConfig { latency: Duration::from_micros(500), ..LinkConfig::default() };
    hosts::star(&mut world, &nics, &link);
    world.run_until(Instant::START + Duration::from_millis(millis));
    world.finish()
}
