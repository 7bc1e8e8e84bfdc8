//! Connections to the hub over the device's own stack.

use core::net::SocketAddr;

use wavetank_stack::time::sleep;
use wavetank_stack::{Clock, Duration, Stack, tcp};

use super::uplink::Dial;

/// How often to look whether the last connection is gone.
const RETRY: Duration = Duration::from_millis(20);

/// Opens a connection as soon as there is a slot for it.
pub(super) async fn connect<'r>(stack: &Stack<'r>, clock: &impl Clock, hub: SocketAddr) -> Option<tcp::Stream<'r>> {
    loop {
        match tcp::Stream::connect(stack, hub, tcp::Options::default()).await {
            Err(tcp::Error::Full) => sleep(clock, RETRY).await,
            outcome => return outcome.ok(),
        }
    }
}

/// Calls one hub.
pub(super) struct HubDial<'r, C> {
    stack: Stack<'r>,
    clock: C,
    hub: SocketAddr,
}

impl<'r, C: Clock> HubDial<'r, C> {
    pub(super) fn new(stack: Stack<'r>, clock: C, hub: SocketAddr) -> Self {
        HubDial { stack, clock, hub }
    }
}

impl<'r, C: Clock> Dial for HubDial<'r, C> {
    type Stream = tcp::Stream<'r>;

    async fn dial(&mut self) -> Option<tcp::Stream<'r>> {
        connect(&self.stack, &self.clock, self.hub).await
    }

    fn abort(&mut self, stream: tcp::Stream<'r>) {
        stream.abort();
    }
}
