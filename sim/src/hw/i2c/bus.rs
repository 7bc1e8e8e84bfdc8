//! The wires, what hangs on them, and the walk of one transaction over them.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::rc::Rc;

use embedded_hal::i2c::{NoAcknowledgeSource, Operation};
use rand_core::Rng;

use super::controller::Error;
use super::fault::{Fault, Faults};
use super::ills::{self, Chip};
use crate::hw::Ills;

/// Whether the ninth bit of a byte was pulled low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Acknowledged.
    Ack,
    /// Not acknowledged.
    Nack,
}

/// The last bit of an address byte, as the controller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The controller writes.
    Write,
    /// The controller reads.
    Read,
}

/// A part on the bus, at register level. Times are the world's nanoseconds at which a byte has passed and never run
/// backwards.
pub trait Target {
    /// START, or a repeated START without a STOP, with this target's address.
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack;

    /// A byte from the controller.
    fn write(&mut self, now_ns: u64, byte: u8) -> Ack;

    /// A byte for the controller. The target learns that it was the last by the STOP or START that follows.
    fn read(&mut self, now_ns: u64) -> u8;

    /// STOP of a transaction in which this target acknowledged its address.
    fn stop(&mut self, now_ns: u64);

    /// The supply was gone and is back: registers hold what they hold after power-up.
    fn power_cycle(&mut self, now_ns: u64);
}

/// A target can be shared with whoever turns its knobs.
impl<T: Target + ?Sized> Target for Rc<RefCell<T>> {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        self.borrow_mut().start(now_ns, direction)
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        self.borrow_mut().write(now_ns, byte)
    }

    fn read(&mut self, now_ns: u64) -> u8 {
        self.borrow_mut().read(now_ns)
    }

    fn stop(&mut self, now_ns: u64) {
        self.borrow_mut().stop(now_ns);
    }

    fn power_cycle(&mut self, now_ns: u64) {
        self.borrow_mut().power_cycle(now_ns);
    }
}

/// The bus clock (UM10204 section 3.1 and 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Speed {
    /// Standard mode, 100 kHz.
    Standard,
    /// Fast mode, 400 kHz.
    #[default]
    Fast,
    /// Fast mode plus, 1 MHz.
    FastPlus,
}

impl Speed {
    /// One clock period.
    pub const fn bit_ns(self) -> u64 {
        match self {
            Speed::Standard => 10_000,
            Speed::Fast => 2_500,
            Speed::FastPlus => 1_000,
        }
    }
}

/// Why a target cannot have an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// Not in 0x08..=0x77, what UM10204 section 3.1.12 leaves for targets.
    #[error("{address:#04x} is not an I2C address for targets: those are 0x08 to 0x77")]
    Reserved {
        /// The address asked for.
        address: u8,
    },
    /// Two targets would answer at once.
    #[error("another target has the I2C address {address:#04x} already")]
    Taken {
        /// The address asked for.
        address: u8,
    },
}

/// One bus of a board; a cheap handle.
#[derive(Clone)]
pub struct Bus {
    wires: Rc<RefCell<Wires>>,
}

/// A target on the bus.
pub(super) struct Soldered {
    address: u8,
    target: Box<dyn Target>,
    /// What ails it.
    ills: Ills,
}

pub(super) struct Wires {
    bit_ns: u64,
    targets: Vec<Soldered>,
    faults: Faults,
    /// What ails the bus.
    pub(super) ills: Ills,
    stream: Box<dyn Rng>,
    free_at_ns: u64,
}

impl Bus {
    /// A bus without targets. `stream` decides what [`Fault::BitErrors`] hits: one word a byte read while there are any.
    pub fn new(speed: Speed, stream: impl Rng + 'static) -> Self {
        Bus {
            wires: Rc::new(RefCell::new(Wires {
                bit_ns: speed.bit_ns(),
                targets: Vec::new(),
                faults: Faults::default(),
                ills: Ills::default(),
                stream: Box::new(stream),
                free_at_ns: 0,
            })),
        }
    }

    /// Solders a target to the bus.
    ///
    /// # Errors
    /// When the address is reserved or taken.
    pub fn attach(&self, address: u8, target: impl Target + 'static) -> Result<(), AttachError> {
        if !(0x08..=0x77).contains(&address) {
            return Err(AttachError::Reserved { address });
        }
        let mut wires = self.wires.borrow_mut();
        if wires.targets.iter().any(|taken| taken.address == address) {
            return Err(AttachError::Taken { address });
        }
        wires.targets.push(Soldered { address, target: Box::new(target), ills: Ills::default() });
        Ok(())
    }

    /// From now on `fault` is there, beside those that are there already.
    pub fn inflict(&self, fault: Fault) {
        self.wires.borrow_mut().faults.inflict(fault);
    }

    /// Ends one fault that was inflicted as `fault`; says whether there was one.
    pub fn lift(&self, fault: Fault) -> bool {
        self.wires.borrow_mut().faults.lift(fault)
    }

    /// The faults that are there, as they were inflicted.
    pub fn faults(&self) -> Vec<Fault> {
        Ref::map(self.wires.borrow(), |wires| &wires.faults).iter().collect()
    }

    /// The target at an address, as what can be ailing.
    #[must_use]
    pub fn chip(&self, address: u8) -> Chip {
        Chip::new(self.clone(), address)
    }

    pub(super) fn wires(&self) -> RefMut<'_, Wires> {
        self.wires.borrow_mut()
    }

    /// The board's supply was gone and is back at `now_ns`: an unfinished transfer is over, every target starts anew.
    /// Faults stay.
    pub fn power_cycle(&self, now_ns: u64) {
        let mut wires = self.wires.borrow_mut();
        wires.free_at_ns = now_ns;
        for soldered in &mut wires.targets {
            soldered.target.power_cycle(now_ns);
        }
    }

    /// When the last transaction is over.
    pub(super) fn free_at_ns(&self) -> u64 {
        self.wires.borrow().free_at_ns
    }

    /// Runs a transaction that starts at `now_ns`, or when the one before it has ended. Gives the instant of its end
    /// and what the controller has learned then.
    pub(super) fn transfer(
        &self,
        now_ns: u64,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> (u64, Result<(), Error>) {
        let mut wires = self.wires.borrow_mut();
        let mut walk = Walk { now_ns: now_ns.max(wires.free_at_ns), bit_ns: wires.bit_ns };
        let outcome = if operations.is_empty() { Ok(()) } else { wires.run(&mut walk, address, operations) };
        wires.free_at_ns = walk.now_ns;
        (walk.now_ns, outcome)
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wires = self.wires.borrow();
        let addresses: Vec<_> = wires.targets.iter().map(|soldered| soldered.address).collect();
        formatter
            .debug_struct("Bus")
            .field("addresses", &addresses)
            .field("faults", &wires.faults)
            .finish_non_exhaustive()
    }
}

/// The instant at which a transfer is.
pub(super) struct Walk {
    pub(super) now_ns: u64,
    bit_ns: u64,
}

impl Walk {
    pub(super) fn bits(&mut self, count: u64) -> u64 {
        self.now_ns += count * self.bit_ns;
        self.now_ns
    }

    /// Eight bits and the acknowledgement.
    pub(super) fn byte(&mut self) -> u64 {
        self.bits(9)
    }
}

impl Wires {
    /// What ails the target at an address.
    pub(super) fn ills_at(&mut self, address: u8) -> Option<&mut Ills> {
        self.targets.iter_mut().find(|soldered| soldered.address == address).map(|soldered| &mut soldered.ills)
    }

    /// What ails the bus and the target that is called has its way with a transaction. Says whether nobody answers.
    fn suffer(&mut self, walk: &mut Walk, called: Option<usize>) -> Result<bool, Error> {
        let mut silent = false;
        if !self.ills.is_empty() {
            silent |= ills::disturb(walk, &mut self.ills)?;
        }
        if let Some(ills) = called.map(|called| &mut self.targets[called].ills)
            && !ills.is_empty()
        {
            silent |= ills::disturb(walk, ills)?;
        }
        Ok(silent)
    }

    fn run(&mut self, walk: &mut Walk, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Error> {
        if self.faults.stuck() {
            walk.now_ns += Error::TIMEOUT_NS;
            return Err(Error::Timeout);
        }
        let called = self.targets.iter().position(|soldered| soldered.address == address);
        let silent = self.suffer(walk, called)?;
        let absent = silent || self.faults.absent(address);
        let mut target = match called.filter(|_| !absent) {
            Some(called) => {
                let Soldered { target, ills, .. } = &mut self.targets[called];
                let ills = [&mut self.ills, ills];
                Present { target, faults: &mut self.faults, ills, stream: &mut self.stream, address }
            }
            None => {
                walk.bits(1);
                walk.byte();
                walk.bits(1);
                return Err(Error::NoAcknowledge(NoAcknowledgeSource::Address));
            }
        };

        let mut direction = None;
        for operation in operations {
            let next = match operation {
                Operation::Read(_) => Direction::Read,
                Operation::Write(_) => Direction::Write,
            };
            // Neighbours of one direction are one run of bytes; a turn is a repeated START.
            if direction != Some(next) {
                walk.bits(1);
                let now_ns = walk.byte();
                if target.start(now_ns, next) == Ack::Nack {
                    let stop_ns = walk.bits(1);
                    if direction.is_some() {
                        target.stop(stop_ns);
                    }
                    return Err(Error::NoAcknowledge(NoAcknowledgeSource::Address));
                }
                direction = Some(next);
            }
            match operation {
                Operation::Read(bytes) => bytes.iter_mut().for_each(|byte| *byte = target.read(walk.byte())),
                Operation::Write(bytes) => {
                    let refused = bytes.iter().any(|byte| target.write(walk.byte(), *byte) == Ack::Nack);
                    if refused {
                        target.stop(walk.bits(1));
                        return Err(Error::NoAcknowledge(NoAcknowledgeSource::Data));
                    }
                }
            }
        }
        target.stop(walk.bits(1));
        Ok(())
    }
}

/// A target that hears its address, behind what is wrong with the wires to it.
struct Present<'a> {
    target: &'a mut Box<dyn Target>,
    faults: &'a mut Faults,
    ills: [&'a mut Ills; 2],
    stream: &'a mut Box<dyn Rng>,
    address: u8,
}

impl Present<'_> {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        if self.faults.refuse_address(self.address) {
            return Ack::Nack;
        }
        self.target.start(now_ns, direction)
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        self.target.write(now_ns, byte)
    }

    fn read(&mut self, now_ns: u64) -> u8 {
        let byte = self.target.read(now_ns);
        let byte = byte ^ self.faults.flipped_bits(self.address, self.stream);
        self.ills.iter_mut().filter(|ills| !ills.is_empty()).fold(byte, |byte, ills| ills::misread(byte, ills))
    }

    fn stop(&mut self, now_ns: u64) {
        self.target.stop(now_ns);
    }
}
