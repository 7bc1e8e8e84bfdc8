//! What the router will read of its tables for a frame that lands soon.

use std::net::IpAddr;

use super::Router;
use super::packet::Packet;
use super::session::Way;

impl Router {
    /// Has that fetched, a pointer further with each step, in a step of its own each. Whether there is a next one.
    pub(crate) fn foresee(&self, interface: usize, frame: &[u8], step: u8) -> bool {
        let Some(packet) = Packet::within(frame) else { return false };
        let nat = self.nat.as_ref().filter(|_| packet.is_v4());
        let way = if nat.is_some_and(|nat| nat.interface() == interface) { Way::In } else { Way::Out };
        match step {
            0 => self.fetch(),
            1 => {
                self.fetch_addresses();
                self.fetch_next(packet.destination());
                nat.inspect(|nat| nat.fetch_index(&packet, way));
                return nat.is_some();
            }
            2 => {
                nat.inspect(|nat| nat.fetch_mapping(&packet, way));
                return way == Way::In;
            }
            _ => {
                if let Some(inside) = nat.and_then(|nat| nat.foreseen_inside(&packet)) {
                    self.fetch_next(inside.into());
                }
                return false;
            }
        }
        true
    }

    /// The neighbour is looked for soon that is next on the way.
    fn fetch_next(&self, destination: IpAddr) {
        if let Some(hop) = self.routes.lookup(destination) {
            self.neighbours.fetch_place((hop.interface, hop.via.unwrap_or(destination)));
        }
    }
}
