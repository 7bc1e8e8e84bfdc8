//! NXP's PCF8583 as an event counter, by its datasheet: six decimal digits that count pulses at its oscillator's pin.
//!
//! It counts on a coin cell while everything else is off. Not here: its clock, calendar, alarm and RAM.

use embedded_hal_async::i2c::I2c;

/// The I2C address with its pin A0 at ground.
pub const ADDRESS: u8 = 0x50;
/// It counts modulo this.
pub const MODULUS: u32 = 1_000_000;

/// Control and status register (section 8.3): what it does is in bits 4 and 5.
const CONTROL: u8 = 0x00;
const FUNCTION: u8 = 0b0011_0000;
const EVENT_COUNTER: u8 = 0b0010_0000;
/// Bit 7: counting is stopped.
const STOP: u8 = 0b1000_0000;
/// The first of the three counter registers, the lowest digits first (section 8.6).
const COUNTER: u8 = 0x01;

/// The counter on a bus.
#[derive(Debug)]
pub struct Pcf8583<I> {
    i2c: I,
}

impl<I: I2c> Pcf8583<I> {
    /// The counter at [`ADDRESS`].
    pub const fn new(i2c: I) -> Self {
        Pcf8583 { i2c }
    }

    /// The count, below [`MODULUS`]; `None` if it is not counting: its cell was empty, or nobody ever started it.
    ///
    /// # Errors
    ///
    /// What the bus says.
    pub async fn count(&mut self) -> Result<Option<u32>, I::Error> {
        let mut registers = [0; 4];
        // The registers are latched while they are read, so that no carry comes in between.
        self.i2c.write_read(ADDRESS, &[CONTROL], &mut registers).await?;
        let [control, low, middle, high] = registers;
        let counts = control & (FUNCTION | STOP) == EVENT_COUNTER;
        let digits = [high, middle, low].iter().try_fold(0, |number, &byte| {
            let (tens, ones) = (u32::from(byte >> 4), u32::from(byte & 0x0f));
            (tens < 10 && ones < 10).then_some(number * 100 + tens * 10 + ones)
        });
        Ok(digits.filter(|_| counts))
    }

    /// Begins to count, from 0.
    ///
    /// # Errors
    ///
    /// What the bus says. Whether it counts then, [`count`](Self::count) tells.
    pub async fn start(&mut self) -> Result<(), I::Error> {
        self.i2c.write(ADDRESS, &[CONTROL, EVENT_COUNTER | STOP]).await?;
        self.i2c.write(ADDRESS, &[COUNTER, 0, 0, 0]).await?;
        self.i2c.write(ADDRESS, &[CONTROL, EVENT_COUNTER]).await
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;

    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;
    use crate::testing::now;

    #[test]
    fn the_count_is_read_digit_by_digit() {
        for (registers, count) in [
            (vec![0x20, 0x56, 0x34, 0x12], Some(123_456)),
            (vec![0x20, 0, 0, 0], Some(0)),
            (vec![0x20, 0x99, 0x99, 0x99], Some(999_999)),
            (vec![0x00, 0x12, 0, 0], None),
            (vec![0xa0, 0x12, 0, 0], None),
            (vec![0x20, 0x1a, 0, 0], None),
        ] {
            let mut mock = Mock::new(&[Transaction::write_read(ADDRESS, vec![0], registers)]);
            assert_eq!(now(Pcf8583::new(&mut mock).count()), Ok(count));
            mock.done();
        }
    }

    #[test]
    fn it_counts_from_zero_and_not_before_it_is_there() {
        let mut mock = Mock::new(&[
            Transaction::write(ADDRESS, vec![0, 0xa0]),
            Transaction::write(ADDRESS, vec![1, 0, 0, 0]),
            Transaction::write(ADDRESS, vec![0, 0x20]),
        ]);
        assert_eq!(now(Pcf8583::new(&mut mock).start()), Ok(()));
        mock.done();
    }
}
