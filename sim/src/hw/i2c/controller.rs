//! What node code holds: embedded-hal's I2C on a simulated bus.

use std::time::Duration;

use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};

use super::bus::Bus;
use crate::hw::{Bench, Cost};

/// Why a transaction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A byte was not acknowledged.
    #[error("no acknowledgement of the {}", byte_name(*.0))]
    NoAcknowledge(NoAcknowledgeSource),
    /// Another controller won the bus (UM10204 section 3.1.8).
    #[error("another controller won the bus")]
    Arbitration,
    /// The bus stayed busy: something holds a line low.
    #[error("the bus was stuck for {} ms", Error::TIMEOUT_NS / 1_000_000)]
    Timeout,
}

impl Error {
    /// How long a controller waits for a stuck bus: the least that SMBus 3.2 (table 2, T_TIMEOUT) allows.
    pub const TIMEOUT_NS: u64 = 25_000_000;
}

fn byte_name(source: NoAcknowledgeSource) -> &'static str {
    match source {
        NoAcknowledgeSource::Address => "address",
        NoAcknowledgeSource::Data => "data",
        NoAcknowledgeSource::Unknown => "byte",
    }
}

impl embedded_hal::i2c::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::NoAcknowledge(source) => ErrorKind::NoAcknowledge(*source),
            Error::Arbitration => ErrorKind::ArbitrationLoss,
            Error::Timeout => ErrorKind::Bus,
        }
    }
}

/// A node's end of a [`Bus`]: blocking with a [`Cost`], async with a [`Bench`].
///
/// The blocking calls keep the node busy for as long as the transfer takes; the async ones let its other tasks run.
#[derive(Clone, Debug)]
pub struct Controller<B> {
    bus: Bus,
    bench: B,
}

impl<B: Cost> Controller<B> {
    /// The controller of `bus` for a node that has just booted.
    pub fn new(bus: Bus, bench: B) -> Self {
        Controller { bus, bench }
    }

    fn start_ns(&self) -> u64 {
        self.bench.now_ns() + self.bench.debt_ns()
    }

    /// Runs a transaction, which draws from when the bus is free on.
    fn walk(&self, address: u8, operations: &mut [Operation<'_>]) -> (u64, Result<(), Error>) {
        let asked_ns = self.start_ns();
        let start_ns = asked_ns.max(self.bus.free_at_ns());
        let (end_ns, outcome) = self.bus.transfer(asked_ns, address, operations);
        self.bench.works(start_ns, end_ns);
        (end_ns, outcome)
    }
}

impl<B> ErrorType for Controller<B> {
    type Error = Error;
}

impl<B: Cost> embedded_hal::i2c::I2c for Controller<B> {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Error> {
        let (end_ns, outcome) = self.walk(address, operations);
        self.bench.busy(Duration::from_nanos(end_ns - self.start_ns()));
        outcome
    }
}

impl<B: Bench> embedded_hal_async::i2c::I2c for Controller<B> {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Error> {
        let (end_ns, outcome) = self.walk(address, operations);
        self.bench.sleep_until_ns(end_ns).await;
        outcome
    }
}
