//! Connections to the hub over the device's own stack.

use core::net::SocketAddr;

use wavetank_stack::{Clock, Stack, tcp};

use super::uplink::Dial;
use crate::dial::connect;

/// Calls one hub.
pub(super) struct HubDial<'a, 'r, C> {
    stack: &'a Stack<'r>,
    clock: C,
    hub: SocketAddr,
}

impl<'a, 'r, C: Clock> HubDial<'a, 'r, C> {
    pub(super) fn new(stack: &'a Stack<'r>, clock: C, hub: SocketAddr) -> Self {
        HubDial { stack, clock, hub }
    }
}

impl<'r, C: Clock> Dial for HubDial<'_, 'r, C> {
    type Stream = tcp::Stream<'r>;

    async fn dial(&mut self) -> Option<tcp::Stream<'r>> {
        connect(self.stack, &self.clock, self.hub).await
    }

    fn abort(&mut self, stream: tcp::Stream<'r>) {
        stream.abort();
    }
}
