//! Device applications over owned parts, for boards and for the tank alike.
//!
//! A device is one `async fn run(parts, config, cause) -> Exit`. Its parts are values of the ecosystem's
//! traits: a bus, a network driver, a clock, a random number generator, and a
//! [`Probe`](wavetank_stack::Probe) that it tells what it does. Whoever keeps the device makes the parts,
//! runs the future and does what its [`Exit`] says: a board by its hardware, the tank by its models, a
//! test by mocks. The device cannot tell which; nothing here is compiled differently for one of them.
//!
//! All memory of a device is in its future: no `static`, no alloc, no task is spawned. Dropping the
//! future at any await is the power cut that it must survive.

#![no_std]
#![forbid(unsafe_code)]

pub mod backoff;
pub mod camera;
mod dial;
pub mod door_sensor;
mod entropy;
#[cfg(feature = "gateway")]
pub mod gateway;
mod id;
pub mod lamp;
mod lifecycle;
pub mod pcf8583;
pub mod report;
pub mod sht4x;
pub mod smart_meter;
pub mod thermostat;
pub mod updates;
pub mod weather_station;

#[cfg(test)]
mod testing;

pub use backoff::Backoff;
pub use entropy::SharedRng;
pub use id::{DeviceId, InvalidDeviceId};
pub use lifecycle::{Exit, ResetCause};

/// The page's listing, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../stack/docs/concurrency.md")]
struct Concurrency;
