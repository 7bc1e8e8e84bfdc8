//! A node's clock as the stack's.

use wavetank_sim::node::{Clock, Timer};
use wavetank_sim::time::Instant;

/// A node's drifting monotonic clock, in the microseconds that devices count.
#[derive(Clone, Copy, Debug)]
pub struct TankClock(pub Clock);

impl wavetank_stack::Clock for TankClock {
    type Timer = Timer;

    fn now(&self) -> wavetank_stack::Instant {
        wavetank_stack::Instant::from_micros(self.0.now().as_nanos() / 1_000)
    }

    fn timer(&self, at: wavetank_stack::Instant) -> Timer {
        self.0.timer(instant(at))
    }
}

/// A device's instant as the sim's.
pub(crate) fn instant(at: wavetank_stack::Instant) -> Instant {
    Instant::from_nanos(at.as_micros().saturating_mul(1_000))
}
