//! ST LIS3DH: acceleration along three axes over I2C, at register level.
//!
//! After the LIS3DH datasheet (DocID17530 Rev 2): registers of section 8, sensitivities of table 4, resolutions of section
//! 3.2.1 (8, 10 or 12 bits, left-justified), output data rates of table 31, the auto-increment of section 6.1.1. Not
//! modelled: the FIFO, interrupts, the auxiliary ADC, self-test, noise.

use super::i2c::{Direction, RegisterFile, Registers};
use super::sense::Sense;

/// The address with SA0 tied low.
pub const ADDRESS: u8 = 0x18;

const WHO_AM_I: u8 = 0x0f;
const CTRL_REG1: u8 = 0x20;
const CTRL_REG4: u8 = 0x23;
const STATUS_REG: u8 = 0x27;
const OUT_X_L: u8 = 0x28;
const OUT_Z_H: u8 = 0x2d;

/// One LIS3DH. Its senses are accelerations in millionths of g.
#[derive(Debug)]
pub struct Lis3dh {
    axes: [Sense; 3],
    registers: [u8; 0x40],
    /// The sample that the output registers hold, by its number since the last change of rate.
    taken: Option<u64>,
    /// When the rate was last changed.
    since_ns: u64,
    output: [i16; 3],
    is_read: bool,
}

/// A part that has been powered for a while, and is powered down by its registers, as after power-up.
pub fn lis3dh(axes: [Sense; 3]) -> Registers<Lis3dh> {
    let mut part = Lis3dh { axes, registers: [0; 0x40], taken: None, since_ns: 0, output: [0; 3], is_read: true };
    part.power_cycle(0);
    Registers::new(part)
}

impl Lis3dh {
    /// From one sample to the next; `None` in power-down.
    fn period_ns(&self) -> Option<u64> {
        let low_power = self.registers[usize::from(CTRL_REG1)] & 0x08 != 0;
        let millihertz = match self.registers[usize::from(CTRL_REG1)] >> 4 {
            1 => 1_000,
            2 => 10_000,
            3 => 25_000,
            4 => 50_000,
            5 => 100_000,
            6 => 200_000,
            7 => 400_000,
            8 if low_power => 1_600_000,
            9 if low_power => 5_376_000,
            9 => 1_344_000,
            _ => return None,
        };
        Some(1_000_000_000_000 / millihertz)
    }

    /// How many millionths of g a step is, and how many bits are left of 16.
    fn resolution(&self) -> (i64, u32) {
        let control = self.registers[usize::from(CTRL_REG4)];
        let scale = match control >> 4 & 3 {
            0 => 1_000,
            1 => 2_000,
            2 => 4_000,
            _ => 12_000,
        };
        match (self.registers[usize::from(CTRL_REG1)] & 0x08 != 0, control & 0x08 != 0) {
            (false, true) => (scale, 12),
            (true, _) => (scale * 16, 8),
            (false, false) => (scale * 4, 10),
        }
    }

    /// Takes the last sample that was due by `now_ns`.
    fn sample(&mut self, now_ns: u64) {
        let Some(period_ns) = self.period_ns() else { return };
        let number = now_ns.saturating_sub(self.since_ns) / period_ns;
        if number == 0 || self.taken == Some(number) {
            return;
        }
        self.taken = Some(number);
        self.is_read = false;
        let at_ns = self.since_ns + number * period_ns;
        let (step, bits) = self.resolution();
        let most = (1_i64 << (bits - 1)) - 1;
        for (axis, output) in self.axes.iter().zip(&mut self.output) {
            let steps = (axis.at(at_ns) + step / 2).div_euclid(step).clamp(-most - 1, most);
            *output = (steps << (16 - bits)) as i16;
        }
        let enabled = self.registers[usize::from(CTRL_REG1)];
        for (axis, output) in self.output.iter_mut().enumerate() {
            if enabled >> axis & 1 == 0 {
                *output = 0;
            }
        }
    }
}

impl RegisterFile for Lis3dh {
    fn read(&mut self, now_ns: u64, number: u8) -> u8 {
        match number & 0x7f {
            WHO_AM_I => 0x33,
            STATUS_REG => {
                self.sample(now_ns);
                if self.is_read { 0 } else { 0x0f }
            }
            at @ OUT_X_L..=OUT_Z_H => {
                // All six bytes are of one sample: it is taken with the first.
                if at == OUT_X_L {
                    self.sample(now_ns);
                }
                self.is_read |= at == OUT_Z_H;
                let [low, high] = self.output[usize::from((at - OUT_X_L) / 2)].to_le_bytes();
                if at.is_multiple_of(2) { low } else { high }
            }
            other => self.registers.get(usize::from(other)).copied().unwrap_or(0),
        }
    }

    fn write(&mut self, now_ns: u64, number: u8, value: u8) {
        let number = number & 0x7f;
        if (0x1e..0x40).contains(&number) && !(STATUS_REG..=OUT_Z_H).contains(&number) {
            if number == CTRL_REG1 {
                (self.since_ns, self.taken) = (now_ns, None);
            }
            self.registers[usize::from(number)] = value;
        }
    }

    fn next(&self, number: u8, _direction: Direction) -> u8 {
        if number & 0x80 == 0 { number } else { 0x80 | ((number + 1) & 0x7f) }
    }

    fn power_cycle(&mut self, now_ns: u64) {
        self.registers = [0; 0x40];
        self.registers[usize::from(CTRL_REG1)] = 0x07;
        (self.since_ns, self.taken, self.is_read, self.output) = (now_ns, None, true, [0; 3]);
    }
}
