//! The glue between rooms that do not know each other: the sim's nodes as what stack, devices and web ask for.
//!
//! Each adapter is thin on purpose: what it adapts is a trait of the ecosystem on both sides.

mod clock;
mod database;
mod foresight;
mod io;
mod life;
mod network;
mod pools;
mod probe;
mod radio;
#[cfg(feature = "tls")]
mod tls;
mod web;

pub use clock::TankClock;
pub use database::database;
pub use foresight::foresee;
pub use io::HyperIo;
pub use life::{exit, reset_cause, watched};
pub use network::Network;
pub(crate) use network::options;
pub use pools::limits;
pub use probe::TankProbe;
pub use radio::{Port, PortRxToken, PortTxToken, RadioMemory};
#[cfg(feature = "tls")]
pub use tls::{TankTlsListener, TlsIo};
pub use web::{TankListener, TankRuntime, TankTimer};
