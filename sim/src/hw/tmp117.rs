//! Texas Instruments TMP117: temperature over I2C, at register level.
//!
//! After the TMP117 datasheet (SNOSD82, rev. D): registers of section 7.6, conversion times of section 7.5 and table 7-7,
//! one step of 7.8125 m°C (section 7.3.1). The result is -256 °C until the first conversion is done. A reading is off by
//! a step either way at most (repeatability, section 6.5). Not modelled: the EEPROM's programming, the alert pin.

use rand_core::Rng;

use super::i2c::{Ack, Direction, Target};
use super::sense::Sense;

/// The address with ADD0 tied to ground.
pub const ADDRESS: u8 = 0x48;

const CONVERSION_NS: u64 = 15_500_000;
const SOFT_RESET_NS: u64 = 2_000_000;
/// Millionths of °C times 128 in a step of the result.
const STEPS_PER_CELSIUS: i64 = 128;

const DATA_READY: u16 = 1 << 13;
const SETTABLE: u16 = 0x0ffc;

/// One TMP117. `R` is its own stream: a word a conversion that is looked at.
#[derive(Debug)]
pub struct Tmp117<R> {
    temperature: Sense,
    stream: R,
    pointer: u8,
    /// The bytes of the register that is being written.
    written: Vec<u8>,
    /// The next byte that is read is the register's low one.
    half_read: Option<u8>,
    result: u16,
    configuration: u16,
    limits: [u16; 2],
    memory: [u16; 4],
    flags: u16,
    /// When the conversion that is under way is done.
    due_ns: Option<u64>,
    silent_until_ns: u64,
}

impl<R: Rng> Tmp117<R> {
    /// A part that has just been powered at the world's start: it converts once a second.
    pub fn new(temperature: impl Into<Sense>, stream: R) -> Self {
        let mut part = Self {
            temperature: temperature.into(),
            stream,
            pointer: 0,
            written: Vec::new(),
            half_read: None,
            result: 0,
            configuration: 0,
            limits: [0; 2],
            memory: [0; 4],
            flags: 0,
            due_ns: None,
            silent_until_ns: 0,
        };
        part.reset(0);
        part
    }

    fn reset(&mut self, now_ns: u64) {
        (self.result, self.configuration, self.limits, self.flags) = (0x8000, 0x0220, [0x6000, 0x8000], 0);
        (self.pointer, self.half_read) = (0, None);
        self.written.clear();
        self.begin(now_ns);
    }

    fn mode(&self) -> u16 {
        self.configuration >> 10 & 3
    }

    /// How long the averaged conversions take.
    fn active_ns(&self) -> u64 {
        CONVERSION_NS * [1, 8, 32, 64][usize::from(self.configuration >> 5 & 3)]
    }

    /// From one result to the next in continuous mode (table 7-7).
    fn cycle_ns(&self) -> u64 {
        let set_ms = [0, 125, 250, 500, 1_000, 4_000, 8_000, 16_000][usize::from(self.configuration >> 7 & 7)];
        self.active_ns().max(set_ms * 1_000_000)
    }

    fn begin(&mut self, now_ns: u64) {
        self.due_ns = (self.mode() != 1).then(|| now_ns + self.active_ns());
    }

    /// Results that are due by `now_ns` are there.
    fn settle(&mut self, now_ns: u64) {
        let Some(due_ns) = self.due_ns.filter(|due_ns| *due_ns <= now_ns) else { return };
        if self.mode() == 3 {
            self.convert(due_ns);
            // A single shot ends in shutdown.
            self.configuration = self.configuration & !0x0c00 | 0x0400;
            self.due_ns = None;
        } else {
            let cycle_ns = self.cycle_ns();
            let last_ns = due_ns + (now_ns - due_ns) / cycle_ns * cycle_ns;
            self.convert(last_ns);
            self.due_ns = Some(last_ns + cycle_ns);
        }
    }

    fn convert(&mut self, at_ns: u64) {
        let felt = self.temperature.at(at_ns).clamp(-55_000_000, 150_000_000);
        let off = i64::from(self.stream.next_u32() % 3) - 1;
        let offset = i64::from(self.memory[2].cast_signed());
        let steps = (felt * STEPS_PER_CELSIUS + 500_000).div_euclid(1_000_000) + off + offset;
        let steps = steps.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        self.result = steps.cast_unsigned();
        self.flags |= DATA_READY;
        let [high, low] = self.limits.map(u16::cast_signed);
        self.flags |= u16::from(steps > high) << 15 | u16::from(steps < low) << 14;
    }

    fn register(&mut self) -> u16 {
        match self.pointer {
            0 => {
                self.flags &= !DATA_READY;
                self.result
            }
            // Reading it clears the flags.
            1 => self.configuration | std::mem::take(&mut self.flags),
            2 | 3 => self.limits[usize::from(self.pointer - 2)],
            5..=8 => self.memory[usize::from(self.pointer - 5)],
            0x0f => 0x0117,
            _ => 0,
        }
    }

    fn store(&mut self, now_ns: u64, value: u16) {
        match self.pointer {
            1 if value & 2 != 0 => {
                self.reset(now_ns + SOFT_RESET_NS);
                self.silent_until_ns = now_ns + SOFT_RESET_NS;
            }
            1 => {
                self.configuration = value & SETTABLE;
                self.begin(now_ns);
            }
            2 | 3 => self.limits[usize::from(self.pointer - 2)] = value,
            5..=8 => self.memory[usize::from(self.pointer - 5)] = value,
            _ => {}
        }
    }
}

impl<R: Rng> Target for Tmp117<R> {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        self.settle(now_ns);
        self.half_read = None;
        if direction == Direction::Write {
            self.written.clear();
        }
        if now_ns < self.silent_until_ns { Ack::Nack } else { Ack::Ack }
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        self.written.push(byte);
        match *self.written {
            [pointer] => self.pointer = pointer,
            [_, high, low] => self.store(now_ns, u16::from_be_bytes([high, low])),
            _ => {}
        }
        Ack::Ack
    }

    fn read(&mut self, now_ns: u64) -> u8 {
        if let Some(low) = self.half_read.take() {
            return low;
        }
        self.settle(now_ns);
        let [high, low] = self.register().to_be_bytes();
        self.half_read = Some(low);
        high
    }

    fn stop(&mut self, _now_ns: u64) {
        self.half_read = None;
    }

    fn power_cycle(&mut self, now_ns: u64) {
        self.reset(now_ns);
    }
}
