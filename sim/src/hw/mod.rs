//! Hardware models at register level, behind embedded-hal and embedded-storage.
//!
//! A model is told the time with every byte that reaches it and never asks for it; the handles that node code holds
//! ([`i2c::Controller`], [`Flash`]) wait for what the wire or the cells take. The models are what is soldered to the
//! board: they outlive the node's restarts, and only a power cut resets those that have no memory of their own.
//!
//! - [`signal`]: the physical world, as named quantities over virtual time;
//! - [`gpio`]: pins with edges, and contacts that bounce;
//! - [`i2c`]: a bus, its targets, and what can be wrong with it;
//! - parts on it: [`sht4x`] and [`tmp117`] feel temperature, [`bme280`] the weather, [`lis3dh`] acceleration; [`at24c`]
//!   keeps bytes; [`pcf8583`] counts events, here the [`pulses`] of a meter's dial. What each [`Sense`] feels can be led
//!   astray;
//! - [`spi`]: another bus, and [`w25q`], a NOR flash on it;
//! - [`uart`]: serial lines, and [`nmea`], a probe that speaks over one; [`rcp`], a radio behind one;
//! - [`adc`]: voltages as numbers;
//! - [`flash`]: NOR flash that tears and wears;
//! - [`battery`]: what a node lives on, and what draws from it;
//! - [`ailment`]: what faults can do to any of it.
//!
//! There is no driver here: those are written against embedded-hal and run on boards too.

pub mod adc;
pub mod ailment;
pub mod at24c;
pub mod battery;
mod bench;
pub mod bme280;
pub mod flash;
pub mod gpio;
pub mod i2c;
pub mod lis3dh;
pub mod nmea;
pub mod pcf8583;
pub mod pulses;
pub mod rcp;
mod sense;
pub mod sht4x;
pub mod signal;
pub mod spi;
pub mod tmp117;
pub mod uart;
pub mod w25q;

pub use ailment::{Ailment, Case, Faulty, Ills, Odds, Onset};
pub use bench::{Bench, Cost, Meter};
pub use flash::Flash;
pub use sense::Sense;
