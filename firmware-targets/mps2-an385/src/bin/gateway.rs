//! The gateway: its radio is a stand-in that nobody hears, its button one that nobody presses, its light is the board's first LED.
//!
//! In QEMU's user network, which speaks IPv6 as fec0::/64, its uplink is the host.

#![no_std]
#![no_main]

use core::net::{Ipv6Addr, SocketAddr};

use cortex_m_rt::entry;
use wavetank_devices::ResetCause;
use wavetank_devices::gateway::{Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::led::Led;
use wavetank_mps2_an385::standin::{Released, Unheard};
use wavetank_mps2_an385::{Board, HOST_V6, Line, OWN_V6, id, run};

/// The network of its radios.
const PAN: u16 = 0xbeef;
const PREFIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0);

#[entry]
fn main() -> ! {
    let (timers, uplink) = (Timers::start(), HOST_V6.into());
    let Board { mut net, clock, rng } = Board::start(&timers, "gateway", SocketAddr::new(uplink, 0));
    let parts = Parts {
        lan: &mut net,
        radio: Unheard::new(),
        light: Led::new(),
        button: Released::new(),
        clock,
        rng,
        probe: Line,
    };
    let config = Config::new(id("gateway-board"), OWN_V6, PAN, PREFIX, uplink);
    run(&timers, wavetank_devices::gateway::run(parts, config, ResetCause::PowerOn))
}
