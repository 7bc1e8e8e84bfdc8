//! One generator for several tasks of a device.

use core::cell::RefCell;
use core::fmt;

use rand_core::{Rng, TryRng};

/// A handle to a generator that others draw from, too.
pub struct SharedRng<'a, R>(&'a RefCell<R>);

impl<'a, R: Rng> SharedRng<'a, R> {
    /// A handle to that generator.
    pub const fn new(rng: &'a RefCell<R>) -> Self {
        Self(rng)
    }
}

impl<R: Rng> TryRng for SharedRng<'_, R> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.borrow_mut().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.borrow_mut().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.borrow_mut().fill_bytes(bytes);
        Ok(())
    }
}

impl<R> fmt::Debug for SharedRng<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRng").finish_non_exhaustive()
    }
}
