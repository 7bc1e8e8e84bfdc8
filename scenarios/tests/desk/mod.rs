//! A desk in a world with one task, whose power fails at an instant: what the tests of flash share.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rand_core::{Infallible, TryRng};
use wavetank_sim::hw::flash::Timing;
use wavetank_sim::hw::{Bench, Cost};

/// A write unit takes as long as a page's erasure, so that odd instants are in the midst of a step and even ones between.
pub(crate) const STEP: Timing = Timing { write_ns: 2, erase_ns: 2 };

/// A world with one task, whose power fails at an instant.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) now_ns: Rc<Cell<u64>>,
    next_ns: Rc<Cell<u64>>,
    fails_ns: u64,
}

impl Desk {
    pub(crate) fn new(now_ns: u64, fails_ns: u64) -> Self {
        Desk { now_ns: Rc::new(Cell::new(now_ns)), next_ns: Rc::default(), fails_ns }
    }

    /// Runs a task to its end, or to that of the power.
    pub(crate) fn run<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        let mut task = pin!(task);
        loop {
            self.next_ns.set(u64::MAX);
            if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(output);
            }
            assert_ne!(self.next_ns.get(), u64::MAX, "the task waits for nothing");
            if self.next_ns.get() > self.fails_ns {
                self.now_ns.set(self.fails_ns);
                return None;
            }
            self.now_ns.set(self.next_ns.get());
        }
    }
}

impl Cost for Desk {
    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    fn debt_ns(&self) -> u64 {
        0
    }

    fn busy(&self, _: Duration) {
        unreachable!("the flash is asynchronous here");
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

/// Which bits of a torn step have changed: none, all, or those that chance decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tear {
    Nothing,
    Everything,
    Chance(u64),
}

pub(crate) const TEARS: [Tear; 4] = [Tear::Nothing, Tear::Everything, Tear::Chance(1), Tear::Chance(2)];

impl TryRng for Tear {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(match self {
            Tear::Nothing => 0,
            Tear::Everything => u32::MAX,
            Tear::Chance(state) => {
                *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                (*state >> 33) as u32
            }
        })
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.try_next_u32().unwrap_or_default() as u8);
        Ok(())
    }
}
