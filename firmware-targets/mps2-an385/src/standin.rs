//! What this board does not have, stood in for. Each says so on the serial line when it is made.
//!
//! NOT FOR PRODUCTION: on a board with the part, the part's driver is here instead.

use core::convert::Infallible;
use core::future::pending;
use core::ops::Range;

use embedded_hal::digital::{ErrorType as PinError, InputPin};
use embedded_hal_async::digital::Wait;
use embedded_hal_async::i2c::{ErrorKind, ErrorType as BusError, I2c, NoAcknowledgeSource, Operation};
use embedded_io_async::{ErrorType as ReadError, Read};
use embedded_storage_async::nor_flash::{NorFlash, NorFlashErrorKind, ReadNorFlash};
use wavetank_stack::{Clock, Duration, Instant};

use crate::serial::say;

/// How long the door stays as it is.
const DOOR_STAYS: Duration = Duration::from_secs(5);

/// An I2C bus with nobody on it, as on this board.
#[derive(Debug)]
pub struct NoBus(());

impl NoBus {
    /// A bus that says that it is empty.
    #[expect(clippy::new_without_default, reason = "it says something")]
    pub fn new() -> Self {
        say!("stand-in: an I2C bus without parts; every transfer goes unacknowledged");
        NoBus(())
    }
}

impl BusError for NoBus {
    type Error = ErrorKind;
}

impl I2c for NoBus {
    async fn transaction(&mut self, _: u8, _: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address))
    }
}

/// Flash of so many pages that is RAM: written by the word, erased by 4 KiB, and empty after each reset.
pub struct Flash<const PAGES: usize> {
    pages: [[u8; 4_096]; PAGES],
}

impl<const PAGES: usize> Flash<PAGES> {
    /// Empty flash.
    #[expect(clippy::new_without_default, reason = "it says something")]
    pub fn new() -> Self {
        say!("stand-in: {PAGES} pages of RAM for flash; a reset forgets them");
        Flash { pages: [[0xff; 4_096]; PAGES] }
    }

    /// All of it.
    pub fn range(&self) -> Range<u32> {
        0..PAGES as u32 * 4_096
    }

    fn at(&mut self, offset: u32, len: usize) -> Result<&mut [u8], NorFlashErrorKind> {
        let start = offset as usize;
        let bytes = self.pages.as_flattened_mut();
        bytes.get_mut(start..start.saturating_add(len)).ok_or(NorFlashErrorKind::OutOfBounds)
    }
}

impl<const PAGES: usize> embedded_storage_async::nor_flash::ErrorType for Flash<PAGES> {
    type Error = NorFlashErrorKind;
}

impl<const PAGES: usize> ReadNorFlash for Flash<PAGES> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        bytes.copy_from_slice(self.at(offset, bytes.len())?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        PAGES * 4_096
    }
}

impl<const PAGES: usize> NorFlash for Flash<PAGES> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4_096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.at(from, to.saturating_sub(from) as usize)?.fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        for (cell, byte) in self.at(offset, bytes.len())?.iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}

/// A door that opens and closes by the clock.
#[derive(Debug)]
pub struct Door<C> {
    clock: C,
}

impl<C: Clock> Door<C> {
    /// A door that is closed at first.
    pub fn new(clock: C) -> Self {
        say!("stand-in: a door that opens and closes by the clock");
        Door { clock }
    }

    fn is_open(&self) -> bool {
        self.clock.now().as_secs() / DOOR_STAYS.as_secs() % 2 == 1
    }

    async fn wait_for(&mut self, open: bool) {
        while self.is_open() != open {
            let next = self.clock.now().as_secs() / DOOR_STAYS.as_secs() + 1;
            self.clock.timer(Instant::from_secs(next * DOOR_STAYS.as_secs())).await;
        }
    }
}

impl<C> PinError for Door<C> {
    type Error = Infallible;
}

impl<C: Clock> InputPin for Door<C> {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.is_open())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.is_open())
    }
}

impl<C: Clock> Wait for Door<C> {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        self.wait_for(true).await;
        Ok(())
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        self.wait_for(false).await;
        Ok(())
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        self.wait_for(false).await;
        self.wait_for_high().await
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        self.wait_for(true).await;
        self.wait_for_low().await
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        let open = self.is_open();
        self.wait_for(!open).await;
        Ok(())
    }
}

/// What a sensor would see: a pattern that goes on and on.
#[derive(Debug)]
pub struct Scene {
    at: u32,
}

impl Scene {
    /// The beginning of the pattern.
    #[expect(clippy::new_without_default, reason = "it says something")]
    pub fn new() -> Self {
        say!("stand-in: a pattern in front of the camera");
        Scene { at: 0 }
    }
}

impl ReadError for Scene {
    type Error = Infallible;
}

impl Read for Scene {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        for byte in out.iter_mut() {
            *byte = (self.at ^ self.at >> 8) as u8;
            self.at = self.at.wrapping_add(1);
        }
        Ok(out.len())
    }
}

/// A button that nobody presses.
#[derive(Debug)]
pub struct Released(());

impl Released {
    /// A button that says so.
    #[expect(clippy::new_without_default, reason = "it says something")]
    pub fn new() -> Self {
        say!("stand-in: a button that nobody presses");
        Released(())
    }
}

impl PinError for Released {
    type Error = Infallible;
}

impl InputPin for Released {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl Wait for Released {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }
}
