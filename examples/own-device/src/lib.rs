//! A flood gauge and the desk that it warns: a device and a server of one's own.
//!
//! - [`device`] is what goes onto the board;
//! - [`server`] is what runs in the town hall;
//! - [`kinds`] puts both into the tank, as what a scenario's `kind = "…"` can be.
//!
//! Neither the device nor the server names anything of the tank.

#![cfg_attr(not(feature = "tank"), no_std)]
#![forbid(unsafe_code)]

pub mod device;
#[cfg(feature = "tank")]
pub mod kinds;
#[cfg(feature = "tank")]
pub mod river;
#[cfg(feature = "tank")]
pub mod server;

#[cfg(feature = "tank")]
pub use kinds::registry;
