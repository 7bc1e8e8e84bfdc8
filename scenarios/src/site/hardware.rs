//! Hardware that boards often have: made here, it outlives the node's restarts, knows of its power, and faults reach it by a name.

use std::cell::Cell;
use std::rc::Rc;

use wavetank_sim::disk::{Disk, Spec};
use wavetank_sim::hw::flash::{Memory, Timing};
use wavetank_sim::hw::i2c::{Bus, Speed};
use wavetank_sim::node::{Charge, Powered};
use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;

use super::Site;

/// The nRF52840's flash: written by the word, erased by 4 KiB.
pub type Cells = Memory<4, 4_096>;

/// A kind that names the parts of its boards ([`TypedKind::parts`](crate::registry::TypedKind::parts)) lets scenarios have faults for
/// them.
///
/// ```
/// use wavetank_scenarios::registry::{Part, PartSort};
///
/// static PARTS: &[Part] = &[
///     Part { name: "i2c", sort: PartSort::I2c, doc: "the bus of its sensors" },
///     Part { name: "flash", sort: PartSort::Flash, doc: "what its readings lie on" },
/// ];
/// ```
impl Site<'_> {
    /// An I2C bus, the part `i2c`. When the node's power has come back after a cut, so has that of all that is attached to it.
    pub fn i2c_bus(&mut self, speed: Speed) -> Bus {
        let bus = Bus::new(speed, self.stream("i2c"));
        self.part("i2c", Rc::new(bus.clone()));
        self.powered(Rc::new(PoweredBus { bus: bus.clone(), was_cut: Cell::new(false) }));
        bus
    }

    /// A flash of that many pages, the part `flash`. A power cut spoils what was under way.
    pub fn flash(&mut self, pages: usize) -> Cells {
        let cells = Memory::new(pages, Timing::NRF52840);
        self.part("flash", Rc::new(cells.clone()));
        self.powered(Rc::new(PoweredFlash(cells.clone())));
        cells
    }

    /// A server's disk, the part `disk`. A power cut takes back what was not synced, or some of it. For a database on it see
    /// [`runtime::database`](crate::runtime::database).
    pub fn disk(&mut self, spec: Spec) -> Disk {
        let disk = Disk::new(spec, Charge);
        self.powered(Rc::new(disk.clone()));
        self.part("disk", Rc::new(disk.clone()));
        disk
    }
}

struct PoweredFlash(Cells);

impl Powered for PoweredFlash {
    fn power_cut(&self, now: Instant, stream: &mut Stream) {
        self.0.cut(now.as_nanos(), stream);
    }

    fn program_ended(&self, now: Instant) {
        self.0.crash(now.as_nanos());
    }
}

struct PoweredBus {
    bus: Bus,
    was_cut: Cell<bool>,
}

impl Powered for PoweredBus {
    fn power_cut(&self, _now: Instant, _stream: &mut Stream) {
        self.was_cut.set(true);
    }

    fn boot(&self, now: Instant) {
        if self.was_cut.take() {
            self.bus.power_cycle(now.as_nanos());
        }
    }
}
