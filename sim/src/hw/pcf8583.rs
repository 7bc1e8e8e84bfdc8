//! NXP's PCF8583 at register level, as far as it counts events (product data sheet, rev. 06, sections 8.1, 8.3 and 8.6).
//!
//! It has a cell of its own: nothing is lost while the rest of the board has no power, and only
//! [`lose_cell`](Pcf8583::lose_cell) makes it forget. Its counter counts [`Pulses`] while the control register says so.
//! Not here: the clock, the calendar, alarms, and the interrupt pin.

use super::i2c::{Ack, Direction, Target};
use super::pulses::Pulses;

/// The I2C address with its pin A0 at ground.
pub const ADDRESS: u8 = 0x50;

const CONTROL: usize = 0x00;
const COUNTER: usize = 0x01;
const STOP: u8 = 0x80;
const FUNCTION: u8 = 0x30;
const EVENT_COUNTER: u8 = 0x20;
const MODULUS: u64 = 1_000_000;

/// The part.
#[derive(Debug)]
pub struct Pcf8583 {
    pulses: Pulses,
    registers: [u8; 256],
    /// What its counter shows, up to the pulse `counted_to`.
    count: u64,
    /// All that it ever counted.
    total: u64,
    counted_to: u64,
    /// The register that comes next.
    pointer: u8,
    /// The next byte that is written is a pointer.
    addressed: bool,
}

impl Pcf8583 {
    /// A part whose cell was just put in: it is a clock, and its counter stands at 0.
    pub fn new(pulses: Pulses) -> Self {
        Pcf8583 { pulses, registers: [0; 256], count: 0, total: 0, counted_to: 0, pointer: 0, addressed: false }
    }

    /// Its cell is taken out, and put in again.
    pub fn lose_cell(&mut self) {
        *self = Pcf8583 { total: self.total, counted_to: self.counted_to, ..Self::new(self.pulses.clone()) };
    }

    /// All pulses that it has counted by `now_ns`, the world's time, whatever became of the count.
    pub fn total(&mut self, now_ns: u64) -> u64 {
        self.catch_up(now_ns);
        self.total
    }

    fn counts(&self) -> bool {
        self.registers[CONTROL] & (FUNCTION | STOP) == EVENT_COUNTER
    }

    /// Takes in the pulses that came since it was last looked at.
    fn catch_up(&mut self, now_ns: u64) {
        let past = self.pulses.past(now_ns);
        if self.counts() {
            let came = past - self.counted_to;
            self.count = (self.count + came) % MODULUS;
            self.total += came;
        }
        self.counted_to = past;
    }

    /// Shows the count in the registers, two digits each.
    fn latch(&mut self) {
        for (at, pair) in [1, 100, 10_000].into_iter().enumerate() {
            let pair = u8::try_from(self.count / pair % 100).expect("two digits");
            self.registers[COUNTER + at] = ((pair / 10) << 4) | (pair % 10);
        }
    }

    /// Takes the count from the registers.
    fn load(&mut self) {
        let digits = |byte: u8| u64::from(byte >> 4) * 10 + u64::from(byte & 0x0f);
        let registers = self.registers[COUNTER..COUNTER + 3].iter().rev();
        self.count = registers.fold(0, |count, byte| count * 100 + digits(*byte)) % MODULUS;
    }
}

impl Target for Pcf8583 {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        self.catch_up(now_ns);
        match direction {
            Direction::Read => self.latch(),
            Direction::Write => self.addressed = true,
        }
        Ack::Ack
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        self.catch_up(now_ns);
        if std::mem::take(&mut self.addressed) {
            self.pointer = byte;
            return Ack::Ack;
        }
        let at = usize::from(self.pointer);
        if (COUNTER..COUNTER + 3).contains(&at) {
            self.latch();
            self.registers[at] = byte;
            self.load();
        } else {
            self.registers[at] = byte;
        }
        self.pointer = self.pointer.wrapping_add(1);
        Ack::Ack
    }

    fn read(&mut self, _: u64) -> u8 {
        let byte = self.registers[usize::from(self.pointer)];
        self.pointer = self.pointer.wrapping_add(1);
        byte
    }

    fn stop(&mut self, _: u64) {
        self.addressed = false;
    }

    /// The cell keeps it alive; what a transfer was at is gone.
    fn power_cycle(&mut self, _: u64) {
        self.addressed = false;
        self.pointer = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use embedded_hal::i2c::I2c;

    use super::*;
    use crate::hw::Meter;
    use crate::hw::i2c::{Bus, Controller, Speed};
    use crate::random::Stream;

    #[test]
    fn it_counts_when_told_to_and_in_digits() {
        let pulses = Pulses::new(Duration::from_millis(10), Stream::new(3, "pulses"));
        let part = Rc::new(RefCell::new(Pcf8583::new(pulses.clone())));
        let bus = Bus::new(Speed::Fast, Stream::new(3, "i2c"));
        bus.attach(ADDRESS, Rc::clone(&part)).unwrap();
        let meter = Rc::new(Meter::new());
        let mut controller = Controller::new(bus.clone(), Rc::clone(&meter));
        let mut read = |now_ns| {
            meter.start_poll(now_ns);
            let mut registers = [0; 4];
            controller.write_read(ADDRESS, &[0], &mut registers).unwrap();
            registers
        };
        assert_eq!(read(1_000_000_000), [0; 4], "it is a clock yet");
        let mut controller = Controller::new(bus.clone(), Rc::clone(&meter));
        controller.write(ADDRESS, &[0x00, 0xa0]).unwrap();
        controller.write(ADDRESS, &[0x01, 0x97, 0x99, 0x12]).unwrap();
        controller.write(ADDRESS, &[0x00, 0x20]).unwrap();
        let before = pulses.past(1_100_000_000);
        bus.power_cycle(1_500_000_000);
        let came = pulses.past(9_000_000_000) - before;
        assert!(came > 100, "{came}");
        let mut read = |now_ns| {
            meter.start_poll(now_ns);
            let mut registers = [0; 4];
            controller.write_read(ADDRESS, &[0], &mut registers).unwrap();
            let digits = |byte: u8| u64::from(byte >> 4) * 10 + u64::from(byte & 0x0f);
            registers[1..].iter().rev().fold(0, |count, byte| count * 100 + digits(*byte))
        };
        let shown = read(9_000_000_000);
        let early = pulses.past(9_100_000_000) - before;
        assert!((129_997 + came..=129_997 + early + 10).contains(&shown), "{shown} after {came}");
        part.borrow_mut().lose_cell();
        assert_eq!(read(9_900_000_000), 0);
    }
}
