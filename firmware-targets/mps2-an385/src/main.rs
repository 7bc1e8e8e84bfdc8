//! The thermostat on Arm's MPS2 board with FPGA image AN385.
//!
//! The board brings its parts together and runs the device's future; the rest of this package is what it
//! takes to reach those parts.

#![no_std]
#![no_main]

mod clock;
mod ethernet;
mod executor;
mod random;
mod register;
mod sensor;
mod serial;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::panic::PanicInfo;

use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::{entry, exception};
use wavetank_devices::thermostat::{self, Config, Parts};
use wavetank_devices::{DeviceId, ResetCause};
use wavetank_stack::{Cidr, Clock, FlowId, Probe};

use crate::clock::{BoardClock, Timers};
use crate::ethernet::Lan9118;
use crate::random::Guessable;
use crate::sensor::SimulatedSht4x;
use crate::serial::say;

/// The board's place in QEMU's user network, and the host's there.
const OWN: Cidr = Cidr::v4(Ipv4Addr::new(10, 0, 2, 15), 24);
const HUB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2)), 8080);

#[entry]
fn main() -> ! {
    serial::enable();
    say!("wavetank: thermostat on mps2-an385");
    let timers = Timers::start();
    let clock = BoardClock(&timers);
    let mut net = Lan9118::start().expect("the board has its Ethernet controller");
    let address = net.address();
    say!("Ethernet address {address:02x?}, IP {OWN}, hub at {HUB}");
    for irq in [clock::IRQ, ethernet::IRQ] {
        // SAFETY: no code of this program relies on these interrupts being masked.
        unsafe { NVIC::unmask(Irq(irq)) };
    }
    let parts = Parts {
        i2c: SimulatedSht4x::new(clock),
        net: &mut net,
        clock,
        rng: Guessable::new(address, clock.now().as_micros()),
        probe: Line,
    };
    let config = Config::new(DeviceId::new("thermostat-board").expect("a plain name"), OWN, HUB);
    // The board's reset controller does not tell why.
    let device = thermostat::run(parts, config, ResetCause::PowerOn);
    say!("the device takes {} bytes", size_of_val(&device));
    let exit = executor::block_on(&timers, device);
    say!("{exit:?}");
    SCB::sys_reset();
}

/// Prints what the device tells.
struct Line;

impl Probe for Line {
    fn count(&self, name: &'static str, by: u64) {
        say!("{name} +{by}");
    }

    fn gauge(&self, name: &'static str, value: i64) {
        say!("{name} = {value}");
    }

    fn flow(&self, kind: &'static str, id: FlowId<'_>) {
        say!("{kind} {}", id.sequence);
    }
}

/// An interrupt of this board, by its number in AN385's table.
#[derive(Clone, Copy)]
struct Irq(i16);

// SAFETY: the numbers are below 240 and name interrupts of this board.
unsafe impl cortex_m::interrupt::InterruptNumber for Irq {
    fn number(self) -> u16 {
        self.0.unsigned_abs()
    }
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
