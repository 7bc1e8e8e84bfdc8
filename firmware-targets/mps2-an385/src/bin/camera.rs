//! The camera: what it sees is a stand-in, its flash is RAM, its server is the host.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use wavetank_devices::ResetCause;
use wavetank_devices::camera::{self, Config, Parts};
use wavetank_mps2_an385::clock::Timers;
use wavetank_mps2_an385::standin::{Flash, Scene};
use wavetank_mps2_an385::{Board, Line, OWN, host, id, run};

#[entry]
fn main() -> ! {
    let (timers, server) = (Timers::start(), host(8080));
    let Board { mut net, clock, rng } = Board::start(&timers, "camera", server);
    // Four frames of 64 KiB, each with a page of its own.
    let mut flash = Flash::<68>::new();
    let room = flash.range();
    let parts = Parts { sensor: Scene::new(), flash: &mut flash, net: &mut net, clock, rng, probe: Line };
    run(&timers, camera::run(parts, Config::new(id("camera-board"), OWN, server, room), ResetCause::PowerOn))
}
