//! What an ailing bus, or an ailing chip on it, does with transactions.

use super::bus::{Bus, Walk};
use super::controller::Error;
use crate::hw::{Ailment, Case, Faulty, Ills, Onset};

/// A target on a [`Bus`], as what can be ailing.
#[derive(Clone, Debug)]
pub struct Chip {
    bus: Bus,
    address: u8,
}

impl Chip {
    pub(super) fn new(bus: Bus, address: u8) -> Self {
        Self { bus, address }
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
        if let Some(ills) = self.bus.wires().ills_at(self.address) {
            ills.begin(ailment, onset, 0);
        }
    }

    fn end(&self, case: Case) {
        if let Some(ills) = self.bus.wires().ills_at(self.address) {
            ills.end(case);
        }
    }
}

/// Has its way with a transaction that is about to begin. Says whether the address goes unacknowledged.
#[cold]
pub(super) fn disturb(walk: &mut Walk, ills: &mut Ills) -> Result<bool, Error> {
    let mut silent = false;
    for ill in ills.iter_mut() {
        match ill.ailment {
            Ailment::I2cStuck => {
                ill.case.felt(Error::TIMEOUT_NS);
                walk.now_ns += Error::TIMEOUT_NS;
                return Err(Error::Timeout);
            }
            Ailment::I2cArbitration { odds } => {
                let strikes = ill.strikes(odds);
                if strikes {
                    walk.bits(1);
                    ill.case.felt(walk.byte());
                    return Err(Error::Arbitration);
                }
            }
            Ailment::I2cStretch { odds, extra_ns } => {
                let strikes = ill.strikes(odds);
                if strikes {
                    ill.case.felt(extra_ns);
                    walk.now_ns += extra_ns.min(Error::TIMEOUT_NS);
                    if extra_ns >= Error::TIMEOUT_NS {
                        return Err(Error::Timeout);
                    }
                }
            }
            Ailment::I2cNack { odds } => {
                let strikes = ill.strikes(odds);
                if strikes {
                    ill.case.felt(0);
                    silent = true;
                }
            }
            Ailment::SensorGone => {
                ill.case.felt(0);
                silent = true;
            }
            _ => {}
        }
    }
    Ok(silent)
}

/// The byte as it is read.
#[cold]
pub(super) fn misread(byte: u8, ills: &mut Ills) -> u8 {
    let mut read = byte;
    for ill in ills.iter_mut() {
        if let Ailment::I2cBitError { odds } = ill.ailment {
            let strikes = ill.strikes(odds);
            let bit = ill.stream.below(8);
            if strikes {
                ill.case.felt(bit);
                read ^= 1 << bit;
            }
        }
    }
    read
}
