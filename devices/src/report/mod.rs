//! How a device's records reach whoever keeps them: one seam, and the protocols behind it.
//!
//! A device that is generic over [`Report`] has its records in an [`Outbox`], and does not know how they travel: by
//! [`Http`], [`Coap`] or [`Mqtt`] is its maker's choice of one type. What all of them promise is the same: a record stays in
//! the outbox until somebody has said that they keep it, so it arrives at least once, under a number that it keeps, and
//! whoever remembers the highest number of each device has it exactly once.
//!
//! What is not here: when to try again ([`Backoff`](crate::Backoff)) is the device's, and so is what is in a record.

mod coap;
mod http;
mod mqtt;

use heapless::String;
use rand_core::Rng;
use wavetank_stack::{Clock, Stack};

pub use self::coap::Coap;
pub use self::http::Http;
pub use self::mqtt::Mqtt;
use crate::DeviceId;

/// Bytes of the longest record.
pub const BODY_MAX: usize = 512;

/// A record as it travels: JSON.
pub type Body = String<BODY_MAX>;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept there, for good.
    Kept,
    /// Nobody there will ever take it.
    Refused,
}

/// The records that wait to be brought.
pub trait Outbox {
    /// Waits until there is a record, and writes the oldest into `body`; its number comes back. It is the same one until it
    /// is [settled](Self::settle). Can be dropped at any await.
    fn next(&self, body: &mut Body) -> impl Future<Output = u64>;

    /// That became of the record of that number: it need not be brought again.
    fn settle(&self, number: u64, verdict: Verdict) -> impl Future<Output = ()>;
}

/// The device on its network.
#[derive(Debug)]
pub struct Line<'a, 'r, C> {
    /// Its name.
    pub id: &'a DeviceId,
    /// Its stack: one TCP connection and one UDP socket of it are the protocol's.
    pub stack: &'a Stack<'r>,
    /// Its clock.
    pub clock: &'a C,
}

/// A protocol that brings records, and where to.
pub trait Report {
    /// Brings what is in the outbox, one record after the other, until something is wrong; answers whether any was brought
    /// by then. Nothing of it outlives the call, and it can be dropped at any await.
    fn bring<C: Clock, R: Rng>(
        &self,
        line: &Line<'_, '_, C>,
        rng: &mut R,
        outbox: &impl Outbox,
    ) -> impl Future<Output = bool>;
}
