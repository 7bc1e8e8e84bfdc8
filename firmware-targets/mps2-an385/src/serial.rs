//! UART 0 (CMSDK APB UART), transmitting only: what the board has to say.

use core::fmt;

use crate::register::Block;

// SAFETY: AN385 maps UART 0's registers here; offsets up to 0x10 are used; it has no DMA.
const UART0: Block = unsafe { Block::at(0x4000_4000) };
const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CTRL: usize = 0x08;
const BAUDDIV: usize = 0x10;

const STATE_TX_FULL: u32 = 1 << 0;
const CTRL_TX_ENABLE: u32 = 1 << 0;
/// 25 MHz / 115 200 baud.
const DIVISOR: u32 = 217;

/// Switches the transmitter on.
pub fn enable() {
    UART0.write(BAUDDIV, DIVISOR);
    UART0.write(CTRL, CTRL_TX_ENABLE);
}

/// The line as a text sink. Waits while the transmitter is busy.
pub struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while UART0.read(STATE) & STATE_TX_FULL != 0 {}
            UART0.write(DATA, u32::from(byte));
        }
        Ok(())
    }
}

/// Prints one line.
macro_rules! say {
    ($($argument:tt)*) => {{
        use core::fmt::Write as _;
        // Writing to the line cannot fail.
        let _ = writeln!($crate::serial::Serial, $($argument)*);
    }};
}
pub(crate) use say;
