//! Sensirion's SHT4x family of temperature and humidity sensors, by its datasheet.
//!
//! Integers throughout, and a sensor that is not ready yet is asked again a few times instead of failing,
//! which is why this is not one of the published drivers: those wait once, blindly, and convert by a
//! fixed-point library that is larger than all of this.

use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::{Error as _, ErrorKind, I2c};
use thiserror::Error;
use wavetank_stack::Duration;

/// The I2C address of most of the family (SHT40-AD1B and its like).
pub const ADDRESS: u8 = 0x44;

/// Longest time from power-up until the sensor takes commands.
pub const POWER_UP: Duration = Duration::from_millis(1);

/// Longest duration of a measurement with high repeatability, in microseconds.
const MEASURE_US: u32 = 8_300;
/// Longest time that the sensor is away after a soft reset, in microseconds.
const RESET_US: u32 = 1_000;
/// Pause between two attempts to read an answer that is not ready, in microseconds.
const RETRY_US: u32 = 1_000;
/// Attempts to read an answer.
const READ_ATTEMPTS: u32 = 5;

#[derive(Clone, Copy)]
enum Command {
    MeasureHighPrecision = 0xfd,
    ReadSerialNumber = 0x89,
    SoftReset = 0x94,
}

/// What a measurement gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// Temperature in thousandths of a degree Celsius, −45 000 to 130 000.
    pub celsius_milli: i32,
    /// Relative humidity in thousandths of a percent, 0 to 100 000.
    pub humidity_milli: i32,
}

/// Why there is no answer from the sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SensorError<E> {
    /// The bus failed, or nobody acknowledged the command.
    #[error("the bus failed: {0:?}")]
    Bus(E),
    /// The sensor took the command but did not have an answer in time.
    #[error("the sensor is not ready")]
    NotReady,
    /// The answer was damaged on the bus.
    #[error("wrong checksum")]
    Checksum,
}

/// A sensor on a bus that it has for itself, or shares by one of `embedded-hal-bus`'s handles.
#[derive(Debug)]
pub struct Sht4x<I, D> {
    i2c: I,
    delay: D,
    address: u8,
}

impl<I: I2c, D: DelayNs> Sht4x<I, D> {
    /// The sensor at [`ADDRESS`].
    pub fn new(i2c: I, delay: D) -> Self {
        Sht4x::with_address(i2c, delay, ADDRESS)
    }

    /// The sensor at another address (0x45 or 0x46, by its part number).
    pub fn with_address(i2c: I, delay: D, address: u8) -> Self {
        Sht4x { i2c, delay, address }
    }

    /// Measures once, with high repeatability; takes about 9 ms.
    ///
    /// # Errors
    ///
    /// As [`SensorError`] says. Dropped midway, the sensor finishes alone and its answer is discarded by
    /// the next command; one given within those 9 ms may fail.
    pub async fn measure(&mut self) -> Result<Measurement, SensorError<I::Error>> {
        let [temperature, humidity] = self.ask(Command::MeasureHighPrecision, MEASURE_US).await?;
        Ok(Measurement { celsius_milli: celsius_milli(temperature), humidity_milli: humidity_milli(humidity) })
    }

    /// The number that is unique to this piece.
    ///
    /// # Errors
    ///
    /// As [`SensorError`] says.
    pub async fn serial_number(&mut self) -> Result<u32, SensorError<I::Error>> {
        let [high, low] = self.ask(Command::ReadSerialNumber, 0).await?;
        Ok(u32::from(high) << 16 | u32::from(low))
    }

    /// Brings the sensor into the state that it has after power-up.
    ///
    /// # Errors
    ///
    /// [`SensorError::Bus`] if it does not take the command.
    pub async fn soft_reset(&mut self) -> Result<(), SensorError<I::Error>> {
        self.command(Command::SoftReset, RESET_US).await
    }

    async fn ask(&mut self, command: Command, after_us: u32) -> Result<[u16; 2], SensorError<I::Error>> {
        self.command(command, after_us).await?;
        let mut answer = [0; 6];
        self.read(&mut answer).await?;
        let [a, b, ab_crc, c, d, cd_crc] = answer;
        if crc8([a, b]) != ab_crc || crc8([c, d]) != cd_crc {
            return Err(SensorError::Checksum);
        }
        Ok([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
    }

    async fn command(&mut self, command: Command, after_us: u32) -> Result<(), SensorError<I::Error>> {
        self.i2c.write(self.address, &[command as u8]).await.map_err(SensorError::Bus)?;
        self.delay.delay_us(after_us).await;
        Ok(())
    }

    async fn read(&mut self, answer: &mut [u8]) -> Result<(), SensorError<I::Error>> {
        for attempt in 1..=READ_ATTEMPTS {
            match self.i2c.read(self.address, answer).await {
                Ok(()) => return Ok(()),
                Err(error) if !matches!(error.kind(), ErrorKind::NoAcknowledge(_)) => {
                    return Err(SensorError::Bus(error));
                }
                Err(_not_ready) if attempt < READ_ATTEMPTS => self.delay.delay_us(RETRY_US).await,
                Err(_not_ready) => {}
            }
        }
        Err(SensorError::NotReady)
    }
}

/// −45 + 175 · raw / 65 535 in thousandths, rounded to the nearest.
///
/// The factor is reduced by 5, so that the product fits 32 bits on processors that have no more.
fn celsius_milli(raw: u16) -> i32 {
    scaled(35_000, raw) - 45_000
}

/// −6 + 125 · raw / 65 535 in thousandths; the ends of the line lie outside what humidity can be.
fn humidity_milli(raw: u16) -> i32 {
    (scaled(25_000, raw) - 6_000).clamp(0, 100_000)
}

/// `numerator` · `raw` / 13 107, at most 175 000.
fn scaled(numerator: u32, raw: u16) -> i32 {
    let rounded = (numerator * u32::from(raw) + 13_107 / 2) / 13_107;
    rounded.cast_signed()
}

/// The checksum behind each word: polynomial 0x31, initial value 0xff, nothing reflected.
fn crc8(word: [u8; 2]) -> u8 {
    word.iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            let carry = crc & 0x80 != 0;
            (crc << 1) ^ if carry { 0x31 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use embedded_hal_async::i2c::NoAcknowledgeSource;
    use embedded_hal_mock::eh1::delay::NoopDelay;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;
    use crate::testing::now;

    const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

    /// 0xbeef is the datasheet's own example of the checksum.
    fn answer() -> Vec<u8> {
        vec![0xbe, 0xef, 0x92, 0x80, 0x00, 0xa2]
    }

    fn measure(expectations: &[Transaction]) -> Result<Measurement, SensorError<ErrorKind>> {
        let mut bus = Mock::new(expectations);
        let outcome = now(Sht4x::new(bus.clone(), NoopDelay::new()).measure());
        bus.done();
        outcome
    }

    fn command() -> Transaction {
        Transaction::write(ADDRESS, vec![0xfd])
    }

    fn nack() -> Transaction {
        Transaction::read(ADDRESS, vec![0; 6]).with_error(NACK)
    }

    #[test]
    fn a_reading_is_converted() {
        let reading = Measurement { celsius_milli: 85_523, humidity_milli: 56_501 };
        assert_eq!(measure(&[command(), Transaction::read(ADDRESS, answer())]), Ok(reading));
    }

    #[test]
    fn the_ends_of_the_scale_are_exact() {
        assert_eq!((celsius_milli(0), celsius_milli(u16::MAX)), (-45_000, 130_000));
        assert_eq!((humidity_milli(0), humidity_milli(u16::MAX)), (0, 100_000));
        for raw in 0..=u16::MAX {
            let exact = f64::from(raw) * 175_000.0 / 65_535.0 - 45_000.0;
            assert!((f64::from(celsius_milli(raw)) - exact).abs() <= 0.5, "{raw}");
        }
    }

    #[test]
    fn an_answer_that_is_late_is_awaited() {
        let late = [command(), nack(), nack(), Transaction::read(ADDRESS, answer())];
        assert!(measure(&late).is_ok());
    }

    #[test]
    fn an_answer_that_never_comes_is_not_awaited_for_ever() {
        let never = [command(), nack(), nack(), nack(), nack(), nack()];
        assert_eq!(measure(&never), Err(SensorError::NotReady));
    }

    #[test]
    fn a_sensor_that_is_not_there_is_told_at_once() {
        assert_eq!(measure(&[command().with_error(NACK)]), Err(SensorError::Bus(NACK)));
    }

    #[test]
    fn other_bus_errors_are_not_retried() {
        let lost = Transaction::read(ADDRESS, answer()).with_error(ErrorKind::ArbitrationLoss);
        assert_eq!(measure(&[command(), lost]), Err(SensorError::Bus(ErrorKind::ArbitrationLoss)));
    }

    #[test]
    fn any_damaged_bit_is_found() {
        for bit in 0..48 {
            let mut damaged = answer();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let read = Transaction::read(ADDRESS, damaged);
            assert_eq!(measure(&[command(), read]), Err(SensorError::Checksum), "bit {bit}");
        }
    }

    #[test]
    fn serial_number_and_reset_use_their_commands() {
        let mut bus = Mock::new(&[
            Transaction::write(ADDRESS, vec![0x94]),
            Transaction::write(ADDRESS, vec![0x89]),
            Transaction::read(ADDRESS, answer()),
        ]);
        let mut sensor = Sht4x::new(bus.clone(), NoopDelay::new());
        assert_eq!(now(sensor.soft_reset()), Ok(()));
        assert_eq!(now(sensor.serial_number()), Ok(0xbeef_8000));
        bus.done();
    }
}
