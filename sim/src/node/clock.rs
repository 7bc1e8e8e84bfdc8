//! A node's own clock, which starts at its boot and may drift.

use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

use super::{NodeCore, NodeId};
use crate::current;
use crate::kernel::{Kernel, WorldId};
use crate::time::{Duration, Instant};
use crate::timer::TimerKey;

/// How a node's clock differs from the world's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSpec {
    /// Parts in 10⁹ by which it runs fast (or slow, if negative). A watch crystal is within ±20,000.
    pub drift_ppb: i64,
    /// How far its wall clock is ahead of the world's (or behind) when the world starts, in nanoseconds.
    pub wall_offset_ns: i64,
}

const BILLION: i128 = 1_000_000_000;

impl ClockSpec {
    /// What the clock has counted after `elapsed_ns` true nanoseconds.
    #[inline]
    pub(crate) fn local(self, elapsed_ns: u64) -> u64 {
        if self.drift_ppb == 0 { elapsed_ns } else { self.drifted(elapsed_ns) }
    }

    /// After how many true nanoseconds the clock has counted `local_ns`, rounded up.
    #[inline]
    pub(crate) fn elapsed(self, local_ns: u64) -> u64 {
        if self.drift_ppb == 0 { local_ns } else { self.undrifted(local_ns) }
    }

    // Wide arithmetic takes many registers: apart, it costs those who do not need it nothing.

    #[inline(never)]
    fn drifted(self, elapsed_ns: u64) -> u64 {
        saturate(i128::from(elapsed_ns) * (BILLION + i128::from(self.drift_ppb)) / BILLION)
    }

    #[inline(never)]
    fn undrifted(self, local_ns: u64) -> u64 {
        let rate = (BILLION + i128::from(self.drift_ppb)).max(1);
        saturate((i128::from(local_ns) * BILLION + rate - 1) / rate)
    }
}

fn saturate(ns: i128) -> u64 {
    u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
}

/// A node's clock. Its monotonic time starts at 0 with every boot, as a board's does.
///
/// It is an id, hence `Send` and `Copy`; outside its world it stands still at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    world: WorldId,
    node: NodeId,
}

impl Clock {
    pub(crate) fn new(world: WorldId, node: NodeId) -> Self {
        Self { world, node }
    }

    /// The node's monotonic time. Work that the current poll has been charged for has passed already.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.ask(Instant::START, Kernel::local_now)
    }

    /// The node's wall clock: the time since the Unix epoch.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.ask(Duration::ZERO, |kernel, node| Duration::from_nanos(kernel.wall_ns(node)))
    }

    /// A timer that is ready once the node's monotonic time is `at`. Dropping it cancels it.
    pub fn timer(&self, at: Instant) -> Timer {
        let at = self.ask(u64::MAX, |_, node| node.world_time(at));
        Timer::new(self.world, at)
    }

    /// A timer that is ready after `duration` of the node's monotonic time.
    pub fn sleep(&self, duration: Duration) -> Timer {
        let at = self.ask(u64::MAX, |kernel, node| node.world_time(kernel.local_now(node) + duration));
        Timer::new(self.world, at)
    }

    #[inline]
    fn ask<R>(&self, elsewhere: R, question: impl FnOnce(&Kernel, &NodeCore) -> R) -> R {
        current::with(self.world, |kernel| question(kernel, &kernel.nodes.borrow()[self.node.index()]))
            .unwrap_or(elsewhere)
    }
}

impl NodeCore {
    /// The world's time, in nanoseconds, when this node's monotonic time is `at`.
    #[inline]
    pub(crate) fn world_time(&self, at: Instant) -> u64 {
        self.booted_at.get().as_nanos().saturating_add(self.clock.elapsed(at.as_nanos()))
    }
}

/// A future that is ready at an instant. It is an id, hence `Send`: outside its world it is never ready.
#[derive(Debug)]
#[must_use = "a timer does nothing unless it is awaited"]
pub struct Timer {
    /// World time, in nanoseconds.
    at: u64,
    world: WorldId,
    key: Option<TimerKey>,
    /// Which waker the kernel has a clone of, to call then: none, if it is a task's. As long as the clone lives, no other
    /// waker is where that is.
    kept: Option<Kept>,
}

/// Where a waker is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kept {
    data: usize,
    vtable: usize,
}

impl Kept {
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: ptr::from_ref(waker.vtable()).addr() }
    }
}

impl Timer {
    pub(crate) fn new(world: WorldId, at: u64) -> Self {
        Self { at, world, key: None, kept: None }
    }
}

impl Future for Timer {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { at, world, key, kept } = *self;
        let polled = current::with(world, |kernel| match key {
            _ if kernel.polled_now() >= at => {
                if let Some(key) = self.key.take() {
                    kernel.cancel_timer(key);
                }
                Poll::Ready(())
            }
            Some(_) if kept.is_some_and(|kept| kept == Kept::of(context.waker())) => Poll::Pending,
            Some(key) => {
                kernel.rearm_timer(key, context.waker());
                self.kept = kernel.keeps(context.waker()).then(|| Kept::of(context.waker()));
                Poll::Pending
            }
            None => {
                self.key = Some(kernel.arm_timer(at, context.waker()));
                self.kept = kernel.keeps(context.waker()).then(|| Kept::of(context.waker()));
                Poll::Pending
            }
        });
        polled.unwrap_or(Poll::Pending)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            current::with(self.world, |kernel| kernel.cancel_timer(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drifting_clock_has_reached_what_its_timers_wait_for() {
        for drift_ppb in [-1_000_000, -20_000, -1, 1, 20_000, 500_000_000] {
            let clock = ClockSpec { drift_ppb, ..ClockSpec::default() };
            for local in [1, 999, 1_000_000_007, 86_400_000_000_000] {
                let elapsed = clock.elapsed(local);
                assert!(clock.local(elapsed) >= local);
                assert!(clock.local(elapsed - 1) < local);
            }
        }
    }
}
