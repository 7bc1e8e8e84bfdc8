//! The lamp: its light is the board's first LED, its flash is RAM, its broker is the host.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use wavetank_devices::ResetCause;
use wavetank_devices::lamp::{self, Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::led::Led;
use wavetank_mps2_an385::standin::Flash;
use wavetank_mps2_an385::{Board, Line, OWN, host, id, run};

#[entry]
fn main() -> ! {
    let (timers, broker) = (Timers::start(), host(1883));
    let Board { mut net, clock, rng } = Board::start(&timers, "lamp", broker);
    let mut flash = Flash::<4>::new();
    let room = flash.range();
    let parts = Parts { output: Led::new(), flash: &mut flash, net: &mut net, clock, rng, probe: Line };
    run(&timers, lamp::run(parts, Config::new(id("lamp-board"), OWN, broker, room), ResetCause::PowerOn))
}
