//! Sensirion SHT4x: relative humidity and temperature over I2C, at register level.
//!
//! After the SHT4x datasheet (version 6.x, "SHT4x – 4th Generation, High-Accuracy, Ultra-Low-Power, 16-bit"): commands
//! and conversion formulas of section 4, timings of table 5, repeatability of tables 1 and 2, CRC of section 4.4.
//!
//! A conversion takes a time drawn between the datasheet's typical and its longest, so that a driver that waits for
//! less than the longest fails sooner or later. Read headers are not acknowledged before a result is there. While it
//! works, the part acknowledges a write header but no command other than the reset. Not modelled: accuracy (the
//! sense is what the sensor feels; give it a wrong one), the general call reset, and the warmth of the heater: heater
//! commands take their time and then measure as if it had been off.

use rand_core::Rng;

use super::i2c::{Ack, Direction, Target};
use super::sense::Sense;

/// The address of most parts of the family (SHT40-AD1B).
pub const ADDRESS: u8 = 0x44;

const MICRO: i64 = 1_000_000;
/// No time is given for reading the serial number; drivers report that an immediate read is refused.
const SERIAL_NUMBER_NS: u64 = 100_000;
const SOFT_RESET_MAX_NS: u64 = 1_000_000;
const POWER_UP_NS: Range = Range(300_000, 1_000_000);

/// From a typical to the greatest value.
#[derive(Clone, Copy, Debug)]
struct Range(u64, u64);

impl Range {
    /// One word of the stream.
    fn draw(self, stream: &mut impl Rng) -> u64 {
        let width = u128::from(self.1 - self.0) + 1;
        let offset = (u128::from(stream.next_u64()) * width) >> 64;
        self.0 + u64::try_from(offset).expect("below the width")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeatability {
    High,
    Medium,
    Low,
}

impl Repeatability {
    /// Table 5.
    fn conversion_ns(self) -> Range {
        match self {
            Repeatability::High => Range(6_900_000, 8_300_000),
            Repeatability::Medium => Range(3_700_000, 4_500_000),
            Repeatability::Low => Range(1_300_000, 1_600_000),
        }
    }

    /// Three standard deviations: of %RH (table 1) and of °C (table 2), in millionths.
    fn three_sigma(self) -> (i64, i64) {
        match self {
            Repeatability::High => (80_000, 40_000),
            Repeatability::Medium => (150_000, 70_000),
            Repeatability::Low => (250_000, 100_000),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Measure(Repeatability, Range),
    SerialNumber,
    SoftReset,
}

impl Command {
    /// Table 8.
    fn decode(byte: u8) -> Option<Self> {
        const HEATER_SHORT_NS: Range = Range(100_000_000, 110_000_000);
        const HEATER_LONG_NS: Range = Range(1_000_000_000, 1_100_000_000);
        let cold = |repeatability: Repeatability| Command::Measure(repeatability, repeatability.conversion_ns());
        Some(match byte {
            0xfd => cold(Repeatability::High),
            0xf6 => cold(Repeatability::Medium),
            0xe0 => cold(Repeatability::Low),
            0x39 | 0x2f | 0x1e => Command::Measure(Repeatability::High, HEATER_LONG_NS),
            0x32 | 0x24 | 0x15 => Command::Measure(Repeatability::High, HEATER_SHORT_NS),
            0x89 => Command::SerialNumber,
            0x94 => Command::SoftReset,
            _ => return None,
        })
    }
}

/// Two words, each followed by its CRC.
type Response = [u8; 6];

#[derive(Debug)]
enum State {
    Starting { until_ns: u64 },
    Idle,
    Working { until_ns: u64, response: Response },
    Sending { response: Response, sent: usize },
}

/// One SHT4x. `R` is its own stream: three words a measurement, one a power-up.
#[derive(Debug)]
pub struct Sht4x<R> {
    temperature: Sense,
    humidity: Sense,
    serial_number: u32,
    stream: R,
    state: State,
    /// A transaction has given its command already.
    commanded: bool,
}

impl<R: Rng> Sht4x<R> {
    /// A part that has been powered for a while. It feels `temperature` in millionths of °C (-40..=125 °C) and
    /// `humidity` in millionths of %RH (0..=100 %RH); what lies outside is felt as the nearest that is inside.
    pub fn new(temperature: impl Into<Sense>, humidity: impl Into<Sense>, serial_number: u32, stream: R) -> Self {
        let (temperature, humidity) = (temperature.into(), humidity.into());
        Sht4x { temperature, humidity, serial_number, stream, state: State::Idle, commanded: false }
    }

    /// The part finishes what it was at by `now_ns`.
    fn settle(&mut self, now_ns: u64) {
        match self.state {
            State::Starting { until_ns } if until_ns <= now_ns => self.state = State::Idle,
            State::Working { until_ns, response } if until_ns <= now_ns => {
                self.state = State::Sending { response, sent: 0 };
            }
            _ => {}
        }
    }

    fn accept(&mut self, now_ns: u64, command: Command) -> Ack {
        self.state = match command {
            Command::SoftReset => State::Starting { until_ns: now_ns + SOFT_RESET_MAX_NS },
            _ if matches!(self.state, State::Working { .. }) => return Ack::Nack,
            Command::SerialNumber => {
                State::Working { until_ns: now_ns + SERIAL_NUMBER_NS, response: response(self.serial_number) }
            }
            Command::Measure(repeatability, conversion_ns) => {
                let until_ns = now_ns + conversion_ns.draw(&mut self.stream);
                State::Working { until_ns, response: self.measure(until_ns, repeatability) }
            }
        };
        Ack::Ack
    }

    fn measure(&mut self, at_ns: u64, repeatability: Repeatability) -> Response {
        let (humidity_3s, temperature_3s) = repeatability.three_sigma();
        let temperature =
            self.temperature.at(at_ns).clamp(-40 * MICRO, 125 * MICRO) + normal(self.stream.next_u64(), temperature_3s);
        let humidity = self.humidity.at(at_ns).clamp(0, 100 * MICRO) + normal(self.stream.next_u64(), humidity_3s);
        // T = -45 + 175 · ticks / 65535 °C and RH = -6 + 125 · ticks / 65535 %RH: section 4.6.
        let high = ticks(temperature + 45 * MICRO, 175 * MICRO);
        let low = ticks(humidity + 6 * MICRO, 125 * MICRO);
        response(u32::from(high) << 16 | u32::from(low))
    }
}

impl<R: Rng> Target for Sht4x<R> {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        self.settle(now_ns);
        self.commanded = false;
        match (direction, &self.state) {
            (_, State::Starting { .. }) | (Direction::Read, State::Idle | State::Working { .. }) => Ack::Nack,
            (Direction::Read, State::Sending { .. }) | (Direction::Write, _) => Ack::Ack,
        }
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        self.settle(now_ns);
        let first = !std::mem::replace(&mut self.commanded, true);
        match Command::decode(byte) {
            Some(command) if first => self.accept(now_ns, command),
            _ => Ack::Nack,
        }
    }

    fn read(&mut self, _: u64) -> u8 {
        let State::Sending { response, sent } = &mut self.state else {
            return 0xff;
        };
        let byte = response.get(*sent).copied().unwrap_or(0xff);
        *sent += 1;
        byte
    }

    fn stop(&mut self, _: u64) {
        // A result can be read once, whole or in part.
        if matches!(self.state, State::Sending { sent, .. } if sent > 0) {
            self.state = State::Idle;
        }
    }

    fn power_cycle(&mut self, now_ns: u64) {
        self.state = State::Starting { until_ns: now_ns + POWER_UP_NS.draw(&mut self.stream) };
    }
}

/// The nearest of 0..=65535 for a share of the whole.
fn ticks(part: i64, whole: i64) -> u16 {
    let ticks = (i128::from(part) * 65_535 + i128::from(whole / 2)).div_euclid(i128::from(whole));
    u16::try_from(ticks.clamp(0, 65_535)).expect("clamped")
}

/// A draw that is close to normal around zero and never beyond 3.5 σ: the sum of four uniform ones.
fn normal(word: u64, three_sigma: i64) -> i64 {
    let sum: i64 = [0, 16, 32, 48].iter().map(|shift| (word >> shift & 0xffff).cast_signed()).sum();
    // The sum's mean is 4 · 32767.5 and its standard deviation 65536 · √(4/12) = 37837.
    (sum - 131_070) * three_sigma / (3 * 37_837)
}

fn response(words: u32) -> Response {
    let [a, b, c, d] = words.to_be_bytes();
    [a, b, crc8([a, b]), c, d, crc8([c, d])]
}

/// CRC-8 with polynomial 0x31, initial value 0xFF, no reflection, no final XOR (section 4.4).
fn crc8(word: [u8; 2]) -> u8 {
    word.iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x31 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_datasheets_check_value() {
        assert_eq!(crc8([0xbe, 0xef]), 0x92);
    }

    #[test]
    fn ticks_follow_the_formula_and_saturate() {
        let temperature = |celsius: i64| ticks((celsius + 45) * MICRO, 175 * MICRO);
        assert_eq!([-45, -40, 25, 130].map(temperature), [0, 1_872, 26_214, 65_535]);
        assert_eq!([-46, 131].map(temperature), [0, 65_535]);
    }
}
