//! What devices' boards have in common: what is soldered to them, as what their power does to it; their place in the
//! network; and what happens around them, whether or not they look.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use wavetank_devices::DeviceId;
use wavetank_sim::hw::flash::{Memory, Timing};
use wavetank_sim::hw::i2c::Bus;
use wavetank_sim::node::{Node, Powered};
use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;
use wavetank_stack::{Cidr, Route};

use crate::runtime::Network;
use crate::site::Site;

/// The nRF52840's flash: written by the word, erased by 4 KiB.
pub(super) const WRITE: usize = 4;
pub(super) const ERASE: usize = 4_096;
/// Such a flash.
pub(super) type Cells = Memory<WRITE, ERASE>;

/// A flash of that many pages, the part `flash`, which outlives the device.
pub(super) fn flash(pages: usize, site: &mut Site<'_>) -> Cells {
    let cells = Memory::new(pages, Timing::NRF52840);
    site.part("flash", Rc::new(cells.clone()));
    site.powered(Rc::new(PoweredFlash(cells.clone())));
    cells
}

/// Lets the node's power reset what is on the bus, which is the part `i2c`.
pub(super) fn powered_bus(bus: &Bus, site: &mut Site<'_>) {
    site.part("i2c", Rc::new(bus.clone()));
    site.powered(Rc::new(PoweredBus { bus: bus.clone(), was_cut: Cell::new(false) }));
}

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

struct PoweredFlash(Cells);

impl Powered for PoweredFlash {
    fn power_cut(&self, now: Instant, stream: &mut Stream) {
        self.0.cut(now.as_nanos(), stream);
    }

    fn program_ended(&self, now: Instant) {
        self.0.crash(now.as_nanos());
    }
}

struct PoweredBus {
    bus: Bus,
    was_cut: Cell<bool>,
}

impl Powered for PoweredBus {
    fn power_cut(&self, _now: Instant, _stream: &mut Stream) {
        self.was_cut.set(true);
    }

    fn boot(&self, now: Instant) {
        if self.was_cut.take() {
            self.bus.power_cycle(now.as_nanos());
        }
    }
}
