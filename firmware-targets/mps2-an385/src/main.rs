//! The thermostat on Arm's MPS2 board with FPGA image AN385.

#![no_std]
#![no_main]

mod clock;
mod ethernet;
mod executor;
mod random;
mod register;
mod sensor;
mod serial;

use core::panic::PanicInfo;

use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::{entry, exception};

use crate::clock::{BoardClock, Timers};
use crate::ethernet::Lan9118;
use crate::random::Guessable;
use crate::sensor::SimulatedSht4x;
use crate::serial::say;

/// An interrupt of this board, by its number in AN385's table.
#[derive(Clone, Copy)]
struct Irq(i16);

// SAFETY: the numbers are below 240 and name interrupts of this board.
unsafe impl cortex_m::interrupt::InterruptNumber for Irq {
    fn number(self) -> u16 {
        self.0.unsigned_abs()
    }
}

#[entry]
fn main() -> ! {
    serial::enable();
    say!("wavetank thermostat on mps2-an385");
    let timers = Timers::start();
    let clock = BoardClock(&timers);
    let net = Lan9118::start().expect("the board has its Ethernet controller");
    for irq in [clock::IRQ, ethernet::IRQ] {
        // SAFETY: no code of this program relies on these interrupts being masked.
        unsafe { NVIC::unmask(Irq(irq)) };
    }
    say!("address {:02x?}", net.address());
    use embassy_net_driver::Driver;
    use wavetank_stack::time::*;
    let mut net = net;
    let mut sensor = wavetank_devices::sht4x::Sht4x::new(SimulatedSht4x::new(clock), Delay::new(clock));
    executor::block_on(&timers, async {
        core::future::poll_fn(|cx| { say!("link up {}", net.link_state(cx) == embassy_net_driver::LinkState::Up); core::task::Poll::Ready(()) }).await;
        for _ in 0..3 {
            sleep(&clock, Duration::from_millis(200)).await;
            say!("{:?} {:?}", clock.now(), sensor.measure().await);
        }
    });
    loop { cortex_m::asm::wfi(); }
}

#[exception]
unsafe fn DefaultHandler(irq: i16) {
    match irq {
        clock::IRQ => clock::interrupt(),
        ethernet::IRQ => ethernet::interrupt(),
        other => panic!("interrupt {other} that nobody switched on"),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say!("{info}");
    SCB::sys_reset();
}
