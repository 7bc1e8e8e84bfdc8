//! Connections over a device's own stack, which has few slots for them.

use core::net::SocketAddr;

use wavetank_stack::time::sleep;
use wavetank_stack::{Clock, Duration, Stack, tcp};

/// How often to look whether the last connection is gone.
const RETRY: Duration = Duration::from_millis(20);

/// Opens a connection as soon as there is a slot for it.
pub(crate) async fn connect<'r>(stack: &Stack<'r>, clock: &impl Clock, hub: SocketAddr) -> Option<tcp::Stream<'r>> {
    loop {
        match tcp::Stream::connect(stack, hub, tcp::Options::default()).await {
            Err(tcp::Error::Full) => sleep(clock, RETRY).await,
            outcome => return outcome.ok(),
        }
    }
}
