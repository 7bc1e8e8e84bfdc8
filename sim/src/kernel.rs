//! The kernel: everything that a world owns, and the loop that moves it from event to event.

use std::cell::{Cell, OnceCell, RefCell};
use std::mem;
use std::rc::{Rc, Weak};
use std::vec::Drain;

use rand_core::Rng;

use crate::affect::Hits;
use crate::ahead::{FLIGHTS_MIN, Lookout, NODES_MIN};
use crate::check::{Checks, Told};
use crate::current::Oracle;
use crate::executor::{Polled, TaskId, Tasks};
use crate::fault::Fault;
use crate::metric::{Change, MetricId, Metrics};
use crate::net::air::AirEvent;
use crate::net::{Frame, Net, NicId, Pool};
use crate::node::{Exit, NodeCore, NodeId, PolledNode};
use crate::queue::Queue;
use crate::random::Stream;
use crate::time::{Duration, Instant, nanos};
use crate::timer::Callees;
use crate::trace::{Event, Symbol, Trace};

/// Tells worlds apart, also across threads: made of the thread's id and the world's number on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorldId(pub(crate) u64);

/// What node code did in a poll. It is seen by others when the poll's debt of time is paid.
pub(crate) enum Effect {
    Frame(NicId, Box<Frame>),
    /// A frame that another node sent first.
    Relay(NicId, Box<Frame>),
    Metric(MetricId, Change),
    Flow {
        node: NodeId,
        kind: Symbol,
        source: Symbol,
        sequence: u64,
    },
    Operation(Box<Operation>),
    /// What the node says of its battery is told anew.
    Supply(NodeId),
    /// The node's program was refused something for want of room.
    RanOut {
        node: NodeId,
        pool: Symbol,
    },
    /// The node's program had less of something for a fault's sake.
    Felt {
        fault: u32,
        what: u64,
    },
    Exit(Exit),
}

/// What a node says of an operation on a shared object.
pub(crate) struct Operation {
    pub(crate) node: NodeId,
    pub(crate) history: Symbol,
    pub(crate) id: u64,
    pub(crate) told: Told,
}

/// What an event of the queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A task's timer fires.
    Wake(TaskId),
    /// The timer of another waker fires.
    Call(u32),
    Frame(u32),
    /// A node's debt is paid.
    Resume {
        node: u32,
        life: u32,
    },
    Boot {
        node: u32,
        life: u32,
    },
    FaultBegins(u32),
    FaultEnds(u32),
    CheckOpens(u32),
    CheckCloses(u32),
    FlowDue(u32),
    /// A link with a queue of its own has sent a frame.
    LineFree(u32),
    FaultRepeats(u32),
    /// A task that a fault made late comes to its turn.
    Turn(TaskId),
    /// A node's watchdog may bite.
    Bite {
        node: u32,
        life: u32,
    },
    /// A node's battery may sag.
    Sag(u32),
    /// Something happens on a shared medium.
    Air {
        what: AirEvent,
        index: u32,
    },
}

/// How many bits of a payload tell a node's or a task's life; enough that an event never meets a later one by chance.
const LIFE_BITS: u32 = 28;
/// What lives are counted by.
pub(crate) const LIFE_MASK: u32 = (1 << LIFE_BITS) - 1;

impl Action {
    /// Four bits of kind, 28 of life, 32 of index.
    #[inline]
    pub(crate) const fn payload(self) -> u64 {
        let (kind, life, index) = match self {
            Self::Wake(TaskId { slot, generation }) => (0, generation, slot),
            Self::Frame(flight) => (1, 0, flight),
            Self::Call(place) => (2, 0, place),
            Self::Resume { node, life } => (3, life, node),
            Self::Boot { node, life } => (4, life, node),
            Self::FaultBegins(fault) => (5, 0, fault),
            Self::FaultEnds(fault) => (6, 0, fault),
            Self::CheckOpens(check) => (7, 0, check),
            Self::CheckCloses(check) => (8, 0, check),
            Self::FlowDue(check) => (9, 0, check),
            Self::LineFree(link) => (10, 0, link),
            Self::FaultRepeats(fault) => (11, 0, fault),
            Self::Turn(TaskId { slot, generation }) => (12, generation, slot),
            Self::Bite { node, life } => (13, life, node),
            Self::Sag(node) => (14, 0, node),
            Self::Air { what, index } => (15, what as u32, index),
        };
        (kind << LIFE_BITS | (life & LIFE_MASK) as u64) << 32 | index as u64
    }

    #[inline]
    pub(crate) const fn of(payload: u64) -> Self {
        let (index, life) = (payload as u32, (payload >> 32) as u32 & LIFE_MASK);
        match payload >> (32 + LIFE_BITS) {
            0 => Self::Wake(TaskId { slot: index, generation: life }),
            1 => Self::Frame(index),
            2 => Self::Call(index),
            3 => Self::Resume { node: index, life },
            4 => Self::Boot { node: index, life },
            5 => Self::FaultBegins(index),
            6 => Self::FaultEnds(index),
            7 => Self::CheckOpens(index),
            8 => Self::CheckCloses(index),
            9 => Self::FlowDue(index),
            10 => Self::LineFree(index),
            11 => Self::FaultRepeats(index),
            12 => Self::Turn(TaskId { slot: index, generation: life }),
            13 => Self::Bite { node: index, life },
            14 => Self::Sag(index),
            _ => Self::Air { what: AirEvent::of(life), index },
        }
    }
}

pub(crate) struct Kernel {
    this: Weak<Self>,
    pub(crate) id: WorldId,
    pub(crate) seed: u64,
    /// The world's wall clock when it starts, in nanoseconds since the Unix epoch.
    pub(crate) epoch_ns: u64,
    /// How far clocks have run on in polls that were refused something.
    crept_ns: Cell<u64>,
    /// How many polls one instant may have before the run counts as a livelock.
    pub(crate) polls_max: u64,
    pub(crate) now: Cell<u64>,
    pub(crate) events: Cell<u64>,
    pub(crate) queue: RefCell<Queue>,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) callees: RefCell<Callees>,
    pub(crate) nodes: RefCell<Vec<Rc<NodeCore>>>,
    pub(crate) net: RefCell<Net>,
    pub(crate) pool: Pool,
    pub(crate) trace: RefCell<Trace>,
    pub(crate) metrics: RefCell<Metrics>,
    pub(crate) checks: RefCell<Checks>,
    /// Whether expectations are to be looked at when this instant is over.
    pub(crate) unsettled: Cell<bool>,
    pub(crate) faults: RefCell<Vec<Fault>>,
    pub(crate) hits: RefCell<Vec<Hits>>,
    pub(crate) failures: RefCell<Vec<crate::world::Failure>>,
    effects: RefCell<Vec<Effect>>,
    pub(crate) polled: Cell<Option<Polled>>,
    /// The time that the current poll's work takes, in nanoseconds.
    pub(crate) debt_ns: Cell<u64>,
    /// Whose code runs right now, for other threads to see.
    pub(crate) polled_node: PolledNode,
    /// When anything but a fault or an expectation's time last came up.
    pub(crate) stirred_at: Cell<u64>,
    /// How many operations on shared objects have been called.
    pub(crate) operations: Cell<u64>,
    /// What is to come, where there is too much of everything for the caches.
    lookout: OnceCell<Box<RefCell<Lookout>>>,
    /// Whether there is now: how many frames are in flight changes.
    looks_out: Cell<bool>,
}

impl Kernel {
    pub(crate) fn new(this: Weak<Self>, id: WorldId, seed: u64, epoch_ns: u64, polls_max: u64) -> Self {
        Self {
            this,
            id,
            seed,
            epoch_ns,
            crept_ns: Cell::default(),
            polls_max,
            now: Cell::new(0),
            events: Cell::new(0),
            queue: RefCell::new(Queue::new()),
            tasks: RefCell::default(),
            callees: RefCell::default(),
            nodes: RefCell::default(),
            net: RefCell::new(Net::new(seed)),
            pool: Pool::new(),
            trace: RefCell::new(Trace::new()),
            metrics: RefCell::default(),
            checks: RefCell::default(),
            unsettled: Cell::default(),
            faults: RefCell::default(),
            hits: RefCell::default(),
            failures: RefCell::default(),
            effects: RefCell::default(),
            polled: Cell::default(),
            debt_ns: Cell::default(),
            polled_node: PolledNode::default(),
            stirred_at: Cell::default(),
            operations: Cell::default(),
            lookout: OnceCell::new(),
            looks_out: Cell::new(false),
        }
    }

    /// The kernel as what its tasks hold of it.
    pub(crate) fn handle(&self) -> Rc<Self> {
        self.this.upgrade().expect("the kernel is borrowed, so it lives")
    }

    pub(crate) fn world_now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }

    /// World time as the polled node sees it: work that it has been charged for has passed.
    #[inline]
    pub(crate) fn polled_now(&self) -> u64 {
        self.now.get().saturating_add(self.debt_ns.get())
    }

    #[inline]
    pub(crate) fn local_now(&self, node: &NodeCore) -> Instant {
        let elapsed = self.polled_now().saturating_sub(node.booted_at.get().as_nanos());
        Instant::from_nanos(node.clock.local(elapsed))
    }

    pub(crate) fn wall_ns(&self, node: &NodeCore) -> u64 {
        node.wall_looks.set(node.wall_looks.get() + 1);
        node.wandered().wall_ns(self.polled_now(), self.own_wall_ns(node))
    }

    /// What its wall clock would show if no fault held it.
    pub(crate) fn running_wall_ns(&self, node: &NodeCore) -> u64 {
        node.wandered().running_ns(self.polled_now(), self.own_wall_ns(node))
    }

    /// What its wall clock would show without faults.
    fn own_wall_ns(&self, node: &NodeCore) -> u64 {
        let elapsed = node.clock.local(self.polled_now());
        self.epoch_ns.saturating_add(elapsed).saturating_add_signed(node.clock.wall_offset_ns)
    }

    pub(crate) fn node(&self, NodeId(index): NodeId) -> Rc<NodeCore> {
        Rc::clone(&self.nodes.borrow()[index as usize])
    }

    pub(crate) fn is_polling(&self) -> bool {
        self.polled.get().is_some()
    }

    /// The work of the current poll takes this much longer.
    pub(crate) fn charge(&self, duration: Duration) {
        self.debt_ns.set(self.debt_ns.get().saturating_add(nanos(duration)));
    }

    /// The polled node's program looks there whenever it is polled.
    pub(crate) fn keep_near(&self, first: *const u8, bytes: usize) {
        if let Some(node) = self.polled_node() {
            node.near.set((first, bytes));
        }
    }

    fn polled_node(&self) -> Option<Rc<NodeCore>> {
        self.polled.get().map(|polled| self.node(polled.node))
    }

    #[inline]
    pub(crate) fn effect(&self, effect: Effect) {
        self.effects.borrow_mut().push(effect);
    }

    pub(crate) fn flow_symbols(&self, kind: &str, source: &str) -> (Symbol, Symbol) {
        let mut trace = self.trace.borrow_mut();
        (trace.intern(kind), trace.intern(source))
    }

    pub(crate) fn record(&self, event: Event) {
        self.trace.borrow_mut().record(self.world_now(), event);
    }

    /// Settles what a poll of `node` did: at once, or when its debt is paid.
    #[inline]
    pub(crate) fn after_poll(&self, node: &Rc<NodeCore>, debt_ns: u64) {
        if node.refusal.get().is_some() {
            return self.refuse_node(node);
        }
        if debt_ns > 0 {
            self.hold(node, debt_ns);
        } else if !self.effects.borrow().is_empty() {
            let exit = self.release(self.effects.borrow_mut().drain(..));
            self.obey(node, exit);
        }
    }

    /// Holds back what a poll did until its debt is paid.
    fn hold(&self, node: &NodeCore, debt_ns: u64) {
        let mut effects = self.effects.borrow_mut();
        node.held.borrow_mut().append(&mut effects);
        node.close(crate::node::Gate::BUSY);
        self.draws(node, |battery| battery.compute(debt_ns));
        let resume = Action::Resume { node: node.id.bits(), life: node.life.get() };
        self.queue.borrow_mut().push(self.now.get().saturating_add(debt_ns), resume.payload());
    }

    /// Lets others see what a node did. Returns what it asks for, if its program has ended.
    fn release(&self, effects: Drain<'_, Effect>) -> Option<Exit> {
        let mut exit = None;
        for effect in effects {
            match effect {
                Effect::Frame(nic, frame) => self.transmit(nic, frame),
                Effect::Relay(nic, frame) => self.relay(nic, frame),
                Effect::Metric(metric, change) => self.apply_metric(metric, change),
                Effect::RanOut { node, pool } => self.ran_out(node, pool),
                Effect::Felt { fault, what } => self.felt(fault, what),
                Effect::Supply(node) => self.tell_supply(&self.node(node)),
                Effect::Flow { node, kind, source, sequence } => {
                    self.record(Event::Flow { node, kind, source, sequence });
                    self.flow_passed(kind, source, sequence);
                }
                Effect::Operation(operation) => self.operation_told(&operation),
                Effect::Exit(asked) => exit = Some(asked),
            }
        }
        exit
    }

    /// A metric changes, and expectations that name it are to be looked at.
    pub(crate) fn apply_metric(&self, metric: MetricId, change: Change) {
        let mut checks = self.checks.borrow_mut();
        self.metrics.borrow_mut().apply(metric, change, |expectation| {
            self.unsettled.set(true);
            checks.mark(expectation);
        });
    }

    fn refuse_node(&self, node: &Rc<NodeCore>) {
        if let Some(what) = node.refusal.take() {
            self.node_refused(node, what);
        }
    }

    #[inline]
    fn obey(&self, node: &Rc<NodeCore>, exit: Option<Exit>) {
        if let Some(exit) = exit {
            self.node_exited(node, exit);
        }
    }

    /// A node's debt is paid.
    fn resume(&self, node: &Rc<NodeCore>) {
        node.open(crate::node::Gate::BUSY);
        let exit = self.release(node.held.borrow_mut().drain(..));
        self.obey(node, exit);
        self.unpark(node);
    }

    /// Throws away what a node did and nobody has seen.
    pub(crate) fn discard_effects(&self, node: &NodeCore) {
        node.open(crate::node::Gate::BUSY);
        let (fresh, held) = (mem::take(&mut *self.effects.borrow_mut()), mem::take(&mut *node.held.borrow_mut()));
        for effect in fresh.into_iter().chain(held) {
            if let Effect::Frame(_, frame) | Effect::Relay(_, frame) = effect {
                self.pool.put(frame);
            }
        }
    }

    /// Takes the next event that is not later than `limit`, and all that follows from it at that instant. It is a part of
    /// the loop that calls it: most events take no longer than entering and leaving a function of this size.
    #[inline(always)]
    pub(crate) fn step(&self, limit: u64) -> Step {
        if !self.run_ready() {
            return Step::Livelock;
        }
        let popped = self.queue.borrow_mut().pop(limit);
        if self.unsettled.get() && popped.is_none_or(|(at, _)| at > self.now.get()) {
            self.settle();
        }
        let Some((at, payload)) = popped else { return Step::Idle };
        self.now.set(at);
        self.events.set(self.events.get() + 1);
        if payload < Action::FaultBegins(0).payload() {
            self.stirred_at.set(at);
        }
        self.look_ahead();
        match Action::of(payload) {
            Action::Wake(task) => self.make_ready(task),
            Action::Frame(flight) => self.land(flight),
            Action::Call(place) => self.call(place),
            Action::Resume { node, life } => {
                let node = self.node(NodeId(node));
                if node.life.get() == life {
                    self.resume(&node);
                }
            }
            Action::Boot { node, life } => {
                let node = self.node(NodeId(node));
                if node.life.get() == life {
                    self.boot(&node);
                }
            }
            Action::FaultBegins(fault) => self.begin_fault(fault),
            Action::FaultEnds(fault) => self.end_fault(fault),
            Action::CheckOpens(check) => self.open_check(check),
            Action::CheckCloses(check) => self.close_check(check),
            Action::FlowDue(check) => self.flow_due(check),
            Action::LineFree(link) => self.line_free(link),
            Action::FaultRepeats(fault) => self.repeat_fault(fault),
            Action::Turn(task) => self.requeue(task),
            Action::Bite { node, life } => {
                let node = self.node(NodeId(node));
                if node.life.get() == life {
                    self.bite(&node);
                }
            }
            Action::Sag(node) => self.sag(&self.node(NodeId(node))),
            Action::Air { what, index } => self.air(what, index),
        }
        Step::Done
    }
}

impl Kernel {
    /// There is a node more.
    pub(crate) fn grown(&self) {
        if self.nodes.borrow().len() == NODES_MIN {
            self.begin_lookout().borrow_mut().nodes_are_many = true;
        }
    }

    #[cold]
    fn begin_lookout(&self) -> &RefCell<Lookout> {
        self.queue.borrow_mut().announce();
        self.looks_out.set(true);
        self.lookout.get_or_init(|| Box::new(RefCell::new(Lookout::new())))
    }

    /// So few frames are in flight that they are near.
    #[cold]
    pub(crate) fn end_lookout(&self) {
        self.queue.borrow_mut().announce_no_more();
        self.looks_out.set(false);
    }

    /// While an event is dealt with, the frame of one of the next comes nearer.
    #[inline]
    fn look_ahead(&self) {
        let lookout = if self.looks_out.get() { self.lookout.get() } else { None };
        if let Some(lookout) = lookout {
            self.look_out(&mut lookout.borrow_mut());
        }
        let upcoming = self.queue.borrow().upcoming();
        let Some(Action::Frame(flight)) = upcoming.map(Action::of) else { return };
        let net = self.net.borrow();
        if lookout.is_some() {
            // It has been fetched a while ago, and has left the nearest cache again.
            return net.await_head(flight);
        }
        net.await_flight(flight);
        if flight as usize >= FLIGHTS_MIN && net.in_flight() >= FLIGHTS_MIN {
            self.begin_lookout();
        }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Done,
    /// Nothing is left to do before the limit.
    Idle,
    /// Tasks keep waking each other, and time stands still.
    Livelock,
}

impl Kernel {
    /// Time stands still in a poll. One that was refused a wait may ask again until a deadline has passed: its node has
    /// failed already, so its clocks run on and let it end.
    fn creep_ns(&self, polled: &NodeCore) -> u64 {
        const STEP_NS: u64 = 1_000_000_000;
        if polled.refusal.get().is_none() {
            return 0;
        }
        self.crept_ns.set(self.crept_ns.get() + STEP_NS);
        self.crept_ns.get()
    }
}

impl Oracle for Kernel {
    fn monotonic_ns(&self) -> u64 {
        // The node's clock starts at 0 with each boot; a process's never does, and code subtracts from it.
        const UPTIME_NS: u64 = 1_000_000_000_000;
        UPTIME_NS
            + self.polled_node().map_or(self.now.get(), |node| self.local_now(&node).as_nanos() + self.creep_ns(&node))
    }

    fn realtime_ns(&self) -> u64 {
        self.polled_node().map_or(self.epoch_ns, |node| self.wall_ns(&node) + self.creep_ns(&node))
    }

    fn fill_entropy(&self, bytes: &mut [u8]) {
        let Some(node) = self.polled_node() else { return };
        let mut entropy = node.entropy.borrow_mut();
        let label = || format!("node/{}/os-entropy", node.spec.name);
        let stream = entropy.get_or_insert_with(|| Box::new(Stream::new(self.seed, &label())));
        stream.fill_bytes(bytes);
    }

    fn refuse(&self, what: &'static str) {
        if let Some(node) = self.polled_node()
            && node.refusal.get().is_none()
        {
            node.refusal.set(Some(what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_as_they_were() {
        let actions = [
            Action::Wake(TaskId { slot: 7, generation: LIFE_MASK }),
            Action::Call(8),
            Action::Frame(u32::MAX),
            Action::Resume { node: 3, life: 5 },
            Action::Boot { node: 1, life: 0 },
            Action::FaultBegins(1),
            Action::FaultEnds(2),
            Action::CheckOpens(3),
            Action::CheckCloses(4),
            Action::FlowDue(5),
            Action::LineFree(6),
            Action::FaultRepeats(7),
            Action::Turn(TaskId { slot: 9, generation: 2 }),
            Action::Bite { node: 4, life: 1 },
            Action::Sag(5),
            Action::Air { what: AirEvent::Acknowledges, index: 6 },
        ];
        for action in actions {
            assert_eq!(Action::of(action.payload()), action);
        }
    }
}
