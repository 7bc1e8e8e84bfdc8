//! A node as its own program sees it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::{Clock, Mounted, NodeCore, NodeId, ResetCause, Timer, Watchdog};
use crate::check::Told;
use crate::check::history::{Answer, Call};
use crate::kernel::{Effect, Kernel, Operation};
use crate::metric::Change;
use crate::net::Nic;
use crate::random::Stream;
use crate::time::{Duration, Instant};
use crate::trace::Symbol;

/// What the boot closure of a node is given: everything that the node's program may reach.
#[derive(Clone)]
pub struct Node {
    core: Rc<NodeCore>,
    kernel: Rc<Kernel>,
}

impl Node {
    pub(crate) fn new(core: Rc<NodeCore>, kernel: Rc<Kernel>) -> Self {
        Self { core, kernel }
    }

    pub(super) fn core(&self) -> &NodeCore {
        &self.core
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.spec.name
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.core.id
    }

    /// Why it was started.
    #[must_use]
    pub fn reset_cause(&self) -> ResetCause {
        self.core.cause.get()
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::new(self.kernel.id, self.core.id)
    }

    /// The world's true time, which no device can know; models of hardware and of the physical world do.
    #[must_use]
    pub fn world_now(&self) -> Instant {
        self.kernel.world_now()
    }

    /// A timer that is ready once the world's true time is `at`. Dropping it cancels it.
    pub fn world_timer(&self, at: Instant) -> Timer {
        Timer::new(self.kernel.id, at.as_nanos())
    }

    /// The node as what a part of its board stands on: what the part does draws from the node's battery, if it has one.
    #[must_use]
    pub fn part(&self, name: &str) -> Mounted {
        Mounted::new(self.clone(), self.core.part_na(name))
    }

    /// A part of its board works from one instant of the world to another, in nanoseconds, and draws so much.
    pub(super) fn work(&self, from_ns: u64, until_ns: u64, na: u64) {
        self.kernel.draws(&self.core, |battery| battery.work(from_ns, until_ns, na));
    }

    /// A driver for its `index`th network interface, if it has one.
    #[must_use]
    pub fn nic(&self, index: usize) -> Option<Nic> {
        let id = *self.core.nics.borrow().get(index)?;
        let core = Rc::clone(self.kernel.net.borrow().nic(id));
        Some(Nic::new(core, Rc::clone(&self.kernel)))
    }

    /// The random stream of this name, from its beginning; each boot has streams of its own.
    #[must_use]
    pub fn stream(&self, label: &str) -> Stream {
        let (name, life) = (&self.core.spec.name, self.core.life.get());
        Stream::new(self.kernel.seed, &format!("node/{name}/{life}/{label}"))
    }

    /// Runs `future` beside the main one, until it ends or the node resets.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.kernel.spawn(&self.core, Box::pin(future));
    }

    /// Runs an operation that says of itself that it may be dropped at any await and begun anew: a fault does that to it
    /// ([`FaultKind::Cancel`](crate::fault::FaultKind::Cancel)), at awaits that the seed draws. Without the fault it is the
    /// operation and nothing else.
    pub async fn cancellable<T>(&self, mut operation: impl AsyncFnMut() -> T) -> T {
        loop {
            let mut attempt = pin!(operation());
            let mut has_begun = false;
            let done = poll_fn(|context| {
                if std::mem::replace(&mut has_begun, true) && self.kernel.cancels(&self.core) {
                    return Poll::Ready(None);
                }
                attempt.as_mut().poll(context).map(Some)
            });
            if let Some(done) = done.await {
                return done;
            }
        }
    }

    /// The work of the current poll takes this long: what the poll does is seen by others only after that, and a power
    /// cut before then undoes it.
    pub fn busy(&self, duration: Duration) {
        self.kernel.charge(duration);
    }

    /// Starts the node's watchdog: unless it is fed, it resets the node after so long, whatever the node's code does.
    pub fn watchdog(&self, timeout: Duration) -> Watchdog {
        Watchdog::start(Rc::clone(&self.core), Rc::clone(&self.kernel), timeout)
    }

    /// Adds to a counter.
    pub fn count(&self, name: &str, by: u64) {
        self.change(name, Change::Add(i64::try_from(by).unwrap_or(i64::MAX)));
    }

    /// Sets a gauge.
    pub fn gauge(&self, name: &str, value: i64) {
        self.change(name, Change::Set(value));
    }

    /// Sets a gauge of what the program has while it runs, such as open connections: it is 0 again as soon as that ends, by
    /// itself or by a fault. Other gauges keep what was said last.
    pub fn gauge_while_running(&self, name: &str, value: i64) {
        self.kernel.let_pass(&self.core, self.kernel.metric(&self.core, name));
        self.gauge(name, value);
    }

    fn change(&self, name: &str, change: Change) {
        let metric = self.kernel.metric(&self.core, name);
        self.kernel.effect(Effect::Metric(metric, change));
        if self.core.supply.is_some() {
            self.kernel.effect(Effect::Supply(self.core.id));
        }
    }

    /// Notes that the thing numbered `sequence` by `source` has passed the point `kind`.
    pub fn flow(&self, kind: &str, source: &str, sequence: u64) {
        let (kind, source) = self.kernel.flow_symbols(kind, source);
        self.kernel.effect(Effect::Flow { node: self.core.id, kind, source, sequence });
    }

    /// Notes that this node asks something of the register `key` of a shared object, for the expectation that its
    /// `history` is linearizable. What becomes of it is said of what is returned; dropped, it may have taken effect or not.
    pub fn call(&self, history: &str, key: &str, call: Call) -> Called {
        let (history, key) = self.kernel.flow_symbols(history, key);
        let id = self.kernel.operations.get();
        self.kernel.operations.set(id + 1);
        let called = Called { kernel: Rc::clone(&self.kernel), node: self.core.id, history, id };
        called.tell(Told::Called { key, call });
        called
    }
}

/// An operation whose answer is waited for.
#[must_use = "say what the answer is, or drop it where none came"]
pub struct Called {
    kernel: Rc<Kernel>,
    node: NodeId,
    history: Symbol,
    id: u64,
}

impl Called {
    /// This is what came back.
    pub fn answered(self, answer: Answer) {
        self.tell(Told::Answered(answer));
    }

    /// It certainly took no effect.
    pub fn refused(self) {
        self.tell(Told::Refused);
    }

    fn tell(&self, told: Told) {
        let Self { node, history, id, .. } = *self;
        self.kernel.effect(Effect::Operation(Box::new(Operation { node, history, id, told })));
    }
}
