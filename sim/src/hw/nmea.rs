//! A probe that tells a temperature over a serial line, in sentences of NMEA 0183: `$WIMTW,18.2,C*06`, the temperature of
//! water in tenths of a degree Celsius, with the exclusive or of what is between `$` and `*` behind it.

use super::sense::Sense;
use super::uart::Peer;

/// The probe: one sentence at each interval, from the first interval on.
#[derive(Debug)]
pub struct WaterProbe {
    temperature: Sense,
    interval_ns: u64,
    byte_ns: u64,
    /// How many sentences were begun.
    begun: u64,
    sentence: Vec<u8>,
    said: usize,
    /// When it is through with what it has said.
    free_ns: u64,
}

impl WaterProbe {
    /// A probe that speaks with so many bits a second.
    ///
    /// # Panics
    /// If it has no clock, or no time between two sentences.
    #[must_use]
    pub fn new(temperature: Sense, interval_ns: u64, baud: u32) -> Self {
        assert!(interval_ns > 0 && baud > 0, "a probe has a clock, and speaks now and then");
        let byte_ns = 10 * 1_000_000_000 / u64::from(baud);
        Self { temperature, interval_ns, byte_ns, begun: 0, sentence: Vec::new(), said: 0, free_ns: 0 }
    }
}

/// The sentence about so many millionths of a degree.
#[must_use]
pub fn sentence(micro: i64) -> String {
    let tenths = micro.div_euclid(100_000);
    let sign = if tenths < 0 { "-" } else { "" };
    let said = format!("WIMTW,{sign}{}.{},C", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
    let sum = said.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${said}*{sum:02X}\r\n")
}

impl Peer for WaterProbe {
    fn next(&mut self) -> Option<(u64, u8)> {
        if self.said == self.sentence.len() {
            self.begun += 1;
            let at_ns = self.begun.checked_mul(self.interval_ns)?;
            (self.sentence, self.said) = (sentence(self.temperature.at(at_ns)).into_bytes(), 0);
        }
        let byte = *self.sentence.get(self.said)?;
        let begins_ns = if self.said == 0 { self.free_ns.max(self.begun * self.interval_ns) } else { self.free_ns };
        self.free_ns = begins_ns.saturating_add(self.byte_ns);
        self.said += 1;
        Some((begins_ns, byte))
    }
}

#[cfg(test)]
mod tests {
    use super::super::signal::Signal;
    use super::*;

    #[test]
    fn it_says_what_it_feels() {
        assert_eq!(sentence(18_260_000), "$WIMTW,18.2,C*06\r\n");
        assert_eq!(sentence(-40_000), "$WIMTW,-0.1,C*11\r\n");
        let mut probe = WaterProbe::new(Sense::new(Signal::constant(0)), 1_000_000_000, 4_800);
        let bytes: Vec<(u64, u8)> = (0..19).map(|_| probe.next().expect("it never ends")).collect();
        assert_eq!(bytes[0], (1_000_000_000, b'$'));
        assert_eq!(bytes[1].0 - bytes[0].0, 2_083_333);
        let second = bytes.iter().skip(1).find(|(_, byte)| *byte == b'$').expect("another one");
        assert_eq!(second.0, 2_000_000_000);
    }
}
