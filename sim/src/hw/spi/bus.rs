//! The wires, what hangs on them, and the walk of bytes over them.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::rc::Rc;

use embedded_hal::spi::Operation;

use super::ills::{self, Chip};
use crate::hw::Ills;

/// A chip on the bus, at register level. Times are the world's nanoseconds at which a byte has passed and never run
/// backwards.
pub trait Peripheral {
    /// The chip select falls.
    fn select(&mut self, now_ns: u64);

    /// A byte from the controller, and the one that went the other way meanwhile.
    fn exchange(&mut self, now_ns: u64, byte: u8) -> u8;

    /// The chip select rises.
    fn deselect(&mut self, now_ns: u64);

    /// The supply was gone and is back: registers hold what they hold after power-up.
    fn power_cycle(&mut self, now_ns: u64);
}

/// A chip can be shared with whoever turns its knobs.
impl<T: Peripheral + ?Sized> Peripheral for Rc<RefCell<T>> {
    fn select(&mut self, now_ns: u64) {
        self.borrow_mut().select(now_ns);
    }

    fn exchange(&mut self, now_ns: u64, byte: u8) -> u8 {
        self.borrow_mut().exchange(now_ns, byte)
    }

    fn deselect(&mut self, now_ns: u64) {
        self.borrow_mut().deselect(now_ns);
    }

    fn power_cycle(&mut self, now_ns: u64) {
        self.borrow_mut().power_cycle(now_ns);
    }
}

/// One bus of a board; a cheap handle.
#[derive(Clone)]
pub struct Bus {
    wires: Rc<RefCell<Wires>>,
}

struct Soldered {
    chip: Box<dyn Peripheral>,
    ills: Ills,
    is_selected: bool,
}

pub(super) struct Wires {
    byte_ns: u64,
    chips: Vec<Soldered>,
    /// What ails the bus.
    pub(super) ills: Ills,
    pub(super) free_at_ns: u64,
}

impl Bus {
    /// A bus without chips, with a clock of so many hertz.
    ///
    /// # Panics
    /// If the clock stands still.
    #[must_use]
    pub fn new(clock_hz: u32) -> Self {
        assert!(clock_hz > 0, "a bus has a clock");
        let byte_ns = (8 * 1_000_000_000_u64).div_ceil(clock_hz.into());
        let wires = Wires { byte_ns, chips: Vec::new(), ills: Ills::default(), free_at_ns: 0 };
        Self { wires: Rc::new(RefCell::new(wires)) }
    }

    /// Solders a chip to the bus, with a chip select of its own.
    pub fn attach(&self, chip: impl Peripheral + 'static) -> Chip {
        let mut wires = self.wires.borrow_mut();
        wires.chips.push(Soldered { chip: Box::new(chip), ills: Ills::default(), is_selected: false });
        Chip::new(self.clone(), wires.chips.len() - 1)
    }

    /// The board's supply was gone and is back at `now_ns`: an unfinished transfer is over, every chip starts anew.
    /// Ailments stay.
    pub fn power_cycle(&self, now_ns: u64) {
        let wires = &mut *self.wires.borrow_mut();
        wires.free_at_ns = now_ns;
        for soldered in &mut wires.chips {
            soldered.is_selected = false;
            soldered.chip.power_cycle(now_ns);
        }
    }

    pub(super) fn wires(&self) -> RefMut<'_, Wires> {
        self.wires.borrow_mut()
    }

    /// Runs operations that start at `now_ns`, or when those before have ended, with this chip selected if one is named.
    /// Gives the instant of their end.
    pub(super) fn transfer(&self, now_ns: u64, chip: Option<usize>, operations: &mut [Operation<'_, u8>]) -> u64 {
        let wires = &mut *self.wires.borrow_mut();
        let mut at_ns = now_ns.max(wires.free_at_ns);
        if let Some(chip) = chip {
            wires.set_selected(at_ns, chip, true);
        }
        for operation in operations {
            at_ns = wires.run(at_ns, operation);
        }
        if let Some(chip) = chip {
            wires.set_selected(at_ns, chip, false);
        }
        wires.free_at_ns = at_ns;
        at_ns
    }
}

impl Wires {
    /// What ails a chip.
    pub(super) fn ills_of(&mut self, chip: usize) -> &mut Ills {
        &mut self.chips[chip].ills
    }

    pub(super) fn set_selected(&mut self, now_ns: u64, chip: usize, is_selected: bool) {
        let soldered = &mut self.chips[chip];
        match (soldered.is_selected, is_selected) {
            (false, true) => soldered.chip.select(now_ns),
            (true, false) => soldered.chip.deselect(now_ns),
            _ => {}
        }
        soldered.is_selected = is_selected;
    }

    fn run(&mut self, mut at_ns: u64, operation: &mut Operation<'_, u8>) -> u64 {
        match operation {
            Operation::Read(bytes) => bytes.iter_mut().for_each(|byte| *byte = self.exchange(&mut at_ns, 0)),
            Operation::Write(bytes) => bytes.iter().for_each(|byte| {
                self.exchange(&mut at_ns, *byte);
            }),
            Operation::Transfer(read, write) => {
                for index in 0..read.len().max(write.len()) {
                    let byte = self.exchange(&mut at_ns, write.get(index).copied().unwrap_or(0));
                    if let Some(read) = read.get_mut(index) {
                        *read = byte;
                    }
                }
            }
            Operation::TransferInPlace(bytes) => {
                bytes.iter_mut().for_each(|byte| *byte = self.exchange(&mut at_ns, *byte));
            }
            Operation::DelayNs(ns) => at_ns += u64::from(*ns),
        }
        at_ns
    }

    /// One byte both ways. Where no chip drives the line it is low, and where two do, low wins.
    fn exchange(&mut self, at_ns: &mut u64, byte: u8) -> u8 {
        *at_ns += self.byte_ns;
        let mut heard: Option<u8> = None;
        for Soldered { chip, ills, .. } in self.chips.iter_mut().filter(|soldered| soldered.is_selected) {
            let told =
                if ills.is_empty() { chip.exchange(*at_ns, byte) } else { ills::exchange(chip, ills, *at_ns, byte) };
            heard = Some(heard.map_or(told, |heard| heard & told));
        }
        let heard = heard.unwrap_or(0);
        if self.ills.is_empty() { heard } else { ills::misread(heard, &mut self.ills) }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("chips", &self.wires.borrow().chips.len()).finish_non_exhaustive()
    }
}
