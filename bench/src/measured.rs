//! What a work did, and how long it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wavetank_sim::trace::Fingerprint;

/// What was done in the measured part of a work. Two runs of one work have equal ones, to the last bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many of what the work counts: messages that arrived, round trips, requests that were answered, runs.
    pub items: u64,
    /// How many events the worlds handled.
    pub events: u64,
    /// How many frames came out of links; a switch is passed by two.
    pub frames: u64,
    /// How much virtual time passed.
    pub virtual_time: Duration,
    /// The fingerprint of the whole run, from its beginning; raw interfaces have none.
    pub fingerprint: Option<Fingerprint>,
}

/// A work that was done, and what it took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// What was done.
    pub done: Done,
    /// Processor time of all threads, system calls and page faults included: others on the machine hardly change it.
    pub cpu: Duration,
    /// Time on the wall.
    pub wall: Duration,
    /// Processor time of building and warming up.
    pub prepared: Duration,
    /// Bytes that the world had allocated then, in the allocator's size classes; 0 where the allocator does not count.
    pub memory: u64,
}

impl Measured {
    /// Items a second of processor time.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.done.items as f64 / self.cpu.as_secs_f64()
    }
}

/// Measures from here on.
pub(crate) struct Stopwatch {
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu(), wall: Instant::now() }
    }

    pub(crate) fn stop(&self, done: Done) -> Measured {
        Measured { done, cpu: cpu() - self.cpu, wall: self.wall.elapsed(), prepared: Duration::ZERO, memory: 0 }
    }
}

/// How many bytes this process has allocated, if the allocator counts them.
pub(crate) fn allocated() -> u64 {
    #[cfg(target_os = "linux")]
    {
        use tikv_jemalloc_ctl::{epoch, stats};
        let counted = epoch::advance().and_then(|_| stats::allocated::read());
        counted.map_or(0, |bytes| bytes as u64)
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// The processor time that this process has had.
fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().expect("it counts from zero")
}

/// Counts what applications of one world did, where a metric of the kernel would cost what is to be measured.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<AtomicU64>);

impl Tally {
    /// Adds to it. A world has one thread, so that nothing gets lost.
    pub fn add(&self, count: u64) {
        self.0.store(self.count() + count, Relaxed);
    }

    /// How much was added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
