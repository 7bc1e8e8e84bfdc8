//! The host's monotonic clock, with tokio's timers.

use tokio::time::{Sleep, sleep_until};
use wavetank_stack::{Clock, Duration, Instant};

/// Counts from when it was made. Its timers are tokio's: they need its runtime, and fire up to a millisecond late.
#[derive(Clone, Copy, Debug)]
pub struct HostClock {
    start: tokio::time::Instant,
}

impl HostClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for HostClock {
    type Timer = Sleep;

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    fn timer(&self, at: Instant) -> Sleep {
        // tokio takes no instant that is too far off to be one.
        const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);
        sleep_until(self.start + (at - Instant::ZERO).min(FAR))
    }
}
