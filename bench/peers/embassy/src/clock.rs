//! embassy's time, as this program says it is: microseconds that jump.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;

use embassy_time_driver::Driver;

struct Clock {
    now: AtomicU64,
    /// Who is to be woken, by when and by order.
    sleepers: Mutex<BTreeMap<(u64, u64), Waker>>,
    order: AtomicU64,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    now: AtomicU64::new(0),
    sleepers: Mutex::new(BTreeMap::new()),
    order: AtomicU64::new(0),
});

impl Driver for Clock {
    fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        let mut sleepers = self.sleepers.lock().expect("one thread");
        // Who is polled again with the same timer asks again: that it is there already is enough.
        if sleepers.range((at, 0)..=(at, u64::MAX)).any(|(_, other)| other.will_wake(waker)) {
            return;
        }
        sleepers.insert((at, self.order.fetch_add(1, Relaxed)), waker.clone());
    }
}

/// What time it is.
pub fn now() -> u64 {
    CLOCK.now()
}

/// When somebody is to be woken next.
pub fn next() -> Option<u64> {
    CLOCK.sleepers.lock().expect("one thread").keys().next().map(|(at, _)| *at)
}

/// Goes on to that time, and wakes whom it wakes.
pub fn advance(to: u64) {
    CLOCK.now.store(to, Relaxed);
    loop {
        let mut sleepers = CLOCK.sleepers.lock().expect("one thread");
        match sleepers.first_key_value() {
            Some((&(at, _), _)) if at <= to => {
                let (_, waker) = sleepers.pop_first().expect("it was there");
                drop(sleepers);
                waker.wake();
            }
            _ => return,
        }
    }
}
