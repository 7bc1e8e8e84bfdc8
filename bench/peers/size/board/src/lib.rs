//! What every firmware whose size is compared stands on: an Ethernet card, a clock, entropy and a panic handler.
//!
//! None of it does anything, and the compiler cannot know: what a card would have received is opaque to it, so nothing
//! that handles frames is left out.

#![no_std]

use core::convert::Infallible;
use core::hint::black_box;
use core::panic::PanicInfo;
use core::task::{Context, Waker};

use critical_section as _;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use rand_core::{TryCryptoRng, TryRng};
use static_cell::ConstStaticCell;

#[cfg(target_arch = "arm")]
use {cortex_m as _, cortex_m_rt as _};
#[cfg(target_arch = "riscv32")]
use {portable_atomic as _, riscv as _, riscv_rt as _};

/// The longest frame.
const FRAME_BYTES: usize = 1_514;

static FRAMES: ConstStaticCell<[[u8; FRAME_BYTES]; 2]> = ConstStaticCell::new([[0; FRAME_BYTES]; 2]);

/// An Ethernet card with room for one frame each way.
pub struct Card {
    frames: &'static mut [[u8; FRAME_BYTES]; 2],
}

impl Card {
    /// The board's only card.
    ///
    /// # Panics
    /// The second time.
    pub fn take() -> Self {
        Self { frames: FRAMES.take() }
    }
}

impl Driver for Card {
    type RxToken<'t> = Frame<'t>;
    type TxToken<'t> = Frame<'t>;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Frame<'_>, Frame<'_>)> {
        let [received, room] = &mut *self.frames;
        black_box(true).then_some((Frame(received), Frame(room)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Frame<'_>> {
        let [_, room] = &mut *self.frames;
        black_box(true).then_some(Frame(room))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        if black_box(true) { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(black_box([2, 0, 0, 0, 0, 1]))
    }
}

/// A frame that was received, or room for one.
pub struct Frame<'t>(&'t mut [u8; FRAME_BYTES]);

impl RxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(&mut black_box(self.0)[..black_box(60)])
    }
}

impl TxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let result = f(&mut self.0[..len]);
        black_box(self.0);
        result
    }
}

/// Entropy that is none.
pub struct Entropy;

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(black_box(4))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(black_box(4))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(black_box(4));
        Ok(())
    }
}

/// So that firmware with keys links; it never runs.
impl TryCryptoRng for Entropy {}

/// Wakes whoever waits at once, to look whether it is time.
struct Hasty;

impl embassy_time_driver::Driver for Hasty {
    fn now(&self) -> u64 {
        black_box(0)
    }

    fn schedule_wake(&self, _: u64, waker: &Waker) {
        waker.wake_by_ref();
    }
}

embassy_time_driver::time_driver_impl!(static DRIVER: Hasty = Hasty);

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
