//! Arm's MPS2 board with FPGA image AN385, as any device of `devices/` finds it.
//!
//! A binary of this package brings the parts of one device together and runs its future; the rest is what it takes to reach
//! those parts. What the board does not have is stood in for, and says so ([`standin`], [`sensor`], [`random`]).

#![no_std]

pub mod clock;
pub mod ethernet;
pub mod executor;
pub mod led;
pub mod random;
pub mod register;
pub mod sensor;
pub mod serial;
pub mod standin;

use core::fmt::Debug;
use core::future::Future;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::panic::PanicInfo;

use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::exception;
use wavetank_devices::DeviceId;
use wavetank_stack::{Cidr, Clock, FlowId, Probe};

use crate::clock::{BoardClock, Timers};
use crate::ethernet::Lan9118;
use crate::random::Guessable;
use crate::serial::say;

/// The board's place in QEMU's user network.
pub const OWN: Cidr = Cidr::v4(Ipv4Addr::new(10, 0, 2, 15), 24);

/// The board's place there by IPv6.
pub const OWN_V6: Cidr = Cidr::v6(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0x15), 64);
/// The host there by IPv6.
pub const HOST_V6: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 2);

/// The host in QEMU's user network, at that port.
pub const fn host(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2)), port)
}

/// The parts of the board that every device has.
pub struct Board<'t> {
    /// Its network interface.
    pub net: Lan9118,
    /// Its clock.
    pub clock: BoardClock<'t>,
    /// Its random numbers.
    pub rng: Guessable,
}

impl<'t> Board<'t> {
    /// Starts the board for a device of that kind, and says so.
    ///
    /// # Panics
    /// If the board has no Ethernet controller.
    pub fn start(timers: &'t Timers, kind: &str, peer: SocketAddr) -> Self {
        serial::enable();
        say!("wavetank: {kind} on mps2-an385");
        let clock = BoardClock(timers);
        let net = Lan9118::start().expect("the board has its Ethernet controller");
        let address = net.address();
        let own = if peer.is_ipv6() { OWN_V6 } else { OWN };
        say!("Ethernet address {address:02x?}, IP {own}, peer at {peer}");
        for irq in [clock::IRQ, ethernet::IRQ, serial::RX_IRQ, serial::TX_IRQ] {
            // SAFETY: no code of this program relies on these interrupts being masked.
            unsafe { NVIC::unmask(Irq(irq)) };
        }
        Self { net, clock, rng: Guessable::new(address, clock.now().as_micros()) }
    }
}

/// The device's name, which a board's maker has chosen.
///
/// # Panics
/// If it is no plain name.
pub fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("a plain name")
}

/// Runs the device, and does what it asks when it is done.
pub fn run<E: Debug>(timers: &Timers, device: impl Future<Output = E>) -> ! {
    say!("the device takes {} bytes", size_of_val(&device));
    let exit = executor::block_on(timers, device);
    say!("{exit:?}");
    SCB::sys_reset();
}

/// Prints what the device tells.
#[derive(Clone, Copy, Debug)]
pub struct Line;

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
        serial::RX_IRQ | serial::TX_IRQ => serial::interrupt(),
        other => panic!("interrupt {other} that nobody switched on"),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say!("{info}");
    SCB::sys_reset();
}
