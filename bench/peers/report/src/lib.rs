//! What a peer's program prints of a work that it did: one line of JSON, the same for every peer.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What is asked on the command line: `WORK [SCALE]`.
pub struct Asked {
    /// The work's name.
    pub work: String,
    /// How many times its usual length the measured part is to be, in per mille.
    pub scale: u64,
}

impl Asked {
    /// Reads the command line.
    ///
    /// # Panics
    ///
    /// Where there is no work on it, or the scale is no number.
    #[must_use]
    pub fn read() -> Self {
        let mut arguments = std::env::args().skip(1);
        let work = arguments.next().expect("usage: WORK [SCALE_PER_MILLE]");
        let scale = arguments.next().map_or(1_000, |text| text.parse().expect("the scale is a number, per mille"));
        Self { work, scale }
    }

    /// So much of the usual `amount`, but something.
    #[must_use]
    pub fn of(&self, amount: u64) -> u64 {
        (amount * self.scale / 1_000).max(1)
    }
}

/// Counts what applications did. A clone counts into the same.
#[derive(Clone, Default)]
pub struct Tally(Arc<AtomicU64>);

impl Tally {
    /// Adds to it. All is done on one thread, so that nothing gets lost.
    pub fn add(&self, count: u64) {
        self.0.store(self.count() + count, Relaxed);
    }

    /// How much was added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Measures what is done between its beginning and its end, and prints it.
#[derive(Clone)]
pub struct Watch {
    tally: Tally,
    started: Rc<Cell<Option<Start>>>,
}

#[derive(Clone, Copy)]
struct Start {
    items: u64,
    cpu: Duration,
    wall: Duration,
}

impl Watch {
    /// Will count the items of `tally`.
    #[must_use]
    pub fn over(tally: &Tally) -> Self {
        Self { tally: tally.clone(), started: Rc::default() }
    }

    /// The preparation is over.
    pub fn start(&self) {
        self.started.set(Some(Start {
            items: self.tally.count(),
            cpu: read(ClockId::ProcessCPUTime),
            wall: read(ClockId::Monotonic),
        }));
    }

    /// The work is done: prints how many items it was, in how much virtual time, and what it took.
    ///
    /// # Panics
    ///
    /// Where nothing was begun.
    pub fn stop(&self, virtual_time: Duration) {
        let start = self.started.get().expect("it was started");
        let cpu = read(ClockId::ProcessCPUTime) - start.cpu;
        let wall = read(ClockId::Monotonic) - start.wall;
        println!(
            r#"{{"items":{},"virtual_ns":{},"cpu_ns":{},"wall_ns":{}}}"#,
            self.tally.count() - start.items,
            virtual_time.as_nanos(),
            cpu.as_nanos(),
            wall.as_nanos(),
        );
    }
}

/// Asks the kernel, past whatever a simulator does to the standard library's clocks.
fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().expect("it counts from zero")
}
