//! What the unit tests share.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use rand_core::TryRng;
use wavetank_stack::{Clock, FlowId, Instant, Probe};

/// Runs a future that has no reason to wait.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

/// A random number generator that says these words, over and over.
pub(crate) struct Words {
    words: &'static [u32],
    at: usize,
}

impl Words {
    pub(crate) const fn new(words: &'static [u32]) -> Self {
        Words { words, at: 0 }
    }
}

impl TryRng for Words {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let word = self.words[self.at % self.words.len()];
        self.at += 1;
        Ok(word)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = self.try_next_u32()?;
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(low))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.try_next_u32()?.to_le_bytes()[0];
        }
        Ok(())
    }
}

/// A clock that stands still until [`run_until`] moves it to the next timer.
#[derive(Clone, Default)]
pub(crate) struct ManualClock {
    inner: Rc<Time>,
}

#[derive(Default)]
struct Time {
    now: Cell<Instant>,
    timers: RefCell<BTreeSet<(Instant, u64)>>,
    next_id: Cell<u64>,
}

impl Clock for ManualClock {
    type Timer = ManualTimer;

    fn now(&self) -> Instant {
        self.inner.now.get()
    }

    fn timer(&self, at: Instant) -> ManualTimer {
        let id = self.inner.next_id.get();
        self.inner.next_id.set(id + 1);
        self.inner.timers.borrow_mut().insert((at, id));
        ManualTimer { time: self.inner.clone(), key: (at, id) }
    }
}

pub(crate) struct ManualTimer {
    time: Rc<Time>,
    key: (Instant, u64),
}

impl Future for ManualTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.time.now.get() < self.key.0 { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for ManualTimer {
    fn drop(&mut self) {
        self.time.timers.borrow_mut().remove(&self.key);
    }
}

/// Polls `future`, jumping from timer to timer, until it is done (and what it gave) or `end` has come.
pub(crate) fn run_until<F: Future>(clock: &ManualClock, end: Instant, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let next = clock.inner.timers.borrow().first().map_or(end, |(at, _)| *at);
        let now = clock.now();
        assert!(next > now || next == end, "a timer that was due was not taken");
        if next >= end {
            clock.inner.now.set(end.max(now));
            return None;
        }
        clock.inner.now.set(next);
    }
}

/// Remembers all it is told.
#[derive(Default)]
pub(crate) struct Notebook {
    counts: RefCell<Vec<(&'static str, u64)>>,
    gauges: RefCell<Vec<(&'static str, i64)>>,
    flows: RefCell<Vec<(&'static str, String, u64)>>,
}

impl Notebook {
    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.counts.borrow().iter().filter(|(n, _)| *n == name).map(|(_, by)| by).sum()
    }

    pub(crate) fn gauged(&self, name: &str) -> Option<i64> {
        let gauges = self.gauges.borrow();
        gauges.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// The sequence numbers that reached the stage `kind`, in order.
    pub(crate) fn flowed(&self, kind: &str) -> Vec<u64> {
        self.flows.borrow().iter().filter(|(k, ..)| *k == kind).map(|(.., sequence)| *sequence).collect()
    }
}

impl Probe for Notebook {
    fn count(&self, name: &'static str, by: u64) {
        self.counts.borrow_mut().push((name, by));
    }

    fn gauge(&self, name: &'static str, value: i64) {
        self.gauges.borrow_mut().push((name, value));
    }

    fn flow(&self, kind: &'static str, id: FlowId<'_>) {
        self.flows.borrow_mut().push((kind, id.source.to_string(), id.sequence));
    }
}
