//! A timer, polled by hand.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use crate::clock::Clock;

/// The simplest waker: a flag that says that somebody ought to poll again.
#[derive(Default)]
pub struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

impl Flag {
    /// Whether it was woken since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, SeqCst)
    }
}

#[test]
fn a_timer_is_polled_by_hand() {
    let clock = Clock::default();
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);

    let mut timer = pin!(clock.sleep(50));
    // Nobody waits for it yet: nothing happens before the first poll.
    assert_eq!(clock.waiting(), 0);

    // Not ready: it has kept the waker.
    assert_eq!(timer.as_mut().poll(&mut cx), Poll::Pending);
    assert_eq!(clock.waiting(), 1);
    assert!(!flag.take());

    // The time comes. The clock wakes whoever waits; it does not poll them.
    assert!(clock.advance());
    assert!(flag.take());
    assert_eq!(timer.as_mut().poll(&mut cx), Poll::Ready(()));
}

#[test]
fn a_timer_that_is_dropped_leaves_nothing_behind() {
    let clock = Clock::default();
    {
        let mut timer = pin!(clock.sleep(50));
        assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(clock.waiting(), 1);
    }
    assert_eq!(clock.waiting(), 0);
    assert!(!clock.advance());
}
