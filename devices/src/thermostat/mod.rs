//! The thermostat: measures the temperature once a period and reports it to a hub by HTTP.
//!
//! - Each reading is numbered and kept in a bounded backlog until the hub has said that it has it. The hub
//!   knows device and number, so a reading that is sent twice is stored once.
//! - Measuring goes on while the hub is away. A backlog that is full lets the oldest readings go that were
//!   never sent, and counts them.
//! - After a restart the device asks the hub for the last number it has and goes on from there. Until the
//!   hub has answered, readings wait without a number: none is ever used for two readings.
//! - A reading that the hub refuses for good (409, 422) is counted and set aside; any other trouble costs
//!   the connection and some patience (see [`Backoff`]).
//! - A sensor that fails is asked again at the next period.
//!
//! What it does not do yet: keep readings or numbers over a power cut (no flash), or tell the calendar time.

mod backlog;
pub mod metrics;
mod reading;
mod sampler;
mod shared;
mod uplink;

#[cfg(test)]
mod tests;

use core::net::SocketAddr;

use wavetank_stack::Duration;

use crate::{Backoff, DeviceId};

/// Readings that are kept for a hub that is away.
const BACKLOG_MAX: usize = 64;

/// What a thermostat is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name at the hub.
    pub id: DeviceId,
    /// Where the hub listens.
    pub hub: SocketAddr,
    /// From one reading to the next; at least 20 ms.
    pub period: Duration,
    /// Waits between attempts to reach the hub.
    pub backoff: Backoff,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long the hub may take to answer one request.
    pub exchange_timeout: Duration,
}

impl Config {
    /// The usual settings: a reading a second, 5 s for the hub to answer.
    pub fn new(id: DeviceId, hub: SocketAddr) -> Self {
        Config {
            id,
            hub,
            period: Duration::from_secs(1),
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(5),
            exchange_timeout: Duration::from_secs(5),
        }
    }
}
