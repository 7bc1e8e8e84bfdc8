//! The gateway: its radio is a co-processor at UART 1, its button one that nobody presses, its light is the board's first LED.
//!
//! In QEMU's user network, which speaks IPv6 as fec0::/64, its uplink is the host. The radio's address is made of the Ethernet
//! controller's.

#![no_std]
#![no_main]

use core::net::{Ipv6Addr, SocketAddr};
use core::pin::pin;

use cortex_m_rt::entry;
use embassy_futures::select::{Either, select};
use wavetank_devices::ResetCause;
use wavetank_devices::gateway::{Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::led::Led;
use wavetank_mps2_an385::serial;
use wavetank_mps2_an385::standin::Released;
use wavetank_mps2_an385::{Board, HOST_V6, Line, OWN_V6, id, run};
use wavetank_stack::rcp;

/// The network of its radios, and the channel.
const PAN: u16 = 0xbeef;
const CHANNEL: u8 = 15;
const PREFIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0);

#[entry]
fn main() -> ! {
    let (timers, uplink) = (Timers::start(), HOST_V6.into());
    let Board { mut net, clock, rng } = Board::start(&timers, "gateway", SocketAddr::new(uplink, 0));
    let serial::Line { from, to } = serial::Line::start();
    let (mut memory, eui) = (rcp::Memory::<4>::new(), rcp::eui_of(net.address()));
    let (radio, mut link) = rcp::split(&mut memory, rcp::Options::new(eui, PAN, CHANNEL));
    let parts = Parts { lan: &mut net, radio, light: Led::new(), button: Released::new(), clock, rng, probe: Line };
    let config = Config::new(id("gateway-board"), OWN_V6, PAN, PREFIX, uplink);
    run(&timers, async {
        let gateway = pin!(wavetank_devices::gateway::run(parts, config, ResetCause::PowerOn));
        let passing = pin!(link.run(from, to, &clock, &Line));
        match select(passing, gateway).await {
            Either::First(never) => match never {},
            Either::Second(exit) => exit,
        }
    })
}
