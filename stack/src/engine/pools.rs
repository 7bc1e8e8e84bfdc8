//! What may still be opened, where somebody limits it.

use super::Core;
use crate::pools::{Pool, Pools};
use crate::{tcp, udp};

impl Core<'_> {
    /// A slot for a new connection, if there may be another one: one that only waits out its TIME-WAIT makes way, as in a
    /// fixed table.
    #[cold]
    pub(super) fn claim_granted(&mut self, options: &tcp::Options) -> Option<u32> {
        let pools = self.pools.clone()?;
        let connections = &mut self.tables.connections;
        while connections.in_use() >= pools.room(Pool::Connections) {
            if !connections.make_way(&mut self.stats) {
                pools.ran_out(Pool::Connections);
                return None;
            }
        }
        let room = pools.room(Pool::StreamBytes);
        let (receive_bytes, send_bytes) = (options.receive_bytes.min(room), options.send_bytes.min(room));
        connections.claim(&tcp::Options { receive_bytes, send_bytes, ..*options }, &mut self.stats)
    }

    /// What a new socket is told, if there may be another one.
    #[cold]
    pub(super) fn granted(&self, options: &udp::Options, pools: &dyn Pools) -> Option<udp::Options> {
        if self.tables.udp.in_use() >= pools.room(Pool::Sockets) {
            pools.ran_out(Pool::Sockets);
            return None;
        }
        let room = pools.room(Pool::DatagramBytes);
        let (receive_bytes, send_bytes) = (options.receive_bytes.min(room), options.send_bytes.min(room));
        Some(udp::Options { receive_bytes, send_bytes, ..*options })
    }
}
