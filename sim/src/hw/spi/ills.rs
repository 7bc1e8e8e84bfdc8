//! What an ailing bus, or an ailing chip on it, does with bytes.

use super::bus::{Bus, Peripheral};
use crate::hw::{Ailment, Case, Faulty, Ills, Onset};

/// A chip on a [`Bus`]: what a [`Device`](super::Device) selects, and what can be ailing.
#[derive(Clone, Debug)]
pub struct Chip {
    pub(super) bus: Bus,
    pub(super) place: usize,
}

impl Chip {
    pub(super) fn new(bus: Bus, place: usize) -> Self {
        Self { bus, place }
    }
}

impl Faulty for Bus {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        self.wires().ills.begin(ailment, onset, 0);
    }

    fn end(&self, case: Case) {
        self.wires().ills.end(case);
    }
}

impl Faulty for Chip {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        self.bus.wires().ills_of(self.place).begin(ailment, onset, 0);
    }

    fn end(&self, case: Case) {
        self.bus.wires().ills_of(self.place).end(case);
    }
}

/// One byte to and from a chip that is ailing: one that is gone hears nothing, and nobody drives the line.
#[cold]
pub(super) fn exchange(chip: &mut Box<dyn Peripheral>, ills: &mut Ills, now_ns: u64, byte: u8) -> u8 {
    if let Some(gone) = ills.iter().find(|ill| ill.ailment == Ailment::SensorGone) {
        gone.case.felt(byte.into());
        return 0;
    }
    misread(chip.exchange(now_ns, byte), ills)
}

/// The byte as it is read.
#[cold]
pub(super) fn misread(byte: u8, ills: &mut Ills) -> u8 {
    let mut read = byte;
    for ill in ills.iter_mut() {
        match ill.ailment {
            Ailment::SpiBitError { odds } => {
                let strikes = ill.strikes(odds);
                let bit = ill.stream.below(8);
                if strikes {
                    ill.case.felt(bit);
                    read ^= 1 << bit;
                }
            }
            Ailment::SpiStuck { high } => {
                let stuck = if high { 0xff } else { 0 };
                if read != stuck {
                    ill.case.felt(stuck.into());
                    read = stuck;
                }
            }
            _ => {}
        }
    }
    read
}
