//! Memory-mapped registers: the only place that knows how a device is reached.

/// A block of 32-bit registers at a fixed address.
#[derive(Clone, Copy)]
pub struct Block {
    base: usize,
}

impl Block {
    /// # Safety
    ///
    /// `base` must be the address of a block of 32-bit device registers that is mapped for as long as the
    /// program runs, and all offsets used with it must lie inside. Reading or writing them must have no
    /// effect on memory that Rust knows of (no DMA).
    pub const unsafe fn at(base: usize) -> Self {
        Block { base }
    }

    /// Reads the register at `offset`.
    pub fn read(self, offset: usize) -> u32 {
        // SAFETY: `at` was promised that this is a device register.
        unsafe { core::ptr::read_volatile((self.base + offset) as *const u32) }
    }

    /// Writes the register at `offset`.
    pub fn write(self, offset: usize, value: u32) {
        // SAFETY: `at` was promised that this is a device register.
        unsafe { core::ptr::write_volatile((self.base + offset) as *mut u32, value) }
    }
}
