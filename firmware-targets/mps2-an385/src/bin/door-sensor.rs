//! The door sensor: its door is a stand-in, its flash is RAM, its server is the host.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use wavetank_devices::ResetCause;
use wavetank_devices::door_sensor::{self, Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::standin::{Door, Flash};
use wavetank_mps2_an385::{Board, Line, OWN, host, id, run};

#[entry]
fn main() -> ! {
    let (timers, server) = (Timers::start(), host(5683));
    let Board { mut net, clock, rng } = Board::start(&timers, "door-sensor", server);
    let mut flash = Flash::<4>::new();
    let room = flash.range();
    let (contact, battery) = (Door::new(clock), async || None);
    let parts = Parts { contact, battery, flash: &mut flash, net: &mut net, clock, rng, probe: Line };
    run(&timers, door_sensor::run(parts, Config::new(id("door-board"), OWN, server, room), ResetCause::PowerOn))
}
