//! What can be wrong with a bus, as data.

use rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something wrong with an I2C bus. Several can hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The target does not answer, as if it were not there.
    Absent {
        /// The target's address.
        address: u8,
    },
    /// The target does not acknowledge the next `count` address bytes, then is well again.
    Nack {
        /// The target's address.
        address: u8,
        /// How many address bytes.
        count: u32,
    },
    /// A line of the bus is held low: every transaction ends in a timeout.
    Stuck,
    /// Bytes that are read from the target have one bit wrong now and then, drawn from the bus's stream.
    BitErrors {
        /// The target's address.
        address: u8,
        /// How many of a million bytes.
        per_million: u32,
    },
    /// One bit among the next that are read from the target is wrong, once.
    FlipBit {
        /// The target's address.
        address: u8,
        /// How many bits pass before it, most significant first; acknowledgements do not count.
        bit: u32,
    },
}

/// The faults that are there. Empty in most runs, and then each question is one comparison.
#[derive(Debug, Default)]
pub(super) struct Faults {
    active: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    /// What a fault that counts has left.
    left: u32,
}

impl Faults {
    pub(super) fn inflict(&mut self, fault: Fault) {
        let left = match fault {
            Fault::Nack { count, .. } => count,
            Fault::FlipBit { bit, .. } => bit.saturating_add(1),
            _ => 0,
        };
        self.active.push(Active { fault, left });
    }

    pub(super) fn lift(&mut self, fault: Fault) -> bool {
        let found = self.active.iter().position(|active| active.fault == fault);
        if let Some(index) = found {
            self.active.remove(index);
        }
        found.is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Fault> {
        self.active.iter().map(|active| active.fault)
    }

    pub(super) fn stuck(&self) -> bool {
        self.iter().any(|fault| fault == Fault::Stuck)
    }

    pub(super) fn absent(&self, address: u8) -> bool {
        self.iter().any(|fault| fault == Fault::Absent { address })
    }

    /// Whether an address byte goes unacknowledged. The first fault that has some left pays for it.
    pub(super) fn refuse_address(&mut self, called: u8) -> bool {
        let nack = self
            .active
            .iter_mut()
            .find(|active| matches!(active.fault, Fault::Nack { address, .. } if address == called) && active.left > 0);
        let Some(nack) = nack else { return false };
        nack.left -= 1;
        true
    }

    /// The bits of the byte that is being read which come out wrong.
    pub(super) fn flipped_bits(&mut self, read: u8, stream: &mut impl Rng) -> u8 {
        let mut flipped = 0;
        for Active { fault, left } in &mut self.active {
            match *fault {
                Fault::BitErrors { address, per_million } if address == read => {
                    let word = stream.next_u64();
                    let hit = ((word & 0xffff_ffff) * 1_000_000) >> 32 < u64::from(per_million);
                    flipped ^= u8::from(hit) << (word >> 61);
                }
                Fault::FlipBit { address, .. } if address == read => {
                    if (1..=8).contains(left) {
                        flipped ^= 0x80 >> (*left - 1);
                    }
                    *left = left.saturating_sub(8);
                }
                _ => {}
            }
        }
        flipped
    }
}
