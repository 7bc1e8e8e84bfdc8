//! An I2C bus at the level of bytes and acknowledgements (NXP UM10204).
//!
//! A [`Bus`] belongs to a board and outlives its node's restarts; [`Target`]s are attached to it by address. Node code
//! holds a [`Controller`], which speaks embedded-hal's `I2c`, blocking and async.
//!
//! One controller, 7-bit addresses. A transfer is worked out when it starts, each byte at its own instant, and the
//! node waits once, until the STOP: dropping the future in between does not stop the wire. Lost arbitration and clock
//! stretching happen as ailments only. Not here: the general call.

mod bus;
mod controller;
mod fault;
mod ills;
mod registers;

pub use bus::{Ack, AttachError, Bus, Direction, Speed, Target};
pub use controller::{Controller, Error};
pub use fault::Fault;
pub use ills::Chip;
pub use registers::{RegisterFile, Registers};
