//! A simulated sensor part: this board has I2C connectors, but nothing on them.
//!
//! It answers on the bus as an SHT4x does, as far as the thermostat can see, and measures a temperature
//! that goes up and down by the clock. On a board with a real sensor this file is the HAL's I2C instead.

use embedded_hal_async::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use wavetank_stack::{Clock, Duration, Instant};

const ADDRESS: u8 = 0x44;
const MEASURE: u8 = 0xfd;
const CONVERSION: Duration = Duration::from_micros(8_300);
const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown);

/// One made-up sensor, alone on its made-up bus.
pub struct SimulatedSht4x<C> {
    clock: C,
    ready: Option<Instant>,
}

impl<C: Clock> SimulatedSht4x<C> {
    /// A sensor that has just got power.
    pub fn new(clock: C) -> Self {
        SimulatedSht4x { clock, ready: None }
    }

    fn command(&mut self, command: &[u8]) -> Result<(), ErrorKind> {
        if command != [MEASURE] {
            return Err(NACK);
        }
        self.ready = Some(self.clock.now() + CONVERSION);
        Ok(())
    }

    fn answer(&mut self, out: &mut [u8]) -> Result<(), ErrorKind> {
        let now = self.clock.now();
        self.ready.take_if(|at| *at <= now).ok_or(NACK)?;
        // 20 °C to 21 °C and back within two minutes; 50 % humidity.
        let phase = (now.as_secs() % 120) as u16;
        let temperature = 24_341 + 374 * phase.min(120 - phase) / 60;
        let words = [temperature, 29_360].map(u16::to_be_bytes);
        let answer = words.iter().flat_map(|word| [word[0], word[1], crc8(*word)]);
        out.iter_mut().zip(answer).for_each(|(to, from)| *to = from);
        Ok(())
    }
}

impl<C> ErrorType for SimulatedSht4x<C> {
    type Error = ErrorKind;
}

impl<C: Clock> I2c for SimulatedSht4x<C> {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        if address != ADDRESS {
            return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
        }
        operations.iter_mut().try_for_each(|operation| match operation {
            Operation::Write(command) => self.command(command),
            Operation::Read(out) => self.answer(out),
        })
    }
}

fn crc8(word: [u8; 2]) -> u8 {
    word.iter()
        .fold(0xff, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| (crc << 1) ^ if crc & 0x80 != 0 { 0x31 } else { 0 }))
}
