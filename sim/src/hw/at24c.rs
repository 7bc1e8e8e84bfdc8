//! Microchip AT24C256C: an EEPROM of 32 KiB over I2C.
//!
//! After the AT24C256C datasheet (DS20006270): pages of 64 bytes in which a write wraps round (section 7.2), a write cycle
//! of at most 5 ms in which the part does not acknowledge its address (sections 4.3 and 7.3), reads that go on through all
//! of the memory (section 8.3). A power cut in a write cycle leaves any mixture of the page's old and new bytes, some of
//! them neither. Not modelled: wear, the write-protect pin.

use rand_core::Rng;

use super::i2c::{Ack, Direction, Target};

/// The address with A0 to A2 tied low.
pub const ADDRESS: u8 = 0x50;

const SIZE: usize = 32 * 1024;
const PAGE: usize = 64;
const WRITE_CYCLE_NS: u64 = 5_000_000;

/// One AT24C256C.
#[derive(Clone, Debug)]
pub struct At24c {
    bytes: Vec<u8>,
    address: usize,
    /// How many bytes of the address have come in this transaction.
    named: u8,
    /// What is to be written at the STOP: places in the page that the address names, and their bytes.
    loaded: Vec<(usize, u8)>,
    /// The write cycle that is under way: what it overwrites, and when it is done.
    cycle: Option<(Vec<(usize, u8)>, u64)>,
}

impl Default for At24c {
    fn default() -> Self {
        Self { bytes: vec![0xff; SIZE], address: 0, named: 0, loaded: Vec::new(), cycle: None }
    }
}

impl At24c {
    /// An empty part.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds.
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        &self.bytes
    }

    fn is_busy(&self, now_ns: u64) -> bool {
        self.cycle.as_ref().is_some_and(|(_, until_ns)| *until_ns > now_ns)
    }

    /// The power fails at `now_ns`. A write cycle that is under way is torn, as `stream` draws.
    pub fn cut(&mut self, now_ns: u64, stream: &mut impl Rng) {
        if let Some((before, _)) = self.cycle.take().filter(|(_, until_ns)| *until_ns > now_ns) {
            for (at, old) in before {
                match stream.next_u32() % 3 {
                    0 => self.bytes[at] = old,
                    1 => {}
                    _ => self.bytes[at] = (stream.next_u32() >> 24) as u8,
                }
            }
        }
        (self.named, self.loaded) = (0, Vec::new());
    }
}

impl Target for At24c {
    fn start(&mut self, now_ns: u64, direction: Direction) -> Ack {
        if self.is_busy(now_ns) {
            return Ack::Nack;
        }
        self.cycle = None;
        if direction == Direction::Write {
            (self.named, self.loaded) = (0, Vec::new());
        }
        // A read after the address: what was loaded besides is forgotten, as there was no STOP.
        self.loaded.clear();
        Ack::Ack
    }

    fn write(&mut self, _now_ns: u64, byte: u8) -> Ack {
        match self.named {
            0 => self.address = usize::from(byte & 0x7f) << 8,
            1 => self.address |= usize::from(byte),
            _ => {
                self.loaded.push((self.address, byte));
                let page = self.address / PAGE * PAGE;
                self.address = page + (self.address + 1) % PAGE;
            }
        }
        self.named = self.named.saturating_add(1).min(2);
        Ack::Ack
    }

    fn read(&mut self, _now_ns: u64) -> u8 {
        let byte = self.bytes[self.address];
        self.address = (self.address + 1) % SIZE;
        byte
    }

    fn stop(&mut self, now_ns: u64) {
        let loaded = std::mem::take(&mut self.loaded);
        if loaded.is_empty() {
            return;
        }
        let mut before: Vec<(usize, u8)> = Vec::new();
        for (at, byte) in loaded {
            if before.iter().all(|(other, _)| *other != at) {
                before.push((at, self.bytes[at]));
            }
            self.bytes[at] = byte;
        }
        self.cycle = Some((before, now_ns + WRITE_CYCLE_NS));
    }

    fn power_cycle(&mut self, _now_ns: u64) {
        (self.named, self.address) = (0, 0);
        self.loaded.clear();
    }
}
