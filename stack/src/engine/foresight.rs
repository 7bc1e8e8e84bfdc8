//! What will be read for a frame that has not come yet.

use smoltcp::wire::TcpPacket;

use super::{
    Core,
    connection::Flow,
    packet::{ETHERNET_HEADER, Packet, TCP, Verified, version},
    segments::FEW,
};

/// Whoever takes the frame reports what is wrong with it.
const UNSEEN: Verified = Verified {
    ipv4: false,
    tcp: false,
    udp: false,
    icmpv4: false,
    #[cfg(feature = "ipv6")]
    icmpv6: false,
};

impl Core<'_> {
    /// Has fetched what is read for a frame. Of a stack with few connections that is the first of each table; of one with many, for
    /// TCP, a pointer further with each step, it is where its connection is looked for, the connection, and what that has. `memo` is
    /// what the step before it found. Whether there is another one.
    pub(crate) fn foresee(&self, frame: &[u8], step: u8, memo: &mut u64) -> bool {
        let connections = &self.tables.connections;
        let Some(fetch) = self.fetch else { return false };
        if connections.slots.len() <= FEW {
            // They are looked at one by one.
            self.fetch_firsts(fetch);
            return false;
        }
        match step {
            0 => {
                let Some(flow) = self.flow_of(frame) else { return false };
                *memo = connections.fetch_place(&flow, fetch);
                true
            }
            1 => {
                let Some(at) = connections.likely(*memo) else { return false };
                *memo = at.into();
                connections.fetch_slot(at, fetch);
                true
            }
            _ => {
                if let Some(slot) = connections.slots.get(*memo as usize)
                    && let Some((_, segment)) = self.segment_of(frame)
                {
                    slot.fetch_parts(fetch, &segment);
                }
                false
            }
        }
    }

    /// Whose a frame is, if it is a segment of TCP.
    #[inline]
    fn flow_of(&self, frame: &[u8]) -> Option<Flow> {
        let (packet, segment) = self.segment_of(frame)?;
        Some(Flow::new((packet.destination, segment.dst_port()), (packet.source, segment.src_port())))
    }

    /// The segment of TCP that a frame carries, if it does.
    #[inline]
    fn segment_of<'f>(&self, frame: &'f [u8]) -> Option<(Packet<'f>, TcpPacket<&'f [u8]>)> {
        let bytes = match self.local.mac {
            Some(_) => frame.get(ETHERNET_HEADER..)?,
            None => frame,
        };
        let packet = match version(bytes)? {
            4 => Packet::parse_v4(bytes, UNSEEN).ok()?,
            #[cfg(feature = "ipv6")]
            6 => Packet::parse_v6(bytes).ok()?,
            _ => return None,
        };
        let segment = TcpPacket::new_checked(packet.payload).ok().filter(|_| packet.protocol == TCP)?;
        Some((packet, segment))
    }
}
