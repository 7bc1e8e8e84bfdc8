//! The board's serial lines (CMSDK APB UARTs): UART 0, transmitting only, for what the board has to say; UART 1, both ways, for
//! what is plugged in there ([`Line`]).

use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use critical_section::Mutex;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use crate::register::Block;

/// Of UART 1: a byte has come.
pub const RX_IRQ: i16 = 2;
/// Of UART 1: a byte has gone.
pub const TX_IRQ: i16 = 3;

// SAFETY: AN385 maps UART 0's registers here; offsets up to 0x10 are used; it has no DMA.
const UART0: Block = unsafe { Block::at(0x4000_4000) };
// SAFETY: AN385 maps UART 1's registers here; offsets up to 0x10 are used; it has no DMA.
const UART1: Block = unsafe { Block::at(0x4000_5000) };
const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CTRL: usize = 0x08;
const INT_CLEAR: usize = 0x0c;
const BAUDDIV: usize = 0x10;

const STATE_TX_FULL: u32 = 1 << 0;
const STATE_RX_FULL: u32 = 1 << 1;
const STATE_RX_OVERRUN: u32 = 1 << 3;
const CTRL_TX_ENABLE: u32 = 1 << 0;
const CTRL_RX_ENABLE: u32 = 1 << 1;
const CTRL_TX_INTERRUPT: u32 = 1 << 2;
const CTRL_RX_INTERRUPT: u32 = 1 << 3;
const INT_TX: u32 = 1 << 0;
const INT_RX: u32 = 1 << 1;
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

/// What has come by UART 1 and was not read yet: as much as comes in 20 ms.
const FIFO: usize = 256;

struct Receiver {
    bytes: [u8; FIFO],
    first: usize,
    len: usize,
    is_overrun: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

static RECEIVER: Mutex<RefCell<Receiver>> = Mutex::new(RefCell::new(Receiver {
    bytes: [0; FIFO],
    first: 0,
    len: 0,
    is_overrun: false,
    reader: None,
    writer: None,
}));

/// A byte has come by UART 1, or gone.
pub fn interrupt() {
    UART1.write(INT_CLEAR, INT_TX | INT_RX);
    let [reader, writer] = critical_section::with(|cs| {
        let receiver = &mut *RECEIVER.borrow_ref_mut(cs);
        while UART1.read(STATE) & STATE_RX_FULL != 0 {
            let byte = UART1.read(DATA) as u8;
            if receiver.len < FIFO {
                receiver.bytes[(receiver.first + receiver.len) % FIFO] = byte;
                receiver.len += 1;
            } else {
                receiver.is_overrun = true;
            }
        }
        if UART1.read(STATE) & STATE_RX_OVERRUN != 0 {
            UART1.write(STATE, STATE_RX_OVERRUN);
            receiver.is_overrun = true;
        }
        [receiver.reader.take(), receiver.writer.take()]
    });
    [reader, writer].into_iter().flatten().for_each(Waker::wake);
}

/// Bytes came, and those before them had not been read.
#[derive(Clone, Copy, Debug)]
pub struct Overrun;

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes were lost because nobody read those before them")
    }
}

impl core::error::Error for Overrun {}

impl embedded_io_async::Error for Overrun {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// UART 1, 115,200 bits a second.
pub struct Line {
    /// What comes.
    pub from: Incoming,
    /// What goes.
    pub to: Outgoing,
}

/// What comes by UART 1. Reads are cancel-safe.
pub struct Incoming(());

/// What goes by UART 1.
pub struct Outgoing(());

impl Line {
    /// Switches it on. There is one, so make one.
    pub fn start() -> Self {
        UART1.write(BAUDDIV, DIVISOR);
        UART1.write(CTRL, CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_TX_INTERRUPT | CTRL_RX_INTERRUPT);
        Line { from: Incoming(()), to: Outgoing(()) }
    }
}

impl ErrorType for Incoming {
    type Error = Overrun;
}

impl Read for Incoming {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Overrun> {
        poll_fn(|cx| {
            critical_section::with(|cs| {
                let receiver = &mut *RECEIVER.borrow_ref_mut(cs);
                let len = receiver.len.min(out.len());
                for place in &mut out[..len] {
                    *place = receiver.bytes[receiver.first];
                    receiver.first = (receiver.first + 1) % FIFO;
                }
                receiver.len -= len;
                if len > 0 || out.is_empty() {
                    return Poll::Ready(Ok(len));
                }
                if core::mem::take(&mut receiver.is_overrun) {
                    return Poll::Ready(Err(Overrun));
                }
                keep(&mut receiver.reader, cx);
                Poll::Pending
            })
        })
        .await
    }
}

impl ErrorType for Outgoing {
    type Error = Infallible;
}

impl Write for Outgoing {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(&byte) = bytes.first() else { return Ok(0) };
        poll_fn(|cx| {
            critical_section::with(|cs| {
                // In this order: a byte that goes right now wakes whoever waits.
                keep(&mut RECEIVER.borrow_ref_mut(cs).writer, cx);
                if UART1.read(STATE) & STATE_TX_FULL != 0 {
                    return Poll::Pending;
                }
                UART1.write(DATA, u32::from(byte));
                Poll::Ready(Ok(1))
            })
        })
        .await
    }

    /// What was written is in the transmitter.
    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    if !slot.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
        *slot = Some(cx.waker().clone());
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
