//! Bosch BME280: temperature, pressure and humidity over I2C, at register level.
//!
//! After the BME280 datasheet (BST-BME280-DS002 Rev 1.6): registers of section 5, trimming values and compensation of
//! section 4.2, measuring times of section 9.1. What the part puts into its data registers is the raw value whose
//! compensation comes nearest to what it feels. All parts bear the same trimming values, for temperature and pressure
//! those of the datasheet's example. A measurement takes the longest time that the datasheet allows. Not modelled: the
//! IIR filter, noise.

use super::i2c::{Direction, RegisterFile, Registers};
use super::sense::Sense;

/// The address with SDO tied low.
pub const ADDRESS: u8 = 0x76;

const RESET: u8 = 0xe0;
const CTRL_HUM: u8 = 0xf2;
const STATUS: u8 = 0xf3;
const CTRL_MEAS: u8 = 0xf4;
const DATA: u8 = 0xf7;

const T: [i64; 3] = [27_504, 26_435, -1_000];
const P: [i64; 9] = [36_477, -10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000];
const H: [i64; 6] = [75, 362, 0, 324, 50, 30];

/// The raw value of a measurement that was left out (section 4.1 and following).
const SKIPPED: u32 = 0x8_0000;

/// One BME280.
#[derive(Debug)]
pub struct Bme280 {
    /// Millionths of °C, of Pa, and of %RH.
    senses: [Sense; 3],
    ctrl_hum: u8,
    /// Takes effect with the next write of `ctrl_meas`.
    ctrl_hum_next: u8,
    ctrl_meas: u8,
    config: u8,
    data: [u8; 8],
    /// When the measurement that is under way is done.
    busy_until_ns: Option<u64>,
}

/// A part that has been powered for a while; it feels °C (-40..=85), Pa (30,000..=110,000) and %RH (0..=100).
pub fn bme280(temperature: Sense, pressure: Sense, humidity: Sense) -> Registers<Bme280> {
    let mut part = Bme280 {
        senses: [temperature, pressure, humidity],
        ctrl_hum: 0,
        ctrl_hum_next: 0,
        ctrl_meas: 0,
        config: 0,
        data: [0; 8],
        busy_until_ns: None,
    };
    part.power_cycle(0);
    Registers::new(part)
}

/// How many samples an oversampling setting takes.
const fn samples(setting: u8) -> u64 {
    match setting & 7 {
        0 => 0,
        setting @ 1..=4 => 1 << (setting - 1),
        _ => 16,
    }
}

impl Bme280 {
    fn samples(&self) -> [u64; 3] {
        [self.ctrl_meas >> 5, self.ctrl_meas >> 2, self.ctrl_hum].map(samples)
    }

    /// The longest time of section 9.1.
    fn duration_ns(&self) -> u64 {
        let [temperature, pressure, humidity] = self.samples();
        let more = |samples: u64| if samples > 0 { 2_300_000 * samples + 575_000 } else { 0 };
        1_250_000 + 2_300_000 * temperature + more(pressure) + more(humidity)
    }

    /// Pause between measurements in normal mode (table 27).
    fn standby_ns(&self) -> u64 {
        [500_000, 62_500_000, 125_000_000, 250_000_000, 500_000_000, 1_000_000_000, 10_000_000, 20_000_000]
            [usize::from(self.config >> 5)]
    }

    fn settle(&mut self, now_ns: u64) {
        let Some(until_ns) = self.busy_until_ns.filter(|until_ns| *until_ns <= now_ns) else { return };
        if self.ctrl_meas & 3 == 3 {
            // Those between the first and the last that are due nobody has seen.
            let cycle_ns = self.duration_ns() + self.standby_ns();
            let last_ns = until_ns + (now_ns - until_ns) / cycle_ns * cycle_ns;
            self.measure(last_ns);
            self.busy_until_ns = Some(last_ns + cycle_ns);
        } else {
            self.measure(until_ns);
            self.ctrl_meas &= !3;
            self.busy_until_ns = None;
        }
    }

    fn measure(&mut self, at_ns: u64) {
        let felt = |sense: &Sense, least: i64, most: i64| sense.at(at_ns).clamp(least * 1_000_000, most * 1_000_000);
        let [temperature, pressure, humidity] = &self.senses;
        let celsius = felt(temperature, -40, 85);
        let raw_t = nearest(20, |raw| celsius_centi(fine(raw)) * 10_000, celsius, true);
        let fine = fine(i64::from(raw_t));
        let pascal = felt(pressure, 30_000, 110_000);
        let raw_p = nearest(20, |raw| pascal_q8(raw, fine) * 1_000_000 / 256, pascal, false);
        let percent = felt(humidity, 0, 100);
        let raw_h = nearest(16, |raw| percent_q10(raw, fine) * 1_000_000 / 1_024, percent, true);
        let [with_t, with_p, with_h] = self.samples().map(|samples| samples > 0);
        let pick = |with: bool, raw: u32, skipped: u32| if with { raw } else { skipped };
        let [p, t] = [pick(with_p, raw_p, SKIPPED), pick(with_t, raw_t, SKIPPED)].map(|raw| (raw << 4).to_be_bytes());
        let h = pick(with_h, raw_h, 0x8000).to_be_bytes();
        self.data = [p[1], p[2], p[3], t[1], t[2], t[3], h[2], h[3]];
    }
}

/// The raw value of so many bits whose meaning, which rises or falls with it, is nearest to `wanted`.
fn nearest(bits: u32, meaning: impl Fn(i64) -> i64, wanted: i64, rises: bool) -> u32 {
    let (mut low, mut high) = (0_i64, (1 << bits) - 1);
    while low < high {
        let middle = (low + high) / 2;
        if (meaning(middle) < wanted) == rises { low = middle + 1 } else { high = middle }
    }
    let off = |raw: i64| (meaning(raw) - wanted).abs();
    let best = if low > 0 && off(low - 1) < off(low) { low - 1 } else { low };
    u32::try_from(best).expect("within its bits")
}

/// The fine temperature that pressure and humidity are compensated with.
fn fine(raw: i64) -> i64 {
    let coarse = raw / 16 - T[0];
    (((raw / 8 - 2 * T[0]) * T[1]) >> 11) + ((((coarse * coarse) >> 12) * T[2]) >> 14)
}

/// Hundredths of °C.
fn celsius_centi(fine: i64) -> i64 {
    (fine * 5 + 128) >> 8
}

/// Pascal in units of 1/256.
fn pascal_q8(raw: i64, fine: i64) -> i64 {
    let warm = fine - 128_000;
    let slope = ((warm * warm * P[2]) >> 8) + ((warm * P[1]) << 12);
    let slope = (((1_i64 << 47) + slope) * P[0]) >> 33;
    if slope == 0 {
        return 0;
    }
    let offset = warm * warm * P[5] + ((warm * P[4]) << 17) + (P[3] << 35);
    let linear = (((1_048_576 - raw) << 31) - offset) * 3_125 / slope;
    let thirteenth = linear >> 13;
    let square = (P[8] * thirteenth * thirteenth) >> 25;
    ((linear + square + ((P[7] * linear) >> 19)) >> 8) + (P[6] << 4)
}

/// Per cent in units of 1/1024.
fn percent_q10(raw: i64, fine: i64) -> i64 {
    let warm = fine - 76_800;
    let linear = ((raw << 14) - (H[3] << 20) - H[4] * warm + 16_384) >> 15;
    let gain = ((((warm * H[5]) >> 10) * (((warm * H[2]) >> 11) + 32_768)) >> 10) + 2_097_152;
    let value = linear * ((gain * H[1] + 8_192) >> 14);
    let half = value >> 15;
    let value = value - ((((half * half) >> 7) * H[0]) >> 4);
    value.clamp(0, 419_430_400) >> 12
}

impl RegisterFile for Bme280 {
    fn read(&mut self, now_ns: u64, number: u8) -> u8 {
        self.settle(now_ns);
        let word = |values: &[i64], at: u8| {
            let [low, high] = (values[usize::from(at / 2)] as u16).to_le_bytes();
            if at.is_multiple_of(2) { low } else { high }
        };
        let h4_h5 = (H[3] as u16, H[4] as u16);
        match number {
            0x88..=0x8d => word(&T, number - 0x88),
            0x8e..=0x9f => word(&P, number - 0x8e),
            0xa1 => H[0] as u8,
            0xe1 => H[1] as u8,
            0xe2 => (H[1] >> 8) as u8,
            0xe3 => H[2] as u8,
            0xe4 => (h4_h5.0 >> 4) as u8,
            0xe5 => (h4_h5.0 & 0xf) as u8 | ((h4_h5.1 & 0xf) << 4) as u8,
            0xe6 => (h4_h5.1 >> 4) as u8,
            0xe7 => H[5] as u8,
            0xd0 => 0x60,
            CTRL_HUM => self.ctrl_hum_next,
            STATUS => {
                let measures = self.busy_until_ns.is_some_and(|until_ns| until_ns - now_ns <= self.duration_ns());
                u8::from(measures) << 3
            }
            CTRL_MEAS => self.ctrl_meas,
            0xf5 => self.config,
            DATA..=0xfe => self.data[usize::from(number - DATA)],
            _ => 0,
        }
    }

    fn write(&mut self, now_ns: u64, number: u8, value: u8) {
        self.settle(now_ns);
        match number {
            RESET if value == 0xb6 => self.power_cycle(now_ns),
            CTRL_HUM => self.ctrl_hum_next = value & 7,
            CTRL_MEAS => {
                (self.ctrl_meas, self.ctrl_hum) = (value, self.ctrl_hum_next);
                self.busy_until_ns = (value & 3 != 0).then(|| now_ns + self.duration_ns());
            }
            0xf5 => self.config = value,
            _ => {}
        }
    }

    /// A read goes on to the next register. A write takes pairs of number and value (section 6.2.1); this one takes one
    /// pair a transaction, as drivers write them.
    fn next(&self, number: u8, direction: Direction) -> u8 {
        if direction == Direction::Read { number.wrapping_add(1) } else { number }
    }

    fn power_cycle(&mut self, _now_ns: u64) {
        (self.ctrl_hum, self.ctrl_hum_next, self.ctrl_meas, self.config) = (0, 0, 0, 0);
        self.data = [0x80, 0, 0, 0x80, 0, 0, 0x80, 0];
        self.busy_until_ns = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_datasheets_example_of_compensation() {
        // Section 4.2.3 has no numbers; these are of the BMP280's (BST-BMP280-DS001, section 3.12), which is its sibling.
        assert_eq!(fine(519_888), 128_422);
        assert_eq!(celsius_centi(128_422), 2_508);
        let pascal = pascal_q8(415_148, 128_422) / 256;
        assert!((100_650..=100_660).contains(&pascal), "{pascal}");
    }
}
