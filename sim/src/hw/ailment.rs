//! What can ail a part of a board: faults of hardware as data, and how a part is told of them.
//!
//! A part that can be ailing is [`Faulty`]. The world tells it when an ailment begins and ends; what is felt of it
//! meanwhile the part reports through its [`Case`], so that a fault that hit nothing can be named. A part without
//! ailments pays one comparison.

use std::fmt;

use rand_core::Rng;

use crate::current;
use crate::disk::Operation;
use crate::kernel::WorldId;
use crate::random::{Probability, Stream};

/// What can ail a part of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ailment {
    /// A disk's operations of one kind take longer.
    DiskSlow {
        /// Which.
        operation: Operation,
        /// How many times as long.
        factor: u32,
        /// How much longer on top, in nanoseconds.
        extra_ns: u64,
    },
    /// A disk's operations fail with an I/O error, and change nothing.
    DiskError {
        /// Which; all if none is named.
        operation: Option<Operation>,
        /// How many of them.
        odds: Odds,
    },
    /// A sector of what a disk reads or writes is garbage, and the disk says that all is well.
    DiskGarble {
        /// Whether of what is read or of what is written.
        operation: Operation,
        /// How many of those operations.
        odds: Odds,
    },
    /// A disk reads or writes another place of the file, and says that all is well.
    DiskMisdirect {
        /// Whether what is read or what is written.
        operation: Operation,
        /// How many of those operations.
        odds: Odds,
    },
    /// A disk has no room beyond what its files take already, but for this.
    DiskFull {
        /// How many bytes may still be taken, in whole pages.
        free_bytes: u64,
    },
    /// The power fails in the midst of one of the disk's operations.
    DiskCut {
        /// Of which kind; of any if none is named.
        operation: Option<Operation>,
        /// Which, counted from 1.
        nth: u64,
        /// When the power is back, in nanoseconds after that.
        off_ns: u64,
    },
    /// A line of an I2C bus is held low: every transaction ends in a timeout.
    I2cStuck,
    /// Another controller wins the bus while this one sends the address.
    I2cArbitration {
        /// In how many transactions.
        odds: Odds,
    },
    /// A target stretches the clock; one that does so for longer than SMBus allows ends the transaction in a timeout.
    I2cStretch {
        /// In how many transactions.
        odds: Odds,
        /// How long, in nanoseconds.
        extra_ns: u64,
    },
    /// The address is not acknowledged.
    I2cNack {
        /// In how many transactions.
        odds: Odds,
    },
    /// A byte that is read has one bit wrong.
    I2cBitError {
        /// How many of the bytes.
        odds: Odds,
    },
    /// A byte that is read over SPI has one bit wrong.
    SpiBitError {
        /// How many of the bytes.
        odds: Odds,
    },
    /// The line from the chips of an SPI bus stays at a level.
    SpiStuck {
        /// At which.
        high: bool,
    },
    /// A byte on a serial line comes without its stop bit, and is lost.
    UartFraming {
        /// How many of the bytes.
        odds: Odds,
    },
    /// A byte on a serial line has one bit wrong, which nothing on the line notices.
    UartNoise {
        /// How many of the bytes.
        odds: Odds,
    },
    /// A byte on a serial line is lost in the receiver, which says so.
    UartOverrun {
        /// How many of the bytes.
        odds: Odds,
    },
    /// The other end of a serial line sends too fast or too slowly.
    UartBaud {
        /// By how much, in parts in 10⁹.
        drift_ppb: i32,
    },
    /// A converter's readings are off.
    AdcNoise {
        /// By how many steps at most, either way.
        steps: u32,
    },
    /// A converter's reference drifts.
    AdcReference {
        /// How fast, in microvolts an hour.
        micro_per_hour: i64,
    },
    /// A chip does not answer, as if it were not there.
    SensorGone,
    /// A sensor goes on telling what it felt when this began.
    SensorStuck,
    /// What a sensor tells moves away from what is so.
    SensorDrift {
        /// How fast, in millionths of the unit an hour.
        micro_per_hour: i64,
    },
    /// A sensor tells more than what is so, or less.
    SensorLie {
        /// By how much, in millionths of the unit.
        micro: i64,
    },
    /// What a sensor tells is noisy.
    SensorNoise {
        /// How far it is off at most, in millionths of the unit.
        micro: i64,
    },
    /// A sensor saturates.
    SensorClip {
        /// It tells no less than this, in millionths of the unit.
        least_micro: i64,
        /// It tells no more than this.
        most_micro: i64,
    },
    /// A pin stays at a level.
    PinStuck {
        /// At which.
        high: bool,
    },
    /// A flash's cells take longer to be written and erased.
    FlashSlow {
        /// How many times as long a step takes.
        factor: u32,
        /// How much longer on top, in nanoseconds.
        extra_ns: u64,
    },
    /// Pages of a flash that have been erased so often can neither be erased nor written.
    FlashWorn {
        /// How often.
        erases: u32,
    },
    /// A read of a flash changes one bit of the page that it looks at.
    FlashReadDisturb {
        /// How many of the reads.
        odds: Odds,
    },
    /// Bits of what is stored change.
    BitRot {
        /// How many.
        bits: u32,
    },
}

impl Ailment {
    /// The kind as one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DiskSlow { .. } => "disk-slow",
            Self::DiskError { .. } => "disk-error",
            Self::DiskGarble { .. } => "disk-garble",
            Self::DiskMisdirect { .. } => "disk-misdirect",
            Self::DiskFull { .. } => "disk-full",
            Self::DiskCut { .. } => "disk-cut",
            Self::I2cStuck => "i2c-stuck",
            Self::I2cArbitration { .. } => "i2c-arbitration",
            Self::I2cStretch { .. } => "i2c-stretch",
            Self::I2cNack { .. } => "i2c-nack",
            Self::I2cBitError { .. } => "i2c-bit-error",
            Self::SpiBitError { .. } => "spi-bit-error",
            Self::SpiStuck { .. } => "spi-stuck",
            Self::UartFraming { .. } => "uart-framing",
            Self::UartNoise { .. } => "uart-noise",
            Self::UartOverrun { .. } => "uart-overrun",
            Self::UartBaud { .. } => "uart-baud",
            Self::AdcNoise { .. } => "adc-noise",
            Self::AdcReference { .. } => "adc-reference",
            Self::SensorGone => "sensor-gone",
            Self::SensorStuck => "sensor-stuck",
            Self::SensorDrift { .. } => "sensor-drift",
            Self::SensorLie { .. } => "sensor-lie",
            Self::SensorNoise { .. } => "sensor-noise",
            Self::SensorClip { .. } => "sensor-clip",
            Self::PinStuck { .. } => "pin-stuck",
            Self::FlashSlow { .. } => "flash-slow",
            Self::FlashWorn { .. } => "flash-worn",
            Self::FlashReadDisturb { .. } => "flash-read-disturb",
            Self::BitRot { .. } => "bit-rot",
        }
    }
}

/// How many of the occasions an ailment takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Odds {
    /// All.
    #[default]
    Always,
    /// The next so many.
    Next(u32),
    /// So many of a thousand million, as the ailment's own stream draws.
    PartsPerBillion(u32),
}

/// A part of a board that can be ailing. It outlives its node's restarts, and ailments outlive them too.
pub trait Faulty {
    /// An ailment begins. A part that cannot have it does nothing.
    fn begin(&self, ailment: Ailment, onset: Onset);

    /// The ailment that began as this case is over.
    fn end(&self, case: Case);
}

/// The beginning of an ailment.
#[derive(Debug)]
pub struct Onset {
    /// When, in nanoseconds of the world's time.
    pub now_ns: u64,
    /// What tells it from others, and hears of what is felt of it.
    pub case: Case,
    /// What its chance is drawn from: its own stream.
    pub stream: Stream,
}

/// One fault of a world's timeline, as a part that it ails knows it. Outside its world it is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub(crate) world: WorldId,
    pub(crate) fault: u32,
}

impl Case {
    /// A case of no world, for parts that are tried alone.
    #[must_use]
    pub const fn detached(number: u32) -> Self {
        Self { world: WorldId(0), fault: number }
    }

    /// The ailment was felt. `what` is a word about it for the trace, such as a number of nanoseconds or bits.
    pub fn felt(self, what: u64) {
        current::with(self.world, |kernel| kernel.felt(self.fault, what));
    }

    /// The instant, in the world's nanoseconds, if there is a world.
    pub(crate) fn now_ns(self) -> Option<u64> {
        current::with(self.world, |kernel| kernel.now.get())
    }

    /// The ailment brings its node's power down at `at_ns`, as [`Ailment::DiskCut`] does.
    pub(crate) fn trip(self, at_ns: u64) {
        current::with(self.world, |kernel| kernel.trip(self.fault, at_ns));
    }
}

/// The ailments that a part has. Empty in most runs.
#[derive(Debug, Default)]
pub struct Ills {
    active: Vec<Ill>,
}

/// An ailment that a part has.
pub struct Ill {
    /// What it is.
    pub ailment: Ailment,
    /// Which fault it is.
    pub case: Case,
    /// What its chance is drawn from.
    pub stream: Stream,
    /// When it began.
    pub since_ns: u64,
    /// On how many occasions it could have been felt.
    pub occasions: u64,
    /// What the part notes of it: the value at which it is stuck, a limit.
    pub note: i64,
}

impl Ills {
    /// One more.
    pub fn begin(&mut self, ailment: Ailment, onset: Onset, note: i64) {
        let Onset { now_ns, case, stream } = onset;
        self.active.push(Ill { ailment, case, stream, since_ns: now_ns, occasions: 0, note });
    }

    /// One less.
    pub fn end(&mut self, case: Case) {
        self.active.retain(|ill| ill.case != case);
    }

    /// Whether the part is well.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Those that there are, in the order of their beginning.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ill> {
        self.active.iter_mut()
    }

    /// Those that there are, in the order of their beginning.
    pub fn iter(&self) -> impl Iterator<Item = &Ill> {
        self.active.iter()
    }
}

impl Ill {
    /// One more occasion: whether it is felt on this one. Every occasion draws alike.
    pub fn strikes(&mut self, odds: Odds) -> bool {
        self.occasions += 1;
        decides(odds, self.occasions, &mut self.stream)
    }
}

/// Whether it is so on this occasion, counted from 1. Every occasion draws alike.
pub(crate) fn decides(odds: Odds, occasion: u64, stream: &mut Stream) -> bool {
    match odds {
        Odds::Always => true,
        Odds::Next(count) => occasion <= count.into(),
        Odds::PartsPerBillion(parts) => Probability::from_parts_per_billion(parts.into()).decides(stream.next_u32()),
    }
}

impl fmt::Debug for Ill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ill").field("ailment", &self.ailment).field("case", &self.case).finish_non_exhaustive()
    }
}
