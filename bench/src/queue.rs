//! The bare event queue, and the standard library's heap beside it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use wavetank_sim::queue::Queue;
use wavetank_sim::time::Duration;

use crate::measured::{Done, Measured, Stopwatch};

/// A queue in the order of (time, push).
pub trait Events: Default {
    /// Adds an event.
    fn push(&mut self, at: u64, payload: u64);
    /// Takes the earliest event.
    fn pop(&mut self) -> Option<(u64, u64)>;
}

impl Events for Queue {
    #[inline]
    fn push(&mut self, at: u64, payload: u64) {
        self.push(at, payload);
    }

    #[inline]
    fn pop(&mut self) -> Option<(u64, u64)> {
        self.pop(u64::MAX)
    }
}

/// What a queue is without further thought: a binary heap, and a sequence number that keeps the order of an instant. It
/// cannot cancel.
#[derive(Debug, Default)]
pub struct Heap {
    heap: BinaryHeap<Reverse<(u64, u64, u64)>>,
    sequence: u64,
}

impl Events for Heap {
    #[inline]
    fn push(&mut self, at: u64, payload: u64) {
        self.heap.push(Reverse((at, self.sequence, payload)));
        self.sequence += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<(u64, u64)> {
        self.heap.pop().map(|Reverse((at, _, payload))| (at, payload))
    }
}

/// Takes an event and adds one, `count` times, while `pending` are pending. Each lies `delay_ns.0` plus evenly up to
/// `delay_ns.1` nanoseconds ahead. Counts the events.
#[must_use]
pub fn hold<E: Events>(pending: u64, delay_ns: (u64, u64), count: u64) -> Measured {
    let (least, spread) = delay_ns;
    let mut word = 42_u64;
    // The upper half of a linear congruential generator is even enough here, and costs next to nothing.
    let mut ahead = move || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        least + (((word >> 32) * spread) >> 32)
    };
    let mut queue = E::default();
    (0..pending).for_each(|payload| queue.push(ahead(), payload));
    let watch = Stopwatch::start();
    let mut now = 0;
    for _ in 0..count {
        let (at, payload) = queue.pop().expect("as many are added as are taken");
        queue.push(at + ahead(), payload);
        now = at;
    }
    watch.stop(Done { items: count, events: count, virtual_time: Duration::from_nanos(now), ..Done::default() })
}
