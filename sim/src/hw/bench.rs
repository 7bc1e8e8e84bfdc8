//! What hardware asks of the world around it: true time, and that work on it takes time.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time for hardware that a node waits for without letting go of its core: a disk, a blocking bus, a flash erase.
///
/// Times are nanoseconds of true virtual time since the world's start, not the node's drifting clock.
pub trait Cost {
    /// The world's time. It stands still while a node is polled.
    fn now_ns(&self) -> u64;

    /// How long the running poll has kept its node busy already; zero outside a poll.
    ///
    /// What happens next on the hardware begins at `now_ns() + debt_ns()`.
    fn debt_ns(&self) -> u64;

    /// Adds to the debt of the running poll.
    fn busy(&self, duration: Duration);

    /// What stands on this is at work from one instant to another, which may draw from a battery.
    fn works(&self, _from_ns: u64, _until_ns: u64) {}
}

/// Time for hardware that a node can also wait for asynchronously.
pub trait Bench: Cost {
    /// Completes at `at_ns`, at once if that is past. Dropping the future cancels it.
    fn sleep_until_ns(&self, at_ns: u64) -> impl Future<Output = ()>;
}

macro_rules! cost_through {
    ($($pointer:ty),*) => {$(
        impl<T: Cost + ?Sized> Cost for $pointer {
            fn now_ns(&self) -> u64 {
                (**self).now_ns()
            }

            fn debt_ns(&self) -> u64 {
                (**self).debt_ns()
            }

            fn busy(&self, duration: Duration) {
                (**self).busy(duration);
            }

            fn works(&self, from_ns: u64, until_ns: u64) {
                (**self).works(from_ns, until_ns);
            }
        }
    )*};
}
cost_through!(&T, Rc<T>, Arc<T>);

impl<T: Bench> Bench for &T {
    fn sleep_until_ns(&self, at_ns: u64) -> impl Future<Output = ()> {
        (**self).sleep_until_ns(at_ns)
    }
}

impl<T: Bench> Bench for Rc<T> {
    fn sleep_until_ns(&self, at_ns: u64) -> impl Future<Output = ()> {
        (**self).sleep_until_ns(at_ns)
    }
}

/// Counts the debt of one node's polls for hardware whose handles must be `Send + Sync`.
///
/// Whoever polls the node calls [`start_poll`](Self::start_poll) before and [`take_debt`](Self::take_debt) after.
/// The atomics are for the marker traits only (redb asks for them): one thread uses a meter.
#[derive(Debug, Default)]
pub struct Meter {
    now_ns: AtomicU64,
    debt_ns: AtomicU64,
}

impl Meter {
    /// A meter at the world's start, without debt.
    pub fn new() -> Self {
        Self::default()
    }

    /// The node is about to be polled at `now_ns`.
    pub fn start_poll(&self, now_ns: u64) {
        self.now_ns.store(now_ns, Ordering::Relaxed);
        self.debt_ns.store(0, Ordering::Relaxed);
    }

    /// What the poll that has just ended owes.
    pub fn take_debt(&self) -> Duration {
        Duration::from_nanos(self.debt_ns.swap(0, Ordering::Relaxed))
    }
}

impl Cost for Meter {
    fn now_ns(&self) -> u64 {
        self.now_ns.load(Ordering::Relaxed)
    }

    fn debt_ns(&self) -> u64 {
        self.debt_ns.load(Ordering::Relaxed)
    }

    fn busy(&self, duration: Duration) {
        let added_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let debt_ns = self.debt_ns().saturating_add(added_ns);
        self.debt_ns.store(debt_ns, Ordering::Relaxed);
    }
}
