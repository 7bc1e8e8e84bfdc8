//! What routers say about themselves, for whoever wants to hear it: a slot of the table of UDP sockets.

use super::{Core, datagrams::Datagram, packet::Packet, udp::Kind};
use crate::{ip::SocketAddr, udp};

impl Core<'_> {
    /// The socket that hears what routers say.
    pub(crate) fn bind_router_news(&mut self, options: &udp::Options) -> Result<u32, udp::Error> {
        if self.tables.udp.find(Kind::RouterNews, 0).is_some() {
            return Err(udp::Error::InUse);
        }
        self.claim_socket(Kind::RouterNews, None, 0, options)
    }

    /// A router says something about itself, and none but a router on the link can have sent it (RFC 4861, section 6.1.2).
    pub(super) fn router_news(&mut self, packet: &Packet<'_>) {
        if let Some(at) = self.tables.udp.find(Kind::RouterNews, 0)
            && packet.hop_limit == 255
        {
            let slot = self.tables.udp.slot_mut(at);
            let about = Datagram { remote: SocketAddr::new(packet.source, 0), local: None, hint: None };
            // One that finds no room is said again.
            if slot.received.push(packet.payload, about) {
                self.wakes.wake(&mut slot.reader);
            }
        }
    }
}
