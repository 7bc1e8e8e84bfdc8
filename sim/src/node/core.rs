//! What the kernel keeps of a node.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde::Serialize;

use super::pool::{PoolSpec, Pools};
use super::wander::Wander;
use super::watchdog::Watch;
use super::{ClockSpec, NodeId};
use crate::executor::{TaskFuture, TaskId};
use crate::hw::Faulty;
use crate::hw::battery::BatterySpec;
use crate::kernel::Effect;
use crate::metric::Known;
use crate::net::NicId;
use crate::quirk::Quirks;
use crate::random::Stream;
use crate::supply::Supply;
use crate::time::{Duration, Instant, nanos};

/// Why a node starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[repr(u8)]
pub enum ResetCause {
    /// Power came: for the first time, or back.
    #[default]
    PowerOn,
    /// The node asked for it.
    Software,
    /// A watchdog or someone outside pulled the reset line.
    External,
    /// A timed sleep ended.
    Wake,
    /// The node's code panicked.
    Panic,
    /// Its watchdog was not fed in time.
    Watchdog,
    /// Its supply sagged, and has recovered.
    BrownOut,
}

/// What a node asks for when its main future ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Stay off.
    Halt,
    /// Start again at once.
    Reboot,
    /// Start again at this time of the node's own clock.
    SleepUntil(#[serde(serialize_with = "as_nanos")] Instant),
}

fn as_nanos<S: serde::Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.as_nanos())
}

impl Exit {
    pub(crate) const fn bits(self) -> u64 {
        match self {
            Self::Halt => 0,
            Self::Reboot => 1,
            Self::SleepUntil(at) => at.as_nanos() << 1,
        }
    }
}

/// Hardware that must know when the node's power goes and comes, and when its program ends. It outlives both.
///
/// It is told before the program's futures are dropped, so that what they do as they are dropped can be without effect.
pub trait Powered {
    /// The power is gone. `stream` decides what an operation in flight leaves behind.
    fn power_cut(&self, now: Instant, stream: &mut Stream);

    /// The program has ended, whatever the reason, and the power is still there.
    fn program_ended(&self, _now: Instant) {}

    /// The power is back, or the program starts again.
    fn boot(&self, _now: Instant) {}

    /// A fault of the timeline of that name begins, or ends; `what` says more.
    fn told(&self, _fault: &str, _what: &str, _begins: bool, _now: Instant) {}
}

/// A node to be: its name and what does not change while the world runs.
#[derive(Clone, Debug, Default)]
pub struct NodeSpec {
    /// The name, unique in the world.
    pub name: String,
    /// How its clock runs.
    pub clock: ClockSpec,
    /// From the power's coming to the first poll.
    pub boot_time: Duration,
    /// What every poll costs the node: a slow CPU.
    pub poll_time: Duration,
    /// What it lives on; one without a battery has power whenever no fault takes it.
    pub battery: Option<BatterySpec>,
    /// How many received frames wait at each of its interfaces for its driver; more are dropped. 256 if it is not said.
    pub ring_frames: Option<u32>,
    /// What its program has only so much of; `None` if no fault limits anything either.
    pub pools: Option<Vec<PoolSpec>>,
}

impl NodeSpec {
    /// A node with a true clock and a fast CPU.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// Makes of a node its program, which does nothing before it is polled.
pub(crate) type BootFn = Box<dyn Fn(super::Node) -> TaskFuture>;

/// Reasons for which a node's tasks do not run now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gate(u8);

impl Gate {
    pub(crate) const OPEN: Self = Self(0);
    /// Work that was done takes time that has not passed yet.
    pub(crate) const BUSY: Self = Self(1);
    /// Someone outside holds the node.
    pub(crate) const PAUSED: Self = Self(2);
    /// No power, or no program running.
    pub(crate) const OFF: Self = Self(4);
    /// Its code goes round in circles.
    pub(crate) const HUNG: Self = Self(8);
    /// It runs, but its tasks' turns are odd.
    pub(crate) const ODD: Self = Self(16);
}

/// What every poll looks at stands first and lies together.
#[repr(C)]
pub(crate) struct NodeCore {
    gate: Cell<Gate>,
    pub(crate) cause: Cell<ResetCause>,
    pub(crate) id: NodeId,
    /// What every poll costs, in nanoseconds.
    pub(crate) poll_ns: Cell<u64>,
    pub(crate) refusal: Cell<Option<&'static str>>,
    pub(crate) supply: Option<Box<Supply>>,
    /// Where its program keeps what it looks at first whenever it is polled.
    pub(crate) near: Cell<(*const u8, usize)>,
    pub(crate) booted_at: Cell<Instant>,
    pub(crate) clock: ClockSpec,
    pub(crate) nics: RefCell<Vec<NicId>>,
    pub(crate) metrics: RefCell<Vec<Known>>,
    /// Ready tasks that wait for the gate.
    pub(crate) parked: RefCell<Vec<TaskId>>,
    /// What the last poll did, until its debt is paid.
    pub(crate) held: RefCell<Vec<Effect>>,
    pub(crate) tasks: RefCell<Vec<TaskId>>,
    pub(crate) powered: RefCell<Vec<Rc<dyn Powered>>>,
    /// What of its board can be ailing, by name.
    pub(crate) parts: RefCell<Vec<(String, Rc<dyn Faulty>)>>,
    pub(crate) entropy: RefCell<Option<Box<Stream>>>,
    /// Counts boots and losses of power: what was scheduled for an earlier life does nothing.
    pub(crate) life: Cell<u32>,
    /// How many faults hold it down.
    pub(crate) cuts: Cell<u32>,
    /// How many faults hold it paused.
    pub(crate) pauses: Cell<u32>,
    /// The faults that hang this life's code.
    pub(crate) hangs: RefCell<Vec<u32>>,
    pub(crate) quirks: RefCell<Option<Box<Quirks>>>,
    pub(crate) watch: Cell<Option<Watch>>,
    pub(crate) pools: RefCell<Option<Box<Pools>>>,
    pub(crate) boot: BootFn,
    pub(crate) spec: NodeSpec,
    wander: Cell<Wander>,
    /// How often its wall clock was looked at.
    pub(crate) wall_looks: Cell<u64>,
}

impl NodeCore {
    pub(crate) fn new(id: NodeId, mut spec: NodeSpec, boot: BootFn) -> Self {
        Self {
            id,
            supply: spec.battery.take().map(|battery| Box::new(Supply::new(battery))),
            poll_ns: Cell::new(nanos(spec.poll_time)),
            wander: Cell::default(),
            wall_looks: Cell::default(),
            pools: RefCell::new(spec.pools.take().map(|own| Box::new(Pools::new(own)))),
            clock: spec.clock,
            spec,
            boot,
            gate: Cell::new(Gate::OFF),
            cause: Cell::default(),
            life: Cell::default(),
            near: Cell::new((std::ptr::null(), 0)),
            booted_at: Cell::default(),
            cuts: Cell::default(),
            pauses: Cell::default(),
            hangs: RefCell::default(),
            quirks: RefCell::default(),
            watch: Cell::default(),
            refusal: Cell::default(),
            nics: RefCell::default(),
            tasks: RefCell::default(),
            parked: RefCell::default(),
            held: RefCell::default(),
            powered: RefCell::default(),
            parts: RefCell::default(),
            metrics: RefCell::default(),
            entropy: RefCell::default(),
        }
    }

    /// What faults have made of its wall clock.
    #[inline]
    pub(crate) fn wandered(&self) -> Wander {
        self.wander.get()
    }

    pub(crate) fn wander(&self, change: impl FnOnce(&mut Wander)) {
        let mut wander = self.wander.get();
        change(&mut wander);
        self.wander.set(wander);
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.gate.get() == Gate::OPEN
    }

    /// Tasks may run, be it in odd turns.
    pub(crate) fn lets_run(&self) -> bool {
        self.gate.get().0 & !Gate::ODD.0 == 0
    }

    pub(crate) fn is_only_odd(&self) -> bool {
        self.gate.get() == Gate::ODD
    }

    pub(crate) fn is_off(&self) -> bool {
        self.gate.get().0 & Gate::OFF.0 != 0
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.gate.get().0 & Gate::PAUSED.0 != 0
    }

    /// Whether it has power, and nobody holds its code.
    pub(crate) fn is_at_work(&self) -> bool {
        self.gate.get().0 & (Gate::OFF.0 | Gate::PAUSED.0 | Gate::HUNG.0) == 0
    }

    pub(crate) fn close(&self, gate: Gate) {
        self.gate.set(Gate(self.gate.get().0 | gate.0));
    }

    pub(crate) fn open(&self, gate: Gate) {
        self.gate.set(Gate(self.gate.get().0 & !gate.0));
    }
}
