//! The weather station: its instruments are absent, its flash is RAM, its hub is the host.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use wavetank_devices::ResetCause;
use wavetank_devices::weather_station::{self, Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::standin::{Flash, NoBus};
use wavetank_mps2_an385::{Board, Line, OWN, host, id, run};

#[entry]
fn main() -> ! {
    let (timers, hub) = (Timers::start(), host(8080));
    let Board { mut net, clock, rng } = Board::start(&timers, "weather-station", hub);
    let mut flash = Flash::<4>::new();
    let room = flash.range();
    let (i2c, battery) = (NoBus::new(), async || None);
    let parts = Parts { i2c, battery, flash: &mut flash, net: &mut net, clock, rng, probe: Line };
    run(&timers, weather_station::run(parts, Config::new(id("station-board"), OWN, hub, room), ResetCause::PowerOn))
}
