//! Hardware models at register level, behind embedded-hal and embedded-storage.
//!
//! A model is told the time with every byte that reaches it and never asks for it; the handles that node code holds
//! ([`i2c::Controller`], [`Flash`]) wait for what the wire or the cells take. The models are what is soldered to the
//! board: they outlive the node's restarts, and only a power cut resets those that have no memory of their own.
//!
//! - [`signal`]: the physical world, as named quantities over virtual time;
//! - [`gpio`]: pins with edges, and contacts that bounce;
//! - [`i2c`]: a bus, its targets, and what can be wrong with it;
//! - [`sht4x`]: Sensirion's temperature and humidity sensor;
//! - [`pcf8583`]: NXP's counter of events, here of the [`pulses`] of a meter's dial;
//! - [`flash`]: NOR flash that tears and wears;
//! - [`ailment`]: what faults can do to any of it.
//!
//! There is no driver here: those are written against embedded-hal and run on boards too.

pub mod ailment;
mod bench;
pub mod flash;
pub mod gpio;
pub mod i2c;
pub mod pcf8583;
pub mod pulses;
mod sense;
pub mod sht4x;
pub mod signal;

pub use ailment::{Ailment, Case, Faulty, Ills, Odds, Onset};
pub use bench::{Bench, Cost, Meter};
pub use flash::Flash;
pub use sense::Sense;
