//! Runs one future to its end; sleeps while there is nothing to do.
//!
//! The device is one future that joins all that it does, so one waker is enough: a flag.

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use cortex_m::interrupt;

use crate::clock::Timers;

static READY: AtomicBool = AtomicBool::new(false);

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, forget);

fn clone(_: *const ()) -> RawWaker {
    RawWaker::new(core::ptr::null(), &VTABLE)
}

fn wake(_: *const ()) {
    READY.store(true, Ordering::Release);
}

fn forget(_: *const ()) {}

/// Polls `future` when it was woken, and waits for an interrupt when not.
pub fn block_on<F: Future>(timers: &Timers, future: F) -> F::Output {
    // SAFETY: the functions of the table use no data, so any pointer will do, from any context.
    let waker = unsafe { Waker::from_raw(clone(core::ptr::null())) };
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        READY.store(false, Ordering::Release);
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        timers.expire();
        while !READY.load(Ordering::Acquire) {
            sleep();
            timers.expire();
        }
    }
}

/// With interrupts masked nothing can come between the question and the sleep; a pending one still ends
/// the sleep, and is handled when they are allowed again.
fn sleep() {
    interrupt::disable();
    if !READY.load(Ordering::Acquire) {
        cortex_m::asm::wfi();
    }
    // SAFETY: no critical section is open here: this is the only thread, outside of any poll.
    unsafe { interrupt::enable() };
}
