//! Faults of parts of boards: their keys, what they ail, and what is made of what a file says.
//!
//! Such a fault is a row of [`FAULTS`](super::FAULTS) like any other, and a row here.

use std::fmt::Write as _;

use toml::Spanned;
use wavetank_sim::disk::Operation;
use wavetank_sim::hw::{Ailment, Odds};

use super::language::{Field, Shape, optional};
use super::reader::Reader;
use super::scenario::FaultKind;
use super::text::Text;
use crate::diagnose::{Code, Problem};
use crate::units::{Drift, Probability, Size, Time};

/// What sort of part of a board something is, which says what can ail it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartSort {
    /// A disk.
    Disk,
    /// Flash memory.
    Flash,
    /// An I2C bus.
    I2c,
    /// A chip on a bus.
    Chip,
    /// What a sensor feels of a quantity.
    Sense,
    /// An SPI bus.
    Spi,
    /// A chip on an SPI bus.
    SpiChip,
    /// A serial line.
    Uart,
    /// An input of a converter.
    Adc,
    /// An input pin.
    Pin,
}

impl PartSort {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Flash => "flash",
            Self::I2c => "I2C bus",
            Self::Chip => "chip",
            Self::Sense => "sense",
            Self::Spi => "SPI bus",
            Self::SpiChip => "SPI chip",
            Self::Uart => "serial line",
            Self::Adc => "converter",
            Self::Pin => "pin",
        }
    }
}

pub(super) const PART: Field = optional(
    "part",
    Shape::Text,
    "Which part of the node, by name or glob; all that can be ailing so if left out. `wavetank kinds` lists them.",
    "part = \"disk\"",
);
pub(super) const OPERATION: Field = optional(
    "operation",
    Shape::Word(&[
        ("read", "Reads."),
        ("write", "Writes to the cache, and changes of a file's length."),
        ("sync", "Syncs, which make durable what was written."),
    ]),
    "Which operations.",
    "operation = \"sync\"",
);
pub(super) const FACTOR: Field =
    optional("factor", Shape::Integer { min: 1, max: 1_000_000 }, "How many times as long it takes.", "factor = 20");
pub(super) const EXTRA: Field = optional("extra", Shape::Time, "How much longer it takes on top.", "extra = \"30ms\"");
pub(super) const COUNT: Field = optional(
    "count",
    Shape::Integer { min: 1, max: 4_294_967_295 },
    "How many occasions it takes, from the next on; all while it lasts if neither this nor `probability` is said.",
    "count = 3",
);
pub(super) const PROBABILITY: Field =
    optional("probability", Shape::Probability, "How many of the occasions it takes.", "probability = \"20 %\"");
pub(super) const FREE: Field =
    optional("free", Shape::Size, "How much may still be written, in whole pages of 4 KiB.", "free = \"64 KiB\"");
pub(super) const NTH: Field = optional(
    "nth",
    Shape::Integer { min: 1, max: i64::MAX },
    "Which occasion from `at` on, counted from 1.",
    "nth = 5",
);
pub(super) const OFF: Field =
    optional("off", Shape::Time, "How long the power stays away; 1s if left out.", "off = \"2s\"");
pub(super) const BITS: Field =
    optional("bits", Shape::Integer { min: 1, max: 1_000_000 }, "How many bits change; 1 if left out.", "bits = 3");

pub(super) const ERASES: Field = optional(
    "erases",
    Shape::Integer { min: 1, max: 4_294_967_295 },
    "How often a page has been erased when it is worn out.",
    "erases = 1000",
);
pub(super) const VALUE: Field = optional(
    "value",
    Shape::Number,
    "By how much a sensor is off, in its quantity's unit (°C, %RH, …); by how much more every hour.",
    "value = -7.5",
);
pub(super) const LEAST: Field =
    optional("least", Shape::Number, "What a sensor tells at least, in its quantity's unit.", "least = -10.0");
pub(super) const MOST: Field =
    optional("most", Shape::Number, "What a sensor tells at most, in its quantity's unit.", "most = 40.0");

pub(super) const LEVEL: Field = optional(
    "level",
    Shape::Word(&[("low", "Low."), ("high", "High.")]),
    "The level at which a line stays.",
    "level = \"high\"",
);
pub(super) const STEPS: Field = optional(
    "steps",
    Shape::Integer { min: 1, max: 16_777_215 },
    "By how many of its steps a converter is off at most, either way.",
    "steps = 40",
);

/// What a file says of an ailment.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Which part of the node.
    pub part: Option<Text>,
    operation: Option<Operation>,
    factor: Option<u32>,
    extra: Option<Time>,
    count: Option<u32>,
    probability: Option<Spanned<Probability>>,
    free: Option<Size>,
    nth: Option<u64>,
    off: Option<Time>,
    bits: Option<u32>,
    erases: Option<u32>,
    value_micro: Option<i64>,
    least_micro: Option<i64>,
    most_micro: Option<i64>,
    is_high: Option<bool>,
    steps: Option<u32>,
    drift: Option<Drift>,
}

impl Told {
    pub(super) fn read(reader: &Reader<'_, '_>, kind: Option<FaultKind>) -> Self {
        let small = |key| reader.integer(key).and_then(|read| u32::try_from(read.into_inner()).ok());
        let time = |key| reader.time(key).map(Spanned::into_inner);
        if let (Some(_), Some(second)) = (reader.key_span("count"), reader.key_span("probability")) {
            let problem =
                Problem::new(Code::KeyConflict, second, "`count` and `probability` exclude each other", "here");
            reader.sink().push(problem.help("leave one of them out"));
        }
        if let Some(FaultKind::Part(kind)) = kind
            && kind.row().one_of.iter().all(|key| !reader.has(key))
            && let Some(example) = kind.row().one_of.first()
        {
            let keys: Vec<String> = kind.row().one_of.iter().map(|key| format!("`{key}`")).collect();
            let what = format!("\"{}\" needs {}", kind.name(), keys.join(" or "));
            let problem = Problem::new(Code::MissingKey, reader.span(), what, "here");
            reader.sink().push(problem.help(format!("for example: {}", reader.example(example))));
        }
        if let (Some(FaultKind::Part(kind)), Some(2), Some(span)) =
            (kind, reader.word("operation"), reader.key_span("operation"))
            && ["disk-garble", "disk-misdirect"].contains(&kind.name())
        {
            let problem = Problem::new(Code::KeyConflict, span, "a sync carries no data that could be wrong", "here");
            reader.sink().push(problem.help("write \"read\" or \"write\""));
        }
        Self {
            part: reader.filled("part"),
            operation: reader.word("operation").map(|word| [Operation::Read, Operation::Write, Operation::Sync][word]),
            factor: small("factor"),
            extra: time("extra"),
            count: small("count"),
            probability: reader.probability("probability"),
            free: reader.size("free").map(Spanned::into_inner),
            nth: reader.integer("nth").map(|nth| nth.into_inner().unsigned_abs()),
            off: time("off"),
            bits: small("bits"),
            erases: small("erases"),
            value_micro: reader.micro("value"),
            least_micro: reader.micro("least"),
            most_micro: reader.micro("most"),
            is_high: reader.word("level").map(|word| word == 1),
            steps: small("steps"),
            drift: None,
        }
    }

    /// By how much a clock runs too fast.
    pub(super) fn drifting(self, drift: Option<Drift>) -> Self {
        Self { drift, ..self }
    }

    /// How much longer, or later.
    pub(crate) fn extra_ns(&self) -> u64 {
        self.extra.map_or(0, Time::as_nanos)
    }

    pub(crate) fn odds(&self) -> Odds {
        match (self.count, &self.probability) {
            (Some(count), _) => Odds::Next(count),
            (None, Some(share)) => Odds::PartsPerBillion(share.get_ref().as_ppb()),
            (None, None) => Odds::Always,
        }
    }

    /// How long the node may still be without power when the fault is over.
    pub(crate) fn off_ns(&self) -> u64 {
        if self.nth.is_some() { self.off.unwrap_or(OFF_DEFAULT).as_nanos() } else { 0 }
    }
}

const OFF_DEFAULT: Time = Time::from_secs(1);

/// A kind of ailment: its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AilmentKind(u8);

/// What the language knows of a kind of ailment.
pub(crate) struct Row {
    /// The name of its row in [`FAULTS`](super::FAULTS).
    name: &'static str,
    /// What parts can have it.
    pub(crate) sorts: &'static [PartSort],
    /// Keys of which one must be there.
    one_of: &'static [&'static str],
    make: fn(&Told) -> Ailment,
}

static ROWS: &[Row] = &[
    Row {
        name: "disk-slow",
        sorts: &[PartSort::Disk],
        one_of: &["factor", "extra"],
        make: |told| {
            let operation = told.operation.unwrap_or(Operation::Sync);
            Ailment::DiskSlow { operation, factor: told.factor.unwrap_or(1), extra_ns: told.extra_ns() }
        },
    },
    Row {
        name: "disk-error",
        sorts: &[PartSort::Disk],
        one_of: &[],
        make: |told| Ailment::DiskError { operation: told.operation, odds: told.odds() },
    },
    Row {
        name: "disk-garble",
        sorts: &[PartSort::Disk],
        one_of: &[],
        make: |told| Ailment::DiskGarble { operation: told.operation.unwrap_or(Operation::Write), odds: told.odds() },
    },
    Row {
        name: "disk-misdirect",
        sorts: &[PartSort::Disk],
        one_of: &[],
        make: |told| Ailment::DiskMisdirect {
            operation: told.operation.unwrap_or(Operation::Write),
            odds: told.odds(),
        },
    },
    Row {
        name: "disk-full",
        sorts: &[PartSort::Disk],
        one_of: &[],
        make: |told| Ailment::DiskFull { free_bytes: told.free.map_or(0, Size::as_bytes) },
    },
    Row {
        name: "disk-cut",
        sorts: &[PartSort::Disk],
        one_of: &[],
        make: |told| {
            let nth = told.nth.unwrap_or(1);
            Ailment::DiskCut { operation: told.operation, nth, off_ns: told.off_ns() }
        },
    },
    Row {
        name: "flash-slow",
        sorts: &[PartSort::Flash],
        one_of: &["factor", "extra"],
        make: |told| Ailment::FlashSlow { factor: told.factor.unwrap_or(1), extra_ns: told.extra_ns() },
    },
    Row {
        name: "flash-worn",
        sorts: &[PartSort::Flash],
        one_of: &[],
        make: |told| Ailment::FlashWorn { erases: told.erases.unwrap_or(1) },
    },
    Row {
        name: "flash-read-disturb",
        sorts: &[PartSort::Flash],
        one_of: &[],
        make: |told| Ailment::FlashReadDisturb { odds: told.odds() },
    },
    Row { name: "i2c-stuck", sorts: &[PartSort::I2c], one_of: &[], make: |_| Ailment::I2cStuck },
    Row {
        name: "i2c-arbitration",
        sorts: &[PartSort::I2c],
        one_of: &[],
        make: |told| Ailment::I2cArbitration { odds: told.odds() },
    },
    Row {
        name: "i2c-stretch",
        sorts: &[PartSort::I2c, PartSort::Chip],
        one_of: &[],
        make: |told| Ailment::I2cStretch { odds: told.odds(), extra_ns: told.extra_ns() },
    },
    Row {
        name: "i2c-nack",
        sorts: &[PartSort::I2c, PartSort::Chip],
        one_of: &[],
        make: |told| Ailment::I2cNack { odds: told.odds() },
    },
    Row {
        name: "i2c-bit-error",
        sorts: &[PartSort::I2c, PartSort::Chip],
        one_of: &[],
        make: |told| Ailment::I2cBitError { odds: told.odds() },
    },
    Row {
        name: "spi-bit-error",
        sorts: &[PartSort::Spi, PartSort::SpiChip],
        one_of: &[],
        make: |told| Ailment::SpiBitError { odds: told.odds() },
    },
    Row {
        name: "spi-stuck",
        sorts: &[PartSort::Spi],
        one_of: &[],
        make: |told| Ailment::SpiStuck { high: told.is_high.unwrap_or(false) },
    },
    Row {
        name: "uart-framing",
        sorts: &[PartSort::Uart],
        one_of: &[],
        make: |told| Ailment::UartFraming { odds: told.odds() },
    },
    Row {
        name: "uart-noise",
        sorts: &[PartSort::Uart],
        one_of: &[],
        make: |told| Ailment::UartNoise { odds: told.odds() },
    },
    Row {
        name: "uart-overrun",
        sorts: &[PartSort::Uart],
        one_of: &[],
        make: |told| Ailment::UartOverrun { odds: told.odds() },
    },
    Row {
        name: "uart-baud",
        sorts: &[PartSort::Uart],
        one_of: &[],
        make: |told| Ailment::UartBaud { drift_ppb: told.drift.map_or(0, Drift::as_ppb) },
    },
    Row {
        name: "adc-noise",
        sorts: &[PartSort::Adc],
        one_of: &[],
        make: |told| Ailment::AdcNoise { steps: told.steps.unwrap_or(1) },
    },
    Row {
        name: "adc-reference",
        sorts: &[PartSort::Adc],
        one_of: &[],
        make: |told| Ailment::AdcReference { micro_per_hour: told.value_micro.unwrap_or(0) },
    },
    Row {
        name: "pin-stuck",
        sorts: &[PartSort::Pin],
        one_of: &[],
        make: |told| Ailment::PinStuck { high: told.is_high.unwrap_or(false) },
    },
    Row {
        name: "sensor-gone",
        sorts: &[PartSort::Chip, PartSort::SpiChip],
        one_of: &[],
        make: |_| Ailment::SensorGone,
    },
    Row { name: "sensor-stuck", sorts: &[PartSort::Sense], one_of: &[], make: |_| Ailment::SensorStuck },
    Row {
        name: "sensor-drift",
        sorts: &[PartSort::Sense],
        one_of: &[],
        make: |told| Ailment::SensorDrift { micro_per_hour: told.value_micro.unwrap_or(0) },
    },
    Row {
        name: "sensor-lie",
        sorts: &[PartSort::Sense],
        one_of: &[],
        make: |told| Ailment::SensorLie { micro: told.value_micro.unwrap_or(0) },
    },
    Row {
        name: "sensor-noise",
        sorts: &[PartSort::Sense],
        one_of: &[],
        make: |told| Ailment::SensorNoise { micro: told.value_micro.unwrap_or(0) },
    },
    Row {
        name: "sensor-clip",
        sorts: &[PartSort::Sense],
        one_of: &["least", "most"],
        make: |told| Ailment::SensorClip {
            least_micro: told.least_micro.unwrap_or(i64::MIN),
            most_micro: told.most_micro.unwrap_or(i64::MAX),
        },
    },
    Row {
        name: "bit-rot",
        sorts: &[PartSort::Disk, PartSort::Flash],
        one_of: &[],
        make: |told| Ailment::BitRot { bits: told.bits.unwrap_or(1) },
    },
];

impl AilmentKind {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let row = ROWS.iter().position(|row| row.name == name)?;
        u8::try_from(row).ok().map(Self)
    }

    pub(crate) fn row(self) -> &'static Row {
        &ROWS[usize::from(self.0)]
    }

    /// As the language names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What ails a part of which a file says this.
    pub(crate) fn make(self, told: &Told) -> Ailment {
        (self.row().make)(told)
    }

    /// What it is when nothing more is said.
    pub(crate) fn plain(self) -> Ailment {
        self.make(&Told::default())
    }
}

impl FaultKind {
    /// The kind of an ailment.
    ///
    /// # Panics
    /// Never: every ailment has a row, which a test proves.
    pub(crate) fn of(ailment: Ailment) -> Self {
        Self::Part(AilmentKind::named(ailment.name()).expect("every ailment has a row"))
    }
}

/// The keys that say what an ailment is.
pub(crate) fn told(ailment: &Ailment) -> String {
    let mut text = String::new();
    let mut key = |name: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{name} = {value}").expect("a string takes all");
    };
    let word = |operation: Operation| match operation {
        Operation::Read => "\"read\"",
        Operation::Write => "\"write\"",
        Operation::Sync => "\"sync\"",
    };
    let quoted = |time_ns: u64| format!("\"{}\"", Time::from_nanos(time_ns));
    let number = |micro: i64| {
        let sign = if micro < 0 { "-" } else { "" };
        format!("{sign}{}.{:06}", micro.unsigned_abs() / 1_000_000, micro.unsigned_abs() % 1_000_000)
    };
    let mut odds = None;
    match *ailment {
        Ailment::DiskSlow { operation, factor, extra_ns } => {
            key("operation", &word(operation));
            key("factor", &factor);
            key("extra", &quoted(extra_ns));
        }
        Ailment::DiskError { operation, odds: told } => {
            odds = Some(told);
            if let Some(operation) = operation {
                key("operation", &word(operation));
            }
        }
        Ailment::DiskGarble { operation, odds: told } | Ailment::DiskMisdirect { operation, odds: told } => {
            odds = Some(told);
            key("operation", &word(operation));
        }
        Ailment::DiskFull { free_bytes } => key("free", &format_args!("\"{free_bytes} B\"")),
        Ailment::DiskCut { operation, nth, off_ns } => {
            if let Some(operation) = operation {
                key("operation", &word(operation));
            }
            key("nth", &nth);
            key("off", &quoted(off_ns));
        }
        Ailment::BitRot { bits } => key("bits", &bits),
        Ailment::FlashSlow { factor, extra_ns } => {
            key("factor", &factor);
            key("extra", &quoted(extra_ns));
        }
        Ailment::FlashWorn { erases } => key("erases", &erases),
        Ailment::I2cStretch { odds: told, extra_ns } => {
            odds = Some(told);
            key("extra", &quoted(extra_ns));
        }
        Ailment::I2cArbitration { odds: told }
        | Ailment::I2cNack { odds: told }
        | Ailment::I2cBitError { odds: told }
        | Ailment::SpiBitError { odds: told }
        | Ailment::UartFraming { odds: told }
        | Ailment::UartNoise { odds: told }
        | Ailment::UartOverrun { odds: told }
        | Ailment::FlashReadDisturb { odds: told } => odds = Some(told),
        Ailment::SpiStuck { high } | Ailment::PinStuck { high } => {
            key("level", &if high { "\"high\"" } else { "\"low\"" });
        }
        Ailment::UartBaud { drift_ppb } => {
            let (sign, size) = (if drift_ppb < 0 { "-" } else { "" }, drift_ppb.unsigned_abs());
            key("drift_ppm", &format_args!("{sign}{}.{:03}", size / 1_000, size % 1_000));
        }
        Ailment::AdcNoise { steps } => key("steps", &steps),
        Ailment::AdcReference { micro_per_hour: micro }
        | Ailment::SensorDrift { micro_per_hour: micro }
        | Ailment::SensorLie { micro }
        | Ailment::SensorNoise { micro } => key("value", &number(micro)),
        Ailment::SensorClip { least_micro, most_micro } => {
            if least_micro != i64::MIN {
                key("least", &number(least_micro));
            }
            if most_micro != i64::MAX {
                key("most", &number(most_micro));
            }
        }
        _ => {}
    }
    text + &odds.map_or_else(String::new, odds_told)
}

/// The key that says how many of the occasions are meant.
pub(crate) fn odds_told(odds: Odds) -> String {
    match odds {
        Odds::Next(count) => format!("count = {count}\n"),
        Odds::PartsPerBillion(parts) => format!("probability = \"{parts} ppb\"\n"),
        Odds::Always => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::FAULTS;
    use super::*;

    #[test]
    fn every_row_is_listed_among_the_faults() {
        for row in ROWS {
            let shape = FAULTS.iter().find(|shape| shape.name == row.name).expect("a fault");
            assert!(row.one_of.iter().all(|key| shape.takes.contains(key)), "{}", row.name);
            let kind = AilmentKind::named(row.name).expect("its own kind");
            assert_eq!(kind.plain().name(), row.name);
            assert!(!shape.strikes || shape.needs.is_empty() && row.one_of.is_empty(), "{}", row.name);
        }
    }
}
