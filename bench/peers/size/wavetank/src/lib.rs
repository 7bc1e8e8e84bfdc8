//! What the firmware here shares: the stack's clock, over embassy's, and flash that is nowhere.

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

/// Flash of 512 KiB, as a driver would have it; it is never there.
#[cfg(feature = "update")]
#[derive(Debug)]
pub struct Cells;

#[cfg(feature = "update")]
impl embedded_storage_async::nor_flash::ErrorType for Cells {
    type Error = embedded_storage_async::nor_flash::NorFlashErrorKind;
}

#[cfg(feature = "update")]
impl embedded_storage_async::nor_flash::ReadNorFlash for Cells {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        core::hint::black_box((offset, bytes));
        Ok(())
    }

    fn capacity(&self) -> usize {
        512 * 1024
    }
}

#[cfg(feature = "update")]
impl embedded_storage_async::nor_flash::NorFlash for Cells {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4_096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        core::hint::black_box((from, to));
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        core::hint::black_box((offset, bytes));
        Ok(())
    }
}
