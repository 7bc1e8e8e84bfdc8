//! Packets of others, on their way from one of their networks to another.
//!
//! The socket for them is a slot of the table of UDP sockets, whose datagrams are whole packets. It hears what came to our link
//! for somebody else, and of what it sent it gets back what no neighbour took.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{
    Core,
    datagrams::{Datagram, Datagrams},
    packet::{Packet, version},
    udp::Kind,
};
use crate::{stats::Reason, udp};

/// What a packet that the socket hears is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// It came by our link.
    Through,
    /// It was to go by our link, and the neighbour does not answer.
    Back,
}

impl Passing {
    pub(crate) fn of(about: &Datagram) -> Self {
        if about.remote.port() == 0 { Self::Through } else { Self::Back }
    }

    /// Where the port of a datagram would be, which packets have not.
    fn about(self) -> Datagram {
        let remote = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), (self == Self::Back).into());
        Datagram { remote, local: None, hint: None }
    }
}

impl Core<'_> {
    /// The socket for packets in transit.
    pub(crate) fn bind_transit(&mut self, options: &udp::Options) -> Result<u32, udp::Error> {
        if self.is_router() {
            return Err(udp::Error::InUse);
        }
        self.claim_socket(Kind::Transit, None, 0, options)
    }

    /// Whether somebody passes on what is not for us.
    #[cold]
    pub(super) fn is_router(&self) -> bool {
        self.tables.udp.find(Kind::Transit, 0).is_some()
    }

    /// A packet that is not for us. Groups end here: who forwards them, asks for them first.
    #[cold]
    pub(super) fn pass_on(&mut self, packet: &Packet<'_>) -> Result<(), Reason> {
        let is_passed = matches!(packet.destination, IpAddr::V6(destination) if !destination.is_multicast());
        let udp = &mut self.tables.udp;
        let at = udp.find(Kind::Transit, 0).filter(|_| is_passed).ok_or(Reason::NotForUs)?;
        let slot = udp.slot_mut(at);
        if !slot.received.push(packet.bytes, Passing::Through.about()) {
            return Err(Reason::ReceiveBufferFull);
        }
        self.wakes.wake(&mut slot.reader);
        Ok(())
    }

    /// Drops what waited for a neighbour; what was in transit, its socket gets back.
    pub(super) fn drop_waiting(&mut self, neighbour: u32) {
        let transit = self.tables.udp.find(Kind::Transit, 0);
        loop {
            let entry = &mut self.tables.neighbours.entries[neighbour as usize];
            let (udp, local) = (&mut self.tables.udp, &self.local);
            let mut is_back = false;
            let dropped = self.tables.waiting.pop_with(entry, |packet| {
                if let Some(at) = transit.filter(|_| source(packet).is_some_and(|source| !local.is_own(&source))) {
                    is_back = give_back(&mut udp.slot_mut(at).received, packet);
                }
            });
            match (dropped, transit) {
                (None, _) => return,
                (Some(()), Some(at)) if is_back => self.wakes.wake(&mut self.tables.udp.slot_mut(at).reader),
                (Some(()), _) => self.stats.drop(Reason::NeighbourSilent),
            }
        }
    }
}

/// Has the socket hear that a packet went no further; answers whether there was room to.
pub(super) fn give_back(received: &mut Datagrams<'_>, packet: &[u8]) -> bool {
    received.push(packet, Passing::Back.about())
}

/// Whom a packet of IPv6 is from.
fn source(packet: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 16] = *packet.get(8..24)?.first_chunk()?;
    (version(packet) == Some(6)).then(|| IpAddr::V6(octets.into()))
}
