//! The thermostat: its sensor is a stand-in, its hub is the host.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use wavetank_devices::ResetCause;
use wavetank_devices::thermostat::{self, Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::sensor::SimulatedSht4x;
use wavetank_mps2_an385::{Board, Line, OWN, host, id, run};

#[entry]
fn main() -> ! {
    let (timers, hub) = (Timers::start(), host(8080));
    let Board { mut net, clock, rng } = Board::start(&timers, "thermostat", hub);
    let parts = Parts { i2c: SimulatedSht4x::new(clock), net: &mut net, clock, rng, probe: Line };
    // The board's reset controller does not tell why.
    run(&timers, thermostat::run(parts, Config::new(id("thermostat-board"), OWN, hub), ResetCause::PowerOn))
}
