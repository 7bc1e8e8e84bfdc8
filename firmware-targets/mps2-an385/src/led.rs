//! The board's first LED (FPGAIO), as a pin.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

use crate::register::Block;

// SAFETY: AN385 maps the FPGAIO registers here; the one at offset 0 is used; it has no DMA.
const FPGAIO: Block = unsafe { Block::at(0x4002_8000) };
const LED0: usize = 0x00;

/// LED 0.
#[derive(Debug, Default)]
pub struct Led(());

impl Led {
    /// The LED, off.
    pub fn new() -> Self {
        FPGAIO.write(LED0, 0);
        Led(())
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        FPGAIO.write(LED0, 0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        FPGAIO.write(LED0, 1);
        Ok(())
    }
}
