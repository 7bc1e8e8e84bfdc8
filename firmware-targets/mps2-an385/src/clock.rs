//! Time: a free-running microsecond counter (FPGAIO), and timer 0 (CMSDK APB timer) as the alarm.
//!
//! The processor sleeps until the next deadline, not from tick to tick.

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use wavetank_stack::{Clock, Instant};

use crate::register::Block;

/// Timer 0's interrupt.
pub const IRQ: i16 = 8;

// SAFETY: AN385 maps timer 0's registers here; offsets up to 0x0c are used; it has no DMA.
const TIMER0: Block = unsafe { Block::at(0x4000_0000) };
const CTRL: usize = 0x00;
const VALUE: usize = 0x04;
const RELOAD: usize = 0x08;
const INTCLEAR: usize = 0x0c;
const CTRL_ENABLE: u32 = 1 << 0;
const CTRL_INTERRUPT: u32 = 1 << 3;
const TICKS_PER_US: u64 = 25;
/// Sleeps are cut to this: the microsecond counter wraps after 71 minutes and must be read before.
const SLEEP_MAX_US: u64 = 60_000_000;

// SAFETY: AN385 maps the FPGAIO registers here; offsets up to 0x1c are used; it has no DMA.
const FPGAIO: Block = unsafe { Block::at(0x4002_8000) };
const COUNTER: usize = 0x18;
const PRESCALE: usize = 0x1c;

/// Timers that can wait at one time. One more than that does not sleep but polls.
const TIMERS_MAX: usize = 16;

/// All timers that wait, and the counter's upper half.
pub struct Timers {
    last_us: Cell<u64>,
    slots: RefCell<[Option<(Instant, Waker)>; TIMERS_MAX]>,
}

impl Timers {
    /// Starts the counter.
    pub fn start() -> Self {
        FPGAIO.write(PRESCALE, TICKS_PER_US as u32 - 1);
        FPGAIO.write(COUNTER, 0);
        Timers { last_us: Cell::new(0), slots: RefCell::new([const { None }; TIMERS_MAX]) }
    }

    fn now(&self) -> Instant {
        let last = self.last_us.get();
        let passed = FPGAIO.read(COUNTER).wrapping_sub(last as u32);
        let now = last + u64::from(passed);
        self.last_us.set(now);
        Instant::from_micros(now)
    }

    /// Wakes those whose time has come, and sets the alarm for the next of the others.
    pub fn expire(&self) {
        let now = self.now();
        let mut next = now.as_micros() + SLEEP_MAX_US;
        for slot in self.slots.borrow_mut().iter_mut() {
            match slot {
                Some((at, waker)) if *at <= now => waker.wake_by_ref(),
                Some((at, _)) => next = next.min(at.as_micros()),
                None => {}
            }
        }
        let ticks = (next - now.as_micros()) * TICKS_PER_US;
        TIMER0.write(CTRL, 0);
        TIMER0.write(RELOAD, ticks as u32);
        TIMER0.write(VALUE, ticks as u32);
        TIMER0.write(CTRL, CTRL_ENABLE | CTRL_INTERRUPT);
    }
}

/// The alarm has woken the processor; that was all it had to do.
pub fn interrupt() {
    TIMER0.write(CTRL, 0);
    TIMER0.write(INTCLEAR, 1);
}

/// The board's clock, as the stack and the device use it.
#[derive(Clone, Copy)]
pub struct BoardClock<'a>(pub &'a Timers);

impl<'a> Clock for BoardClock<'a> {
    type Timer = Timer<'a>;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, at: Instant) -> Timer<'a> {
        Timer { timers: self.0, at, slot: None }
    }
}

/// Waits for one instant; its slot is free again when it is dropped.
pub struct Timer<'a> {
    timers: &'a Timers,
    at: Instant,
    slot: Option<usize>,
}

impl Future for Timer<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timers.now() >= self.at {
            return Poll::Ready(());
        }
        let mut slots = self.timers.slots.borrow_mut();
        let slot = self.slot.or_else(|| slots.iter().position(Option::is_none));
        match slot {
            Some(slot) => slots[slot] = Some((self.at, cx.waker().clone())),
            None => cx.waker().wake_by_ref(),
        }
        drop(slots);
        self.slot = slot;
        Poll::Pending
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.timers.slots.borrow_mut()[slot] = None;
        }
    }
}
