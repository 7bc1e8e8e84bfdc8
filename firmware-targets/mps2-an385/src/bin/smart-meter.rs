//! The smart meter: its counter is absent, its flash is RAM, its broker is the host.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use wavetank_devices::ResetCause;
use wavetank_devices::smart_meter::{self, Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::standin::{Flash, NoBus};
use wavetank_mps2_an385::{Board, Line, OWN, host, id, run};

#[entry]
fn main() -> ! {
    let (timers, broker) = (Timers::start(), host(1883));
    let Board { mut net, clock, rng } = Board::start(&timers, "smart-meter", broker);
    let mut flash = Flash::<4>::new();
    let room = flash.range();
    let parts = Parts { i2c: NoBus::new(), flash: &mut flash, net: &mut net, clock, rng, probe: Line };
    run(&timers, smart_meter::run(parts, Config::new(id("meter-board"), OWN, broker, room), ResetCause::PowerOn))
}
