//! A clock that moves when it is told to, and timers on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A handle to a clock; all its clones show the same time.
#[derive(Clone, Default)]
pub struct Clock(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    now_ms: u64,
    timers: u64,
    /// Who waits: by when, and by the timer's number, so that no two keys are equal.
    waiting: BTreeMap<(u64, u64), Waker>,
}

impl Clock {
    pub fn now_ms(&self) -> u64 {
        self.0.borrow().now_ms
    }

    /// A timer that is ready at this time, and at any later one.
    pub fn timer(&self, at_ms: u64) -> Timer {
        let inner = &mut *self.0.borrow_mut();
        inner.timers += 1;
        Timer { clock: self.clone(), at_ms, number: inner.timers }
    }

    /// A timer that is ready so much later than now.
    pub fn sleep(&self, ms: u64) -> Timer {
        self.timer(self.now_ms() + ms)
    }

    /// Moves on to the earliest timer that is waited for, and wakes. Whether there was one.
    pub fn advance(&self) -> bool {
        let earliest = self.0.borrow_mut().waiting.pop_first();
        let Some(((at_ms, _), waker)) = earliest else { return false };
        self.0.borrow_mut().now_ms = at_ms;
        waker.wake();
        true
    }

    /// How many timers somebody waits for.
    pub fn waiting(&self) -> usize {
        self.0.borrow().waiting.len()
    }
}

/// A future that is ready when its time has come.
pub struct Timer {
    clock: Clock,
    at_ms: u64,
    number: u64,
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now_ms() >= self.at_ms {
            return Poll::Ready(());
        }
        let (key, waker) = ((self.at_ms, self.number), cx.waker().clone());
        let replaced = self.clock.0.borrow_mut().waiting.insert(key, waker);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let removed = self.clock.0.borrow_mut().waiting.remove(&(self.at_ms, self.number));
        drop(removed);
    }
}
