//! An SPI bus at the level of bytes and chip selects.
//!
//! A [`Bus`] belongs to a board and outlives its node's restarts; [`Peripheral`]s are soldered to it, each with a chip select
//! of its own. Node code holds a [`Device`], which selects one chip and speaks embedded-hal's `SpiDevice`, or a
//! [`Controller`] with a [`Select`] for each chip, which speak `SpiBus` and `OutputPin`; blocking and async.
//!
//! A transfer is worked out when it starts, each byte at its own instant, and the node waits once, until its end: dropping
//! the future in between does not stop the wire. On SPI nobody says that he has heard, so that no error is ever told: what is
//! wrong with the wires or a chip is in the bytes. Not here: words of other than eight bits, and the modes of clock and phase.

mod bus;
mod controller;
mod ills;

pub use bus::{Bus, Peripheral};
pub use controller::{Controller, Device, Select};
pub use ills::Chip;
