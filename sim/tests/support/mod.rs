//! A desk with one board on it: what hardware models stand on where there is no world.

#![allow(dead_code, reason = "a test takes of it what it needs")]

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use wavetank_sim::hw::{Bench, Cost};

/// A world with one task: its clock jumps to where the task waits, and work that keeps the node busy becomes a debt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    now_ns: Rc<Cell<u64>>,
    next_ns: Rc<Cell<u64>>,
    debt_ns: Rc<Cell<u64>>,
    works_ns: Rc<RefCell<Vec<(u64, u64)>>>,
}

/// Whether the task wants another turn without waiting for anything.
#[derive(Default)]
struct Again(AtomicBool);

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Desk {
    pub(crate) fn run<T>(&self, task: impl Future<Output = T>) -> T {
        let (mut task, again) = (pin!(task), Arc::new(Again::default()));
        let waker = Waker::from(Arc::clone(&again));
        loop {
            self.next_ns.set(u64::MAX);
            if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            if !again.0.swap(false, Ordering::Relaxed) {
                assert_ne!(self.next_ns.get(), u64::MAX, "the task waits for nothing");
                self.now_ns.set(self.next_ns.get());
            }
        }
    }
}

impl Desk {
    /// The node is idle for a while, once it has done what it is busy with.
    pub(crate) fn pass(&self, duration: Duration) {
        self.busy(duration);
        let debt_ns = self.debt_ns.take();
        self.now_ns.update(|now_ns| now_ns + debt_ns);
    }

    /// From when to when what stands here was at work.
    pub(crate) fn worked_ns(&self) -> Vec<(u64, u64)> {
        self.works_ns.borrow().clone()
    }
}

impl Cost for Desk {
    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    fn debt_ns(&self) -> u64 {
        self.debt_ns.get()
    }

    fn busy(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).expect("a test is short");
        self.debt_ns.update(|debt_ns| debt_ns + ns);
    }

    fn works(&self, from_ns: u64, until_ns: u64) {
        self.works_ns.borrow_mut().push((from_ns, until_ns));
    }
}

impl Bench for Desk {
    fn sleep_until_ns(&self, at_ns: u64) -> impl Future<Output = ()> {
        poll_fn(move |_| {
            if self.now_ns.get() >= at_ns {
                return Poll::Ready(());
            }
            self.next_ns.update(|next_ns| next_ns.min(at_ns));
            Poll::Pending
        })
    }
}

impl embedded_hal::delay::DelayNs for Desk {
    fn delay_ns(&mut self, ns: u32) {
        self.busy(Duration::from_nanos(ns.into()));
    }
}
