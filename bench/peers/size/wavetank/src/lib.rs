//! What the firmware here shares: the stack's clock, over embassy's.

#![no_std]

use wavetank_stack::{Clock, Instant};

/// embassy-time as the stack's clock.
#[derive(Clone, Copy)]
pub struct Time;

impl Clock for Time {
    type Timer = embassy_time::Timer;

    fn now(&self) -> Instant {
        Instant::from_micros(embassy_time::Instant::now().as_micros())
    }

    fn timer(&self, at: Instant) -> embassy_time::Timer {
        embassy_time::Timer::at(embassy_time::Instant::from_micros(at.as_micros()))
    }
}
