//! What may still be opened, where somebody limits it.

use super::Core;
use crate::pools::Pool;
use crate::table::Storage;
use crate::{tcp, udp};

impl Core<'_> {
    /// A slot for a new connection, if there may be another one: one that only waits out its TIME-WAIT makes way, as in a
    /// table that is full.
    #[cold]
    pub(super) fn claim_granted(&mut self, options: &tcp::Options) -> Option<u32> {
        let limits = self.limits.clone();
        let connections = &mut self.tables.connections;
        if let Some(pools) = limits.pools() {
            while connections.in_use() >= pools.room(Pool::Connections) {
                if !connections.make_way(&mut self.stats) {
                    pools.ran_out(Pool::Connections);
                    return None;
                }
            }
        }
        let bytes = |wanted| limits.within(Pool::StreamBytes, wanted);
        let mut options = *options;
        if !matches!(connections.slots, Storage::Fixed(_)) {
            (options.receive_bytes, options.send_bytes) = (bytes(options.receive_bytes), bytes(options.send_bytes));
        }
        connections.claim(&options, &mut self.stats)
    }

    /// What a new socket is told, if there may be another one.
    #[cold]
    pub(super) fn granted(&self, options: &udp::Options) -> Option<udp::Options> {
        if let Some(pools) = self.limits.pools()
            && self.tables.udp.in_use() >= pools.room(Pool::Sockets)
        {
            pools.ran_out(Pool::Sockets);
            return None;
        }
        let bytes = |wanted| self.limits.within(Pool::DatagramBytes, wanted);
        let mut options = *options;
        if !matches!(self.tables.udp.slots, Storage::Fixed(_)) {
            (options.receive_bytes, options.send_bytes) = (bytes(options.receive_bytes), bytes(options.send_bytes));
        }
        Some(options)
    }
}
