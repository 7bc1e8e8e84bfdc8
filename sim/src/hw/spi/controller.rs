//! What node code holds: embedded-hal's SPI on a simulated bus.

use std::convert::Infallible;
use std::time::Duration;

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::{ErrorType, Operation};

use super::bus::Bus;
use super::ills::Chip;
use crate::hw::{Bench, Cost};

/// One chip with its chip select: blocking with a [`Cost`], async with a [`Bench`].
///
/// The blocking calls keep the node busy for as long as the transfer takes; the async ones let its other tasks run.
#[derive(Clone, Debug)]
pub struct Device<B> {
    chip: Chip,
    bench: B,
}

impl<B: Cost> Device<B> {
    /// The chip for a node that has just booted.
    pub fn new(chip: Chip, bench: B) -> Self {
        Self { chip, bench }
    }

    fn walk(&self, operations: &mut [Operation<'_, u8>]) -> (u64, u64) {
        walked(&self.chip.bus, &self.bench, Some(self.chip.place), operations)
    }
}

/// Runs a transfer, and says when it was asked for and when it ends.
fn walked<B: Cost>(bus: &Bus, bench: &B, chip: Option<usize>, operations: &mut [Operation<'_, u8>]) -> (u64, u64) {
    let asked_ns = bench.now_ns() + bench.debt_ns();
    let start_ns = asked_ns.max(bus.wires().free_at_ns);
    let end_ns = bus.transfer(asked_ns, chip, operations);
    bench.works(start_ns, end_ns);
    (asked_ns, end_ns)
}

impl<B> ErrorType for Device<B> {
    type Error = Infallible;
}

impl<B: Cost> embedded_hal::spi::SpiDevice for Device<B> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let (start_ns, end_ns) = self.walk(operations);
        self.bench.busy(Duration::from_nanos(end_ns - start_ns));
        Ok(())
    }
}

impl<B: Bench> embedded_hal_async::spi::SpiDevice for Device<B> {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let (_, end_ns) = self.walk(operations);
        self.bench.sleep_until_ns(end_ns).await;
        Ok(())
    }
}

/// The bus alone, for code that drives chip selects itself.
#[derive(Clone, Debug)]
pub struct Controller<B> {
    bus: Bus,
    bench: B,
}

impl<B: Cost> Controller<B> {
    /// The controller of `bus` for a node that has just booted.
    pub fn new(bus: Bus, bench: B) -> Self {
        Self { bus, bench }
    }

    fn block(&self, mut operation: Operation<'_, u8>) {
        let (start_ns, end_ns) = walked(&self.bus, &self.bench, None, std::slice::from_mut(&mut operation));
        self.bench.busy(Duration::from_nanos(end_ns - start_ns));
    }
}

impl<B: Bench> Controller<B> {
    async fn wait(&self, mut operation: Operation<'_, u8>) {
        let (_, end_ns) = walked(&self.bus, &self.bench, None, std::slice::from_mut(&mut operation));
        self.bench.sleep_until_ns(end_ns).await;
    }
}

impl<B> ErrorType for Controller<B> {
    type Error = Infallible;
}

impl<B: Cost> embedded_hal::spi::SpiBus for Controller<B> {
    fn read(&mut self, words: &mut [u8]) -> Result<(), Infallible> {
        self.block(Operation::Read(words));
        Ok(())
    }

    fn write(&mut self, words: &[u8]) -> Result<(), Infallible> {
        self.block(Operation::Write(words));
        Ok(())
    }

    fn transfer(&mut self, read: &mut [u8], write: &[u8]) -> Result<(), Infallible> {
        self.block(Operation::Transfer(read, write));
        Ok(())
    }

    fn transfer_in_place(&mut self, words: &mut [u8]) -> Result<(), Infallible> {
        self.block(Operation::TransferInPlace(words));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<B: Bench> embedded_hal_async::spi::SpiBus for Controller<B> {
    async fn read(&mut self, words: &mut [u8]) -> Result<(), Infallible> {
        self.wait(Operation::Read(words)).await;
        Ok(())
    }

    async fn write(&mut self, words: &[u8]) -> Result<(), Infallible> {
        self.wait(Operation::Write(words)).await;
        Ok(())
    }

    async fn transfer(&mut self, read: &mut [u8], write: &[u8]) -> Result<(), Infallible> {
        self.wait(Operation::Transfer(read, write)).await;
        Ok(())
    }

    async fn transfer_in_place(&mut self, words: &mut [u8]) -> Result<(), Infallible> {
        self.wait(Operation::TransferInPlace(words)).await;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A chip's select as a pin: low selects it.
#[derive(Clone, Debug)]
pub struct Select<B> {
    chip: Chip,
    bench: B,
}

impl<B: Cost> Select<B> {
    /// The pin that is soldered to a chip's select.
    pub fn new(chip: Chip, bench: B) -> Self {
        Self { chip, bench }
    }

    fn set(&self, is_selected: bool) {
        let now_ns = self.bench.now_ns() + self.bench.debt_ns();
        let mut wires = self.chip.bus.wires();
        let at_ns = now_ns.max(wires.free_at_ns);
        wires.set_selected(at_ns, self.chip.place, is_selected);
    }
}

impl<B> embedded_hal::digital::ErrorType for Select<B> {
    type Error = Infallible;
}

impl<B: Cost> OutputPin for Select<B> {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(true);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(false);
        Ok(())
    }
}
