//! What devices' boards have in common: their flash, their place in the network, and what happens around them, whether or not
//! they look.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use wavetank_devices::DeviceId;
use wavetank_sim::node::Node;
use wavetank_sim::time::Instant;
use wavetank_stack::{Cidr, Route};

use crate::runtime::Network;
pub(super) use crate::site::Cells;

/// How pages of such a flash are written and erased.
pub(super) const WRITE: usize = 4;
pub(super) const ERASE: usize = 4_096;

/// The node's name as a device's.
pub(super) fn id(node: &Node) -> DeviceId {
    DeviceId::new(node.name()).expect("a plan's node names are short and plain")
}

/// From which address of a node, and by which way, it reaches `peer`, which is its `what`.
pub(super) fn place(network: &Network, node: &Node, what: &str, peer: SocketAddr) -> (Cidr, Option<Route>) {
    let Some(address) = network.address_towards(peer.ip()) else {
        let name = node.name();
        panic!("{name} has no address to reach the {what} at {peer} from: give it one of the same family");
    };
    (address, network.route_towards(peer.ip()))
}

/// Tells of everything that happens around a board, by its number: when it comes, or when the power is back. `past` says
/// how many have come by an instant, `next_ns` when the next does, both in the world's time; `told` outlives the node.
pub(super) async fn tell_of(
    node: Node,
    flow: &'static str,
    told: Rc<Cell<u64>>,
    past: impl Fn(u64) -> u64,
    next_ns: impl Fn(u64) -> u64,
) {
    loop {
        let now_ns = node.world_now().as_nanos();
        let past = past(now_ns);
        for number in told.replace(past) + 1..=past {
            node.flow(flow, node.name(), number);
        }
        node.world_timer(Instant::from_nanos(next_ns(now_ns))).await;
    }
}
